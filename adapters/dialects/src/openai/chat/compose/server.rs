//! What is known of the servers that speak OpenAI's chat API.

use crate::openai::outbound::ids::Shape;
use crate::openai::outbound::tools::Choices;

/// What kind of server reads a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Server {
    /// OpenAI itself, and Azure's offer of it.
    OpenAi,
    /// One that passes over what it does not know: vLLM, llama-server, Ollama,
    /// `mlx_lm.server`, xAI, OpenRouter.
    Compatible,
    /// One that refuses what it does not know: Groq, Cerebras.
    Strict,
    /// Mistral, which does too, and has names of its own.
    Mistral,
}

/// How a server differs.
#[derive(Debug)]
pub(super) struct Traits {
    /// The name of the output cap. OpenAI's reasoning models refuse the old one,
    /// and most others know no other.
    pub cap: &'static str,
    /// The name of the seed.
    pub seed: &'static str,
    /// The name of the end user, where there is a place for it.
    pub user: Option<&'static str>,
    /// The word for a call that must be made.
    pub required: &'static str,
    /// Whether a stream must be asked for its usage; else it comes unasked, and
    /// asking is refused.
    pub asks_usage: bool,
    /// Whether `top_k` may be sent.
    pub top_k: bool,
    /// Whether every effort is known to have a meaning.
    pub efforts: bool,
    /// Whether the model's thoughts are taken back, as `reasoning_content`.
    pub thoughts: bool,
    /// Whether it tells what the model thinks; nobody can be asked for that here.
    pub tells_thoughts: bool,
    /// Whether a function may come without parameters.
    pub bare_functions: bool,
    /// Which choices of tools it knows.
    pub choices: Choices,
    /// Which ids of calls it takes.
    pub ids: Shape,
}

const OPENAI: Traits = Traits {
    cap: "max_completion_tokens",
    seed: "seed",
    user: Some("safety_identifier"),
    required: "required",
    asks_usage: true,
    top_k: false,
    efforts: true,
    thoughts: false,
    tells_thoughts: false,
    bare_functions: true,
    choices: Choices::All,
    ids: Shape::Short,
};

const COMPATIBLE: Traits = Traits {
    cap: "max_tokens",
    user: Some("user"),
    top_k: true,
    efforts: false,
    // Recorded from clients of llama-server and Ollama; vLLM reads it too, and
    // models that think between calls do worse without.
    thoughts: true,
    tells_thoughts: true,
    bare_functions: false,
    choices: Choices::Words,
    ..OPENAI
};

const STRICT: Traits = Traits {
    top_k: false,
    thoughts: false,
    choices: Choices::Named,
    ..COMPATIBLE
};

const MISTRAL: Traits = Traits {
    seed: "random_seed",
    user: None,
    required: "any",
    asks_usage: false,
    ids: Shape::Nine,
    ..STRICT
};

impl Server {
    /// What is known to be at a host. A proxy in front of one cannot be told from
    /// any other server.
    #[must_use]
    pub fn of_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let is = |name: &str| {
            let above = host.strip_suffix(name);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        match () {
            () if is("openai.com") || is("openai.azure.com") => Self::OpenAi,
            () if is("groq.com") || is("cerebras.ai") => Self::Strict,
            () if is("mistral.ai") => Self::Mistral,
            () => Self::Compatible,
        }
    }

    pub(super) fn traits(self) -> &'static Traits {
        match self {
            Self::OpenAi => &OPENAI,
            Self::Compatible => &COMPATIBLE,
            Self::Strict => &STRICT,
            Self::Mistral => &MISTRAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn servers_are_known_by_their_hosts() {
        for (host, server) in [
            ("api.openai.com", Server::OpenAi),
            ("mine.openai.azure.com", Server::OpenAi),
            ("api.groq.com", Server::Strict),
            ("API.Mistral.AI", Server::Mistral),
            ("api.x.ai", Server::Compatible),
            ("notgroq.com", Server::Compatible),
            ("groq.com.example", Server::Compatible),
            ("10.0.0.5", Server::Compatible),
            ("", Server::Compatible),
        ] {
            assert_eq!(Server::of_host(host), server, "{host}");
        }
    }
}
