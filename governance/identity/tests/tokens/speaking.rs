//! What issuers publish, sound and unsound.

use lattice_identity::token::{FetchFailure, Turned};
use lattice_kernel::Code;
use serde_json::{Value, json};

use crate::signer::Signer;
use crate::world::{ISSUER, KEY, World, issuer};

const DISCOVERY: &str = "https://id.example/.well-known/openid-configuration";

async fn turned(world: &mut World) -> Result<Turned, FetchFailure> {
    world.abandon();
    world.tokens.turn(0, &*world.web).await
}

#[tokio::test(start_paused = true)]
async fn the_document_of_another_issuer_is_refused() {
    for (document, why) in [
        (
            json!({"issuer": "https://id.example/", "jwks_uri": format!("{ISSUER}/jwks")}),
            "another issuer",
        ),
        (
            json!({"issuer": "https://evil.example", "jwks_uri": format!("{ISSUER}/jwks")}),
            "another issuer",
        ),
        (
            json!({"jwks_uri": format!("{ISSUER}/jwks")}),
            "another issuer",
        ),
        (json!({"issuer": ISSUER}), "`jwks_uri`"),
        (json!({"issuer": ISSUER, "jwks_uri": 7}), "`jwks_uri`"),
        (json!([ISSUER]), "an object"),
    ] {
        let mut world = World::new();
        world.web.publish(DISCOVERY, &document);
        let failure = turned(&mut world).await.unwrap_err();
        assert!(failure.message.contains(why), "{failure}");
        assert_eq!(world.web.fetched(), 0, "{document}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_set_of_keys_is_a_failure_and_the_keys_before_it_stay() {
    let mut world = World::new();
    assert!(turned(&mut world).await.is_ok());
    for text in [
        json!({}),
        json!({"keys": {}}),
        json!({"keys": "k"}),
        json!(["k"]),
        Value::Null,
    ] {
        world.web.publish(&format!("{ISSUER}/jwks"), &text);
        tokio::time::advance(lattice_identity::token::REFRESH).await;
        let failure = world.tokens.turn(0, &*world.web).await.unwrap_err();
        assert!(failure.message.contains("set of keys"), "{failure}");
        assert_eq!(world.code(&world.token(|_, _| ())).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_for_something_else_are_counted() {
    let mut world = World::new();
    let mut other = Signer::ed(3).jwk("enc");
    other["use"] = "enc".into();
    world.web.publish_keys(&[world.key.jwk(KEY), other]);
    let first = turned(&mut world).await.unwrap();
    let expected = Turned {
        keys: 1,
        skipped: 1,
        changed: true,
    };
    assert_eq!(first, expected);
    tokio::time::advance(lattice_identity::token::REFRESH).await;
    let again = world.tokens.turn(0, &*world.web).await.unwrap();
    assert!(!again.changed);
}

#[tokio::test(start_paused = true)]
async fn where_the_url_of_the_keys_is_configured_nothing_is_discovered() {
    let mut issuer = issuer();
    issuer.keys.jwks_url = Some("https://id.example/own/jwks".into());
    let world = World::of(issuer);
    let keys = json!({"keys": [world.key.jwk(KEY)]});
    world.web.publish("https://id.example/own/jwks", &keys);
    world.web.publish(DISCOVERY, &json!({}));
    assert_eq!(world.code(&world.token(|_, _| ())).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_with_a_slash_at_its_end_has_its_document_where_all_have() {
    let mut issuer = issuer();
    issuer.keys.issuer = format!("{ISSUER}/").into();
    let world = World::of(issuer);
    let slashed = json!({"issuer": format!("{ISSUER}/"), "jwks_uri": format!("{ISSUER}/jwks")});
    world.web.publish(DISCOVERY, &slashed);
    let token = world.token(|_, claims| claims["iss"] = format!("{ISSUER}/").into());
    assert_eq!(world.code(&token).await, None);
    assert_eq!(
        world.code(&world.token(|_, _| ())).await,
        Some(Code::IdentityUnknown)
    );
}
