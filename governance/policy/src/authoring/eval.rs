//! Evaluates a query, as `opa eval` does.

use regorus::Value;

use super::Project;
use crate::gate;
use crate::gate::fault::Fault;
use crate::set::ENTRY_POINT;

/// What messages call the query; regorus calls it so.
const QUERY: &str = "<query.rego>";

/// One way in which a query holds.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryResult {
    /// Of its statements, in their order.
    pub expressions: Vec<Expression>,
    /// Its variables, as a JSON object; without any, it is empty.
    pub bindings: serde_json::Map<String, serde_json::Value>,
}

/// What one statement of a query came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// Its value.
    pub value: serde_json::Value,
    /// As it is written.
    pub text: String,
    /// Where it stands in the query, both from 1.
    pub row: u32,
    /// The column.
    pub col: u32,
}

/// Why a query gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The input is not JSON.
    #[error("the input is not JSON: {0}")]
    Input(String),
    /// The query is wrong, or ended with an error.
    #[error("{0}")]
    Query(Fault),
}

impl Project<'_> {
    /// Evaluates `query` with `input`, a JSON text, under the limits of a
    /// decision. A query that does not hold, or is undefined, has no result.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn eval(&self, query: &str, input: Option<&str>) -> Result<Vec<QueryResult>, QueryError> {
        gate::check_nesting(QUERY, query).map_err(QueryError::Query)?;
        let mut engine = self.engine.clone();
        if let Some(text) = input {
            engine.set_input(parse(text)?);
        }
        let results = engine
            .eval_query(query.to_owned(), false)
            .map_err(|error| {
                QueryError::Query(gate::raised(self.sources, QUERY, &error.to_string()))
            })?;
        // regorus stops at a statement that is false and gives that; it is an
        // answer only where it is all of the query.
        let holds = |one: &regorus::Expression| match one.value {
            Value::Undefined => false,
            Value::Bool(false) => one.text.trim() == query.trim(),
            _ => true,
        };
        let defined = results
            .result
            .into_iter()
            .filter(|result| result.expressions.iter().all(holds));
        Ok(defined.map(QueryResult::from).collect())
    }

    /// Evaluates what the gateway asks for.
    ///
    /// # Errors
    /// As for [`Self::eval`].
    pub fn eval_entry_point(&self, input: Option<&str>) -> Result<Vec<QueryResult>, QueryError> {
        self.eval(ENTRY_POINT, input)
    }
}

/// `text` as an input.
pub(super) fn parse(text: &str) -> Result<Value, QueryError> {
    // serde_json says where; regorus does not.
    serde_json::from_str::<serde_json::Value>(text)
        .map_err(|error| QueryError::Input(error.to_string()))?;
    Value::from_json_str(text).map_err(|error| QueryError::Input(error.to_string()))
}

impl From<regorus::QueryResult> for QueryResult {
    fn from(result: regorus::QueryResult) -> Self {
        let expressions = result.expressions.into_iter().map(|expression| Expression {
            value: super::json(&expression.value),
            text: expression.text.to_string(),
            row: expression.location.row,
            col: expression.location.col,
        });
        Self {
            expressions: expressions.collect(),
            bindings: match super::json(&result.bindings) {
                serde_json::Value::Object(fields) => fields,
                _ => serde_json::Map::new(),
            },
        }
    }
}
