//! The `lattice.yaml` that is being put together.

use std::collections::HashSet;

/// All of it.
#[derive(Debug, Default)]
pub struct Draft {
    /// Upstreams, in the order in which they were met.
    pub providers: Vec<Provider>,
    /// The names that clients ask for.
    pub models: Vec<Model>,
    /// The largest request body, in MiB.
    pub max_body_mib: Option<u64>,
}

/// An upstream. Two entries share one where all but the name is alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its name; ASCII letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where it is.
    pub address: Address,
    /// Its key.
    pub key: Key,
    /// How long it may be silent.
    pub timeouts: Timeouts,
}

/// How long an upstream may be silent, in milliseconds; `None`: as long as Lattice's default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timeouts {
    /// Before its reply begins.
    pub first_byte_ms: Option<u64>,
    /// Within its reply.
    pub between_chunks_ms: Option<u64>,
}

/// Where an upstream is.
#[derive(Debug, Clone, PartialEq)]
pub enum Address {
    /// Where its kind is at home.
    Default,
    /// At a base URL.
    At(String),
    /// Somebody has to say; `hint` names what is missing, in lower-case letters, digits and `-`.
    Missing {
        /// What is missing.
        hint: String,
    },
}

/// The key of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    /// None.
    None,
    /// In this variable.
    Variable(String),
    /// Written in the imported file; the number only tells keys apart.
    Written(usize),
}

/// A name that clients ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The name.
    pub name: String,
    /// Who answers.
    pub targets: Vec<Target>,
    /// Which of them is asked first; `None`: the first.
    pub balance: Option<Balance>,
    /// How often they are asked again; `None`: as often as Lattice's default.
    pub retries: Option<u64>,
}

/// Which of a model's targets is asked first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Balance {
    /// Any one, by its weight.
    Weighted,
    /// The one with the fewest requests under way.
    LeastBusy,
}

/// A model at an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The upstream's place in [`Draft::providers`].
    pub provider: usize,
    /// The model's name there.
    pub model: String,
    /// USD per million tokens of input and of output.
    pub price: Option<(f64, f64)>,
    /// The cap of a request that names none.
    pub max_output_tokens: Option<u64>,
    /// Its share where the model is balanced.
    pub weight: Option<u64>,
}

impl Draft {
    /// The place of this upstream; it is added where none like it is there yet. `name` is
    /// what it would be called, and is made one that no other has.
    pub fn provider(
        &mut self,
        name: &str,
        kind: &'static str,
        address: Address,
        key: Key,
    ) -> usize {
        let known = self.providers.iter().position(|provider| {
            provider.kind == kind && provider.address == address && provider.key == key
        });
        known.unwrap_or_else(|| {
            let name = free(&plain(name), "-", |name| {
                self.providers.iter().all(|known| known.name != name)
            });
            self.providers.push(Provider {
                name,
                kind,
                address,
                key,
                timeouts: Timeouts::default(),
            });
            self.providers.len() - 1
        })
    }

    /// The model of this name.
    pub fn model(&mut self, name: &str) -> Option<&mut Model> {
        self.models.iter_mut().find(|model| model.name == name)
    }

    /// The variable of each upstream's key, in the order of [`Draft::providers`]. A key that
    /// was written gets one that nothing else has.
    pub fn key_variables(&self) -> Vec<Option<String>> {
        let mut taken: HashSet<String> = HashSet::new();
        taken.extend(
            self.providers
                .iter()
                .filter_map(|provider| match &provider.key {
                    Key::Variable(name) => Some(name.clone()),
                    Key::None | Key::Written(_) => None,
                }),
        );
        let variable = |provider: &Provider| match &provider.key {
            Key::None => None,
            Key::Variable(name) => Some(name.clone()),
            Key::Written(_) => {
                let name = variable_of(&provider.name);
                let free = free(&name, "_", |name| !taken.contains(name));
                taken.insert(free.clone());
                Some(free)
            }
        };
        self.providers.iter().map(variable).collect()
    }
}

/// `wanted`, or with the first number behind it that makes it free.
fn free(wanted: &str, between: &str, is_free: impl Fn(&str) -> bool) -> String {
    let mut name = wanted.to_owned();
    let mut count = 1;
    while !is_free(&name) {
        count += 1;
        name = format!("{wanted}{between}{count}");
    }
    name
}

/// `groq-2`: `GROQ_2_API_KEY`.
fn variable_of(provider: &str) -> String {
    let upper = provider.to_ascii_uppercase();
    let name = upper.replace(|char: char| !char.is_ascii_alphanumeric(), "_");
    let before = if name.starts_with(|char: char| char.is_ascii_digit()) {
        "_"
    } else {
        ""
    };
    format!("{before}{name}_API_KEY")
}

/// A name that may stand in headers and before the `/` of a model.
fn plain(name: &str) -> String {
    let name = name.replace(
        |char: char| !(char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')),
        "-",
    );
    match name.trim_matches(['-', '.']) {
        "" => "provider".into(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_were_written_get_variables_that_nothing_else_has() {
        let mut draft = Draft::default();
        let own = Key::Variable("OPENAI_API_KEY".into());
        draft.provider("openai", "openai", Address::Default, Key::Written(1));
        draft.provider("openai", "openai", Address::Default, Key::Written(2));
        draft.provider("openai", "openai", Address::Default, own);
        assert_eq!(
            draft.provider("x", "openai", Address::Default, Key::Written(2)),
            1,
            "it is there already"
        );
        draft.provider("openai.2", "openai", Address::Default, Key::Written(3));
        draft.provider("local", "openai", Address::Default, Key::None);
        let variables = draft.key_variables();
        let variables: Vec<_> = variables.iter().map(Option::as_deref).collect();
        assert_eq!(
            variables,
            [
                Some("OPENAI_API_KEY_2"),
                Some("OPENAI_2_API_KEY"),
                Some("OPENAI_API_KEY"),
                Some("OPENAI_2_API_KEY_2"),
                None
            ]
        );
    }
}
