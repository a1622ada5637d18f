//! Panics of the engine, as errors: what it is made to read is not ours.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `work` gives, or what it panicked with.
///
/// Whatever `work` changes must not be used after an error: it may be half changed.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = message(&*panic).unwrap_or("it gave no reason");
        format!("the policy engine panicked: {said}")
    })
}

fn message(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_reason() {
        assert_eq!(contained(|| 7), Ok(7));
        let told = |work: fn()| contained(work).unwrap_err();
        let said = "the policy engine panicked: no rule 7";
        assert_eq!(told(|| panic!("no rule {}", 7)), said);
        let said = "the policy engine panicked: unreachable";
        assert_eq!(told(|| panic!("unreachable")), said);
        let said = "the policy engine panicked: it gave no reason";
        assert_eq!(told(|| std::panic::panic_any(7)), said);
    }
}
