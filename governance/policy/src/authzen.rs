//! The set in force, asked in the words of the `AuthZEN` Authorization API 1.0: bytes
//! of a request in, the value of a response out.
//!
//! A request is taken to the input that the gateway's own requests make, member by
//! member; see [`input`] for what stands in for facts that it does not name. What it
//! says of its subject is believed: whoever may ask is a point that enforces policy.
//! Decisions are made afresh, and not kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use lattice_kernel::Tool;
use lattice_kernel::gates::{Decision, Ruling};
use regorus::Value as Rego;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, UtcOffset};

use crate::Policy;
use crate::decision;
use crate::input::weekday;
use crate::set::PolicySet;

/// Evaluations of one request at the most.
pub const MOST: usize = 100;

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The request is not one (400).
    #[error("{0}")]
    Malformed(String),
    /// The policy gave no decision (500), which whoever asked has to take for a denial.
    #[error("the policy gave no decision on this request; the gateway's log says why")]
    Undecided,
}

impl Problem {
    /// The status that a response has because of it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Undecided => 500,
        }
    }
}

/// Answers a request to the Access Evaluation API.
///
/// # Errors
/// [`Problem`].
pub fn evaluation(policy: &Policy, at: OffsetDateTime, body: &[u8]) -> Result<Value, Problem> {
    let request = request(body)?;
    Asked {
        policy,
        at,
        set: policy.set(),
    }
    .answer(&request)
}

/// Answers a request to the Access Evaluations API, under one set and as of one moment.
/// Without evaluations of its own it is one itself.
///
/// # Errors
/// [`Problem`], where it concerns the request as a whole; that of a single evaluation
/// is told in its place, which denies.
pub fn evaluations(policy: &Policy, at: OffsetDateTime, body: &[u8]) -> Result<Value, Problem> {
    let mut request = request(body)?;
    let asked = Asked {
        policy,
        at,
        set: policy.set(),
    };
    let single = match request.remove("evaluations") {
        None => Vec::new(),
        Some(Value::Array(evaluations)) => evaluations,
        Some(_) => return Err(malformed("evaluations: not an array")),
    };
    if single.is_empty() {
        return asked.answer(&request);
    }
    if single.len() > MOST {
        return Err(malformed(&format!(
            "evaluations: more than {MOST}; send the rest in another request"
        )));
    }
    let last = last(request.get("options"))?;
    let mut answers = Vec::with_capacity(single.len());
    for evaluation in single {
        let answer = inherit(evaluation, &request).and_then(|whole| asked.answer(&whole));
        let answer = answer.unwrap_or_else(|problem| {
            let error = json!({"status": problem.status(), "message": problem.to_string()});
            json!({"decision": false, "context": {"error": error}})
        });
        let ends = last.is_some_and(|last| answer["decision"] == last);
        answers.push(answer);
        if ends {
            break;
        }
    }
    Ok(json!({"evaluations": answers}))
}

/// The decision after which no further evaluation is made.
fn last(options: Option<&Value>) -> Result<Option<bool>, Problem> {
    let semantic = match options {
        None => return Ok(None),
        Some(Value::Object(options)) => options.get("evaluations_semantic"),
        Some(_) => return Err(malformed("options: not an object")),
    };
    match semantic.map(Value::as_str) {
        None | Some(Some("execute_all")) => Ok(None),
        Some(Some("deny_on_first_deny")) => Ok(Some(false)),
        Some(Some("permit_on_first_permit")) => Ok(Some(true)),
        _ => Err(malformed(
            "options.evaluations_semantic: execute_all, deny_on_first_deny or permit_on_first_permit",
        )),
    }
}

/// The members that an evaluation leaves out are those of the request around it.
fn inherit(evaluation: Value, around: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let Value::Object(mut evaluation) = evaluation else {
        return Err(malformed("an evaluation is not an object"));
    };
    for name in ["subject", "action", "resource", "context"] {
        if let (false, Some(value)) = (evaluation.contains_key(name), around.get(name)) {
            evaluation.insert(name.to_owned(), value.clone());
        }
    }
    Ok(evaluation)
}

fn request(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(request)) => Ok(request),
        Ok(_) => Err(malformed("the request is not a JSON object")),
        Err(error) => Err(malformed(&format!("the request is not JSON: {error}"))),
    }
}

/// Tools of which only the names are said; what is no list of names is left for the
/// policy to refuse.
fn functions(tools: &Value) -> Value {
    let function = |name| json!({"name": name, "type": Tool::FUNCTION, "hosted": false});
    match tools {
        Value::Array(names) => names.iter().map(function).collect(),
        other => other.clone(),
    }
}

fn malformed(what: &str) -> Problem {
    Problem::Malformed(what.to_owned())
}

struct Asked<'a> {
    policy: &'a Policy,
    at: OffsetDateTime,
    set: Arc<PolicySet>,
}

impl Asked<'_> {
    fn answer(&self, request: &Map<String, Value>) -> Result<Value, Problem> {
        let input = input(request, self.at)?;
        let of_tool = input["action"]["name"] == "tool.call";
        let decided = self
            .policy
            .evaluate_json(&self.set, self.at, Rego::from(input));
        let decision = decided.map_err(|_| Problem::Undecided)?;
        Ok(self.response(&decision, of_tool))
    }

    fn response(&self, decision: &Decision, of_tool: bool) -> Value {
        // A tool call and a request ask different things in return of an obligation.
        let allowed = if of_tool {
            !matches!(decision.ruling(), Ruling::Refuse(_))
        } else {
            decision.allows()
        };
        let mut context = decision::write(decision);
        context["revision"] = (&**self.set.revision()).into();
        context["data_revision"] = self.set.store_revision().into();
        if !allowed {
            let messages = decision.deny.iter().map(|denial| &*denial.message);
            let mut reason = messages.collect::<Vec<_>>().join(" ");
            if reason.is_empty() {
                reason = decision.refusal().message.into();
            }
            context["reason_admin"] = json!({"en": reason});
        }
        json!({"decision": allowed, "context": context})
    }
}

/// The input of a request: what it says, and for what it does not say what a request of
/// the gateway's own says that lacks the fact. The time is the gateway's, unless told.
fn input(request: &Map<String, Value>, at: OffsetDateTime) -> Result<Value, Problem> {
    let member = |name: &'static str| Member::of(request, name);
    let mut subject = member("subject")?.texts(&["type", "id"])?;
    let action = member("action")?.texts(&["name"])?;
    let mut resource = member("resource")?.texts(&["type", "id"])?;
    let nulls = [
        "org",
        "team",
        "user",
        "agent",
        "key",
        "auth",
        "classification",
        "models",
        "team_models",
    ];
    let properties = subject.properties()?;
    defaults(properties, &nulls, &Value::Null);
    defaults(properties, &["grants"], &json!([]));
    let roles = roles(&properties["grants"]);
    defaults(properties, &["roles"], &roles);
    let (id, of_tool) = (
        resource.fields["id"].clone(),
        resource.fields["type"] == "tool",
    );
    let properties = resource.properties()?;
    defaults(properties, &["name"], &id);
    defaults(
        properties,
        &["provider", "model", "classification"],
        &Value::Null,
    );
    defaults(properties, &["local"], &Value::Bool(false));
    if of_tool {
        defaults(properties, &["arguments", "asked"], &Value::Null);
        defaults(properties, &["type"], &Tool::FUNCTION.into());
        defaults(properties, &["hosted"], &Value::Bool(false));
    }
    let mut context = match request.get("context") {
        None => Map::new(),
        Some(Value::Object(context)) => context.clone(),
        Some(_) => return Err(malformed("context: not an object")),
    };
    let at = at.to_offset(UtcOffset::UTC);
    let minute = u64::from(at.hour()) * 60 + u64::from(at.minute());
    defaults(
        &mut context,
        &["dialect", "source", "classification"],
        &Value::Null,
    );
    defaults(&mut context, &["stream"], &Value::Bool(false));
    defaults(&mut context, &["tools"], &json!([]));
    let offered = functions(&context["tools"]);
    defaults(&mut context, &["offered"], &offered);
    defaults(&mut context, &["weekday"], &weekday(at.weekday()).into());
    defaults(&mut context, &["minute_of_day"], &minute.into());
    Ok(json!({
        "subject": subject.fields,
        "action": action.fields,
        "resource": resource.fields,
        "context": context,
    }))
}

fn defaults(fields: &mut Map<String, Value>, names: &[&str], value: &Value) {
    for &name in names {
        if !fields.contains_key(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
}

/// The names of the roles of these grants, in order and each once.
fn roles(grants: &Value) -> Value {
    let grants = grants.as_array().into_iter().flatten();
    let names = grants.filter_map(|grant| grant["role"].as_str());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// An entity of the request.
struct Member {
    name: &'static str,
    fields: Map<String, Value>,
}

impl Member {
    fn of(request: &Map<String, Value>, name: &'static str) -> Result<Self, Problem> {
        match request.get(name) {
            Some(Value::Object(fields)) => Ok(Self {
                name,
                fields: fields.clone(),
            }),
            Some(_) => Err(malformed(&format!("{name}: not an object"))),
            None => Err(malformed(&format!("{name}: is missing"))),
        }
    }

    /// The same, where each of these is a text.
    fn texts(self, names: &[&str]) -> Result<Self, Problem> {
        match names
            .iter()
            .find(|&&name| !self.fields.get(name).is_some_and(Value::is_string))
        {
            None => Ok(self),
            Some(name) => Err(malformed(&format!("{}.{name}: must be a text", self.name))),
        }
    }

    fn properties(&mut self) -> Result<&mut Map<String, Value>, Problem> {
        let name = self.name;
        let properties = self.fields.entry("properties").or_insert_with(|| json!({}));
        let properties = properties.as_object_mut();
        properties.ok_or_else(|| malformed(&format!("{name}.properties: not an object")))
    }
}
