//! Each crate opens with its purpose, what it deliberately does not do, and where to start.

use super::Violation;
use super::source::Source;

/// `roots` are the files that crates begin with.
pub fn check(roots: &[String], sources: &[Source]) -> Vec<Violation> {
    let is_root = |source: &&Source| roots.contains(&source.file);
    let silent = sources
        .iter()
        .filter(is_root)
        .filter(|source| !source.text.starts_with("//!"));
    silent.map(violation).collect()
}

fn violation(source: &Source) -> Violation {
    Violation {
        file: source.file.clone(),
        line: 1,
        rule: "opening",
        message: "the crate does not say what it is for".to_owned(),
        mend: "open with //! purpose, what it deliberately does not do, where to start reading",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_opens_with_code_is_found_and_a_module_is_not() {
        let source = |file: &str, text: &str| Source::parse(file, text.to_owned()).unwrap();
        let sources = [
            source("a/src/lib.rs", "//! Purpose.\nmod b;"),
            source("b/src/lib.rs", "mod c;\n"),
            source("b/src/c.rs", "fn f() {}"),
        ];
        let roots = ["a/src/lib.rs".to_owned(), "b/src/lib.rs".to_owned()];
        let violations = check(&roots, &sources);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].file, "b/src/lib.rs");
    }
}
