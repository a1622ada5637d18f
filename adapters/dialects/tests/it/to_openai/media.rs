//! Images, documents and sound on their way to both APIs.

use lattice_dialects::canonical::Role;
use lattice_dialects::openai::chat::{Server, encode};
use serde_json::{Value, json};

use super::*;

/// The part that `media` becomes, in a chat body and in a Responses body.
fn parts(media: Part<'static>) -> [Result<Value, String>; 2] {
    let request = conversation(vec![turn(Role::User, vec![text("See:"), media])]);
    let chat = encode(&request, &TO, Server::OpenAi);
    let chat = chat.map(|it| read(it).0["messages"][0]["content"][1].clone());
    let item = api::encode(&request, &TO);
    let item = item.map(|it| read(it).0["input"][0]["content"][1].clone());
    [chat, item].map(|part| part.map_err(|error| error.field.into_owned()))
}

#[test]
fn media_are_parts_of_their_kind() {
    let png = "data:image/png;base64,aGk=";
    let pdf = "data:application/pdf;base64,aGk=";
    let web = "https://a.example/b.png?c";
    let elsewhere = "https://a.example/b.PDF#d";
    let refused = || Err("messages.content.image_url".to_owned());
    let file = |name| json!({"filename": name, "file_data": pdf});
    let sound = |format| json!({"data": "aGk=", "format": format});
    for (media, chat, item) in [
        (
            inline("Image/PNG; q=1", "aGk="),
            Ok(json!({"type": "image_url", "image_url": {"url": png}})),
            Ok(json!({"type": "input_image", "detail": "auto", "image_url": png})),
        ),
        (
            linked(web),
            Ok(json!({"type": "image_url", "image_url": {"url": web}})),
            Ok(json!({"type": "input_image", "detail": "auto", "image_url": web})),
        ),
        (
            inline("application/pdf", "aGk="),
            Ok(json!({"type": "file", "file": file("document.pdf")})),
            Ok(json!({"type": "input_file", "filename": "document.pdf", "file_data": pdf})),
        ),
        (
            linked(elsewhere),
            refused(),
            Ok(json!({"type": "input_file", "file_url": elsewhere})),
        ),
        (
            inline("audio/x-wav", "aGk="),
            Ok(json!({"type": "input_audio", "input_audio": sound("wav")})),
            refused(),
        ),
        (
            inline("audio/mpeg", "aGk="),
            Ok(json!({"type": "input_audio", "input_audio": sound("mp3")})),
            refused(),
        ),
        (
            inline("text/plain", "aGk"),
            Ok(json!({"type": "text", "text": "hi"})),
            Ok(json!({"type": "input_text", "text": "hi"})),
        ),
        (inline("text/plain", "/w=="), refused(), refused()),
        (inline("audio/ogg", "aGk="), refused(), refused()),
        (inline("video/mp4", "aGk="), refused(), refused()),
        (linked("gs://a/b.png"), refused(), refused()),
        (linked("file_1"), refused(), refused()),
    ] {
        let told = format!("{media:?}");
        assert_eq!(parts(media), [chat, item], "{told}");
    }
}

#[test]
fn media_in_a_tool_result_move_to_a_user_message_in_chat_alone() {
    let image = || inline("image/png", "aGk=");
    let request = conversation(vec![
        turn(Role::User, vec![text("Look")]),
        turn(Role::Assistant, vec![call("a", "{}"), call("b", "{}")]),
        turn(
            Role::User,
            vec![
                result("a", vec![image()]),
                result("b", vec![text("one"), image()]),
                text("Well?"),
            ],
        ),
    ]);
    let (body, noted) = to_chat(&request, Server::OpenAi);
    let messages = &body["messages"];
    assert_eq!(
        messages[2]["content"],
        "The result is in the next user message."
    );
    assert_eq!(messages[3]["content"], "one");
    let kinds = messages[4]["content"].as_array().unwrap().iter();
    let kinds: Vec<&Value> = kinds.map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["image_url", "image_url", "text"]);
    assert_eq!(
        noted,
        ["messages.content: media of a tool result were sent in a user message"]
    );

    let (body, noted) = to_responses(&request);
    let png =
        json!({"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="});
    assert_eq!(body["input"][3]["output"], json!([png]));
    assert_eq!(
        body["input"][4]["output"],
        json!([{"type": "input_text", "text": "one"}, png])
    );
    assert!(noted.is_empty(), "{noted:?}");
}
