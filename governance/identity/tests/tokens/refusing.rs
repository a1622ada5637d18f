//! Everything that is wrong with a token refuses it, in the same words.

use std::collections::HashSet;

use lattice_identity::token::Algorithm;
use lattice_kernel::Code;
use serde_json::{Value, json};
use time::ext::NumericalDuration;

use crate::signer::{Signer, base64};
use crate::world::{AUDIENCE, ISSUER, KEY, World, issuer};

type Edit = fn(&mut Value, &mut Value);
/// Of a published key.
type Change = fn(&mut Value);

/// What is wrong, how it is done, and what the log says.
const WRONG: &[(&str, Edit, &str)] = &[
    ("alg none", |h, _| h["alg"] = "none".into(), "`alg`"),
    ("alg HS256", |h, _| h["alg"] = "HS256".into(), "`alg`"),
    (
        "alg in small letters",
        |h, _| h["alg"] = "eddsa".into(),
        "`alg`",
    ),
    ("no alg", |h, _| h["alg"] = Value::Null, "`alg`"),
    (
        "alg of another key",
        |h, _| h["alg"] = "RS256".into(),
        "not for this `alg`",
    ),
    ("crit", |h, _| h["crit"] = json!(["exp"]), "`crit`"),
    ("empty crit", |h, _| h["crit"] = json!([]), "`crit`"),
    (
        "unencoded payload",
        |h, _| h["b64"] = false.into(),
        "`crit`",
    ),
    (
        "typ of something else",
        |h, _| h["typ"] = "dpop+jwt".into(),
        "`typ`",
    ),
    ("typ that is no text", |h, _| h["typ"] = 1.into(), "`typ`"),
    (
        "kid that is no text",
        |h, _| h["kid"] = 1.into(),
        "three parts",
    ),
    (
        "unknown kid",
        |h, _| h["kid"] = "k9".into(),
        "no key of that `kid`",
    ),
    (
        "another issuer",
        |_, c| c["iss"] = "https://evil.example".into(),
        "issuer is not",
    ),
    (
        "issuer with a slash more",
        |_, c| c["iss"] = format!("{ISSUER}/").into(),
        "issuer is not",
    ),
    (
        "issuer in a list",
        |_, c| c["iss"] = json!([ISSUER]),
        "issuer is not",
    ),
    ("no issuer", |_, c| c["iss"] = Value::Null, "issuer is not"),
    (
        "another audience",
        |_, c| c["aud"] = "other".into(),
        "`aud`",
    ),
    (
        "ours is a part of it",
        |_, c| c["aud"] = "lattice-two".into(),
        "`aud`",
    ),
    (
        "other audiences",
        |_, c| c["aud"] = json!(["a", "b"]),
        "`aud`",
    ),
    (
        "an audience that is no text",
        |_, c| c["aud"] = json!([AUDIENCE, 1]),
        "`aud`",
    ),
    ("no audience", |_, c| c["aud"] = Value::Null, "`aud`"),
    ("no end", |_, c| c["exp"] = Value::Null, "`exp`"),
    (
        "an end that is text",
        |_, c| c["exp"] = "4102444800".into(),
        "`exp`",
    ),
    (
        "an end beyond time",
        |_, c| c["exp"] = json!(1e300),
        "`exp`",
    ),
    ("a negative end", |_, c| c["exp"] = json!(-1), "`exp`"),
    (
        "not yet",
        |_, c| c["nbf"] = (c["iat"].as_i64().unwrap() + 61).into(),
        "`nbf`",
    ),
    ("nbf that is no time", |_, c| c["nbf"] = "0".into(), "`nbf`"),
    (
        "issued in the future",
        |_, c| c["iat"] = (c["iat"].as_i64().unwrap() + 61).into(),
        "`iat`",
    ),
    ("no subject", |_, c| c["sub"] = Value::Null, "`sub`"),
    ("an empty subject", |_, c| c["sub"] = "".into(), "`sub`"),
    (
        "an endless subject",
        |_, c| c["sub"] = "s".repeat(257).into(),
        "`sub`",
    ),
    (
        "a subject with a line end",
        |_, c| c["sub"] = "a\nb".into(),
        "`sub`",
    ),
    (
        "too long",
        |_, c| c["more"] = "m".repeat(13_000).into(),
        "16 KiB",
    ),
];

#[tokio::test(start_paused = true)]
async fn each_fault_refuses_and_the_caller_cannot_tell_which() {
    let world = World::new();
    let sound = world.token(|_, _| ());
    assert_eq!(
        world.code(&sound).await,
        None,
        "the others differ from this one"
    );
    let mut told = HashSet::new();
    for (what, edit, logged) in WRONG {
        // One fault a second is explained.
        world.pass(1.seconds());
        let token = world.token(edit);
        let refusal = world.show(&token).await.expect_err(what);
        assert_eq!(refusal.code, Code::IdentityUnknown, "{what}");
        let detail = refusal.detail().unwrap_or_default();
        assert!(detail.contains(logged), "{what}: {detail}");
        told.insert(refusal.message);
    }
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_told_so_once_its_leeway_is_over() {
    let world = World::new();
    let token = world.token(|_, _| ());
    world.pass(359.seconds());
    assert_eq!(world.code(&token).await, None, "within the leeway");
    world.pass(1.seconds());
    assert_eq!(world.code(&token).await, Some(Code::IdentityExpired));
    // Only those whom the issuer has signed for hear of it.
    let forged = Signer::ed(2).token(
        &world.parts().0,
        &json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "s", "exp": 1}),
    );
    assert_eq!(world.code(&forged).await, Some(Code::IdentityUnknown));
}

#[tokio::test(start_paused = true)]
async fn the_public_key_is_no_secret_to_sign_with() {
    let world = World::new();
    let (mut header, claims) = world.parts();
    let key = world.key.jwk(KEY);
    for name in ["HS256", "HS384", "HS512", "none", "NONE", ""] {
        header["alg"] = name.into();
        let signed = format!(
            "{}.{}",
            base64(header.to_string()),
            base64(claims.to_string())
        );
        for secret in [
            key["x"].as_str().unwrap().to_owned(),
            key.to_string(),
            String::new(),
        ] {
            use hmac::{KeyInit as _, Mac as _};
            let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            let mac = mac.chain_update(&signed).finalize().into_bytes();
            for signature in [base64(mac), String::new()] {
                let token = format!("{signed}.{signature}");
                assert_eq!(
                    world.code(&token).await,
                    Some(Code::IdentityUnknown),
                    "{name}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_changed_character_refuses() {
    let world = World::new();
    let token = world.token(|_, _| ());
    assert_eq!(world.code(&token).await, None);
    for at in 0..token.len() {
        for other in [b'A', b'_', b'=', b'.', b' ', b'+'] {
            let mut changed = token.clone().into_bytes();
            if std::mem::replace(&mut changed[at], other) == other {
                continue;
            }
            let changed = String::from_utf8(changed).unwrap();
            let code = world.code(&changed).await;
            assert_eq!(code, Some(Code::IdentityUnknown), "{at}: {changed}");
        }
    }
    for end in 0..token.len() {
        assert!(world.code(&token[..end]).await.is_some(), "cut at {end}");
    }
    for more in ["=", "A", ".", ".A", "\n"] {
        assert!(world.code(&format!("{token}{more}")).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_stands_twice_refuses() {
    let world = World::new();
    let (header, claims) = world.parts();
    let (header, claims) = (header.to_string(), claims.to_string());
    let twice = |object: &str, member: &str| format!("{{{member},{}", &object[1..]);
    for (header, claims) in [
        (twice(&header, r#""alg":"none""#), claims.clone()),
        (twice(&header, r#""kid":"k9""#), claims.clone()),
        (header.clone(), twice(&claims, r#""aud":"other""#)),
        (header.clone(), twice(&claims, r#""s\u0075b":"admin""#)),
    ] {
        let token = world.key.token_of(&header, &claims);
        assert_eq!(
            world.code(&token).await,
            Some(Code::IdentityUnknown),
            "{claims}"
        );
    }
    let sound = world.key.token_of(&header, &claims);
    assert_eq!(world.code(&sound).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_key_counts_for_what_it_says_it_is_for() {
    let world = World::new();
    let (mut header, claims) = world.parts();
    let signer = Signer::p256(3);
    header["alg"] = "ES256".into();
    let token = signer.token(&header, &claims);
    let edits: [(&str, Change); 9] = [
        ("for encryption", |key| key["use"] = "enc".into()),
        ("of another alg", |key| key["alg"] = "ES384".into()),
        ("of an unknown alg", |key| key["alg"] = "ES999".into()),
        ("of another kind", |key| key["kty"] = "OKP".into()),
        ("on another curve", |key| key["crv"] = "P-384".into()),
        ("for signing alone", |key| key["key_ops"] = json!(["sign"])),
        ("half of a point", |key| key["y"] = "AA".into()),
        ("not on the curve", |key| key["y"] = key["x"].clone()),
        ("another key", |key| *key = Signer::p384(3).jwk(KEY)),
    ];
    for (what, edit) in edits {
        let world = World::new();
        let mut key = signer.jwk(KEY);
        edit(&mut key);
        world.web.publish_keys(&[key]);
        assert_eq!(
            world.code(&token).await,
            Some(Code::IdentityUnknown),
            "{what}"
        );
    }
    let world = World::new();
    world.web.publish_keys(&[signer.jwk(KEY)]);
    assert_eq!(world.code(&token).await, None);
}

#[tokio::test(start_paused = true)]
async fn algorithms_that_are_not_configured_do_not_count() {
    let mut issuer = issuer();
    issuer.algorithms = vec![Algorithm::Es256];
    let world = World::of(issuer);
    assert_eq!(
        world.code(&world.token(|_, _| ())).await,
        Some(Code::IdentityUnknown)
    );
}

#[tokio::test(start_paused = true)]
async fn where_there_are_several_keys_a_token_names_its_own() {
    let world = World::new();
    let nameless = world.token(|header, _| {
        header.as_object_mut().unwrap().remove("kid");
    });
    assert_eq!(world.code(&nameless).await, None, "there is one key");

    let world = World::new();
    world
        .web
        .publish_keys(&[world.key.jwk(KEY), Signer::ed(2).jwk("k2")]);
    assert_eq!(world.code(&nameless).await, Some(Code::IdentityUnknown));
    assert_eq!(world.code(&world.token(|_, _| ())).await, None);
    let of_another = world.token(|header, _| header["kid"] = "k2".into());
    assert_eq!(world.code(&of_another).await, Some(Code::IdentityUnknown));
}

#[tokio::test(start_paused = true)]
async fn weak_and_broken_keys_are_left_out_without_harm() {
    let world = World::new();
    let weak = Signer::rsa(1024);
    let broken = [
        json!(null),
        json!("key"),
        json!({}),
        json!({"kty": "oct", "k": "AAAA", "kid": KEY, "alg": "HS256"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": KEY}),
        json!({"kty": "OKP", "crv": "Ed448", "x": base64([1; 57]), "kid": KEY}),
        json!({"kty": "EC", "crv": "P-256", "x": 1, "y": 2, "kid": KEY}),
        json!({"kty": "RSA", "n": base64([255; 2048]), "e": "AQAB", "kid": KEY}),
        weak.jwk(KEY),
    ];
    world.web.publish_keys(&broken);
    for algorithm in ["EdDSA", "ES256", "RS256", "PS512"] {
        let (mut header, claims) = world.parts();
        header["alg"] = algorithm.into();
        let token = match algorithm {
            "RS256" => weak.token(&header, &claims),
            _ => world.key.token(&header, &claims),
        };
        assert_eq!(
            world.code(&token).await,
            Some(Code::IdentityUnknown),
            "{algorithm}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_text_of_a_token_is_in_what_is_said() {
    let world = World::new();
    let canary = "canary-7f3a";
    let tokens = [
        world.token(|header, _| header["kid"] = canary.into()),
        world.token(|_, claims| claims["iss"] = canary.into()),
        world.token(|_, claims| claims["aud"] = canary.into()),
        world.token(|header, _| header["typ"] = canary.into()),
        format!("{canary}.{canary}.{canary}"),
    ];
    for token in tokens {
        world.pass(1.seconds());
        let refusal = world.show(&token).await.unwrap_err();
        let said = format!("{refusal} {refusal:?} {:?}", refusal.detail());
        assert!(!said.contains(canary), "{said}");
        let parts: Vec<_> = token.split('.').collect();
        assert!(parts.iter().all(|part| !said.contains(part)), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_do_not_fill_the_log() {
    let world = World::new();
    let mut explained = 0;
    for _ in 0..100 {
        let refusal = world.show("a.b.c").await.unwrap_err();
        explained += usize::from(refusal.detail().is_some());
    }
    assert_eq!(explained, 1);
}
