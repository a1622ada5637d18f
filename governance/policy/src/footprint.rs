//! What a set can see of the context, read off its text.
//!
//! Context is where the many-valued facts are (address, minute, tools). A set
//! that names only some of its fields gets only those, and its decisions are
//! shared by all requests that agree on them. The answer errs on the side of
//! more: any spelling that is not understood means the whole context.

/// One field of `input.context`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Dialect,
    Stream,
    Tools,
    Weekday,
    MinuteOfDay,
    Source,
    Classification,
}

impl Field {
    pub(crate) const ALL: [Self; 7] = [
        Self::Dialect,
        Self::Stream,
        Self::Tools,
        Self::Weekday,
        Self::MinuteOfDay,
        Self::Source,
        Self::Classification,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dialect => "dialect",
            Self::Stream => "stream",
            Self::Tools => "tools",
            Self::Weekday => "weekday",
            Self::MinuteOfDay => "minute_of_day",
            Self::Source => "source",
            Self::Classification => "classification",
        }
    }
}

/// A set of context fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint(u8);

impl Footprint {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const WHOLE: Self = Self((1 << Field::ALL.len()) - 1);

    pub(crate) fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u8)
    }

    pub(crate) fn fields(self) -> impl Iterator<Item = Field> {
        Field::ALL
            .into_iter()
            .filter(move |field| self.0 & (1 << *field as u8) != 0)
    }

    fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What one policy file can depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) context: Footprint,
    /// The same input always gives the same decision.
    pub(crate) repeatable: bool,
}

impl Reach {
    pub(crate) const NOTHING: Self = Self {
        context: Footprint::NONE,
        repeatable: true,
    };
    const ANYTHING: Self = Self {
        context: Footprint::WHOLE,
        repeatable: false,
    };

    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            context: self.context.union(other.context),
            repeatable: self.repeatable && other.repeatable,
        }
    }

    /// The reach of the policy file `text`.
    pub(crate) fn of(text: &str) -> Self {
        // A template string would hide code in a string.
        if text.contains("$\"") || text.contains("$`") {
            return Self::ANYTHING;
        }
        let tokens = tokens(text);
        let uses = (0..tokens.len()).map(|at| Self::of_use(&tokens[at..]));
        uses.fold(Self::NOTHING, Self::union)
    }

    /// The reach of the identifier that `rest` begins with.
    fn of_use(rest: &[&str]) -> Self {
        match rest {
            ["input", ".", "subject" | "action" | "resource", ..] => Self::NOTHING,
            ["input", ".", "context", ".", name, ..] => {
                let known = Field::ALL.into_iter().find(|field| field.name() == *name);
                let context = known.map_or(Footprint::WHOLE, |field| Footprint::NONE.with(field));
                Self {
                    context,
                    ..Self::NOTHING
                }
            }
            ["input", ..] => Self {
                context: Footprint::WHOLE,
                ..Self::NOTHING
            },
            ["time", ".", "now_ns", ..]
            | ["time" | "rand" | "uuid" | "opa" | "http", "[", ..]
            | ["rand" | "opa", ".", ..]
            | ["uuid", ".", "rfc4122", ..]
            | ["http", ".", "send", ..] => Self {
                repeatable: false,
                ..Self::NOTHING
            },
            _ => Self::NOTHING,
        }
    }
}

/// Identifiers and single characters of Rego text, without white space, comments
/// and what stands in strings.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => quoted(rest),
            '`' => rest[1..].find('`').map_or(rest.len(), |end| end + 2),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if first == '"' || first == '`' {
            tokens.push("\"");
        } else if first != '#' && !first.is_whitespace() {
            tokens.push(token);
        }
        rest = after;
    }
    tokens
}

/// Length of the string that `text` begins with, quotes included.
fn quoted(text: &str) -> usize {
    let mut escaped = true; // the opening quote closes nothing
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(text: &str) -> Vec<&'static str> {
        Reach::of(text).context.fields().map(Field::name).collect()
    }

    #[test]
    fn named_fields_are_the_footprint() {
        assert_eq!(
            context("allow if input.subject.id == input.resource.id"),
            [""; 0]
        );
        assert_eq!(context("allow if input.context.stream"), ["stream"]);
        assert_eq!(
            context("x if { some t in input.context.tools\n input.context.source == t }"),
            ["tools", "source"]
        );
        assert_eq!(context("import input.context.weekday as day"), ["weekday"]);
        assert_eq!(context("x if input.context.tools[_] == \"a\""), ["tools"]);
        assert_eq!(
            context("x if input . context\n.minute_of_day > 5"),
            ["minute_of_day"]
        );
    }

    #[test]
    fn every_other_way_in_is_the_whole_context() {
        let whole: Vec<_> = Field::ALL.map(Field::name).into();
        for text in [
            "x := input.context",
            "x := input",
            "x if input[\"context\"].stream",
            "x if input[`context`].stream",
            "x if input.context[\"stream\"]",
            "x if input.context[name]",
            "x if data.a with input as {}",
            "import input.context as c",
            "import input as i",
            "import input",
            "x := count(input.context)",
            "x := object.get(input, \"context\", {})",
            "x if walk(input, [path, value])",
            "x := {\"a\": input}",
            "x if input.context.tenant == 1",
            "x if input.contextual",
            "x if input.prompt",
            "x := $\"{input.context.stream}\"",
        ] {
            assert_eq!(context(text), whole, "{text}");
        }
    }

    #[test]
    fn comments_and_strings_say_nothing() {
        assert_eq!(
            context("# input.context\nx := \"input.context\" # time.now_ns()"),
            [""; 0]
        );
        assert_eq!(context("x := `a\n# input.context\n`"), [""; 0]);
        assert_eq!(context("my_input := 1\ninput_2 := 2"), [""; 0]);
    }

    #[test]
    fn a_hash_or_a_quote_in_a_string_hides_nothing() {
        assert_eq!(context("x := \"#\"; y := input.context.stream"), ["stream"]);
        assert_eq!(
            context("x := \"\\\"#\"; y := input.context.stream"),
            ["stream"]
        );
        assert_eq!(
            context("x := \"\\\\\"; y := input.context.stream # \""),
            ["stream"]
        );
        assert_eq!(
            context("x := `\n# a`; y := input.context.stream"),
            ["stream"]
        );
        assert_eq!(context("x := `\\`; y := input.context.stream"), ["stream"]);
        assert_eq!(
            context("# it's \" `\ny := input.context.stream"),
            ["stream"]
        );
    }

    #[test]
    fn what_differs_from_call_to_call_is_not_repeatable() {
        for text in [
            "x := time.now_ns()",
            "x := time . now_ns()",
            "x := time[\"now_ns\"]()",
            "x := rand.intn(\"a\", 3)",
            "x := uuid.rfc4122(\"a\")",
            "x := opa.runtime()",
            "x := http.send({})",
        ] {
            assert!(!Reach::of(text).repeatable, "{text}");
        }
        for text in [
            "x := time.parse_rfc3339_ns(\"a\")",
            "time := 5",
            "x := uuid.parse(\"a\")",
            "x := \"http.send\"",
        ] {
            assert!(Reach::of(text).repeatable, "{text}");
        }
    }

    #[test]
    fn files_add_up() {
        let one = Reach::of("x if input.context.stream");
        let both = one.union(Reach::of("y := time.now_ns() + count(input.context.tools)"));
        assert_eq!(
            both.context,
            Footprint::NONE.with(Field::Stream).with(Field::Tools)
        );
        assert!(!both.repeatable);
    }
}
