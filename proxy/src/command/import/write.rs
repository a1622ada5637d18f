//! The draft as the text of a `lattice.yaml`.

use std::fmt::Write as _;

use super::draft::{Address, Balance, Draft, Model, Provider, Target, Timeouts};

/// The text. It holds no secret, only the names of variables.
pub fn text(draft: &Draft, source: &str) -> String {
    let mut text = String::from("# yaml-language-server: $schema=./lattice.schema.json\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "# Imported from {} by `lattice config import --from litellm`.",
        quoted(source)
    );
    if let Some(size) = draft.max_body_mib {
        let _ = writeln!(text, "server: {{ max_body_mib: {size} }}");
    }
    providers(&mut text, draft);
    models(&mut text, draft);
    text
}

fn providers(text: &mut String, draft: &Draft) {
    if draft.providers.is_empty() {
        *text += "providers: {}\n";
        return;
    }
    *text += "providers:\n";
    for (provider, key) in draft.providers.iter().zip(draft.key_variables()) {
        let _ = writeln!(
            text,
            "  {}: {}",
            quoted(&provider.name),
            provider_entry(provider, key)
        );
    }
}

fn provider_entry(provider: &Provider, key: Option<String>) -> String {
    let mut members = vec![format!("kind: {}", provider.kind)];
    let mut comment = "";
    match &provider.address {
        Address::Default => {}
        Address::At(url) => members.push(format!("base_url: {}", quoted(url))),
        Address::Missing { hint } => {
            members.push(format!(
                "base_url: {}",
                quoted(&format!("https://{hint}.invalid"))
            ));
            comment = "  # write the base URL here";
        }
    }
    members.extend(key.map(|name| format!("api_key: {{ env: {} }}", quoted(&name))));
    members.extend(timeouts(provider.timeouts));
    format!("{{ {} }}{comment}", members.join(", "))
}

fn timeouts(timeouts: Timeouts) -> Option<String> {
    let members = [
        ("first_byte_ms", timeouts.first_byte_ms),
        ("between_chunks_ms", timeouts.between_chunks_ms),
    ];
    let members = members
        .iter()
        .filter_map(|(key, millis)| Some(format!("{key}: {}", (*millis)?)));
    let members: Vec<String> = members.collect();
    (!members.is_empty()).then(|| format!("timeouts: {{ {} }}", members.join(", ")))
}

fn models(text: &mut String, draft: &Draft) {
    if draft.models.is_empty() {
        *text += "models: []\n";
        return;
    }
    *text += "models:\n";
    for model in &draft.models {
        let Model {
            name,
            targets,
            balance,
            retries,
        } = model;
        let _ = writeln!(text, "  - name: {}", quoted(name));
        if let Some(balance) = balance {
            let balance = match balance {
                Balance::Weighted => "weighted",
                Balance::LeastBusy => "least_busy",
            };
            let _ = writeln!(text, "    balance: {balance}");
        }
        if let Some(retries) = retries {
            let _ = writeln!(text, "    retries: {retries}");
        }
        *text += "    targets:\n";
        for target in targets {
            let _ = writeln!(text, "      - {}", target_entry(draft, target));
        }
    }
}

fn target_entry(draft: &Draft, target: &Target) -> String {
    let provider = draft.providers.get(target.provider);
    let provider = provider.map_or("", |provider| provider.name.as_str());
    let mut members = vec![
        format!("provider: {}", quoted(provider)),
        format!("model: {}", quoted(&target.model)),
    ];
    members.extend(target.price.map(|(input, output)| {
        format!("price: {{ input_usd_per_mtok: {input}, output_usd_per_mtok: {output} }}")
    }));
    members.extend(
        target
            .max_output_tokens
            .map(|cap| format!("max_output_tokens: {cap}")),
    );
    members.extend(target.weight.map(|weight| format!("weight: {weight}")));
    format!("{{ {} }}", members.join(", "))
}

/// A scalar that YAML reads as this very text. In quotes unless nobody could take it for
/// anything else.
fn quoted(text: &str) -> String {
    const WORDS: [&str; 10] = [
        "true", "false", "null", "yes", "no", "on", "off", "nan", "y", "n",
    ];
    let is_plain = text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | '/'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ if u32::from(char) <= 0xFFFF => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            _ => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(char));
            }
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        for name in [
            "gpt-4o",
            "openai/gpt-4o",
            "1",
            "1e3",
            "null",
            "~",
            "on",
            "a: b",
            "a #b",
            "- a",
            "\"\\",
            "*",
            "ü",
            "🦀",
            "\u{7f}\u{85}\u{2028}",
            "y",
            "=",
            "<<",
            " a ",
            "",
            "0x1f",
            "2026-01-01",
        ] {
            let read: Vec<String> =
                serde_saphyr::from_str(&format!("[ {}, x ]", quoted(name))).expect("YAML");
            assert_eq!(read, [name, "x"]);
        }
    }
}
