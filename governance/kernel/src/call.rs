//! What a caller asks for, and the targets that may answer.

use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::draft::Draft;
use crate::money::Price;
use crate::principal::{Certificate, Distrust, Principal};
use crate::refusal::Refusal;
use crate::secret::Secret;

/// The wire dialect that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's: chat completions, Responses, embeddings.
    OpenAi,
    /// Anthropic's: Messages.
    Anthropic,
    /// Google's: Gemini.
    Gemini,
}

impl Dialect {
    /// Every dialect, for label sets.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Gemini];

    /// The name in policy input, records and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

/// What is done, as policy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A model generates.
    Infer,
    /// A model turns texts into vectors.
    Embed,
    /// How many tokens a model would read; nothing is generated.
    CountTokens,
}

impl Action {
    /// Every action, for label sets.
    pub const ALL: [Self; 3] = [Self::Infer, Self::Embed, Self::CountTokens];

    /// The name in policy input and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Embed => "embed",
            Self::CountTokens => "count_tokens",
        }
    }
}

/// What a caller has sent, beside its certificate, to show who it is.
#[derive(Debug, Default)]
pub enum Credential {
    /// Nothing.
    #[default]
    None,
    /// This; in several places perhaps.
    One(Secret),
    /// Different ones: whichever was meant is not for a gateway to say.
    Several,
}

/// What is known before the body is read.
#[derive(Debug, Default)]
pub struct Head {
    /// The credential as it came, wherever a dialect has a place for one.
    pub credential: Credential,
    /// The certificate of the connection, where the client has shown one.
    pub certificate: Option<Arc<Certificate>>,
    /// Why that one would not be let in any more, where it would not.
    pub distrust: Option<Distrust>,
    /// The caller's address.
    pub source: Option<IpAddr>,
}

/// What is asked, as far as policy may look at it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The action.
    pub action: Action,
    /// The model's name as the caller gave it and configuration knows it.
    pub model: Arc<str>,
    /// The dialect of the request.
    pub dialect: Dialect,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// The tools on offer, in the order of the request.
    pub tools: Vec<Tool>,
    /// What the caller says that its data are classified as.
    pub classification: Option<Box<str>>,
    /// The caller's address.
    pub source: Option<IpAddr>,
}

impl Ask {
    /// The question behind `GET /v1/models`: may the caller use this model at
    /// all, whatever the context?
    #[must_use]
    pub fn listing(dialect: Dialect, model: &str) -> Self {
        Self {
            action: Action::Infer,
            model: model.into(),
            dialect,
            stream: false,
            tools: Vec::new(),
            classification: None,
            source: None,
        }
    }
}

/// A tool that a model is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// What the model calls it by; of tools without a name of their own their type.
    pub name: Box<str>,
    /// Its type as the request has it, such as `bash_20250124`; of a function
    /// [`Self::FUNCTION`].
    pub kind: Box<str>,
    /// The provider runs it: its calls are made before anyone here could judge them.
    pub hosted: bool,
}

impl Tool {
    /// The type of functions.
    pub const FUNCTION: &'static str = "function";
}

/// The function of this name.
impl From<&str> for Tool {
    fn from(name: &str) -> Self {
        Self {
            name: name.into(),
            kind: Self::FUNCTION.into(),
            hosted: false,
        }
    }
}

/// A tool call that a model asks its caller to make.
#[derive(Debug, Clone, Copy)]
pub struct ToolCall<'a> {
    /// The tool's name.
    pub name: &'a str,
    /// A JSON object, or the free text that a tool without a schema is given.
    pub arguments: &'a str,
    /// It is a JSON object.
    pub json: bool,
}

/// One model at one provider.
#[derive(Debug)]
pub struct Target {
    /// The provider's name in configuration.
    pub provider: Arc<str>,
    /// The model's name at that provider.
    pub model: Arc<str>,
    /// Data classification that the provider is cleared for, where configured.
    pub classification: Option<Arc<str>>,
    /// The model runs on this machine: what it is told does not leave it.
    pub local: bool,
    /// `None`: unpriced, which is not the same as free.
    pub price: Option<Arc<dyn Price>>,
    /// The cap that a request gets under a hard budget when it names none, tokens.
    pub max_output_tokens: u64,
    /// Its share of the requests, beside the weights of the plan's other targets.
    pub weight: NonZeroU32,
}

/// Which target of a plan is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// The first one.
    #[default]
    Ordered,
    /// Any one, each as often as its weight says.
    Weighted,
    /// The one with the fewest requests under way for its weight.
    LeastBusy,
}

/// How a plan is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Routing {
    /// Which target is asked first; the others follow in the order of the plan.
    pub balance: Balance,
    /// How often each target may be asked again, once all have failed and this one
    /// in a way that may pass.
    pub retries: u32,
}

/// Targets in the order in which they would be tried.
#[derive(Debug, Clone)]
pub struct Plan {
    targets: Arc<[Arc<Target>]>,
    offered: Option<Arc<[Arc<Target>]>>,
    routing: Routing,
}

impl Plan {
    /// A plan of these targets, best first, each asked once.
    #[must_use]
    pub fn new(targets: impl Into<Arc<[Arc<Target>]>>) -> Self {
        Self {
            targets: targets.into(),
            offered: None,
            routing: Routing::default(),
        }
    }

    /// The same plan, walked like this.
    #[must_use]
    pub fn routed(mut self, routing: Routing) -> Self {
        self.routing = routing;
        self
    }

    /// How it is walked.
    #[must_use]
    pub fn routing(&self) -> Routing {
        self.routing
    }

    /// The targets that are left.
    #[must_use]
    pub fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// The plan before any target was taken out.
    pub(crate) fn offered(&self) -> Self {
        Self {
            targets: self.offered.clone().unwrap_or_else(|| self.targets.clone()),
            offered: None,
            routing: self.routing,
        }
    }

    /// Without the targets that `keep` rejects. The usual case, where all stay,
    /// copies nothing.
    pub(crate) fn filter(self, mut keep: impl FnMut(&Target) -> bool) -> Self {
        let kept: Vec<bool> = self.targets.iter().map(|target| keep(target)).collect();
        if kept.iter().all(|kept| *kept) {
            return self;
        }
        let targets = self.targets.iter().zip(&kept).filter(|(_, kept)| **kept);
        Self {
            targets: targets.map(|(target, _)| target.clone()).collect(),
            offered: Some(self.targets.clone()),
            routing: self.routing,
        }
    }
}

/// A parsed body that the gates may change.
pub trait Body: Send + Sized {
    /// The tools on offer, in their order.
    fn tools(&self) -> Vec<Tool>;

    /// Takes the tools of these names out, so that the model is not offered them.
    ///
    /// # Errors
    /// A `policy_tool` refusal where the request makes no sense without one of them.
    fn without_tools(self, names: &[Box<str>]) -> Result<Self, Refusal>;
}

/// No body, and so no tools.
impl Body for () {
    fn tools(&self) -> Vec<Tool> {
        Vec::new()
    }

    fn without_tools(self, _: &[Box<str>]) -> Result<Self, Refusal> {
        Ok(())
    }
}

/// A request whose body was read and parsed, once.
pub struct Call<B> {
    /// What policy may look at.
    pub ask: Ask,
    /// The targets that configuration names for the model.
    pub plan: Plan,
    /// The parsed body.
    pub body: B,
}

/// A request on the listener whose body waits to be read.
pub trait Arrival: Send {
    /// The parsed body.
    type Body: Body;

    /// What is known so far.
    fn head(&self) -> &Head;

    /// Reads the body under the limits and parses it.
    ///
    /// # Errors
    /// A `caller_*` refusal.
    fn read(
        self,
        who: &Principal,
        draft: &mut Draft,
    ) -> impl Future<Output = Result<Call<Self::Body>, Refusal>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_loses_a_target_is_walked_as_before() {
        let target = |name: &str| {
            Arc::new(Target {
                provider: name.into(),
                model: "m".into(),
                classification: None,
                local: false,
                price: None,
                max_output_tokens: 1,
                weight: NonZeroU32::MIN,
            })
        };
        let routing = Routing {
            balance: Balance::LeastBusy,
            retries: 3,
        };
        let plan = Plan::new([target("a"), target("b")]).routed(routing);
        let left = plan.filter(|target| &*target.provider == "b");
        assert_eq!((left.targets().len(), left.routing()), (1, routing));
        let offered = left.offered();
        assert_eq!((offered.targets().len(), offered.routing()), (2, routing));
    }
}
