//! The credential of a request, wherever its dialect has a place for one.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use lattice_kernel::{Credential, Secret};
use percent_encoding::percent_decode_str;

/// Headers that hold nothing else.
const KEYS: [&str; 3] = ["x-api-key", "x-goog-api-key", "api-key"];

/// What was sent: the same in several places is one credential, as clients do that.
///
/// Gemini's `?key=` is never let in alone, for what is in a URL is in the logs of
/// whatever stands between; it contradicts another one all the same.
pub fn of(headers: &HeaderMap, query: Option<&str>) -> Credential {
    let mut sent = in_headers(headers);
    let Some(first) = sent.next() else {
        return Credential::None;
    };
    let others = sent.chain(in_query(query.unwrap_or_default()));
    if others.into_iter().any(|other| other != first) {
        return Credential::Several;
    }
    Credential::One(Secret::new(first))
}

fn in_headers(headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, str>> {
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let (scheme, token) = value.split_once(' ')?;
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        bearer.then(|| Cow::Owned(token.trim().to_owned()))
    });
    let keys = KEYS.into_iter().flat_map(|name| headers.get_all(name));
    let keys = keys.map(|value| String::from_utf8_lossy(value.as_bytes()));
    // Some clients send a header for a key that they were not given.
    bearers.chain(keys).filter(|value| !value.is_empty())
}

fn in_query(query: &str) -> impl Iterator<Item = Cow<'_, str>> {
    query.split('&').filter_map(|pair| {
        let key = pair.strip_prefix("key=").filter(|key| !key.is_empty())?;
        Some(percent_decode_str(key).decode_utf8_lossy())
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn sent(headers: &[(&'static str, &'static str)], query: Option<&str>) -> String {
        let pairs = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        });
        match of(&pairs.collect(), query) {
            Credential::None => "none".into(),
            Credential::One(secret) => secret.expose().into(),
            Credential::Several => "several".into(),
        }
    }

    #[test]
    fn a_credential_is_found_in_each_of_its_places() {
        for (name, value) in [
            ("authorization", "Bearer k"),
            ("authorization", "bearer  k "),
            ("x-api-key", "k"),
            ("x-goog-api-key", "k"),
            ("api-key", "k"),
        ] {
            assert_eq!(sent(&[(name, value)], None), "k", "{name}: {value}");
        }
        for (name, value) in [
            ("authorization", "Basic k"),
            ("authorization", "k"),
            ("authorization", "Bearer"),
            ("x-api-key", ""),
            ("cookie", "k"),
        ] {
            assert_eq!(sent(&[(name, value)], None), "none", "{name}: {value}");
        }
        assert_eq!(sent(&[], Some("key=k")), "none");
    }

    #[test]
    fn the_same_one_twice_is_one_and_different_ones_are_several() {
        const PLACES: [&str; 4] = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
        for one in PLACES {
            for other in PLACES {
                let value = |name, bearer, bare| match name {
                    "authorization" => (name, bearer),
                    _ => (name, bare),
                };
                let first = value(one, "Bearer k1", "k1");
                let same = value(other, "Bearer k1", "k1");
                let different = value(other, "Bearer k2", "k2");
                assert_eq!(sent(&[first, same], None), "k1", "{one} {other}");
                assert_eq!(sent(&[first, different], None), "several", "{one} {other}");
            }
            let first = match one {
                "authorization" => (one, "Bearer k 1"),
                _ => (one, "k 1"),
            };
            assert_eq!(sent(&[first], Some("alt=sse&key=k%201")), "k 1");
            assert_eq!(sent(&[first], Some("key=k2&alt=sse")), "several");
            assert_eq!(sent(&[first], Some("key=&keys=k2&api_key=k2")), "k 1");
        }
        let beside = [("authorization", "Bearer k"), ("x-api-key", "")];
        assert_eq!(sent(&beside, None), "k", "nothing is not another one");
    }
}
