//! The report: for people two lines an item, elsewhere one, for programs JSON.

use std::fmt::Write as _;

use super::grade::{Grade, Row};

/// Every row. `terminal`: in colour, the note below its item.
pub fn report(rows: &[Row], terminal: bool) -> String {
    let mut screen = String::new();
    for Row { path, grade, note } in rows {
        let name = grade.name();
        // A name in it may hold anything that a file can; a line stays a line.
        let note = note.replace(|char: char| char.is_control(), " ");
        // Writing to a string does not fail.
        let _ = if terminal {
            let colour = match grade {
                Grade::Exact => 32,
                Grade::Approximate => 36,
                Grade::Manual => 33,
                Grade::Unsupported => 31,
            };
            writeln!(
                screen,
                "\x1b[{colour}m{name:11}\x1b[0m  {path}\n             {note}"
            )
        } else {
            writeln!(screen, "{name:11}  {path}: {note}")
        };
    }
    screen
}

/// How many rows there are of each grade.
pub fn summary(rows: &[Row]) -> String {
    let counts = Grade::ALL.map(|grade| {
        let count = rows.iter().filter(|row| row.grade == grade).count();
        format!("{count} {}", grade.name())
    });
    format!("{} items: {}", rows.len(), counts.join(", "))
}
