//! The routes of the client listener: method, path, what is asked.

use http::{Method, Uri};
use lattice_dialects::Api;
use lattice_dialects::embed::Verb;
use lattice_kernel::{Action, Dialect};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// A model is asked something.
    Ask(Wanted<'a>),
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`; still percent-encoded.
    Model(&'a str),
}

/// What a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// To do what, and in which words.
    pub what: What,
    /// The model, where the path names it; still percent-encoded.
    pub model: Option<&'a str>,
    /// The path asks for a stream.
    pub stream: bool,
}

/// What a model is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// To generate.
    Generate(Api),
    /// To count tokens.
    Count(Api),
    /// To embed texts.
    Embed(Embed),
}

/// How embeddings are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embed {
    /// OpenAI's way.
    OpenAi,
    /// Gemini's.
    Gemini(Verb),
}

impl What {
    /// As policy names it.
    pub fn action(self) -> Action {
        match self {
            Self::Generate(_) => Action::Infer,
            Self::Count(_) => Action::CountTokens,
            Self::Embed(_) => Action::Embed,
        }
    }

    /// The dialect that it is asked in.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Generate(api) | Self::Count(api) => dialect_of(api),
            Self::Embed(Embed::OpenAi) => Dialect::OpenAi,
            Self::Embed(Embed::Gemini(_)) => Dialect::Gemini,
        }
    }
}

/// Whose an API is.
pub fn dialect_of(api: Api) -> Dialect {
    match api {
        Api::Chat | Api::Responses => Dialect::OpenAi,
        Api::Messages => Dialect::Anthropic,
        Api::Generate => Dialect::Gemini,
    }
}

/// Why there is no route.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No such path.
    Path,
    /// The path wants another method.
    Method(&'static str),
    /// It is offered over HTTP alone, and a WebSocket was asked for.
    WebSocket,
}

/// Whether a stream is wanted as one JSON array: Gemini's, where nobody asks for
/// events.
pub fn wants_array(uri: &Uri) -> bool {
    let sse = |query: &str| query.split('&').any(|pair| pair == "alt=sse");
    uri.path().ends_with(":streamGenerateContent") && !uri.query().is_some_and(sse)
}

/// One thing that is served.
#[derive(Debug, Clone, Copy)]
pub struct Served {
    /// `POST` or `GET`.
    pub method: &'static str,
    /// `{model}` stands for a model's name, which may hold slashes and colons.
    pub path: &'static str,
    serves: Serves,
}

#[derive(Debug, Clone, Copy)]
enum Serves {
    Ask(What),
    /// As `Ask`, as a stream.
    Stream(What),
    Models,
    Model,
}

const MODEL: &str = "{model}";

/// Everything that is served to clients. What stands for less comes later: a model may
/// be called anything.
pub const SERVED: &[Served] = &[
    post(
        "/v1/chat/completions",
        Serves::Ask(What::Generate(Api::Chat)),
    ),
    post("/v1/responses", Serves::Ask(What::Generate(Api::Responses))),
    post("/v1/embeddings", Serves::Ask(What::Embed(Embed::OpenAi))),
    post("/v1/messages", Serves::Ask(What::Generate(Api::Messages))),
    post(
        "/v1/messages/count_tokens",
        Serves::Ask(What::Count(Api::Messages)),
    ),
    post("/v1/models/{model}:generateContent", GENERATE),
    post("/v1beta/models/{model}:generateContent", GENERATE),
    post("/v1/models/{model}:streamGenerateContent", STREAM),
    post("/v1beta/models/{model}:streamGenerateContent", STREAM),
    post("/v1/models/{model}:countTokens", COUNT),
    post("/v1beta/models/{model}:countTokens", COUNT),
    post("/v1/models/{model}:batchEmbedContents", EMBED_BATCH),
    post("/v1beta/models/{model}:batchEmbedContents", EMBED_BATCH),
    post("/v1/models/{model}:embedContent", EMBED_ONE),
    post("/v1beta/models/{model}:embedContent", EMBED_ONE),
    get("/v1/models", Serves::Models),
    get("/v1beta/models", Serves::Models),
    get("/v1/models/{model}", Serves::Model),
    get("/v1beta/models/{model}", Serves::Model),
];

const GENERATE: Serves = Serves::Ask(What::Generate(Api::Generate));
const STREAM: Serves = Serves::Stream(What::Generate(Api::Generate));
const COUNT: Serves = Serves::Ask(What::Count(Api::Generate));
const EMBED_BATCH: Serves = Serves::Ask(What::Embed(Embed::Gemini(Verb::Batch)));
const EMBED_ONE: Serves = Serves::Ask(What::Embed(Embed::Gemini(Verb::One)));

const fn post(path: &'static str, serves: Serves) -> Served {
    Served {
        method: "POST",
        path,
        serves,
    }
}

const fn get(path: &'static str, serves: Serves) -> Served {
    Served {
        method: "GET",
        path,
        serves,
    }
}

impl Served {
    /// Whether it is at `path`: the model that stands there, empty where it has no
    /// place for one.
    fn at<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Some((before, after)) = self.path.split_once(MODEL) else {
            return (path == self.path).then_some("");
        };
        let model = path.strip_prefix(before)?.strip_suffix(after)?;
        (!model.is_empty()).then_some(model)
    }

    fn route<'a>(&self, model: &'a str) -> Route<'a> {
        let ask = |what, stream| {
            Route::Ask(Wanted {
                what,
                model: (!model.is_empty()).then_some(model),
                stream,
            })
        };
        match self.serves {
            Serves::Ask(what) => ask(what, false),
            Serves::Stream(what) => ask(what, true),
            Serves::Models => Route::Models,
            Serves::Model => Route::Model(model),
        }
    }
}

/// What a caller is told who asks for anything else.
pub const ELSEWHERE: &str = "No such route; this gateway serves POST /v1/chat/completions, \
    /v1/responses, /v1/embeddings, /v1/messages, /v1/messages/count_tokens, \
    /v1beta/models/{model}:generateContent and its kin, and GET /v1/models.";

/// The route of a request.
///
/// # Errors
/// There is none.
pub fn find<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, NoRoute> {
    let mut found = SERVED
        .iter()
        .filter_map(|served| Some((served, served.at(path)?)));
    // The most particular one decides on the method as well.
    let (served, model) = found.next().ok_or(NoRoute::Path)?;
    if *method == served.method {
        Ok(served.route(model))
    } else {
        Err(NoRoute::Method(served.method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(what: What) -> Route<'static> {
        Route::Ask(Wanted {
            what,
            model: None,
            stream: false,
        })
    }

    #[test]
    fn the_table_is_exact() {
        let post = |path| find(&Method::POST, path);
        let get = |path| find(&Method::GET, path);
        for (path, api) in [
            ("/v1/chat/completions", Api::Chat),
            ("/v1/responses", Api::Responses),
            ("/v1/messages", Api::Messages),
        ] {
            assert_eq!(post(path), Ok(ask(What::Generate(api))));
            assert_eq!(get(path), Err(NoRoute::Method("POST")));
        }
        assert_eq!(get("/v1/models"), Ok(Route::Models));
        assert_eq!(get("/v1beta/models"), Ok(Route::Models));
        for (path, id) in [
            ("/v1/models/openai/gpt-5", "openai/gpt-5"),
            ("/v1beta/models/llama3:8b", "llama3:8b"),
        ] {
            assert_eq!(get(path), Ok(Route::Model(id)));
        }
        for path in [
            "/",
            "/v1/models/",
            "/v1/chat/completions/",
            "//v1/models",
            "/V1/models",
            "/v1beta/messages",
        ] {
            assert_eq!(get(path), Err(NoRoute::Path), "{path}");
        }
    }

    #[test]
    fn geminis_verbs_stand_behind_the_model() {
        for (path, model, stream) in [
            (
                "/v1beta/models/gemini-3-pro:generateContent",
                "gemini-3-pro",
                false,
            ),
            (
                "/v1/models/llama3:8b:streamGenerateContent",
                "llama3:8b",
                true,
            ),
        ] {
            let wanted = Wanted {
                what: What::Generate(Api::Generate),
                model: Some(model),
                stream,
            };
            assert_eq!(find(&Method::POST, path), Ok(Route::Ask(wanted)));
        }
        let nameless = find(&Method::POST, "/v1/models/:generateContent");
        assert_eq!(nameless, Err(NoRoute::Method("GET")));
    }
}
