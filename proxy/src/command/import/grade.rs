//! What became of each item: one of four grades and a sentence, for every leaf of the
//! document.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use super::document::{item, member};

/// How much of an item came across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// It means the same here.
    Exact,
    /// It means nearly the same; the note says what differs.
    Approximate,
    /// It has a place here that somebody has to put it in.
    Manual,
    /// Lattice has nothing of the kind.
    Unsupported,
}

impl Grade {
    /// Every grade, best first.
    pub const ALL: [Self; 4] = [
        Self::Exact,
        Self::Approximate,
        Self::Manual,
        Self::Unsupported,
    ];

    /// As it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Approximate => "approximate",
            Self::Manual => "manual",
            Self::Unsupported => "unsupported",
        }
    }

    /// Whether somebody has to look at it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Manual | Self::Unsupported)
    }
}

/// A grade and why. The note never holds a value of the document that could be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The grade.
    pub grade: Grade,
    /// What it became, or what to do instead.
    pub note: String,
}

/// It means the same here.
pub fn exact(note: impl Into<String>) -> Verdict {
    verdict(Grade::Exact, note)
}

/// It means nearly the same.
pub fn approximate(note: impl Into<String>) -> Verdict {
    verdict(Grade::Approximate, note)
}

/// Somebody has to put it in its place.
pub fn manual(note: impl Into<String>) -> Verdict {
    verdict(Grade::Manual, note)
}

/// There is nothing of the kind.
pub fn unsupported(note: impl Into<String>) -> Verdict {
    verdict(Grade::Unsupported, note)
}

/// A verdict of any grade.
pub fn verdict(grade: Grade, note: impl Into<String>) -> Verdict {
    let note = note.into();
    Verdict { grade, note }
}

/// One leaf of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Where it is, for instance `model_list[0].litellm_params.model`.
    pub path: String,
    /// How much of it came across.
    pub grade: Grade,
    /// What it became, or what to do instead.
    pub note: String,
}

/// What was found out, by path. A verdict on a branch holds for every leaf below it that
/// has none of its own, so that a leaf cannot be forgotten.
#[derive(Debug, Default)]
pub struct Verdicts(HashMap<String, Verdict>);

impl Verdicts {
    /// Says what became of `path`; what was said before is replaced.
    pub fn say(&mut self, path: impl Into<String>, verdict: Verdict) {
        self.0.insert(path.into(), verdict);
    }

    /// One row for each leaf, in the document's order. An empty list or mapping is a leaf.
    pub fn rows(&self, document: &Value) -> Vec<Row> {
        let unknown = unsupported(
            "This importer does not know it; look for a counterpart in `lattice config schema`.",
        );
        let mut rows = Vec::new();
        self.walk(document, String::new(), &unknown, &mut rows);
        rows
    }

    fn walk(&self, value: &Value, path: String, above: &Verdict, rows: &mut Vec<Row>) {
        let verdict = self.0.get(&path).unwrap_or(above);
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (key, value) in members {
                    self.walk(value, member(&path, key), verdict, rows);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, value) in items.iter().enumerate() {
                    self.walk(value, item(&path, index), verdict, rows);
                }
            }
            _ => rows.push(Row {
                path,
                grade: verdict.grade,
                note: verdict.note.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_leaf_has_one_grade_and_the_nearest_verdict_decides() {
        let document = json!({
            "a": { "b": [1, { "c": null }], "d": {} },
            "e.f": [],
            "g": true,
        });
        let mut verdicts = Verdicts::default();
        verdicts.say("a", exact("branch"));
        verdicts.say("a.b[1]", manual("nearer"));
        let rows = verdicts.rows(&document);
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.path.as_str(), row.grade.name()))
            .collect();
        assert_eq!(
            found,
            [
                ("a.b[0]", "exact"),
                ("a.b[1].c", "manual"),
                ("a.d", "exact"),
                ("\"e.f\"", "unsupported"),
                ("g", "unsupported"),
            ]
        );
    }
}
