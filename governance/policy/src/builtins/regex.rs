//! Regular expressions as Go reads them, told to an engine that reads Rust's.
//!
//! Perl's classes are ASCII in Go. What one of the two does not know, or takes otherwise,
//! is refused: OPA would refuse the pattern too, or match something else.

use std::ops::Range;

use regex_syntax::ast::{
    AssertionKind, Ast, ClassPerl, ClassPerlKind, ClassSetBinaryOp, ClassSetItem, ClassUnicodeKind,
    Flag, Flags, FlagsItemKind, GroupKind, HexLiteralKind, Literal, LiteralKind, RepetitionKind,
    RepetitionRange, Span, Visitor, parse::Parser, visit,
};
use regorus::{Engine, Value};

use super::{Answer, Refused, add, builtin};

/// The most that Go repeats something.
const REPEATED: u32 = 1000;

pub(super) fn install(engine: &mut Engine) {
    for name in [
        "regex.match",
        "regex.find_n",
        "regex.find_all_string_submatch_n",
        "regex.split",
    ] {
        add(engine, name, |name, arguments| with(name, arguments, 0));
    }
    add(engine, "regex.replace", |name, arguments| {
        super::bounds::replaced_by_pattern(&arguments)?;
        with(name, arguments, 1)
    });
    add(
        engine,
        "regex.is_valid",
        |name, arguments| match &arguments[..] {
            [Value::String(pattern)] if of_go(pattern).is_err() => Ok(false.into()),
            _ => with(name, arguments, 0),
        },
    );
    add(engine, "regex.template_match", |name, arguments| {
        if let Some(Value::String(template)) = arguments.first()
            && template.contains('\\')
        {
            let why = "`regex.template_match` is given a `\\`, which may mean something else in OPA; write a class such as [0-9]";
            return Err(Refused(why.to_owned()));
        }
        builtin(name, &arguments)
    });
}

/// The function with the pattern, which is this argument, as Go reads it.
fn with(name: &'static str, mut arguments: Vec<Value>, place: usize) -> Answer {
    if let Some(argument) = arguments.get_mut(place)
        && let Value::String(pattern) = &*argument
    {
        *argument = of_go(pattern)
            .map_err(|why| Refused(format!("`{name}`: {why}")))?
            .into();
    }
    builtin(name, &arguments)
}

/// What Rust takes as Go does `pattern`; or what keeps it from that.
fn of_go(pattern: &str) -> Result<String, String> {
    let ast = Parser::new()
        .parse(pattern)
        .map_err(|error| format!("the pattern is none: {}", error.kind()))?;
    let changes = visit(&ast, Changes(Vec::new()))
        .map_err(|what| format!("{what} in the pattern is not what it is in OPA; do without it"))?;
    let mut text = String::with_capacity(pattern.len());
    let mut from = 0;
    for (at, instead) in changes {
        text.push_str(pattern.get(from..at.start).unwrap_or_default());
        text.push_str(instead);
        from = at.end;
    }
    text.push_str(pattern.get(from..).unwrap_or_default());
    Ok(text)
}

/// What is written in place of what, in the order of the pattern.
struct Changes(Vec<(Range<usize>, &'static str)>);

impl Changes {
    fn put(&mut self, at: &Span, instead: &'static str) {
        self.0.push((at.start.offset..at.end.offset, instead));
    }
}

impl Visitor for Changes {
    type Output = Vec<(Range<usize>, &'static str)>;
    type Err = &'static str;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        match ast {
            Ast::ClassPerl(class) => self.put(&class.span, perl(class, false)),
            Ast::ClassUnicode(class) => unicode(&class.kind)?,
            Ast::Literal(it) => literal(it)?,
            Ast::Flags(set) => flags(&set.flags)?,
            Ast::Group(group) => {
                if let GroupKind::NonCapturing(set) = &group.kind {
                    flags(set)?;
                }
            }
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText => {}
                AssertionKind::WordBoundary => self.put(&assertion.span, r"(?-u:\b)"),
                _ => return Err("a word boundary that is not `\\b`"),
            },
            Ast::Repetition(repetition) => {
                if let Ast::Repetition(_) = *repetition.ast {
                    return Err("a repetition of a repetition");
                }
                let most = match repetition.op.kind {
                    RepetitionKind::Range(
                        RepetitionRange::Exactly(most)
                        | RepetitionRange::AtLeast(most)
                        | RepetitionRange::Bounded(_, most),
                    ) => most,
                    _ => 0,
                };
                if most > REPEATED {
                    return Err("more than 1000 repetitions");
                }
            }
            Ast::Empty(_)
            | Ast::Dot(_)
            | Ast::ClassBracketed(_)
            | Ast::Alternation(_)
            | Ast::Concat(_) => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        match item {
            ClassSetItem::Perl(class) => self.put(&class.span, perl(class, true)),
            ClassSetItem::Unicode(class) => unicode(&class.kind)?,
            ClassSetItem::Literal(it) => literal(it)?,
            ClassSetItem::Range(range) => {
                literal(&range.start)?;
                literal(&range.end)?;
            }
            ClassSetItem::Bracketed(_) => return Err("a `[` between brackets"),
            ClassSetItem::Empty(_) | ClassSetItem::Ascii(_) | ClassSetItem::Union(_) => {}
        }
        Ok(())
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), Self::Err> {
        Err("a `&&`, `--` or `~~` between brackets")
    }
}

fn perl(class: &ClassPerl, within: bool) -> &'static str {
    match (&class.kind, class.negated, within) {
        (ClassPerlKind::Digit, false, true) => "0-9",
        (ClassPerlKind::Digit, false, false) => "[0-9]",
        (ClassPerlKind::Digit, true, _) => "[^0-9]",
        (ClassPerlKind::Space, false, true) => r"\t\n\f\r\x20",
        (ClassPerlKind::Space, false, false) => r"[\t\n\f\r\x20]",
        (ClassPerlKind::Space, true, _) => r"[^\t\n\f\r\x20]",
        (ClassPerlKind::Word, false, true) => "0-9A-Za-z_",
        (ClassPerlKind::Word, false, false) => "[0-9A-Za-z_]",
        (ClassPerlKind::Word, true, _) => "[^0-9A-Za-z_]",
    }
}

fn unicode(kind: &ClassUnicodeKind) -> Result<(), &'static str> {
    match kind {
        ClassUnicodeKind::OneLetter(_) | ClassUnicodeKind::Named(_) => Ok(()),
        ClassUnicodeKind::NamedValue { .. } => Err("a Unicode class with a value"),
    }
}

fn literal(literal: &Literal) -> Result<(), &'static str> {
    match literal.kind {
        LiteralKind::HexFixed(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong)
        | LiteralKind::HexBrace(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
            Err("`\\u`")
        }
        _ => Ok(()),
    }
}

fn flags(flags: &Flags) -> Result<(), &'static str> {
    let known = flags.items.iter().all(|item| match item.kind {
        FlagsItemKind::Negation => true,
        FlagsItemKind::Flag(flag) => matches!(
            flag,
            Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed
        ),
    });
    known.then_some(()).ok_or("a flag other than i, m, s and U")
}
