//! Built-in functions of whose result a caller or an author may choose the size: bounded.
//!
//! regorus looks at the clock between statements only, so one call could take all the
//! memory there is before it does.

use regorus::{Engine, Value};

use super::{Refused, add, builtin};

/// Numbers and addresses that one call may list.
const LISTED: u64 = 10_000;
/// Bytes of the texts, and 32 for each value, that one call may make a text of, or that
/// a text may have in which others were replaced.
const TEXT: usize = 4 * 1024 * 1024;
/// Characters to which `sprintf` fills up, and decimals.
const WIDTH: u32 = 1000;
/// Digits of a number that is read from a text.
const DIGITS: usize = 1024;
/// Places by which bits are shifted.
const SHIFT: i64 = 4096;

/// Make a text of what they are given, and of no more than some times its size.
const WRITERS: [&str; 12] = [
    "base64.encode",
    "base64url.encode",
    "base64url.encode_no_pad",
    "hex.encode",
    "json.marshal",
    "json.marshal_with_options",
    "urlquery.encode",
    "urlquery.encode_object",
    "yaml.marshal",
    "strings.reverse",
    "trim",
    "format_int",
];

pub(super) fn install(engine: &mut Engine) {
    for name in WRITERS {
        add(engine, name, |name, arguments| {
            written(name, &arguments)?;
            builtin(name, &arguments)
        });
    }
    add(engine, "sprintf", |name, arguments| {
        written(name, &arguments)?;
        filled(&arguments)?;
        builtin(name, &arguments)
    });
    add(engine, "concat", |name, arguments| {
        written(name, &arguments)?;
        if let [Value::String(between), list] = &arguments[..] {
            let count = match list {
                Value::Array(list) => list.len(),
                Value::Set(list) => list.len(),
                _ => 0,
            };
            text(name, between.len().saturating_mul(count))?;
        }
        builtin(name, &arguments)
    });
    add(engine, "replace", |name, arguments| {
        if let [Value::String(of), Value::String(old), Value::String(new)] = &arguments[..] {
            let places = of.matches(&**old).count();
            text(
                name,
                places.saturating_mul(new.len()).saturating_add(of.len()),
            )?;
        }
        builtin(name, &arguments)
    });
    add(engine, "strings.replace_n", |name, arguments| {
        if let [Value::Object(patterns), Value::String(of)] = &arguments[..] {
            // One after the other: what one puts there the next may find.
            let grown = patterns
                .iter()
                .fold(of.len(), |size, pattern| match pattern {
                    (Value::String(old), Value::String(new)) => {
                        size.saturating_mul(new.len().div_ceil(old.len().max(1)).max(1))
                    }
                    _ => size,
                });
            text(name, grown)?;
        }
        builtin(name, &arguments)
    });
    for name in ["to_number", "units.parse", "units.parse_bytes"] {
        add(engine, name, |name, arguments| {
            if let [Value::String(text)] = &arguments[..] {
                parsed(name, text)?;
            }
            builtin(name, &arguments)
        });
    }
    for name in ["numbers.range", "numbers.range_step"] {
        add(engine, name, |name, arguments| {
            ranged(name, &arguments)?;
            builtin(name, &arguments)
        });
    }
    add(engine, "net.cidr_expand", |name, arguments| {
        expanded(name, &arguments)?;
        builtin(name, &arguments)
    });
    add(engine, "bits.lsh", |name, arguments| {
        let by = arguments.get(1).map(Value::as_i64);
        if by.is_some_and(|by| by.is_ok_and(|by| by > SHIFT)) {
            return Err(Refused(format!("`{name}` shifts by more than {SHIFT}")));
        }
        builtin(name, &arguments)
    });
}

/// Refuses a `regex.replace` that may take too much memory: there may be a place between
/// any two bytes, and what is put there may name all of what was found.
pub(super) fn replaced_by_pattern(arguments: &[Value]) -> Result<(), Refused> {
    if let [Value::String(of), _, Value::String(new)] = arguments {
        let most = (of.len() + 1).saturating_mul(new.len() + 1);
        text("regex.replace", most)?;
    }
    Ok(())
}

fn text(name: &str, size: usize) -> Result<(), Refused> {
    if size > TEXT {
        let why = format!("`{name}` would make a text of more than {TEXT} bytes");
        return Err(Refused(why));
    }
    Ok(())
}

fn written(name: &str, arguments: &[Value]) -> Result<(), Refused> {
    let mut left = TEXT;
    let fits = arguments.iter().all(|argument| take(argument, &mut left));
    let why = || {
        Refused(format!(
            "`{name}` would make a text of more than {TEXT} bytes"
        ))
    };
    fits.then_some(()).ok_or_else(why)
}

/// Whether there is as much left; stops as soon as there is not, since what is shared
/// may be met more often than there is time for.
fn take(value: &Value, left: &mut usize) -> bool {
    let own = 32
        + match value {
            Value::String(text) => text.len(),
            _ => 0,
        };
    let Some(rest) = left.checked_sub(own) else {
        return false;
    };
    *left = rest;
    match value {
        Value::Array(entries) => entries.iter().all(|entry| take(entry, left)),
        Value::Set(entries) => entries.iter().all(|entry| take(entry, left)),
        Value::Object(fields) => fields
            .iter()
            .all(|(name, value)| take(name, left) && take(value, left)),
        _ => true,
    }
}

fn filled(arguments: &[Value]) -> Result<(), Refused> {
    let Some(Value::String(format)) = arguments.first() else {
        return Ok(());
    };
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            continue;
        }
        let mut width = 0_u32;
        while let Some(c) = rest.next_if(|c| *c == '.' || c.is_numeric()) {
            let digit = match (c, c.to_digit(10)) {
                ('.', _) => continue,
                (_, Some(digit)) => digit,
                (_, None) => {
                    let why = "`sprintf` is given a width in other digits than 0 to 9";
                    return Err(Refused(why.to_owned()));
                }
            };
            width = width.saturating_mul(10).saturating_add(digit);
        }
        if width > WIDTH {
            let why = format!("`sprintf` is given a width of more than {WIDTH}");
            return Err(Refused(why));
        }
        // `%%` is one sign.
        rest.next();
    }
    Ok(())
}

/// An exponent makes many digits of few.
fn parsed(name: &str, text: &str) -> Result<(), Refused> {
    let exponent = text.rsplit_once(['e', 'E']).map(|(_, exponent)| exponent);
    let exponent = exponent.and_then(|exponent| exponent.parse::<i64>().ok());
    if text.len() > DIGITS || exponent.is_some_and(|exponent| exponent > DIGITS as i64) {
        let why = format!("`{name}` would make a number of more digits than {DIGITS}");
        return Err(Refused(why));
    }
    Ok(())
}

fn ranged(name: &str, arguments: &[Value]) -> Result<(), Refused> {
    let ends = match arguments {
        [from @ Value::Number(_), to @ Value::Number(_), ..] => [from.as_i64(), to.as_i64()],
        // regorus has its say.
        _ => return Ok(()),
    };
    let step = arguments.get(2).map_or(Ok(1), Value::as_i64);
    let ([Ok(from), Ok(to)], Ok(step)) = (ends, step) else {
        let why = format!("`{name}` takes whole numbers of 64 bits");
        return Err(Refused(why));
    };
    if step < 1 {
        return Err(Refused(format!("`{name}` takes a step of at least 1")));
    }
    if from.abs_diff(to) / step.unsigned_abs() >= LISTED {
        let why = format!("`{name}` would list more than {LISTED} numbers");
        return Err(Refused(why));
    }
    Ok(())
}

fn expanded(name: &str, arguments: &[Value]) -> Result<(), Refused> {
    let [Value::String(network)] = arguments else {
        return Ok(());
    };
    let bits = if network.contains(':') { 128 } else { 32 };
    let prefix = network
        .split_once('/')
        .map(|(_, prefix)| prefix.parse::<u32>());
    if let Some(Ok(prefix)) = prefix
        && 1_u64
            .checked_shl(u32::saturating_sub(bits, prefix))
            .is_none_or(|hosts| hosts > LISTED)
    {
        let why = format!("`{name}` would list more than {LISTED} addresses");
        return Err(Refused(why));
    }
    Ok(())
}
