//! Bounds on the shape of a policy's text, looked at before anything parses it.
//!
//! regorus' lexer and parser call themselves for every bracket, parse some
//! brackets twice, and make one level of tree of every operator, without a
//! bound on any of it. A text within these bounds cannot exhaust a stack of
//! 2 MiB, nor the patience of whoever waits for it.

use super::fault::{Fault, Position};

/// Brackets and minus signs open at one place.
const DEPTH: usize = 20;
/// Levels of one expression's tree: operators, selectors and calls in a row,
/// and what stands in their brackets.
const HEIGHT: usize = 160;
/// Tokens, each counted twice for every square or curly bracket around it.
const WORK: u64 = 1 << 22;
/// Imports are compared with each other, each with each.
const IMPORTS: usize = 256;

const SMALLER: &str = "give parts of it rules of their own";

/// An open bracket, or the text as a whole.
struct Level {
    /// Of the chain of operators that is being read.
    chain: Chain,
    /// Of the highest chain before it.
    height: usize,
}

/// Operands with operators between them.
#[derive(Default, Clone, Copy)]
struct Chain {
    operators: usize,
    minuses: usize,
    /// Of the highest of its operands.
    operand: usize,
}

impl Level {
    fn new() -> Self {
        Self {
            chain: Chain::default(),
            height: 0,
        }
    }

    /// The chain has ended; another may begin.
    fn cut(&mut self) -> usize {
        let Chain {
            operators, operand, ..
        } = std::mem::take(&mut self.chain);
        self.height = self.height.max(operators + operand);
        self.height
    }
}

/// What stands before the token that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that an operand would follow as a new term.
    Open,
    /// The end of an operand.
    Operand,
}

/// Refuses the policy file `text` where it is too deep, too high or too
/// laborious.
pub(crate) fn check(file: &str, text: &str) -> Result<(), Fault> {
    let mut bounds = Bounds {
        levels: vec![Level::new()],
        before: Before::Open,
        work: 0,
        doubling: 0,
        imports: 0,
    };
    for token in tokens(text) {
        if let Err(reason) = bounds.see(&token) {
            let mend = if reason.contains("imports") {
                "split the file"
            } else {
                SMALLER
            };
            return Err(Fault::at(file, token.at, reason, mend));
        }
    }
    Ok(())
}

struct Bounds {
    levels: Vec<Level>,
    before: Before,
    work: u64,
    /// Open square and curly brackets.
    doubling: usize,
    imports: usize,
}

impl Bounds {
    fn see(&mut self, token: &Token<'_>) -> Result<(), String> {
        match token.text {
            "(" | "[" | "{" => self.open(token)?,
            ")" | "]" | "}" => self.close(token),
            "," | ";" | ":" => {
                self.top().cut();
                self.before = Before::Open;
            }
            "-" if self.before == Before::Open => {
                self.top().chain.minuses += 1;
                self.top().chain.operators += 1;
            }
            word if token.operand && word != "in" => {
                if self.before == Before::Operand {
                    self.top().cut();
                }
                self.imports += usize::from(word == "import");
                self.before = Before::Operand;
            }
            _ => {
                self.top().chain.operators += 1;
                self.before = Before::Open;
            }
        }
        self.work = self
            .work
            .saturating_add(1_u64.checked_shl(self.doubling as u32).unwrap_or(u64::MAX));
        self.bounded()
    }

    fn open(&mut self, token: &Token<'_>) -> Result<(), String> {
        // After an operand, `(` is a call and `[` a selector if it touches it;
        // else a new term begins.
        let continues = token.text == "(" || (token.text == "[" && token.touches);
        if self.before == Before::Operand && !continues {
            self.top().cut();
        }
        self.top().chain.operators += 1;
        self.doubling += usize::from(token.text != "(");
        self.levels.push(Level::new());
        self.before = Before::Open;
        let minuses: usize = self.levels.iter().map(|level| level.chain.minuses).sum();
        if self.levels.len() + minuses > DEPTH {
            return Err(format!("brackets are nested more than {DEPTH} deep"));
        }
        Ok(())
    }

    fn close(&mut self, token: &Token<'_>) {
        let height = self.top().cut();
        if self.levels.len() > 1 {
            self.levels.pop();
            self.doubling = self.doubling.saturating_sub(usize::from(token.text != ")"));
        }
        let chain = &mut self.top().chain;
        chain.operand = chain.operand.max(height);
        self.before = Before::Operand;
    }

    fn bounded(&self) -> Result<(), String> {
        let minuses: usize = self.levels.iter().map(|level| level.chain.minuses).sum();
        if self.levels.len() + minuses > DEPTH {
            return Err(format!("minus signs are nested more than {DEPTH} deep"));
        }
        let height: usize = self
            .levels
            .iter()
            .map(|level| level.chain.operators + level.chain.operand)
            .sum();
        if height > HEIGHT {
            return Err(format!(
                "an expression has more than {HEIGHT} operators and selectors in a row"
            ));
        }
        if self.work > WORK {
            return Err("there is too much inside of nested brackets for the parser".to_owned());
        }
        if self.imports > IMPORTS {
            return Err(format!("the file has more than {IMPORTS} imports"));
        }
        Ok(())
    }

    fn top(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::new());
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }
}

/// A word, number, string or single character.
struct Token<'a> {
    text: &'a str,
    at: Position,
    /// A word, number or string.
    operand: bool,
    /// Nothing stands between it and the token before it.
    touches: bool,
}

/// The tokens of `text`, without white space and comments; a string's token is
/// its opening quote. Whatever regorus' lexer makes of a text, this finds no
/// fewer brackets and operators in it.
fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    let mut at = Position { line: 1, column: 1 };
    let mut touches = false;
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let length = match first {
                '#' => rest.find('\n').unwrap_or(rest.len()),
                '"' => quoted(rest),
                '`' => rest[1..].find('`').map_or(rest.len(), |end| end + 2),
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            let here = at;
            at = moved(at, token);
            if first == '#' || first.is_whitespace() {
                touches = false;
                continue;
            }
            let string = first == '"' || first == '`';
            let token = Token {
                text: if string { &token[..1] } else { token },
                at: here,
                operand: string || is_word(first),
                touches,
            };
            touches = true;
            return Some(token);
        }
    })
}

fn moved(at: Position, over: &str) -> Position {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let lines = over.bytes().filter(|byte| *byte == b'\n').count();
    match over.rfind('\n') {
        None => Position {
            column: at.column.saturating_add(number(over.len())),
            ..at
        },
        Some(end) => Position {
            line: at.line.saturating_add(number(lines)),
            column: number(over.len() - end),
        },
    }
}

/// Length of the string that `text` begins with, quotes included. It ends with
/// the line at the latest, as a string in Rego has to.
fn quoted(text: &str) -> usize {
    let mut escaped = true; // the opening quote closes nothing
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            '\n' => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> Option<String> {
        check("a.rego", &format!("package a\n\nx := {body}\n"))
            .err()
            .map(|fault| fault.to_string())
    }

    #[test]
    fn what_people_write_is_within_the_bounds() {
        let lists = "[".repeat(12) + "1" + &"]".repeat(12);
        let sum = vec!["input.a.b[0]"; 30].join(" + ");
        let object = format!(
            "{{{}}}",
            vec!["\"k\": [{\"a\": [1, 2, -3]}]"; 500].join(",\n")
        );
        let rules =
            "1\n\ny if {\n\tsome a in [1]\n\t[b, c] := [1, 2]\n\tnot a == -1\n}\n".repeat(500);
        for body in ["1", &lists, &sum, &object, &rules] {
            assert_eq!(refusal(body), None, "{body}");
        }
    }

    #[test]
    fn what_would_overflow_a_stack_is_refused_where_it_begins_to() {
        let deep = "brackets are nested more than 20 deep";
        for bracket in [
            "(", "[", "{", "f(", "set(", "set( \n", "a[", "{\"a\": ", "[1 | ",
        ] {
            let text = refusal(&bracket.repeat(100_000)).unwrap();
            assert!(text.contains(deep), "{bracket}: {text}");
        }
        assert_eq!(
            refusal(&"(".repeat(100_000)).unwrap(),
            "a.rego:3:25: brackets are nested more than 20 deep; give parts of it rules of their own"
        );
        for minus in ["-", "- ", "1 + -", "-\n(1) + ", "- -1 + "] {
            let text = refusal(&minus.repeat(100_000)).unwrap();
            assert!(text.contains("nested more than 20 deep"), "{minus}: {text}");
        }
        for operator in [
            "1 +\n",
            "1 in\n",
            "a.",
            "1 | ",
            "1 == ",
            "a[0\n] + ",
            "f(1) * ",
        ] {
            let text = refusal(&operator.repeat(10_000)).unwrap();
            assert!(text.contains("in a row"), "{operator}: {text}");
        }
        let selectors = format!("a{}", "[\n0]".repeat(10_000));
        assert!(refusal(&selectors).unwrap().contains("in a row"));
    }

    #[test]
    fn height_adds_up_over_brackets() {
        let chain = |inner: &str| format!("({inner}) + {}", vec!["1"; 40].join(" + "));
        let mut body = "1".to_owned();
        for _ in 0..3 {
            body = chain(&body);
        }
        assert_eq!(refusal(&body), None);
        assert!(refusal(&chain(&body)).unwrap().contains("in a row"));
    }

    #[test]
    fn what_the_parser_reads_again_and_again_is_refused() {
        let nested = "[".repeat(17) + &"1, ".repeat(100) + &"]".repeat(17);
        assert!(refusal(&nested).unwrap().contains("too much inside"));
        let imports = "1\nimport data.a".repeat(300);
        assert!(refusal(&imports).unwrap().contains("256 imports"));
    }

    #[test]
    fn comments_and_strings_are_no_brackets() {
        let many = "(".repeat(1000);
        for body in [
            format!("\"{many}\""),
            format!("`{many}\n{many}`"),
            format!("1 # {many}"),
            format!("\"\\\"{many}\""),
        ] {
            assert_eq!(refusal(&body), None, "{body}");
        }
        for body in [
            format!("\"#\" + {many}"),
            format!("`\\` + {many}"),
            format!("\"\n{many}"),
            format!("1 # \"\n + {many}"),
        ] {
            assert!(refusal(&body).is_some(), "{body}");
        }
    }
}
