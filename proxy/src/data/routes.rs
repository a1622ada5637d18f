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

/// What a caller is told who asks for anything else.
pub const SERVED: &str = "No such route; this gateway serves POST /v1/chat/completions, \
    /v1/responses, /v1/embeddings, /v1/messages, /v1/messages/count_tokens, \
    /v1beta/models/{model}:generateContent and its kin, and GET /v1/models.";

/// The route of a request.
///
/// # Errors
/// There is none.
pub fn find<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, NoRoute> {
    let body = |what| {
        Route::Ask(Wanted {
            what,
            model: None,
            stream: false,
        })
    };
    let route = match path {
        "/v1/chat/completions" => body(What::Generate(Api::Chat)),
        "/v1/responses" => body(What::Generate(Api::Responses)),
        "/v1/embeddings" => body(What::Embed(Embed::OpenAi)),
        "/v1/messages" => body(What::Generate(Api::Messages)),
        "/v1/messages/count_tokens" => body(What::Count(Api::Messages)),
        "/v1/models" | "/v1beta/models" => Route::Models,
        _ => {
            let id = ["/v1/models/", "/v1beta/models/"]
                .iter()
                .find_map(|folder| path.strip_prefix(folder));
            match id.filter(|id| !id.is_empty()) {
                Some(id) => verb(id).map_or(Route::Model(id), Route::Ask),
                None => return Err(NoRoute::Path),
            }
        }
    };
    let wants = match route {
        Route::Ask(_) => Method::POST,
        Route::Models | Route::Model(_) => Method::GET,
    };
    match (*method == wants, route) {
        (true, _) => Ok(route),
        (false, Route::Ask(_)) => Err(NoRoute::Method("POST")),
        (false, _) => Err(NoRoute::Method("GET")),
    }
}

/// `{model}:{verb}`. Names of models may hold colons themselves.
fn verb(id: &str) -> Option<Wanted<'_>> {
    let (model, verb) = id.rsplit_once(':')?;
    let (what, stream) = match verb {
        "generateContent" => (What::Generate(Api::Generate), false),
        "streamGenerateContent" => (What::Generate(Api::Generate), true),
        "countTokens" => (What::Count(Api::Generate), false),
        "batchEmbedContents" => (What::Embed(Embed::Gemini(Verb::Batch)), false),
        "embedContent" => (What::Embed(Embed::Gemini(Verb::One)), false),
        _ => return None,
    };
    let model = Some(model).filter(|model| !model.is_empty());
    Some(Wanted {
        what,
        model: Some(model?),
        stream,
    })
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
