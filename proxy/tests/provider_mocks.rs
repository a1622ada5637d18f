//! The judges are judged: what the official clients of Anthropic and Google send passes the
//! mocks that stand in for them, and broken requests do not.

mod harness;

use harness::python::{self, ProviderMock};

const KEY: &str = "provider-key";

#[test]
fn the_mocks_take_what_official_clients_send_and_refuse_what_is_broken() {
    let Some(fixtures) = python::fixtures() else {
        return;
    };
    let claude = ProviderMock::start("claude_mock.py", &fixtures, KEY);
    let gemini = ProviderMock::start("gemini_mock.py", &fixtures, KEY);
    let checked = python::script("mocks_selfcheck.py")
        .env("CLAUDE", &claude.base_url)
        .env("GEMINI", &gemini.base_url)
        .env("KEY", KEY)
        .env("FIXTURES", &fixtures)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    eprintln!("{said}");
    assert!(checked.status.success());
    assert!(said.contains("Ran 14 tests"), "some did not run");
}
