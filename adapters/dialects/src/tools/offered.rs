//! What one pass over a body collects of its tools.

use crate::json::Malformed;

/// The tools on offer, none of which may be without a name: what has none could not
/// be forbidden.
#[derive(Default)]
pub(crate) struct Offered {
    /// Of each tool, whether it is known by something.
    known: Vec<bool>,
    /// Which tool it is of, and its name or type, in the order of the body.
    names: Vec<(u32, String)>,
}

/// What [`beside`](Offered::beside) names.
const NO_TOOL: u32 = u32::MAX;

impl Offered {
    /// A tool begins; its number.
    pub(crate) fn begin(&mut self) -> u32 {
        self.known.push(false);
        self.last()
    }

    /// The number of the tool that began last.
    pub(crate) fn last(&self) -> u32 {
        // Fewer than bytes, of which there are less than 2^31.
        self.known.len().saturating_sub(1) as u32
    }

    /// How many tools there are.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    /// The tool is known without a name: by the tools that it holds, or since it
    /// turned out to be none.
    pub(crate) fn excuse(&mut self, tool: u32) {
        if let Some(known) = self.known.get_mut(tool as usize) {
            *known = true;
        }
    }

    /// A name of the tool.
    pub(crate) fn name(&mut self, tool: u32, name: &str) {
        self.excuse(tool);
        self.names.push((tool, name.to_owned()));
    }

    /// A name that takes the place of the tool's other, if it has one.
    pub(crate) fn rename(&mut self, tool: u32, name: &str) {
        if self.is_last_named(tool) {
            self.names.pop();
        }
        self.name(tool, name);
    }

    /// Whether the last name is the tool's.
    pub(crate) fn is_last_named(&self, tool: u32) -> bool {
        self.names.last().is_some_and(|(of, _)| *of == tool)
    }

    /// Something that is no element of a list of tools, and offers some.
    pub(crate) fn beside(&mut self, name: &str) {
        self.names.push((NO_TOOL, name.to_owned()));
    }

    /// All names.
    ///
    /// # Errors
    /// A tool has none.
    pub(crate) fn names(self) -> Result<Vec<String>, Malformed> {
        if self.known.contains(&false) {
            let what = "tools must hold objects with a name or a type each";
            return Err(Malformed::in_field("tools", what));
        }
        Ok(self.names.into_iter().map(|(_, name)| name).collect())
    }

    /// The names of the first tool, and those of all others.
    pub(crate) fn split(self) -> (Vec<String>, Vec<String>) {
        let (own, others): (Vec<_>, Vec<_>) = self.names.into_iter().partition(|(of, _)| *of == 0);
        let names = |names: Vec<(u32, String)>| names.into_iter().map(|(_, name)| name).collect();
        (names(own), names(others))
    }
}
