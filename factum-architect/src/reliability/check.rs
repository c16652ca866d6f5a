//! Checks a policy against what it must cover: repeats, replays, and the order of a key.

use std::time::Duration;

use factum_contract::system::{ConsumerSpec, Idempotency, Replay};
use factum_core::{OnDead, RetryPolicy};

use super::Window;
use super::length::spoken;
use super::propose::Proposed;
use super::situation::Situation;

/// How long the runtime remembers a field's value when the catalog names no window.
const FIELD_WINDOW: Duration = Duration::from_secs(86_400);

/// Whether repeats are recognised for as long as they can come.
pub(super) fn window(spec: Option<&ConsumerSpec>, proposed: &Proposed, retry: &RetryPolicy) -> Window {
    let declared = spec.and_then(|spec| spec.idempotency.as_ref());
    let window = match declared {
        Some(Idempotency::EventId { window }) => *window,
        Some(Idempotency::Field { window, .. }) => Some(window.unwrap_or(FIELD_WINDOW)),
        Some(Idempotency::Natural { .. }) => None,
        None => proposed.window,
    };
    let longest = retry.longest();
    let is_natural =
        matches!(declared, Some(Idempotency::Natural { .. })) || (declared.is_none() && window.is_none());
    let verdict = match window {
        _ if is_natural => "natural",
        Some(window) if window < longest => "short",
        Some(_) => "covered",
        None => "unsaid",
    };
    let mut says = Vec::new();
    match (verdict, window) {
        ("natural", _) => says.push("handling twice is harmless: no window is needed".to_owned()),
        ("short", Some(window)) => says.push(format!(
            "retries take up to {}, repeats are recognised for {}: a late retry can be taken for something new",
            spoken(longest),
            spoken(window)
        )),
        (_, Some(window)) => says.push(format!(
            "retries take up to {}, repeats are recognised for {}: covered",
            spoken(longest),
            spoken(window)
        )),
        _ => says.push(
            "no window is said: the log knows an event by its checkpoint, an inbox for seven days; what is called \
             outside must remember keys itself"
                .to_owned(),
        ),
    }
    if let Some(window) = window.filter(|_| !is_natural) {
        says.push(format!(
            "a dead letter that is requeued after more than {} meets a world that may have forgotten it",
            spoken(window)
        ));
    }
    says.push(
        match spec.and_then(|spec| spec.replay).unwrap_or(proposed.replay) {
            Replay::Safe => "a replay runs everything again, as far back as the log goes",
            Replay::EffectsHeld if is_natural => "a replay holds effects back unless told --effects",
            Replay::EffectsHeld => {
                "a replay holds effects back; told --effects, it repeats those that are older than the window"
            }
            Replay::Refuse => "a replay is refused: nothing comes twice from there",
        }
        .to_owned(),
    );
    Window {
        verdict,
        window_seconds: window.filter(|_| !is_natural).map(|window| window.as_secs_f64()),
        retries_seconds: longest.as_secs_f64(),
        says,
    }
}

/// What happens to the order of a key.
pub(super) fn order(spec: Option<&ConsumerSpec>, retry: &RetryPolicy, situation: &Situation) -> Vec<String> {
    let mut says = vec![
        "one key: one event at a time, in the order of the log, across retries, crashes and rebalances"
            .to_owned(),
        "a failing event takes its key with it: later events of the key queue behind it, other keys go on"
            .to_owned(),
    ];
    says.push(
        match retry.on_dead {
            OnDead::Hold => {
                "a dead letter holds its key until it is requeued or discarded: the order is kept"
            }
            OnDead::Skip => {
                "a dead letter lets its key go on: requeued later, it comes after events that followed it"
            }
        }
        .to_owned(),
    );
    if spec.is_some_and(|spec| spec.on.len() > 1) {
        says.push(
            "its events keep their order where they share a key; between keys there is none".to_owned(),
        );
    }
    if retry.on_dead == OnDead::Skip && situation.is_ordered {
        says.push("its contracts promise an order by key, which `skip` gives up for dead letters".to_owned());
    }
    says
}

/// What is weak in a declared policy.
pub(super) fn findings(spec: &ConsumerSpec, retry: &RetryPolicy, situation: &Situation) -> Vec<String> {
    let mut findings = Vec::new();
    let mut weak = |is: bool, text: String| {
        if is {
            findings.push(text);
        }
    };
    weak(retry.attempts <= 1, "attempts: 1 makes every hiccup a dead letter".to_owned());
    weak(
        retry.attempts > 1 && retry.attempts <= retry.immediate,
        format!("all {} attempts come at once: nothing has time to recover", retry.attempts),
    );
    weak(
        retry.jitter <= 0.0 && retry.attempts > retry.immediate,
        "jitter: 0 brings everything that failed together back together".to_owned(),
    );
    weak(
        retry.multiplier <= 1.0 && retry.attempts > retry.immediate + 3,
        "multiplier: 1 asks as often at the end as at the beginning".to_owned(),
    );
    weak(
        spec.replay == Some(Replay::Safe) && !spec.calls.is_empty(),
        format!("replay: safe repeats calls of {} for everything that is replayed", spec.calls.join(", ")),
    );
    weak(
        retry.on_dead == OnDead::Skip && situation.is_ordered,
        "on_dead: skip gives up the order that the contracts promise".to_owned(),
    );
    let hold = retry.timeout.saturating_mul(retry.immediate.min(retry.attempts));
    weak(
        hold > Duration::from_secs(120),
        format!("a handler that hangs holds its lane for up to {}: lower timeout or immediate", spoken(hold)),
    );
    findings
}
