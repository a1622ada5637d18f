//! What one pass over a body collects of its tools.

use crate::json::Malformed;

/// A tool on offer, as policy knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What the model calls it by; of tools without a name of their own their type.
    pub name: String,
    /// Its type as the body has it, such as `bash_20250124`; of a function `function`.
    pub kind: String,
    /// The provider runs it: its calls are made before anyone here could judge them.
    pub hosted: bool,
}

/// The tools on offer, none of which may be without a name: what has none could not
/// be forbidden.
#[derive(Default)]
pub(crate) struct Offered {
    tools: Vec<Tool>,
    /// Which tool it is of, and its name or type, in the order of the body.
    names: Vec<(Whose, String)>,
}

/// What is known of a tool beside its names.
#[derive(Default)]
struct Tool {
    /// Whether it is known by something.
    known: bool,
    /// Of a function none.
    kind: Option<String>,
    hosted: bool,
}

/// What a name is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Tool(u32),
    /// Something that is no element of a list of tools.
    Other {
        hosted: bool,
    },
}

impl Offered {
    /// A tool begins; its number.
    pub(crate) fn begin(&mut self) -> u32 {
        self.tools.push(Tool::default());
        self.last()
    }

    /// The number of the tool that began last.
    pub(crate) fn last(&self) -> u32 {
        // Fewer than bytes, of which there are less than 2^31.
        self.tools.len().saturating_sub(1) as u32
    }

    /// How many tools there are.
    pub(crate) fn count(&self) -> usize {
        self.tools.len()
    }

    /// The tool's type, and whether it runs at the provider.
    pub(crate) fn kind(&mut self, tool: u32, kind: &str, hosted: bool) {
        if let Some(tool) = self.tools.get_mut(tool as usize) {
            tool.kind = Some(kind.to_owned());
            tool.hosted = hosted;
        }
    }

    /// The tool runs at the provider, whatever its type says.
    pub(crate) fn host(&mut self, tool: u32) {
        if let Some(tool) = self.tools.get_mut(tool as usize) {
            tool.hosted = true;
        }
    }

    /// The last name, if it is the tool's.
    pub(crate) fn last_name(&self, tool: u32) -> Option<&str> {
        let (of, name) = self.names.last()?;
        (*of == Whose::Tool(tool)).then_some(name)
    }

    /// The tool's type, and whether it runs at the provider, as far as is known.
    pub(crate) fn kind_of(&self, tool: u32) -> (Option<&str>, bool) {
        let tool = self.tools.get(tool as usize);
        tool.map_or((None, false), |it| (it.kind.as_deref(), it.hosted))
    }

    /// The tool is known without a name: by the tools that it holds, or since it
    /// turned out to be none.
    pub(crate) fn excuse(&mut self, tool: u32) {
        if let Some(tool) = self.tools.get_mut(tool as usize) {
            tool.known = true;
        }
    }

    /// A name of the tool.
    pub(crate) fn name(&mut self, tool: u32, name: &str) {
        self.excuse(tool);
        self.names.push((Whose::Tool(tool), name.to_owned()));
    }

    /// A name that takes the place of the tool's other, if it has one.
    pub(crate) fn rename(&mut self, tool: u32, name: &str) {
        if self.last_name(tool).is_some() {
            self.names.pop();
        }
        self.name(tool, name);
    }

    /// Something that is no element of a list of tools, and offers some.
    pub(crate) fn beside(&mut self, name: &str, hosted: bool) {
        self.names.push((Whose::Other { hosted }, name.to_owned()));
    }

    /// All of them, once for each name.
    ///
    /// # Errors
    /// A tool has no name.
    pub(crate) fn offers(self) -> Result<Vec<Offer>, Malformed> {
        let Self { tools, names } = self;
        if tools.iter().any(|tool| !tool.known) {
            let what = "tools must hold objects with a name or a type each";
            return Err(Malformed::in_field("tools", what));
        }
        let offer = |(whose, name): (Whose, String)| {
            let (kind, hosted) = match whose {
                Whose::Other { hosted } => (Some(name.clone()), hosted),
                Whose::Tool(tool) => tools
                    .get(tool as usize)
                    .map_or((None, false), |tool| (tool.kind.clone(), tool.hosted)),
            };
            let kind = kind.unwrap_or_else(|| "function".to_owned());
            Offer { name, kind, hosted }
        };
        Ok(names.into_iter().map(offer).collect())
    }

    /// The names of the first tool, and those of all others.
    pub(crate) fn split(self) -> (Vec<String>, Vec<String>) {
        let is_first = |(of, _): &(Whose, String)| *of == Whose::Tool(0);
        let (own, others): (Vec<_>, Vec<_>) = self.names.into_iter().partition(is_first);
        let names = |names: Vec<(Whose, String)>| names.into_iter().map(|(_, name)| name).collect();
        (names(own), names(others))
    }
}
