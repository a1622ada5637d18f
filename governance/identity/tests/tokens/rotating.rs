//! Keys come and go, and their issuer is not always there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lattice_identity::token::{COOL, GRACE, REFRESH, RETRY};
use lattice_kernel::Code;
use tokio::task::JoinSet;
use tokio::time::advance;

use crate::signer::Signer;
use crate::world::{KEY, World};

const SOON: Duration = Duration::from_millis(100);

/// A token of the second key, which signs `alg` as the first does.
fn of_second(world: &World) -> String {
    let (mut header, claims) = world.parts();
    header["kid"] = "k2".into();
    Signer::ed(2).token(&header, &claims)
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_when_it_is_first_named() {
    let world = World::new();
    let old = world.token(|_, _| ());
    assert_eq!(world.code(&old).await, None);
    assert_eq!(world.web.fetched(), 1);
    world
        .web
        .publish_keys(&[world.key.jwk(KEY), Signer::ed(2).jwk("k2")]);
    tokio::time::sleep(COOL).await;
    assert_eq!(world.code(&of_second(&world)).await, None);
    assert_eq!(world.web.fetched(), 2);
    assert_eq!(world.code(&old).await, None);
    assert_eq!(world.web.fetched(), 2, "what is known is not fetched");
}

#[tokio::test(start_paused = true)]
async fn the_tokens_of_a_key_that_is_gone_do_not_count_after_the_next_look() {
    let world = World::new();
    let old = world.token(|_, _| ());
    assert_eq!(world.code(&old).await, None);
    world.web.publish_keys(&[Signer::ed(2).jwk("k2")]);
    assert_eq!(world.code(&old).await, None, "nobody has looked");
    tokio::time::sleep(REFRESH + SOON).await;
    assert_eq!(world.web.fetched(), 2);
    assert_eq!(world.code(&old).await, Some(Code::IdentityUnknown));
    // An issuer that takes back every key is believed as well.
    world.web.publish_keys(&[]);
    tokio::time::sleep(REFRESH + SOON).await;
    assert_eq!(
        world.code(&of_second(&world)).await,
        Some(Code::IdentityUnknown)
    );
}

#[tokio::test(start_paused = true)]
async fn another_key_under_a_known_name_is_found_at_the_next_look() {
    let world = World::new();
    assert_eq!(world.code(&world.token(|_, _| ())).await, None);
    let (header, claims) = world.parts();
    let new = Signer::ed(2);
    world.web.publish_keys(&[new.jwk(KEY)]);
    let token = new.token(&header, &claims);
    assert_eq!(world.code(&token).await, Some(Code::IdentityUnknown));
    tokio::time::sleep(REFRESH + SOON).await;
    assert_eq!(world.code(&token).await, None);
    assert_eq!(
        world.code(&world.token(|_, _| ())).await,
        Some(Code::IdentityUnknown)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hundred_unknown_keys_at_once_are_one_fetch() {
    let world = World::new();
    assert_eq!(world.code(&world.token(|_, _| ())).await, None);
    tokio::time::sleep(COOL).await;
    for round in 2..5 {
        let mut shown = JoinSet::new();
        for number in 0..100 {
            let token =
                world.token(|header, _| header["kid"] = format!("x{round}-{number}").into());
            let tokens = world.tokens.clone();
            shown.spawn(async move { tokens.identify(&token).await.err().map(|no| no.code) });
        }
        let codes = shown.join_all().await;
        assert_eq!(codes, vec![Some(Code::IdentityUnknown); 100]);
        assert_eq!(world.web.fetched(), round);
        // The next round comes too soon for another one.
        for number in 0..100 {
            let token = world.token(|header, _| header["kid"] = format!("y{number}").into());
            assert_eq!(world.code(&token).await, Some(Code::IdentityUnknown));
        }
        assert_eq!(world.web.fetched(), round);
        tokio::time::sleep(COOL).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_cuts_no_fetch_short_and_starts_no_other() {
    let world = World::new();
    assert_eq!(world.code(&world.token(|_, _| ())).await, None);
    tokio::time::sleep(COOL).await;
    for number in 0..50 {
        let token = world.token(|header, _| header["kid"] = format!("x{number}").into());
        let shown = tokio::time::timeout(Duration::from_millis(5), world.show(&token));
        drop(shown.await);
    }
    assert_eq!(world.web.fetched(), 2);
}

#[tokio::test(start_paused = true)]
async fn known_keys_count_for_a_while_without_their_issuer() {
    let world = World::new();
    assert_eq!(world.code(&world.token(|_, _| ())).await, None);
    world.web.down.store(true, Ordering::SeqCst);
    advance(GRACE - SOON).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.code(&world.token(|_, _| ())).await, None);
    // Whether a key that is not known has come since cannot be told.
    let new = world.show(&of_second(&world)).await.unwrap_err();
    assert_eq!(new.code, Code::StoreUnavailable);
    assert!(new.retry_after.is_some());
    tokio::time::sleep(SOON * 2).await;
    let refusal = world.show(&world.token(|_, _| ())).await.unwrap_err();
    assert_eq!(refusal.code, Code::StoreUnavailable);
    assert!(
        refusal
            .message
            .contains("identity provider does not answer"),
        "{refusal}"
    );
    // It comes back, and nobody has to ask.
    world.web.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(RETRY + SOON).await;
    assert_eq!(world.code(&world.token(|_, _| ())).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_was_never_there_makes_its_tokens_wait_and_not_fail() {
    let world = World::new();
    world.web.down.store(true, Ordering::SeqCst);
    let token = world.token(|_, _| ());
    assert_eq!(world.code(&token).await, Some(Code::StoreUnavailable));
    world.web.down.store(false, Ordering::SeqCst);
    assert_eq!(
        world.code(&token).await,
        Some(Code::StoreUnavailable),
        "too soon to ask again"
    );
    tokio::time::sleep(COOL).await;
    assert_eq!(world.code(&token).await, None);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_fetches_a_request_does_not_wait_for_ever() {
    let mut world = World::new();
    world.abandon();
    let token = world.token(|_, _| ());
    assert_eq!(world.code(&token).await, Some(Code::StoreUnavailable));
}
