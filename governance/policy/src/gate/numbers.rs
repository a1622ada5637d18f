//! Fractions that OPA counts otherwise: it computes with decimals of many digits, and the
//! engine here with doubles.

use super::ast::{self, ArithOp, Expr, Reference, Scope, Visitor};
use super::fault::Faults;
use super::program::{Callee, Program};

/// Functions that compute with what they are given.
const ADDERS: [&str; 2] = ["sum", "product"];
/// Functions that make a whole number of any.
const ROUNDERS: [&str; 3] = ["floor", "ceil", "round"];
/// Up to here every whole number is a double.
const WHOLE: f64 = 9_007_199_254_740_992.0;
/// Digits that a double keeps, whichever they are.
const DIGITS: usize = 15;

/// Refuses numbers with a fraction or an exponent that are no double, in sets that compute
/// those with any fraction that is none, and quotients that are not made whole.
pub(super) fn check(program: &Program, faults: &mut Faults) {
    let mut numbers = Numbers {
        program,
        unit: 0,
        computes: false,
        rounded: None,
        fractions: Vec::new(),
        faults,
    };
    for (unit, rule) in program.nodes.iter().flat_map(|node| &node.rules) {
        numbers.unit = *unit;
        ast::walk(rule, &mut numbers);
    }
    let Numbers {
        computes,
        fractions,
        ..
    } = numbers;
    if computes {
        fractions.into_iter().for_each(|fault| faults.add(fault));
    }
}

struct Numbers<'a> {
    program: &'a Program,
    unit: usize,
    /// The set does arithmetic somewhere.
    computes: bool,
    /// What is made whole.
    rounded: Option<*const Expr>,
    /// Faults if it does.
    fractions: Vec<super::fault::Fault>,
    faults: &'a mut Faults,
}

impl Visitor for Numbers<'_> {
    fn expression(&mut self, expr: &Expr, _: &Scope<'_>) -> bool {
        match expr {
            Expr::Number { span, .. } => self.number(expr, span.text()),
            Expr::ArithExpr { op, .. } => {
                self.computes = true;
                let whole = self.rounded == Some(std::ptr::from_ref(expr));
                if matches!(op, ArithOp::Div) && !whole {
                    self.faults.add(self.program.fault(
                        self.unit,
                        expr.span(),
                        "a quotient may be a fraction, which OPA computes with more digits",
                        "write floor(a / b), or multiply the other side of the comparison",
                    ));
                }
            }
            Expr::Call { fcn, params, .. } => {
                if let Some(function) = Reference::of(fcn)
                    && let Callee::Builtin(name, _) = self.program.callee(self.unit, &function)
                {
                    self.computes |= ADDERS.contains(&name.as_str());
                    if ROUNDERS.contains(&name.as_str()) {
                        self.rounded = params.first().map(|it| std::ptr::from_ref::<Expr>(it));
                    }
                }
            }
            _ => {}
        }
        true
    }
}

impl Numbers<'_> {
    fn number(&mut self, expr: &Expr, text: &str) {
        if !text.contains(['.', 'e', 'E']) {
            return;
        }
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let value = text.parse::<f64>().unwrap_or(f64::INFINITY);
        let fault = |what: &str| {
            self.program.fault(
                self.unit,
                expr.span(),
                format!("{text} {what}"),
                "write whole numbers, such as a price in cents",
            )
        };
        if value.abs() > WHOLE || digits > DIGITS {
            let fault = fault("has more digits than a double, and OPA keeps them all");
            self.faults.add(fault);
        } else if (value * 1024.0).fract() != 0.0 {
            // 0.5 is a double; 0.1 is not.
            let fault =
                fault("is not exactly a double, and the set computes: OPA gets another sum");
            self.fractions.push(fault);
        }
    }
}
