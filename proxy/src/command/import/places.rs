//! Where LiteLLM's provider prefixes lead: to a kind of provider that Lattice has, to a
//! server that speaks OpenAI's API, or nowhere that Lattice goes. Addresses and variables
//! are those that LiteLLM itself falls back on.

/// What stands behind a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A kind of provider with an address of its own, and the variable of its key.
    Own {
        /// The kind, as `lattice.yaml` writes it.
        kind: &'static str,
        /// Where LiteLLM looks for the key.
        key: &'static str,
    },
    /// A server that speaks OpenAI's API.
    Compatible {
        /// Its address; `None` where every installation has its own.
        base_url: Option<&'static str>,
        /// The variable of its key; `None` where it usually has none.
        key: Option<&'static str>,
    },
    /// Ollama, which speaks OpenAI's API under `/v1` of its address.
    Ollama,
    /// Nowhere; why, and what to do.
    Nowhere(&'static str),
}

/// What stands behind `prefix`; `None` where this importer does not know it.
pub fn place(prefix: &str) -> Option<Place> {
    if let Some((_, kind, key)) = OWN.iter().find(|(known, ..)| *known == prefix) {
        return Some(Place::Own { kind, key });
    }
    if let Some((_, base_url, key)) = HOSTED.iter().find(|(known, ..)| *known == prefix) {
        let (base_url, key) = (Some(*base_url), Some(*key));
        return Some(Place::Compatible { base_url, key });
    }
    if SELF_HOSTED.contains(&prefix) {
        let (base_url, key) = (None, None);
        return Some(Place::Compatible { base_url, key });
    }
    match prefix {
        "ollama" | "ollama_chat" => Some(Place::Ollama),
        "llamafile" => Some(Place::Compatible {
            base_url: Some("http://127.0.0.1:8080/v1"),
            key: None,
        }),
        _ if prefix.starts_with("text-completion-") => Some(Place::Nowhere(TEXT)),
        _ => {
            let found = NOWHERE.iter().find(|(known, _)| known.contains(&prefix));
            found.map(|(_, why)| Place::Nowhere(why))
        }
    }
}

/// The prefix that LiteLLM gives a name without one; it looks such names up in its model list,
/// of which these beginnings are the ones that Lattice serves.
pub fn prefix_of(model: &str) -> Option<&'static str> {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|known| model.starts_with(known));
    if begins(&["gpt-3.5-turbo-instruct", "davinci-", "babbage-"]) {
        Some("text-completion-openai")
    } else if begins(OPENAI_NAMES) {
        Some("openai")
    } else if begins(&["claude-"]) {
        Some("anthropic")
    } else if begins(&["gemini-", "gemini/"]) {
        Some("vertex_ai")
    } else {
        None
    }
}

/// Models of OpenAI's whose routes Lattice does not serve.
pub fn is_unserved(model: &str) -> bool {
    const KINDS: [&str; 10] = [
        "dall-e",
        "gpt-image",
        "whisper",
        "tts-",
        "-tts",
        "-transcribe",
        "-realtime",
        "moderation",
        "sora",
        "rerank",
    ];
    KINDS.iter().any(|kind| model.contains(kind))
}

const OPENAI_NAMES: &[&str] = &[
    "gpt-",
    "chatgpt-",
    "o1",
    "o3",
    "o4",
    "text-embedding-",
    "ft:gpt-",
    "dall-e",
    "whisper-",
    "tts-",
];

const OWN: &[(&str, &str, &str)] = &[
    ("openai", "openai", "OPENAI_API_KEY"),
    ("anthropic", "anthropic", "ANTHROPIC_API_KEY"),
    ("gemini", "gemini", "GEMINI_API_KEY"),
];

/// Servers that somebody runs; every installation has its own address.
const SELF_HOSTED: &[&str] = &[
    "hosted_vllm",
    "lm_studio",
    "litellm_proxy",
    "openai_like",
    "custom_openai",
    "aiohttp_openai",
    "xinference",
];

/// Prefix, address, variable of the key.
const HOSTED: &[(&str, &str, &str)] = &[
    ("aihubmix", "https://aihubmix.com/v1", "AIHUBMIX_API_KEY"),
    ("aiml", "https://api.aimlapi.com/v1", "AIML_API_KEY"),
    ("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    ("chutes", "https://llm.chutes.ai/v1", "CHUTES_API_KEY"),
    (
        "codestral",
        "https://codestral.mistral.ai/v1",
        "CODESTRAL_API_KEY",
    ),
    (
        "dashscope",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
    ),
    (
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        "DEEPINFRA_API_KEY",
    ),
    (
        "deepseek",
        "https://api.deepseek.com/beta",
        "DEEPSEEK_API_KEY",
    ),
    (
        "featherless_ai",
        "https://api.featherless.ai/v1",
        "FEATHERLESS_AI_API_KEY",
    ),
    (
        "fireworks_ai",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
    ),
    (
        "friendliai",
        "https://api.friendli.ai/serverless/v1",
        "FRIENDLIAI_API_KEY",
    ),
    (
        "github",
        "https://models.inference.ai.azure.com",
        "GITHUB_API_KEY",
    ),
    ("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    (
        "hyperbolic",
        "https://api.hyperbolic.xyz/v1",
        "HYPERBOLIC_API_KEY",
    ),
    (
        "inception",
        "https://api.inceptionlabs.ai/v1",
        "INCEPTION_API_KEY",
    ),
    ("lambda_ai", "https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    (
        "meta_llama",
        "https://api.llama.com/compat/v1",
        "LLAMA_API_KEY",
    ),
    ("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    ("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    ("morph", "https://api.morphllm.com/v1", "MORPH_API_KEY"),
    ("nano-gpt", "https://nano-gpt.com/api/v1", "NANOGPT_API_KEY"),
    (
        "nebius",
        "https://api.studio.nebius.ai/v1",
        "NEBIUS_API_KEY",
    ),
    (
        "novita",
        "https://api.novita.ai/v3/openai",
        "NOVITA_API_KEY",
    ),
    (
        "nvidia_nim",
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_NIM_API_KEY",
    ),
    (
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    ),
    (
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITYAI_API_KEY",
    ),
    ("poe", "https://api.poe.com/v1", "POE_API_KEY"),
    ("publicai", "https://api.publicai.co/v1", "PUBLICAI_API_KEY"),
    (
        "sambanova",
        "https://api.sambanova.ai/v1",
        "SAMBANOVA_API_KEY",
    ),
    ("scaleway", "https://api.scaleway.ai/v1", "SCW_SECRET_KEY"),
    (
        "synthetic",
        "https://api.synthetic.new/openai/v1",
        "SYNTHETIC_API_KEY",
    ),
    (
        "together_ai",
        "https://api.together.ai/v1",
        "TOGETHER_API_KEY",
    ),
    ("v0", "https://api.v0.dev/v1", "V0_API_KEY"),
    (
        "veniceai",
        "https://api.venice.ai/api/v1",
        "VENICE_AI_API_KEY",
    ),
    (
        "vercel_ai_gateway",
        "https://ai-gateway.vercel.sh/v1",
        "VERCEL_AI_GATEWAY_API_KEY",
    ),
    (
        "volcengine",
        "https://ark.cn-beijing.volces.com/api/v3",
        "VOLCENGINE_API_KEY",
    ),
    (
        "wandb",
        "https://api.inference.wandb.ai/v1",
        "WANDB_API_KEY",
    ),
    ("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
];

const TEXT: &str =
    "Legacy text completions are not served; ask the model through chat completions.";

const NOWHERE: &[(&[&str], &str)] = &[
    (
        &["azure", "azure_text"],
        "Azure OpenAI is not served; use the model at OpenAI, or put a server that speaks OpenAI's API in front.",
    ),
    (
        &["azure_ai"],
        "Azure AI Foundry is not served; use the model's own provider (openai, anthropic, mistral).",
    ),
    (
        &[
            "bedrock",
            "bedrock_converse",
            "bedrock_mantle",
            "amazon_nova",
        ],
        "Amazon Bedrock is not served; use the model's own provider, for Claude kind `anthropic`.",
    ),
    (
        &["vertex_ai", "vertex_ai_beta", "palm"],
        "Google Vertex AI is not served; use kind `gemini` with a key of AI Studio, for Claude kind `anthropic`.",
    ),
    (
        &["sagemaker", "sagemaker_chat", "sagemaker_nova"],
        "Amazon SageMaker is not served; put a server that speaks OpenAI's API in front.",
    ),
    (
        &["cohere", "cohere_chat", "voyage", "jina_ai", "infinity"],
        "This provider's own API is not served; where it also speaks OpenAI's, declare that as kind `openai_compatible`.",
    ),
    (
        &[
            "huggingface",
            "replicate",
            "databricks",
            "watsonx",
            "watsonx_text",
            "snowflake",
            "oci",
            "predibase",
            "petals",
            "nlp_cloud",
            "aleph_alpha",
            "baseten",
            "cloudflare",
            "clarifai",
            "triton",
            "maritalk",
            "ai21",
            "ai21_chat",
            "github_copilot",
            "chatgpt",
            "gigachat",
        ],
        "This provider is not served; where it speaks OpenAI's API, declare that as kind `openai_compatible` with its base_url.",
    ),
    (
        &["vllm"],
        "A vLLM inside the gateway's process is not served; run `vllm serve` and declare it as kind `openai_compatible`.",
    ),
    (
        &["anthropic_text"],
        "Claude's legacy text completions are not served; ask the model through chat or messages.",
    ),
    (
        &["auto_router"],
        "Routing by what a request says is not supported; clients choose the model by its name.",
    ),
    (
        &[
            "assemblyai",
            "deepgram",
            "elevenlabs",
            "soniox",
            "nvidia_riva",
            "runwayml",
            "recraft",
            "stability",
            "fal_ai",
            "topaz",
            "black_forest_labs",
        ],
        "Audio, images and video are not served.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_in_one_list_only() {
        let mut prefixes: Vec<&str> = OWN.iter().map(|row| row.0).collect();
        prefixes.extend(HOSTED.iter().map(|row| row.0));
        prefixes.extend(SELF_HOSTED);
        prefixes.extend(NOWHERE.iter().flat_map(|row| row.0));
        let all = prefixes.len();
        prefixes.sort_unstable();
        prefixes.dedup();
        assert_eq!(prefixes.len(), all);
        assert!(prefixes.iter().all(|prefix| place(prefix).is_some()));
    }

    #[test]
    fn every_kind_is_one_of_lattices() {
        for (prefix, kind, _) in OWN {
            assert!(lattice_providers::Kind::named(kind).is_some(), "{prefix}");
        }
    }
}
