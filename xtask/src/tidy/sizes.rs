//! Small on purpose: a file has at most 800 lines, a function at most 80 lines of code.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

use super::Violation;
use super::source::{Source, words};

const RULE: &str = "size";
const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 80;

/// Flat tables, which would read worse in pieces: file or `file::function`, and the reason.
const FLAT_TABLES: &[(&str, &str)] = &[(
    "adapters/dialects/tests/it/responses/canonical.rs::what_has_no_form_elsewhere_is_refused_by_its_place",
    "one line a field; rustfmt makes four of many",
)];

pub fn check(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES && !is_flat_table(&source.file) {
        violations.push(Violation {
            file: source.file.clone(),
            line: FILE_LINES + 1,
            rule: RULE,
            message: format!("{lines} lines, at most {FILE_LINES}"),
            mend: "give a part that has a name of its own a file of its own",
        });
    }

    let mut functions = Functions::default();
    functions.visit_file(&source.syntax);
    let code = code_lines(source);
    for function in functions.found {
        let lines = code.range(function.first_line..=function.last_line).count();
        let name = format!("{}::{}", source.file, function.name);
        if lines > FUNCTION_LINES && !is_flat_table(&name) {
            violations.push(Violation {
                file: source.file.clone(),
                line: function.first_line,
                rule: RULE,
                message: format!(
                    "`{}`: {lines} lines of code, at most {FUNCTION_LINES}",
                    function.name
                ),
                mend: "name its steps as functions",
            });
        }
    }
    violations
}

fn is_flat_table(name: &str) -> bool {
    FLAT_TABLES.iter().any(|(table, _)| *table == name)
}

/// Lines that are neither blank nor only a comment, nor inside a text of many lines: a
/// screen that a test expects is no code, however long it is.
fn code_lines(source: &Source) -> BTreeSet<usize> {
    let words = words(source.tokens.clone(), true);
    words.into_iter().map(|word| word.first_line).collect()
}

struct Function {
    name: String,
    /// Of the signature; attributes and documentation come before it.
    first_line: usize,
    last_line: usize,
}

#[derive(Default)]
struct Functions {
    found: Vec<Function>,
}

impl Functions {
    fn add(&mut self, signature: &Signature, body: &Block) {
        self.found.push(Function {
            name: signature.ident.to_string(),
            first_line: signature.span().start().line,
            last_line: body.span().end().line,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(rust: &str) -> Vec<String> {
        let source = Source::parse("a.rs", rust.to_owned()).unwrap();
        check(&source).iter().map(ToString::to_string).collect()
    }

    /// A function of exactly that many lines of code, among as many of other kinds.
    fn function(lines: usize) -> String {
        format!(
            "fn long() {{\n{}}}\n",
            "    step();\n\n    // why\n".repeat(lines - 2)
        )
    }

    #[test]
    fn eighty_lines_of_code_pass_and_one_more_does_not() {
        assert_eq!(messages(&function(80)), [""; 0]);
        let found = messages(&function(81));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("a.rs:1: size: `long`: 81 lines of code"),
            "{found:?}"
        );
    }

    #[test]
    fn methods_and_provided_methods_are_functions_too() {
        let body = function(81);
        assert_eq!(
            messages(&format!("struct A;\nimpl A {{\n{body}}}")).len(),
            1
        );
        assert_eq!(messages(&format!("trait A {{\n{body}}}")).len(), 1);
        assert_eq!(messages(&format!("mod a {{\n{body}}}")).len(), 1);
    }

    #[test]
    fn documentation_does_not_make_a_function_long() {
        let documented = format!("{}fn short() {{}}", "/// A sentence.\n".repeat(100));
        assert_eq!(messages(&documented), [""; 0]);
    }

    #[test]
    fn eight_hundred_lines_pass_and_one_more_does_not() {
        assert_eq!(messages(&"\n".repeat(800)), [""; 0]);
        let found = messages(&"\n".repeat(801));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("a.rs:801: size: 801 lines"),
            "{found:?}"
        );
    }
}
