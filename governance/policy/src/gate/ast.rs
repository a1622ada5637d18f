//! Policies as regorus parses them: the one place that names its unstable part,
//! and the walk that every check goes by.
//!
//! Names are resolved as regorus does: what a body declares comes before
//! `input`, `data`, the package's own rules and, last, imports.

use std::collections::BTreeSet;

pub(crate) use regorus::unstable::{
    ArithOp, AssignOp, BoolOp, Expr, Literal, LiteralStmt, Module, Query, Ref, Rule, RuleAssign,
    RuleHead, Source, Span, WithModifier,
};

use super::fault::Position;

/// Parameters of the built-in function of this name.
pub(crate) fn builtin(name: &str) -> Option<usize> {
    regorus::unstable::BUILTINS
        .get(name)
        .map(|(_, parameters)| usize::from(*parameters))
}

/// What the built-in function of this name answers, or the message of its error.
pub(crate) fn call_builtin(
    name: &str,
    arguments: &[regorus::Value],
) -> Result<regorus::Value, String> {
    let Some((function, _)) = regorus::unstable::BUILTINS.get(name) else {
        return Err(format!("`{name}` is not in this engine"));
    };
    // It reads its parameters for the places of its errors, which are replaced by the call's.
    let source = Source::from_contents(name.to_owned(), String::new());
    let source = source.map_err(|error| error.to_string())?;
    let span = Span {
        source,
        line: 1,
        col: 1,
        start: 0,
        end: 0,
    };
    let parameter = || {
        Ref::new(Expr::Null {
            span: span.clone(),
            value: regorus::Value::Null,
            eidx: 0,
        })
    };
    let parameters: Vec<Ref<Expr>> = arguments.iter().map(|_| parameter()).collect();
    function(&span, &parameters, arguments, true).map_err(|error| {
        let text = error.to_string();
        let message = text
            .rsplit_once("error: ")
            .map_or(&*text, |(_, message)| message);
        message.trim().to_owned()
    })
}

/// Where `span` begins, the column in bytes; regorus counts a tab as four.
pub(crate) fn position(span: &Span) -> Position {
    let text = span.source.contents();
    let start = (span.start as usize).min(text.len());
    let before = text.as_bytes().get(..start).unwrap_or_default();
    let line = before.iter().rposition(|byte| *byte == b'\n');
    let column = start - line.map_or(0, |end| end + 1) + 1;
    Position {
        line: span.line,
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

/// What is written from the beginning of `from` to the end of `to`, which are
/// of one file. regorus leaves the quotes of a string out of its span.
pub(crate) fn written<'a>(from: &'a Span, to: &Span) -> &'a str {
    let start = from.start as usize;
    let quoted = start > 0 && is_quote(from, start - 1);
    slice(from, start - usize::from(quoted), to)
}

/// What is written after `from`, to the end of `to`.
pub(crate) fn written_after<'a>(from: &'a Span, to: &Span) -> &'a str {
    let end = from.end as usize;
    slice(from, end + usize::from(is_quote(from, end)), to)
}

fn slice<'a>(of: &'a Span, start: usize, to: &Span) -> &'a str {
    let end = to.end as usize;
    let end = end + usize::from(is_quote(to, end));
    of.source.contents().get(start..end).unwrap_or_default()
}

fn is_quote(span: &Span, at: usize) -> bool {
    matches!(span.source.contents().as_bytes().get(at), Some(b'"' | b'`'))
}

/// One step of a reference.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    /// A name that the text gives.
    Name(&'a str),
    /// Whatever the expression is at the time.
    Any(&'a Expr),
}

/// A variable and what is selected from it.
#[derive(Debug, Clone)]
pub(crate) struct Reference<'a> {
    pub(crate) base: &'a str,
    pub(crate) steps: Vec<Step<'a>>,
    pub(crate) span: &'a Span,
}

impl<'a> Reference<'a> {
    /// `expr` as a reference, if it is one that begins with a variable.
    pub(crate) fn of(expr: &'a Expr) -> Option<Self> {
        let span = expr.span();
        let mut steps = Vec::new();
        let mut rest = expr;
        loop {
            match rest {
                Expr::Var { span: name, .. } => {
                    steps.reverse();
                    return Some(Self {
                        base: name.text(),
                        steps,
                        span,
                    });
                }
                Expr::RefDot { refr, field, .. } => {
                    steps.push(Step::Name(field.0.text()));
                    rest = refr;
                }
                Expr::RefBrack { refr, index, .. } => {
                    steps.push(text(index).map_or(Step::Any(index), Step::Name));
                    rest = refr;
                }
                _ => return None,
            }
        }
    }

    /// The names before the first step that is not one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.steps.iter().map_while(|step| match step {
            Step::Name(name) => Some(*name),
            Step::Any(_) => None,
        })
    }

    /// Whether every step is a name.
    pub(crate) fn is_static(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Name(_)))
    }
}

/// A string literal's text.
pub(crate) fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => match value {
            regorus::Value::String(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Names that hide rules and imports where they stand.
pub(crate) struct Scope<'a> {
    names: BTreeSet<&'a str>,
    outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut scope = Some(self);
        while let Some(inner) = scope {
            if inner.names.contains(name) {
                return true;
            }
            scope = inner.outer;
        }
        false
    }

    fn within<'b>(&'b self, names: BTreeSet<&'b str>) -> Scope<'b>
    where
        'a: 'b,
    {
        Scope {
            names,
            outer: Some(self),
        }
    }
}

/// Is shown every expression of a rule, outermost first.
pub(crate) trait Visitor {
    /// Whether to go on to what is inside of `expr`.
    fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> bool;

    /// A statement, before what is inside of it.
    fn statement(&mut self, _statement: &LiteralStmt, _scope: &Scope<'_>) {}

    /// A body begins, before its statements.
    fn enter(&mut self, _body: &Query) {}

    /// The innermost body ends.
    fn leave(&mut self) {}

    /// What a `with` replaces; the replacement is shown as an expression.
    fn replaced(&mut self, _with: &WithModifier, _scope: &Scope<'_>) {}
}

/// Shows `visitor` all of `rule`, except the reference in its head as far as it
/// is only a name.
pub(crate) fn walk(rule: &Rule, visitor: &mut impl Visitor) {
    let (head, bodies) = match rule {
        Rule::Default { value, .. } => {
            return expression(value, &empty(), visitor);
        }
        Rule::Spec { head, bodies, .. } => (head, bodies),
    };
    let mut parameters = BTreeSet::new();
    if let RuleHead::Func { args, .. } = head {
        args.iter().for_each(|arg| variables(arg, &mut parameters));
    }
    let parameters = Scope {
        names: parameters,
        outer: None,
    };
    let mut declared = BTreeSet::new();
    for body in bodies.iter().filter(|body| !body.is_else) {
        declare(&body.query, &mut declared);
    }
    walk_head(head, &parameters.within(declared), visitor);
    for body in bodies {
        let mut declared = BTreeSet::new();
        declare(&body.query, &mut declared);
        let scope = parameters.within(declared);
        if let Some(assign) = &body.assign {
            expression(&assign.value, &scope, visitor);
        }
        statements(&body.query, &scope, visitor);
    }
}

fn empty() -> Scope<'static> {
    Scope {
        names: BTreeSet::new(),
        outer: None,
    }
}

fn walk_head(head: &RuleHead, scope: &Scope<'_>, visitor: &mut impl Visitor) {
    let (refr, values) = match head {
        RuleHead::Compr { refr, assign, .. } => {
            (refr, [None, assign.as_ref().map(|assign| &assign.value)])
        }
        RuleHead::Set { refr, key, .. } => (refr, [key.as_ref(), None]),
        RuleHead::Func {
            refr, args, assign, ..
        } => {
            args.iter().for_each(|arg| expression(arg, scope, visitor));
            (refr, [None, assign.as_ref().map(|assign| &assign.value)])
        }
    };
    if let Some(name) = Reference::of(refr) {
        selectors(&name, scope, visitor);
    }
    for value in values.into_iter().flatten() {
        expression(value, scope, visitor);
    }
}

fn query(query: &Query, scope: &Scope<'_>, terms: &[&Expr], visitor: &mut impl Visitor) {
    let mut declared = BTreeSet::new();
    declare(query, &mut declared);
    let scope = scope.within(declared);
    statements(query, &scope, visitor);
    terms
        .iter()
        .for_each(|term| expression(term, &scope, visitor));
}

fn statements(query: &Query, scope: &Scope<'_>, visitor: &mut impl Visitor) {
    visitor.enter(query);
    for statement in &query.stmts {
        visitor.statement(statement, scope);
        literal(&statement.literal, scope, visitor);
        for with in &statement.with_mods {
            visitor.replaced(with, scope);
            expression(&with.r#as, scope, visitor);
        }
    }
    visitor.leave();
}

fn literal(literal: &Literal, scope: &Scope<'_>, visitor: &mut impl Visitor) {
    match literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn {
            key,
            value,
            collection,
            ..
        } => {
            for pattern in key.iter().chain([value]) {
                expression(pattern, scope, visitor);
            }
            expression(collection, scope, visitor);
        }
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => {
            expression(expr, scope, visitor);
        }
        Literal::Every {
            key,
            value,
            domain,
            query: body,
            ..
        } => {
            expression(domain, scope, visitor);
            let names = key.iter().chain([value]).map(Span::text).collect();
            query(body, &scope.within(names), &[], visitor);
        }
    }
}

/// Shows `visitor` the selectors of `reference` that are not names.
pub(crate) fn selectors(reference: &Reference<'_>, scope: &Scope<'_>, visitor: &mut impl Visitor) {
    for step in &reference.steps {
        if let Step::Any(index) = step {
            expression(index, scope, visitor);
        }
    }
}

fn expression(expr: &Expr, scope: &Scope<'_>, visitor: &mut impl Visitor) {
    if !visitor.expression(expr, scope) {
        return;
    }
    let (terms, body) = parts(expr);
    match body {
        Some(body) => query(body, scope, &terms, visitor),
        None => terms
            .into_iter()
            .for_each(|term| expression(term, scope, visitor)),
    }
}

/// What `expr` is made of; for a comprehension, with the body that its terms
/// are of.
fn parts(expr: &Expr) -> (Vec<&Expr>, Option<&Query>) {
    let terms: Vec<&Expr> = match expr {
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            return (vec![term], Some(query));
        }
        Expr::ObjectCompr {
            key, value, query, ..
        } => return (vec![key, value], Some(query)),
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().map(AsRef::as_ref).collect()
        }
        Expr::Object { fields, .. } => fields
            .iter()
            .flat_map(|(_, key, value)| [key.as_ref(), value.as_ref()])
            .collect(),
        Expr::Call { params, .. } => params.iter().map(AsRef::as_ref).collect(),
        Expr::UnaryExpr { expr, .. } => vec![expr],
        Expr::RefDot { refr, .. } => vec![refr],
        Expr::RefBrack { refr, index, .. } => vec![refr, index],
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => vec![lhs, rhs],
        Expr::Membership {
            key,
            value,
            collection,
            ..
        } => {
            let key = key.iter().map(AsRef::as_ref);
            key.chain([value.as_ref(), collection.as_ref()]).collect()
        }
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. } => Vec::new(),
    };
    (terms, None)
}

/// What `expr` is made of, if it is no comprehension.
pub(crate) fn terms(expr: &Expr) -> Vec<&Expr> {
    match parts(expr) {
        (terms, None) => terms,
        (_, Some(_)) => Vec::new(),
    }
}

/// Levels of the highest expression of `rule`, bodies of comprehensions and of
/// `every` among them.
pub(crate) fn height(rule: &Rule) -> usize {
    struct Heights(usize);
    impl Visitor for Heights {
        fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> bool {
            let mut inner = Self(0);
            let (terms, body) = parts(expr);
            if let Some(body) = body {
                query(body, scope, &terms, &mut inner);
            } else {
                terms
                    .into_iter()
                    .for_each(|term| expression(term, scope, &mut inner));
            }
            self.0 = self.0.max(inner.0 + 1);
            false
        }
    }
    let mut heights = Heights(0);
    walk(rule, &mut heights);
    heights.0
}

/// Names that the statements of `query` declare.
fn declare<'a>(query: &'a Query, names: &mut BTreeSet<&'a str>) {
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => names.extend(vars.iter().map(Span::text)),
            Literal::SomeIn { key, value, .. } => {
                for pattern in key.iter().chain([value]) {
                    variables(pattern, names);
                }
            }
            Literal::Expr { expr, .. } => {
                if let Expr::AssignExpr {
                    op: AssignOp::ColEq,
                    lhs,
                    ..
                } = &**expr
                {
                    variables(lhs, names);
                }
            }
            Literal::NotExpr { .. } | Literal::Every { .. } => {}
        }
    }
}

/// The variables that matching against `pattern` binds.
pub(crate) fn variables<'a>(pattern: &'a Expr, names: &mut BTreeSet<&'a str>) {
    match pattern {
        Expr::Var { span, .. } => {
            names.insert(span.text());
        }
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().for_each(|item| variables(item, names));
        }
        Expr::Object { fields, .. } => {
            fields
                .iter()
                .for_each(|(_, _, value)| variables(value, names));
        }
        _ => {}
    }
}
