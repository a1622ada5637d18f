//! Keys, tokens and certificates side by side.

use std::sync::Arc;

use lattice_identity::certificate::{Assigned, Assignee};
use lattice_identity::directory::{Handle, Holder};
use lattice_identity::{
    ApiKeys, Authenticator, Certificates, KeyRow, KeyStore, LatticeKey, Pepper, StoreFailure,
};
use lattice_kernel::gates::Identity;
use lattice_kernel::principal::{Auth, Distrust, Level};
use lattice_kernel::{Certificate, Code, Credential, Head, Principal, Refusal, Secret};
use rand::SeedableRng as _;
use time::ext::NumericalDuration;

use crate::world::{Hand, People, START, World, named};

/// A store of one key.
struct OneKey([u8; 32]);

impl KeyStore for OneKey {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, StoreFailure> {
        Ok((*mac == self.0).then(|| KeyRow {
            mac: self.0,
            principal: Principal::of_key(named(5, "key")),
            expires_at: None,
            revoked_at: None,
            disabled: false,
        }))
    }

    async fn revision(&self) -> Result<i64, StoreFailure> {
        Ok(1)
    }
}

type Gate = Authenticator<OneKey, Arc<People>, Hand>;

fn gate(world: &World, required: bool, assigned: Vec<Assigned>) -> (Gate, String) {
    let pepper = Pepper::from_bytes(&[9; 32]).unwrap();
    let key = LatticeKey::generate(&mut rand::rngs::StdRng::seed_from_u64(1));
    let store = OneKey(pepper.mac(&key));
    let gate = Authenticator {
        keys: ApiKeys::new(store, pepper, world.clock.clone()),
        tokens: world.tokens.clone(),
        certificates: Certificates::new(assigned, world.people.clone(), world.clock.clone()),
        certificate_required: required,
    };
    (gate, key.text().expose().to_owned())
}

fn certificate(names: &[&str]) -> Arc<Certificate> {
    Arc::new(Certificate {
        fingerprint: [7; 32],
        names: names.iter().map(|name| (*name).into()).collect(),
        not_after: START + 1.hours(),
    })
}

async fn show(
    gate: &Gate,
    credential: Option<&str>,
    certificate: Option<&Arc<Certificate>>,
) -> Result<Arc<Principal>, Refusal> {
    let head = Head {
        credential: credential.map_or(Credential::None, |text| Credential::One(Secret::new(text))),
        certificate: certificate.cloned(),
        ..Head::default()
    };
    gate.identify(&head).await
}

async fn auth(
    gate: &Gate,
    credential: Option<&str>,
    certificate: Option<&Arc<Certificate>>,
) -> Result<Auth, Code> {
    let shown = show(gate, credential, certificate).await;
    shown.map(|who| who.auth).map_err(|refusal| refusal.code)
}

fn agent(name: &str) -> Assigned {
    Assigned {
        name: name.into(),
        to: Assignee::Agent("build".into()),
        team: None,
        roles: vec!["member".into()],
    }
}

const SPIFFE: &str = "uri:spiffe://corp/agent/build";

#[tokio::test(start_paused = true)]
async fn the_form_of_a_credential_tells_what_it_is() {
    let world = World::new();
    let (gate, key) = gate(&world, false, Vec::new());
    assert_eq!(auth(&gate, Some(&key), None).await, Ok(Auth::Key));
    let token = world.token(|_, _| ());
    assert_eq!(auth(&gate, Some(&token), None).await, Ok(Auth::Token));
    assert_eq!(auth(&gate, None, None).await, Err(Code::IdentityMissing));
    for other in [
        "sk-ant-1",
        "",
        "a.b",
        "a.b.c.d",
        "lat_",
        "lat_a.b.c",
        &key[1..],
    ] {
        let code = auth(&gate, Some(other), None).await;
        assert_eq!(code, Err(Code::IdentityUnknown), "{other}");
    }
    assert_eq!(world.web.fetched(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_counts_where_nothing_else_is_sent() {
    let world = World::new();
    let (gate, key) = gate(&world, false, vec![agent(SPIFFE)]);
    let shown = certificate(&["dns:host.example", SPIFFE, "cn:build"]);
    let who = show(&gate, None, Some(&shown)).await.unwrap();
    assert_eq!(who.auth, Auth::Certificate);
    assert_eq!(who.agent.as_ref().map(|agent| &*agent.name), Some("build"));
    assert_eq!(who.subject.named, who.agent.clone().unwrap());
    let grants: Vec<_> = who
        .grants
        .iter()
        .map(|grant| (grant.level, &*grant.role))
        .collect();
    assert_eq!(grants, [(Level::Own, "member")]);
    assert_eq!(auth(&gate, Some(&key), Some(&shown)).await, Ok(Auth::Key));
    let wrong = auth(&gate, Some("sk-1"), Some(&shown)).await;
    assert_eq!(
        wrong,
        Err(Code::IdentityUnknown),
        "it does not stand in for a wrong one"
    );
    let stranger = certificate(&["cn:other", "uri:spiffe://corp/agent/build2"]);
    assert_eq!(
        auth(&gate, None, Some(&stranger)).await,
        Err(Code::IdentityUnknown)
    );
    assert_eq!(
        auth(&gate, Some(&key), Some(&stranger)).await,
        Ok(Auth::Key)
    );
}

#[tokio::test(start_paused = true)]
async fn a_certificate_ends_even_on_an_open_connection() {
    let world = World::new();
    let (gate, _) = gate(&world, false, vec![agent(SPIFFE)]);
    let shown = certificate(&[SPIFFE]);
    assert_eq!(auth(&gate, None, Some(&shown)).await, Ok(Auth::Certificate));
    world.pass(1.hours());
    assert_eq!(
        auth(&gate, None, Some(&shown)).await,
        Err(Code::IdentityExpired)
    );
}

#[tokio::test(start_paused = true)]
async fn where_certificates_are_required_both_must_be_good() {
    let world = World::new();
    let (gate, key) = gate(&world, true, vec![agent(SPIFFE)]);
    let shown = certificate(&[SPIFFE]);
    assert_eq!(
        auth(&gate, Some(&key), None).await,
        Err(Code::IdentityMissing)
    );
    assert_eq!(auth(&gate, None, None).await, Err(Code::IdentityMissing));
    assert_eq!(auth(&gate, Some(&key), Some(&shown)).await, Ok(Auth::Key));
    assert_eq!(auth(&gate, None, Some(&shown)).await, Ok(Auth::Certificate));
    let wrong = auth(&gate, Some("lat_x"), Some(&shown)).await;
    assert_eq!(wrong, Err(Code::IdentityUnknown));
    // The authority vouches for it; whose it is the key says.
    let nobodys = certificate(&["cn:nobody"]);
    assert_eq!(auth(&gate, Some(&key), Some(&nobodys)).await, Ok(Auth::Key));
    let disabled = Holder {
        disabled: true,
        ..Holder::of_user(named(1, "build"))
    };
    world
        .people
        .holders
        .lock()
        .insert(Handle::Agent("build".into()), disabled);
    let beside = auth(&gate, Some(&key), Some(&shown)).await;
    assert_eq!(beside, Err(Code::IdentityRevoked));
    world.pass(1.hours());
    let late = auth(&gate, Some(&key), Some(&nobodys)).await;
    assert_eq!(late, Err(Code::IdentityExpired));
}

#[tokio::test(start_paused = true)]
async fn the_store_may_know_a_certificate_and_whose_it_is() {
    let world = World::new();
    let (gate, _) = gate(&world, false, Vec::new());
    let shown = certificate(&[SPIFFE, "cn:build"]);
    assert_eq!(
        auth(&gate, None, Some(&shown)).await,
        Err(Code::IdentityUnknown)
    );
    let hex = "07".repeat(32);
    for name in [format!("sha256:{hex}"), "cn:build".to_owned()] {
        let handle = Handle::Certificate(vec![name.as_str().into()]);
        let ada = Holder::of_user(named(1, "ada"));
        world.people.holders.lock().insert(handle.clone(), ada);
        let who = show(&gate, None, Some(&shown)).await.unwrap();
        assert_eq!(who.user, Some(named(1, "ada")), "{name}");
        world.people.holders.lock().remove(&handle);
    }
}

#[tokio::test(start_paused = true)]
async fn a_configured_certificate_acts_in_its_team_or_not_at_all() {
    let world = World::new();
    let assigned = Assigned {
        team: Some("research".into()),
        ..agent(SPIFFE)
    };
    let (gate, _) = gate(&world, false, vec![assigned]);
    let shown = certificate(&[SPIFFE]);
    let refusal = show(&gate, None, Some(&shown)).await.unwrap_err();
    assert_eq!(refusal.code, Code::IdentityUnknown);
    assert!(refusal.detail().unwrap().contains("lattice team create"));
    world
        .people
        .add_team("research", |team| team.models = Some(Vec::new()));
    let who = show(&gate, None, Some(&shown)).await.unwrap();
    assert_eq!(who.team_models, Some(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_configured_certificate_does_not_act_in_another_organisations_team() {
    let world = World::new();
    let assigned = Assigned {
        team: Some("research".into()),
        ..agent(SPIFFE)
    };
    let (gate, _) = gate(&world, false, vec![assigned]);
    let shown = certificate(&[SPIFFE]);
    let acme = || Some(named(9, "acme"));
    let build = Holder {
        org: acme(),
        ..Holder::of_user(named(1, "build"))
    };
    let handle = Handle::Agent("build".into());
    world.people.holders.lock().insert(handle, build);
    for org in [Some(named(8, "umbrella")), None] {
        world.people.add_team("research", |team| team.org = org);
        let refusal = show(&gate, None, Some(&shown)).await.unwrap_err();
        assert_eq!(refusal.code, Code::IdentityUnknown);
        assert!(refusal.detail().unwrap().contains("organisation"));
    }
    world.people.add_team("research", |team| team.org = acme());
    let who = show(&gate, None, Some(&shown)).await.unwrap();
    assert_eq!(
        (who.team.clone(), who.org.clone()),
        (Some(named(2, "research")), acme())
    );
}

#[tokio::test(start_paused = true)]
async fn different_credentials_are_refused_whatever_else_is_shown() {
    let world = World::new();
    let (gate, _) = gate(&world, false, vec![agent(SPIFFE)]);
    for certificate in [None, Some(certificate(&[SPIFFE]))] {
        let head = Head {
            credential: Credential::Several,
            certificate,
            ..Head::default()
        };
        let refusal = gate.identify(&head).await.unwrap_err();
        assert_eq!(refusal.code, Code::IdentityUnknown);
        assert!(refusal.message.contains("Several different credentials"));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_counts_beside_a_certificate_that_counts_no_more() {
    let world = World::new();
    for required in [false, true] {
        let (gate, key) = gate(&world, required, vec![agent(SPIFFE)]);
        for (why, code) in [
            (Distrust::Revoked, Code::IdentityRevoked),
            (Distrust::Expired, Code::IdentityExpired),
            (Distrust::Untrusted, Code::IdentityUnknown),
        ] {
            for credential in [Credential::None, Credential::One(Secret::new(&*key))] {
                let head = Head {
                    credential,
                    certificate: Some(certificate(&[SPIFFE])),
                    distrust: Some(why),
                    ..Head::default()
                };
                assert_eq!(gate.identify(&head).await.unwrap_err().code, code);
            }
        }
    }
}
