//! Built-in functions within the memory that a decision may take.

use regorus::Value;

/// What `expression` is; the error's text where it fails.
fn value(expression: &str) -> Result<Value, String> {
    let mut engine = crate::set::new_engine();
    // Not the clock is to stop it.
    engine.clear_execution_timer_config();
    let text = format!("package a\n\nx := {expression}\n");
    engine.add_policy("a.rego".to_owned(), text).unwrap();
    let value = engine.eval_rule("data.a.x".to_owned());
    value.map_err(|error| error.to_string())
}

/// A text of 2¹⁶ letters, in Rego.
const LONG: &str = "concat(\"\", [\"a\" | some i in numbers.range(1, 8192)])";

#[test]
fn what_would_take_all_memory_is_refused_before_it_does() {
    let long = |call: &str| call.replace("LONG", LONG);
    for (expression, why) in [
        (
            "numbers.range(1, 1e9)",
            "would list more than 10000 numbers",
        ),
        (
            "numbers.range(1e15, 0)",
            "would list more than 10000 numbers",
        ),
        (
            "numbers.range(-9223372036854775808, 9223372036854775807)",
            "would list more than",
        ),
        ("numbers.range(0, 1e30)", "whole numbers of 64 bits"),
        ("numbers.range_step(0, 1e9, 10)", "would list more than"),
        ("numbers.range_step(0, 10, 0)", "a step of at least 1"),
        ("sprintf(\"%999999999d\", [1])", "a width of more than 1000"),
        ("sprintf(\"%.99999f\", [1])", "a width of more than 1000"),
        ("sprintf(\"%5٣d\", [1])", "other digits"),
        (
            "net.cidr_expand(\"0.0.0.0/0\")",
            "more than 10000 addresses",
        ),
        ("net.cidr_expand(\"::/0\")", "more than 10000 addresses"),
        ("bits.lsh(1, 1000000000)", "shifts by more than 4096"),
        ("to_number(\"1e2000000000\")", "more digits than"),
        ("replace(LONG, \"a\", LONG)", "a text of more than"),
        (
            "strings.replace_n({\"a\": LONG}, LONG)",
            "a text of more than",
        ),
        ("regex.replace(LONG, \"a\", LONG)", "a text of more than"),
        (
            "concat(LONG, [\"a\" | some i in numbers.range(1, 8192)])",
            "a text of more than",
        ),
        (
            "json.marshal([LONG | some j in numbers.range(1, 1000)])",
            "a text of more than",
        ),
        (
            "sprintf(\"%v\", [[LONG | some j in numbers.range(1, 1000)]])",
            "a text of more than",
        ),
    ] {
        let said = value(&long(expression)).expect_err(expression);
        assert!(said.contains(why), "{expression}: {said}");
    }
}

/// Each rule doubles what the one before has, which takes no room until it is written out.
#[test]
fn what_is_shared_is_counted_as_often_as_it_would_be_written() {
    let mut engine = crate::set::new_engine();
    let rules: String = (1..60)
        .map(|n| format!("x{n} := [x{}, x{}]\n", n - 1, n - 1))
        .collect();
    let text = format!("package a\n\nx0 := \"a\"\n{rules}x := json.marshal(x59)\n");
    engine.add_policy("a.rego".to_owned(), text).unwrap();
    let said = engine.eval_rule("data.a.x".to_owned()).unwrap_err();
    assert!(said.to_string().contains("a text of more than"), "{said}");
}

#[test]
fn what_is_within_bounds_is_answered() {
    for (expression, expected) in [
        ("count(numbers.range(1, 10000))", "10000"),
        ("count(net.cidr_expand(\"10.0.0.0/19\"))", "8192"),
        ("sprintf(\"%5d%%\", [1])", "\"    1%\""),
        ("count(replace(\"aa\", \"a\", \"bb\"))", "4"),
        ("to_number(\"1.5e3\")", "1500"),
    ] {
        let said = value(expression).unwrap().to_json_str().unwrap();
        assert_eq!(said, expected, "{expression}");
    }
}

/// Where `not` would make true of what an error left undefined.
#[test]
fn an_error_inside_of_a_function_is_one_of_whoever_calls_it() {
    let mut engine = crate::set::new_engine();
    let text = "package a\n\nf(t) := startswith(t, \"a\")\n\nx if not f(5)\n";
    engine
        .add_policy("a.rego".to_owned(), text.to_owned())
        .unwrap();
    assert!(engine.eval_rule("data.a.x".to_owned()).is_err());
}
