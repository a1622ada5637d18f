//! Listings: aligned columns for people, JSON for programs.

use std::io::Write as _;

use serde::Serialize;

/// Prints rows as JSON, or as columns under `heads`.
pub fn print<T: Serialize, const N: usize>(
    json: bool,
    rows: &[T],
    heads: [&str; N],
    columns: impl Fn(&T) -> [String; N],
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, rows)?;
        return writeln!(out);
    }
    let cells: Vec<[String; N]> = std::iter::once(heads.map(str::to_owned))
        .chain(rows.iter().map(columns))
        .collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        cells
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    for row in &cells {
        let padded: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

/// A value as JSON, on one line.
pub fn print_json(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)
}
