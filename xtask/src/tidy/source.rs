//! A Rust file as the checkers see it: its text, its syntax, and its tokens with lines.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::Violation;

pub struct Source {
    pub file: String,
    pub text: String,
    pub syntax: syn::File,
    pub tokens: TokenStream,
}

impl Source {
    /// A file that does not parse is a violation: whatever it holds cannot be checked.
    pub fn parse(file: &str, text: String) -> Result<Self, Violation> {
        let parsed =
            syn::parse_file(&text).and_then(|syntax| Ok((syntax, text.parse::<TokenStream>()?)));
        match parsed {
            Ok((syntax, tokens)) => Ok(Self {
                file: file.to_owned(),
                text,
                syntax,
                tokens,
            }),
            Err(error) => Err(Violation {
                file: file.to_owned(),
                line: error.span().start().line,
                rule: "syntax",
                message: error.to_string(),
                mend: "make it parse as Rust",
            }),
        }
    }

    /// Integration tests, and unit tests that have a file to themselves.
    pub fn is_test(&self) -> bool {
        self.file
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
    }
}

/// A token that is not a group; groups are seen as their delimiters.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: String,
    pub first_line: usize,
    pub last_line: usize,
}

/// All words in order, without doc comments and, where `tests` is false, without what
/// `#[cfg(test)]` marks. An inner attribute reads like an outer one.
pub fn words(tokens: TokenStream, tests: bool) -> Vec<Word> {
    let mut words = Vec::new();
    collect(tokens, tests, &mut words);
    words
}

fn collect(tokens: TokenStream, tests: bool, words: &mut Vec<Word>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut skipping = false;
    while let Some(token) = tokens.next() {
        if is_punct(&token, '#') {
            let inner = tokens.next_if(|next| is_punct(next, '!')).is_some();
            if tokens.next_if(is_doc).is_some() {
                continue;
            }
            let test = !tests && tokens.peek().is_some_and(is_cfg_test);
            if test && inner {
                return;
            }
            skipping |= test;
        }
        if skipping {
            // The marked item ends with its first block, or with a semicolon.
            skipping = !(is_punct(&token, ';') || is_block(&token));
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let (open, close) = delimiters(&group);
                words.extend(word(open, group.span_open()));
                collect(group.stream(), tests, words);
                words.extend(word(close, group.span_close()));
            }
            leaf => words.extend(word(&leaf.to_string(), leaf.span())),
        }
    }
}

fn word(text: &str, span: proc_macro2::Span) -> Option<Word> {
    let (first_line, last_line) = (span.start().line, span.end().line);
    (!text.is_empty()).then(|| Word {
        text: text.to_owned(),
        first_line,
        last_line,
    })
}

fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

fn is_block(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn is_doc(token: &TokenTree) -> bool {
    attribute(token).is_some_and(|attribute| attribute.starts_with("doc="))
}

fn is_cfg_test(token: &TokenTree) -> bool {
    attribute(token).is_some_and(|attribute| attribute == "cfg(test)")
}

/// What stands between the brackets, without white space.
fn attribute(token: &TokenTree) -> Option<String> {
    let TokenTree::Group(group) = token else {
        return None;
    };
    let bracketed = group.delimiter() == Delimiter::Bracket;
    bracketed.then(|| group.stream().to_string().split_whitespace().collect())
}

fn delimiters(group: &Group) -> (&'static str, &'static str) {
    match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(rust: &str, tests: bool) -> String {
        let words = words(rust.parse().unwrap(), tests);
        words
            .iter()
            .map(|word| word.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn items_for_tests_are_left_out_and_nothing_after_them() {
        assert_eq!(
            texts("a(); #[cfg(test)] mod tests { b(); } c();", false),
            "a ( ) ; c ( ) ;"
        );
        assert_eq!(texts("#[cfg(test)] mod tests; c();", false), "c ( ) ;");
        assert_eq!(
            texts("#[cfg(test)] #[derive(A)] struct B(u8); c();", false),
            "c ( ) ;"
        );
        assert_eq!(
            texts("#[cfg(test)] fn f() -> [u8; 1] { b() } c();", false),
            "c ( ) ;"
        );
        assert_eq!(
            texts("mod m { #[cfg(test)] fn f() {} c(); }", false),
            "mod m { c ( ) ; }"
        );
        assert_eq!(texts("#![cfg(test)] fn f() {}", false), "");
    }

    #[test]
    fn items_that_only_look_like_tests_stay() {
        assert!(texts("#[cfg(not(test))] fn f() { b() }", false).contains('b'));
        assert!(texts("#[cfg(unix)] fn f() { b() }", false).contains('b'));
        assert!(texts("#[cfg(test)] fn f() { b() }", true).contains('b'));
    }

    #[test]
    fn words_know_their_lines_and_comments_are_none() {
        let words = words("a\n// b\n/// b\n(\"c\nd\")".parse().unwrap(), true);
        let lines: Vec<_> = words
            .iter()
            .map(|word| (word.text.as_str(), word.first_line, word.last_line))
            .collect();
        assert_eq!(
            lines,
            [("a", 1, 1), ("(", 4, 4), ("\"c\nd\"", 4, 5), (")", 5, 5)]
        );
    }

    #[test]
    fn what_does_not_parse_is_a_violation() {
        let violation = Source::parse("a.rs", "fn f() {}\nfn (".to_owned())
            .err()
            .unwrap();
        assert_eq!((violation.line, violation.rule), (2, "syntax"));
    }
}
