//! The listing of models.

use lattice_dialects::gemini::{Model, list_models};
use serde_json::{Value, json};

#[test]
fn models_are_listed_as_googles_client_reads_them() {
    let model = Model {
        name: "openai/gpt-\"5",
        output_token_limit: Some(9),
    };
    let one: Value = serde_json::from_str(&model.render()).unwrap();
    assert_eq!(one["name"], "models/openai/gpt-\"5");
    assert_eq!(one["displayName"], "openai/gpt-\"5");
    assert_eq!(one["outputTokenLimit"], 9);
    let methods = one["supportedGenerationMethods"].as_array().unwrap();
    assert!(methods.contains(&json!("generateContent")));
    let all: Value = serde_json::from_str(&list_models([model, model])).unwrap();
    assert_eq!(all, json!({"models": [one, one]}));
    assert_eq!(list_models([]), r#"{"models":[]}"#);
}
