//! The request that every pass carries.

use std::ops::Deref;
use std::sync::Arc;

use lattice_benches::{ask, small_chat, target};
use lattice_dialects::openai::chat::ChatRequest;
use lattice_kernel::{
    Arrival, Ask, Call, Credential, Draft, Head, Plan, Principal, Refusal, Secret,
};

use crate::keys;

/// What is sent: parsed once for all passes.
#[derive(Clone)]
pub struct Body(Arc<ChatRequest>);

impl Deref for Body {
    type Target = ChatRequest;

    fn deref(&self) -> &ChatRequest {
        &self.0
    }
}

/// It offers no tools.
impl lattice_kernel::Body for Body {
    fn tools(&self) -> Vec<lattice_kernel::Tool> {
        Vec::new()
    }

    fn without_tools(self, _: &[Box<str>]) -> Result<Self, Refusal> {
        Ok(self)
    }
}

/// What requests are made of.
pub struct Sample {
    ask: Ask,
    plan: Plan,
    body: Body,
}

impl Sample {
    pub fn new() -> Self {
        let body = ChatRequest::parse(small_chat()).expect("the sample is a chat request");
        Self {
            ask: ask(),
            plan: Plan::new([Arc::new(target())]),
            body: Body(Arc::new(body)),
        }
    }

    pub fn request(&self) -> Request<'_> {
        let head = Head {
            credential: Credential::One(Secret::new(keys::KEY)),
            source: self.ask.source,
            ..Head::default()
        };
        Request { head, sample: self }
    }
}

/// One request.
pub struct Request<'a> {
    head: Head,
    sample: &'a Sample,
}

impl Arrival for Request<'_> {
    type Body = Body;

    fn head(&self) -> &Head {
        &self.head
    }

    async fn read(self, _: &Principal, draft: &mut Draft) -> Result<Call<Body>, Refusal> {
        let Sample { ask, plan, body } = self.sample;
        draft.asks_for(&ask.model);
        Ok(Call {
            ask: ask.clone(),
            plan: plan.clone(),
            body: body.clone(),
        })
    }
}
