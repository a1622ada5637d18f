//! How long work shows itself, on standard error: a bar on a terminal, a line every
//! tenth elsewhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use super::size;

/// What a bar looks like.
const BAR: &str =
    "{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta}";

/// Shows what is being done.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
}

impl Progress {
    /// As suits where standard error goes.
    pub fn on_stderr() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Whether somebody watches.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// One line.
    pub fn say(&self, line: impl AsRef<str>) {
        eprintln!("{}", line.as_ref());
    }

    /// Something of `total` bytes, of which `done` are there already.
    pub fn meter(&self, title: &str, done: u64, total: u64) -> Meter {
        let bar = self.terminal.then(|| {
            let bar = ProgressBar::new(total).with_message(title.to_owned());
            // The template is ours, and a test reads it.
            bar.with_style(
                ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        if let Some(bar) = &bar {
            bar.set_position(done);
        }
        Meter {
            title: title.to_owned(),
            bar,
            done,
            total,
        }
    }
}

/// How far something is.
#[derive(Debug)]
pub struct Meter {
    title: String,
    bar: Option<ProgressBar>,
    done: u64,
    total: u64,
}

impl Meter {
    /// So many bytes more.
    pub fn advance(&mut self, bytes: u64) {
        let before = self.tenths();
        self.done += bytes;
        match &self.bar {
            Some(bar) => bar.inc(bytes),
            None if self.tenths() > before => eprintln!(
                "{}: {} % of {}",
                self.title,
                self.tenths() * 10,
                size(self.total)
            ),
            None => {}
        }
    }

    fn tenths(&self) -> u64 {
        self.done
            .saturating_mul(10)
            .checked_div(self.total)
            .unwrap_or(0)
            .min(10)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_can_be_drawn() {
        ProgressStyle::with_template(BAR).expect("a template");
    }
}
