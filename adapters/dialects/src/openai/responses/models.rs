//! What differs between models.

/// Whether a model may think: one that does not refuses to be asked for what it
/// thought. Names that are not known count as the newest; so do Azure's, which are
/// those of deployments.
pub(super) fn may_reason(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or_default();
    let name = name
        .strip_prefix("ft:")
        .unwrap_or(name)
        .to_ascii_lowercase();
    let never = ["gpt-3.5", "gpt-4", "chatgpt-4o", "davinci", "babbage"];
    let is_chat = name.starts_with("gpt-5") && name.contains("-chat");
    !is_chat && !never.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::may_reason;

    #[test]
    fn only_models_that_never_think_are_not_asked_for_thoughts() {
        for (model, may) in [
            ("gpt-4o-mini", false),
            ("gpt-4.1", false),
            ("ft:gpt-4o-mini-2024-07-18:org::id", false),
            ("openai/gpt-4o", false),
            ("gpt-5-chat-latest", false),
            ("gpt-5", true),
            ("gpt-5.6-sol", true),
            ("o4-mini", true),
            ("codex-mini-latest", true),
            ("grok-4", true),
            ("my-deployment", true),
            ("", true),
        ] {
            assert_eq!(may_reason(model), may, "{model}");
        }
    }
}
