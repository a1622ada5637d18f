//! Fields of `input.context`, and sets of them.

/// One field of `input.context`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Dialect,
    Stream,
    Tools,
    Offered,
    Weekday,
    MinuteOfDay,
    Source,
    Classification,
}

impl Field {
    pub(crate) const ALL: [Self; 8] = [
        Self::Dialect,
        Self::Stream,
        Self::Tools,
        Self::Offered,
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
            Self::Offered => "offered",
            Self::Weekday => "weekday",
            Self::MinuteOfDay => "minute_of_day",
            Self::Source => "source",
            Self::Classification => "classification",
        }
    }
}

/// A set of context fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint(u16);

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

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
