//! Files that a command writes are what that command writes today.

use std::fs;

use super::Violation;
use crate::shell::{self, Named, Result, cargo, repository};

/// A committed file, and the cargo arguments whose standard output it is.
struct Generated {
    file: &'static str,
    arguments: &'static [&'static str],
    mend: &'static str,
}

const GENERATED: &[Generated] = &[Generated {
    file: "lattice.schema.json",
    arguments: &[
        "run",
        "--quiet",
        "--package",
        "lattice",
        "--",
        "config",
        "schema",
    ],
    mend: "run `cargo run -p lattice -- config schema > lattice.schema.json`",
}];

/// A file that is not there is not asked for.
pub fn check() -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for generated in GENERATED {
        let path = repository().join(generated.file);
        if !path.is_file() {
            continue;
        }
        let committed = fs::read(&path).named(&path)?;
        let written = shell::output(&mut cargo(generated.arguments))?;
        if let Some(line) = first_difference(&committed, &written) {
            violations.push(Violation {
                file: generated.file.to_owned(),
                line,
                rule: "generated",
                message: "differs from what its command writes".to_owned(),
                mend: generated.mend,
            });
        }
    }
    Ok(violations)
}

/// The line, from 1, at which two texts part.
fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b {
        return None;
    }
    let same = a.iter().zip(b).take_while(|(a, b)| a == b);
    Some(1 + same.filter(|(byte, _)| **byte == b'\n').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference(b"a\nb\n", b"a\nb\n"), None);
        assert_eq!(first_difference(b"a\nb\n", b"a\nc\n"), Some(2));
        assert_eq!(first_difference(b"a\nb\n", b"a\nb\nc\n"), Some(3));
        assert_eq!(first_difference(b"a", b""), Some(1));
    }
}
