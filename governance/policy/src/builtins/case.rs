//! `upper` and `lower` as Go has them: letter by letter, none of them longer than before.

use regorus::{Engine, Value};

use super::{add, builtin};

pub(super) fn install(engine: &mut Engine) {
    add(engine, "upper", |name, arguments| match &arguments[..] {
        [Value::String(text)] => Ok(text.chars().map(upper).collect::<String>().into()),
        _ => builtin(name, &arguments),
    });
    add(engine, "lower", |name, arguments| match &arguments[..] {
        [Value::String(text)] => Ok(text.chars().map(lower).collect::<String>().into()),
        _ => builtin(name, &arguments),
    });
}

/// Unicode's simple mapping. Rust has the full one alone, which is the simple one wherever
/// it is a single letter.
fn upper(letter: char) -> char {
    if is_later(letter) {
        return letter;
    }
    let mut full = letter.to_uppercase();
    match (full.next(), full.next()) {
        (Some(single), None) => single,
        // Greek vowels with an iota below: the letter with one beside it.
        _ => match letter {
            '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
                moved(letter, 8)
            }
            '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => moved(letter, 9),
            _ => letter,
        },
    }
}

fn lower(letter: char) -> char {
    if is_later(letter) {
        return letter;
    }
    let mut full = letter.to_lowercase();
    // Of one letter it is longer: `İ`, an `i` with a dot above.
    full.next().unwrap_or(letter)
}

fn moved(letter: char, by: u32) -> char {
    char::from_u32(u32::from(letter) + by).unwrap_or(letter)
}

/// Letters whose other case came with Unicode 16 and 17; OPA's Go has 15, which leaves
/// them as they are.
fn is_later(letter: char) -> bool {
    matches!(
        letter,
        '\u{19b}'
            | '\u{264}'
            | '\u{1c89}'..='\u{1c8a}'
            | '\u{a7cb}'..='\u{a7cf}'
            | '\u{a7d2}'..='\u{a7d5}'
            | '\u{a7da}'..='\u{a7dc}'
            | '\u{10d50}'..='\u{10d85}'
            | '\u{16ea0}'..='\u{16ed3}'
    )
}
