//! No gate can be skipped and no upstream reached without the token: programs
//! that try do not compile. Each file in `ui/` is one bypass; the error beside
//! it is the reason why it fails, so that it cannot fail for another one.

#[test]
fn bypasses_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass_through_the_front_door.rs");
    cases.compile_fail("tests/ui/bypass_*.rs");
}
