use std::time::{Duration, Instant};

use lattice_kernel::Code;
use lattice_kernel::gates::{Authorization, Obligation, Verdict};
use proptest::prelude::*;
use time::OffsetDateTime;

use super::{Request, requests, set};
use crate::{Counts, EvaluationError, Policy, PolicySet};

fn policy(body: &str) -> Policy {
    Policy::new(set(body))
}

fn ask(policy: &Policy, request: &Request) -> Verdict {
    ask_at(policy, request, 0)
}

/// At so many seconds after 1970 began.
fn ask_at(policy: &Policy, request: &Request, seconds: i64) -> Verdict {
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    policy.decide(at, &request.who, &request.ask, &request.target())
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
            bypasses: 0,
            failures: 0
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
            bypasses: 0,
            failures: 0
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
            hits: 0,
            misses: 0,
            bypasses: 3,
            failures: 0
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
            hits: 0,
            misses: 2,
            bypasses: 0,
            failures: 2
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

/// Looks at every field, so that a wrong key shows as a wrong answer.
const NOSY: &str = "
    decision := {\"allow\": true, \"deny\": [], \"obligations\": [{\"type\": \"echo\", \"seen\": input}]}
";

proptest! {
    #[test]
    fn cached_is_what_uncached_would_be(requests in prop::collection::vec(requests(), 1..20)) {
        for set in [set(NOSY), PolicySet::shipped().unwrap()] {
            let policy = Policy::new(set);
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
