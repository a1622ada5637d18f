use std::time::{Duration, Instant};

use lattice_kernel::Code;
use lattice_kernel::gates::{Authorization, Obligation, Verdict};
use proptest::prelude::*;
use time::OffsetDateTime;

use super::{Request, requests, set};
use crate::cache::Made;
use crate::current::Keep;
use crate::{Counts, EvaluationError, OnStale, Options, Policy, PolicySet};

fn policy(body: &str) -> Policy {
    Policy::new(set(body), Options::default())
}

fn ask(policy: &Policy, request: &Request) -> Verdict {
    ask_at(policy, request, 0)
}

/// At so many seconds after 1970 began.
fn ask_at(policy: &Policy, request: &Request, seconds: i64) -> Verdict {
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    policy.decide(
        &policy.rules(),
        at,
        &request.who,
        &request.ask,
        &request.target(),
    )
}

const OPEN: &str = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []}";

#[test]
fn an_equal_request_is_answered_from_the_cache() {
    let policy = policy(OPEN);
    let first = ask(&policy, &Request::sample());
    let again = ask(&policy, &Request::with(|r| r.ask.source = None));
    assert!(first.decision.allows() && !first.cached);
    assert!(again.decision.allows() && again.cached);
    assert_eq!(&again.revision, policy.set().revision());
    assert_eq!(
        policy.counts(),
        Counts {
            hits: 1,
            misses: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn a_field_that_the_set_looks_at_tells_requests_apart() {
    let policy = policy(
        "decision := {\"allow\": allow, \"deny\": [], \"obligations\": []}
         default allow := false
         allow if input.context.stream",
    );
    let whole = Request::with(|r| r.ask.stream = false);
    assert!(ask(&policy, &Request::sample()).decision.allows());
    assert!(!ask(&policy, &whole).decision.allows());
    assert!(ask(&policy, &Request::sample()).decision.allows());
    assert_eq!(
        policy.counts(),
        Counts {
            hits: 1,
            misses: 2,
            ..Counts::default()
        }
    );
}

#[test]
fn time_is_the_requests_and_moves_the_key() {
    let body = "decision := {\"allow\": allow, \"deny\": [], \"obligations\": []}
         default allow := false
         allow if { input.context.weekday == \"thursday\"; input.context.minute_of_day < 2 }";
    let policy = policy(body);
    let at = |seconds| {
        let verdict = ask_at(&policy, &Request::sample(), seconds);
        (verdict.decision.allows(), verdict.cached)
    };
    assert_eq!(at(0), (true, false));
    assert_eq!(at(59), (true, true));
    assert_eq!(at(60), (true, false));
    assert_eq!(at(120), (false, false));
    assert_eq!(at(86_400), (false, false));
}

#[test]
fn a_set_that_reads_the_time_itself_is_not_cached() {
    let policy = policy(
        "# lattice: not-cacheable\ndecision := {\"allow\": time.now_ns() > 0, \"deny\": [], \"obligations\": []}",
    );
    for _ in 0..3 {
        let verdict = ask(&policy, &Request::sample());
        assert!(verdict.decision.allows() && !verdict.cached);
    }
    assert_eq!(
        policy.counts(),
        Counts {
            bypasses: 3,
            ..Counts::default()
        }
    );
}

/// What loads, because the rehearsal streams nothing, and then fails on a
/// request that does stream.
fn failing(body: &str) -> EvaluationError {
    let policy = policy(body);
    for _ in 0..2 {
        let verdict = ask(&policy, &Request::sample());
        assert!(!verdict.decision.allows() && !verdict.cached, "{body}");
        let refusal = verdict.decision.refusal();
        assert_eq!(refusal.code, Code::PolicyDenied);
        assert!(refusal.message.contains("gave no decision"));
    }
    // An error is never kept.
    assert_eq!(
        policy.counts(),
        Counts {
            misses: 2,
            failures: 2,
            ..Counts::default()
        }
    );
    policy.last_failure().unwrap()
}

#[test]
fn a_rule_that_fails_denies() {
    let error = failing(
        "decision := {\"allow\": allow, \"deny\": [], \"obligations\": []}
         allow := true
         allow := false if input.context.stream",
    );
    assert!(
        matches!(&error, EvaluationError::Failed(detail) if detail.contains("authz.rego:")),
        "{error:?}"
    );
}

#[test]
fn an_undefined_decision_denies() {
    let error = failing(
        "decision := {\"allow\": true, \"deny\": [], \"obligations\": []} if not input.context.stream",
    );
    assert_eq!(error, EvaluationError::Undefined);
}

#[test]
fn a_decision_of_another_shape_denies() {
    let error = failing(
        "decision := true if input.context.stream
         decision := {\"allow\": true, \"deny\": [], \"obligations\": []} if not input.context.stream",
    );
    assert!(matches!(error, EvaluationError::Malformed(_)));
}

#[test]
fn an_evaluation_without_end_denies_in_time() {
    let policy = policy(
        "decision := {\"allow\": allow, \"deny\": [], \"obligations\": []}
         default allow := false
         allow if not input.context.stream
         allow if {
             input.context.stream
             count([1 | some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); a * b == 7]) > 0
         }",
    );
    let started = Instant::now();
    let verdict = ask(&policy, &Request::sample());
    let took = started.elapsed();
    println!("stopped after {took:?}");
    assert!(!verdict.decision.allows());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let error = policy.last_failure().unwrap();
    assert!(error.to_string().contains("time"), "{error}");
}

#[test]
fn a_reason_against_outweighs_allow() {
    let policy = policy(
        "decision := {\"allow\": true, \"deny\": deny, \"obligations\": []}
         deny contains {\"code\": \"policy_tool\", \"msg\": \"Leave out the mail tool.\"} if \"mail\" in input.context.tools",
    );
    let refusal = ask(&policy, &Request::sample()).decision.refusal();
    assert_eq!(
        (refusal.code, &*refusal.message),
        (Code::PolicyTool, "Leave out the mail tool.")
    );
    assert!(
        ask(&policy, &Request::with(|r| r.ask.tools.clear()))
            .decision
            .allows()
    );
}

#[test]
fn obligations_reach_the_kernel() {
    let policy = policy(
        "decision := {\"allow\": true, \"deny\": set(), \"obligations\": {{\"type\": \"mask\", \"entity\": \"email\"}}}",
    );
    let decision = ask(&policy, &Request::sample()).decision;
    assert_eq!(
        *decision.obligations,
        [Obligation::Unknown(
            r#"{"entity":"email","type":"mask"}"#.into()
        )]
    );
}

#[test]
fn requests_that_miss_together_share_one_evaluation() {
    let policy = policy(
        "decision := {\"allow\": true, \"deny\": [], \"obligations\": [], \"work\": sum(numbers.range(1, 2000))}",
    );
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(ask(&policy, &Request::sample()).decision.allows()));
        }
    });
    let counts = policy.counts();
    assert_eq!((counts.hits, counts.misses), (7, 1));
}

fn with(body: &str, options: Options) -> Policy {
    Policy::new(set(body), options)
}

const CLOSED: &str = "decision := {\"allow\": false, \"deny\": [], \"obligations\": []}";

#[test]
fn a_swap_holds_from_the_next_request_on() {
    let policy = policy(OPEN);
    for _ in 0..2 {
        assert!(ask(&policy, &Request::sample()).decision.allows());
    }
    let open = policy.set();
    let before = policy.swap(set(CLOSED));
    assert_eq!(before.revision(), open.revision());
    let closed = ask(&policy, &Request::sample());
    assert!(!closed.decision.allows() && !closed.cached);
    assert_eq!(&closed.revision, policy.set().revision());
    assert_ne!(closed.revision, *open.revision());
    // The very same set again: what was decided under it still stands.
    policy.swap(set(OPEN));
    let again = ask(&policy, &Request::sample());
    assert!(again.decision.allows() && again.cached);
    assert_eq!((policy.counts().swaps, policy.counts().hits), (2, 2));
}

#[test]
fn swaps_under_load_never_bring_back_an_old_set() {
    let policy = policy(OPEN);
    std::thread::scope(|scope| {
        let policy = &policy;
        let callers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(move || {
                    for _ in 0..200 {
                        let verdict = ask(policy, &Request::sample());
                        let open = verdict.revision == *set(OPEN).revision();
                        assert_eq!(verdict.decision.allows(), open);
                    }
                })
            })
            .collect();
        for round in 0..20 {
            let (body, open) = if round % 2 == 0 {
                (CLOSED, false)
            } else {
                (OPEN, true)
            };
            policy.swap(set(body));
            assert_eq!(ask(policy, &Request::sample()).decision.allows(), open);
        }
        callers
            .into_iter()
            .for_each(|caller| caller.join().unwrap());
    });
}

#[test]
fn switched_off_nothing_is_kept() {
    let options = Options {
        cache: false,
        ..Options::default()
    };
    let policy = with(OPEN, options);
    for _ in 0..3 {
        assert!(!ask(&policy, &Request::sample()).cached);
    }
    let counts = Counts {
        bypasses: 3,
        ..Counts::default()
    };
    assert_eq!(policy.counts(), counts);
}

#[test]
fn data_that_may_have_changed_unseen_are_not_answered_from_the_cache() {
    let options = Options {
        stale_after: Some(Duration::from_secs(10)),
        ..Options::default()
    };
    let policy = with(OPEN, options);
    let cached = |seconds| ask_at(&policy, &Request::sample(), seconds).cached;
    let refreshed =
        |seconds| policy.refreshed(OffsetDateTime::from_unix_timestamp(seconds).unwrap());
    assert!(
        !cached(100) && !cached(100),
        "never refreshed: nothing is kept"
    );
    refreshed(100);
    assert!(!cached(101), "made, and kept");
    assert!(cached(110), "ten seconds are not too long");
    assert!(!cached(111), "eleven are");
    refreshed(111);
    assert!(cached(112));
    // A poll that answers late takes nothing back.
    refreshed(90);
    assert!(cached(120));
    let counts = policy.counts();
    assert_eq!((counts.hits, counts.misses, counts.bypasses), (3, 1, 3));
}

#[test]
fn data_that_may_have_changed_unseen_can_be_made_to_refuse() {
    let options = Options {
        stale_after: Some(Duration::from_secs(10)),
        on_stale: OnStale::Deny,
        ..Options::default()
    };
    let policy = with(OPEN, options);
    let allowed = |seconds| {
        ask_at(&policy, &Request::sample(), seconds)
            .decision
            .allows()
    };
    assert!(!allowed(100), "never refreshed");
    assert_eq!(policy.last_failure(), Some(EvaluationError::Stale));
    policy.refreshed(OffsetDateTime::from_unix_timestamp(100).unwrap());
    assert!(allowed(101) && allowed(110), "made, and found");
    assert!(!allowed(111), "what was kept does not stand either");
    policy.refreshed(OffsetDateTime::from_unix_timestamp(111).unwrap());
    assert!(allowed(112), "a refusal is not kept");
    assert_eq!(policy.counts().failures, 2);
}

#[test]
fn every_hit_can_be_made_again() {
    let options = Options {
        shadow: 1.0,
        ..Options::default()
    };
    let policy = with(OPEN, options);
    for turn in 0..4 {
        let verdict = ask(&policy, &Request::sample());
        assert!(verdict.decision.allows());
        assert_eq!(verdict.cached, turn > 0);
    }
    let counts = Counts {
        hits: 3,
        misses: 1,
        shadow_matches: 3,
        ..Counts::default()
    };
    assert_eq!(checked(&policy), counts);
}

/// What is counted once every hit has been checked, or passed over.
fn checked(policy: &Policy) -> Counts {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let counts = policy.counts();
        let compared = counts.shadow_matches + counts.shadow_mismatches;
        if compared + counts.shadow_errors + counts.shadow_skipped == counts.hits {
            return counts;
        }
        assert!(Instant::now() < deadline, "{counts:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn checks_that_find_no_room_are_counted_and_hold_nobody_up() {
    let options = Options {
        shadow: 1.0,
        ..Options::default()
    };
    let slow = "decision := {\"allow\": count([1 | some a in numbers.range(1, 100); some b in numbers.range(1, 100); a == b]) > 0, \"deny\": [], \"obligations\": []}";
    let policy = with(slow, options);
    for _ in 0..1000 {
        assert!(ask(&policy, &Request::sample()).decision.allows());
    }
    let counts = checked(&policy);
    println!("{counts:?}");
    assert!(counts.shadow_skipped > 0 && counts.shadow_matches > 0);
    assert_eq!((counts.hits, counts.shadow_mismatches), (999, 0));
}

#[test]
fn a_policy_that_goes_takes_its_checks_along() {
    let options = Options {
        shadow: 1.0,
        ..Options::default()
    };
    let policy = with(OPEN, options);
    for _ in 0..100 {
        ask(&policy, &Request::sample());
    }
    let set = policy.set();
    drop(policy);
    assert_eq!(std::sync::Arc::strong_count(&set), 1);
}

/// As if something swayed decisions that is not in their keys.
fn mistaken() -> (Policy, Request) {
    let options = Options {
        shadow: 1.0,
        ..Options::default()
    };
    let body = "decision := {\"allow\": input.context.stream, \"deny\": [], \"obligations\": []}";
    let policy = with(body, options);
    let request = Request::sample();
    assert!(ask(&policy, &request).decision.allows());
    (policy, request)
}

/// Keeps the decision on `one` where that on `other` belongs.
fn misplace(policy: &Policy, one: &Request, other: &Request) {
    let set = policy.set();
    let key = other.see(|input| set.cache_key(input)).unwrap();
    let wrong = one.see(|input| set.evaluate(input)).unwrap();
    let kept = &policy.current.kept;
    kept.forget(&key);
    let made = || Ok(Made::new(wrong, None, Duration::MAX));
    kept.find_or_make(key, made).unwrap();
}

#[test]
fn a_kept_decision_that_comes_out_otherwise_is_dropped() {
    let (policy, request) = mistaken();
    misplace(&policy, &Request::with(|r| r.ask.stream = false), &request);
    let verdict = ask(&policy, &request);
    assert!(verdict.cached && !verdict.decision.allows());
    let counts = checked(&policy);
    assert_eq!((counts.hits, counts.shadow_mismatches), (1, 1));
    let mismatch = policy.last_mismatch().unwrap();
    assert_eq!(&mismatch.revision, policy.set().revision());
    assert!(mismatch.allowed);
    // The entry is gone: the next request has the decision made and kept.
    let made = ask(&policy, &request);
    assert!(made.decision.allows() && !made.cached);
    assert!(ask(&policy, &request).cached);
}

#[test]
fn a_kept_decision_that_cannot_be_made_again_is_dropped() {
    let options = Options {
        shadow: 1.0,
        ..Options::default()
    };
    let body = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []} if not input.context.stream";
    let policy = with(body, options);
    let request = Request::sample();
    misplace(&policy, &Request::with(|r| r.ask.stream = false), &request);
    let verdict = ask(&policy, &request);
    assert!(verdict.cached && verdict.decision.allows());
    let counts = checked(&policy);
    assert_eq!((counts.shadow_errors, counts.failures), (1, 0));
    assert_eq!(policy.last_failure(), Some(EvaluationError::Undefined));
    let verdict = ask(&policy, &request);
    assert!(!verdict.cached && !verdict.decision.allows());
    assert_eq!(policy.counts().failures, 1);
}

/// Looks at every field, so that a wrong key shows as a wrong answer.
const NOSY: &str = "
    decision := {\"allow\": true, \"deny\": [], \"obligations\": [{\"type\": \"echo\", \"seen\": input}]}
";

proptest! {
    #[test]
    fn cached_is_what_uncached_would_be(requests in prop::collection::vec(requests(), 1..20)) {
        for set in [set(NOSY), PolicySet::shipped().unwrap()] {
            let policy = Policy::new(set, Options::default());
            for request in requests.iter().chain(&requests) {
                let verdict = ask(&policy, request);
                let mut now = request.clone();
                now.at = OffsetDateTime::UNIX_EPOCH;
                let afresh = now.see(|input| policy.set().evaluate(input)).unwrap();
                prop_assert_eq!(&*verdict.decision, &afresh);
            }
            prop_assert!(policy.counts().hits >= requests.len() as u64);
            prop_assert_eq!(policy.counts().failures, 0);
        }
    }
}
