//! Where regorus says that a file is wrong, read off the text of its errors.

use super::fault::{Fault, Position};

/// The fault that `error` tells of; `file` is where it is if it does not say.
pub(crate) fn fault(file: &str, text: &str, error: &str) -> Fault {
    let (named, at, reason) = locate(error);
    let at = at.map_or_else(Position::default, |at| in_bytes(text, at));
    let mend = mend(reason);
    Fault::at(named.unwrap_or(file), at, tidy(reason), mend)
}

/// File, place and message of an error that reads
/// `--> FILE:LINE:COLUMN … error: MESSAGE`, as far as they are there.
pub(crate) fn locate(error: &str) -> (Option<&str>, Option<Position>, &str) {
    let Some(start) = error.find("--> ") else {
        return (None, None, error);
    };
    let rest = &error[start + 4..];
    let place = rest.lines().next().unwrap_or_default();
    let mut parts = place.rsplitn(3, ':');
    let column = parts.next().and_then(|text| text.trim().parse().ok());
    let line = parts.next().and_then(|text| text.parse().ok());
    let at = line
        .zip(column)
        .map(|(line, column)| Position { line, column });
    let message = rest.find("error: ").map_or(rest, |at| &rest[at + 7..]);
    (parts.next(), at, message)
}

/// The place with its column in bytes: regorus counts a tab as four, any other
/// character as one.
pub(crate) fn in_bytes(text: &str, at: Position) -> Position {
    let Some(line) = text.lines().nth(at.line.saturating_sub(1) as usize) else {
        return at;
    };
    let mut seen = 1;
    let mut column = 1;
    for c in line.chars() {
        if seen >= at.column {
            break;
        }
        seen += if c == '\t' { 4 } else { 1 };
        column += u32::try_from(c.len_utf8()).unwrap_or(1);
    }
    Position { column, ..at }
}

/// The first line of a message.
pub(crate) fn tidy(reason: &str) -> &str {
    reason
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("cannot be read")
}

fn mend(reason: &str) -> &'static str {
    if reason.contains("nesting too deep") {
        "give parts of it rules of their own"
    } else if reason.contains("must have a body or assignment") {
        "write `if true` after it: the engine here does not know rules without a body"
    } else if reason.contains("`if` keyword is required") || reason.contains("`contains` keyword") {
        "write it in Rego v1: `opa fmt --v0-v1` does"
    } else if reason.contains("maximum column width") || reason.contains("exceeds maximum") {
        "break the line"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_place() {
        let text = "package a\n\nx := f(1,\n\t2]\n";
        let mut engine = regorus::Engine::new();
        let error = engine.add_policy("dir/a.rego".to_owned(), text.to_owned());
        let error = error.unwrap_err().to_string();
        let fault = fault("dir/a.rego", text, &error);
        assert_eq!(
            fault.to_string(),
            "dir/a.rego:4:3: expecting `)` while parsing call expr"
        );
    }

    #[test]
    fn columns_are_bytes() {
        let at = |column| in_bytes("a\n\té x", Position { line: 2, column }).column;
        assert_eq!([at(1), at(5), at(6), at(7)], [1, 2, 4, 5]);
        let beyond = Position { line: 9, column: 9 };
        assert_eq!(in_bytes("a", beyond), beyond);
    }

    #[test]
    fn an_error_without_a_place_is_the_files() {
        assert_eq!(
            fault("a.rego", "", "too large").to_string(),
            "a.rego: too large"
        );
        assert_eq!(
            fault("a.rego", "", "--> ").to_string(),
            "a.rego: cannot be read"
        );
    }
}
