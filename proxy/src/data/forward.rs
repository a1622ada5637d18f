//! What of a caller's head goes along to a provider of the same dialect: versions
//! and betas, without which a body may mean something else there. Nothing else
//! does: no credential, no cookie, no address.

use http::HeaderMap;
use lattice_kernel::Dialect;
use lattice_providers::Forwarded;
use pingora::protocols::http::ServerSession;

/// As a provider of `dialect` wants to have them.
pub fn of(session: &ServerSession, dialect: Dialect) -> Forwarded {
    let names: &[&str] = match dialect {
        Dialect::OpenAi => &[
            "openai-beta",
            // What Codex says of itself and of its turn; its bodies have members that
            // go with them.
            "originator",
            "session-id",
            "thread-id",
            "version",
            "x-codex-turn-metadata",
            "x-openai-internal-codex-responses-lite",
        ],
        Dialect::Anthropic => &["anthropic-version", "anthropic-beta"],
        Dialect::Gemini => &[],
    };
    let mut headers = HeaderMap::new();
    for name in names {
        let values = session.req_header().headers.get_all(*name);
        for value in values {
            // The names are those of headers.
            if let Ok(name) = http::HeaderName::try_from(*name) {
                headers.append(name, value.clone());
            }
        }
    }
    let asks_for_beta = dialect == Dialect::Anthropic
        && session
            .req_header()
            .uri
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair == "beta=true"));
    Forwarded {
        headers,
        query: if asks_for_beta { "?beta=true" } else { "" },
    }
}
