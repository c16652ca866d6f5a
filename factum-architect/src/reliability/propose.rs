//! Proposes what a consumer has not settled, each part with its reason.

use std::time::Duration;

use factum_contract::system::{ConsumerSpec, DeadLetters, Idempotency, Replay, RetrySpec};
use factum_core::{OnDead, RetryPolicy};

use super::length::{spoken, written};
use super::situation::Situation;
use super::{Setting, idempotency_written, on_dead, replay_word};

/// A day: the shortest window worth declaring.
const DAY: Duration = Duration::from_secs(86_400);

/// What would be right for a situation.
pub(super) struct Proposed {
    pub(super) retry: RetryPolicy,
    retry_reason: String,
    on_dead_reason: &'static str,
    /// None where the effects are harmless twice.
    pub(super) window: Option<Duration>,
    idempotency_reason: String,
    pub(super) replay: Replay,
    replay_reason: &'static str,
}

pub(super) fn propose(situation: &Situation, spec: Option<&ConsumerSpec>) -> Proposed {
    let seconds = Duration::from_secs;
    let plain = RetryPolicy::default();
    let (mut retry, retry_reason) = match situation {
        Situation { money: Some(word), .. } => (
            RetryPolicy { immediate: 2, attempts: 12, max: seconds(1800), timeout: seconds(20), ..plain },
            format!("`{word}` moves money: a provider is given hours to come back before a person must look"),
        ),
        Situation { mail: Some(word), .. } => (
            RetryPolicy { immediate: 1, attempts: 10, first: seconds(5), max: seconds(1800), ..plain },
            format!("`{word}` writes to people: servers that defer want to be asked again in minutes, not at once"),
        ),
        Situation { webhook: Some(word), .. } => (
            RetryPolicy { immediate: 2, attempts: 10, timeout: seconds(15), ..plain },
            format!("`{word}` is answered at the door and handled from the log: what fails here is ours to repeat"),
        ),
        Situation { calls: Some(word), .. } => (
            RetryPolicy { timeout: seconds(20), ..plain },
            format!("`{word}` is outside: a hiccup passes within the tries at once, a restart within minutes"),
        ),
        Situation { bulk: Some(word), .. } => (
            RetryPolicy { attempts: 6, max: seconds(300), timeout: seconds(10), ..plain },
            format!("`{word}` comes in masses: what fails is set aside soon, so that the rest flows"),
        ),
        _ => (
            RetryPolicy { immediate: 3, max: seconds(300), timeout: seconds(10), ..plain },
            "its effects are in the store: a failure is a conflict that passes, or a fault that a person mends"
                .to_owned(),
        ),
    };
    if situation.slow.is_some() {
        retry.timeout = seconds(300);
    }
    let skips = !situation.is_ordered && (situation.mail.is_some() || situation.bulk.is_some());
    retry.on_dead = if skips { OnDead::Skip } else { OnDead::Hold };
    let on_dead_reason = match retry.on_dead {
        OnDead::Hold => "later events of the key build on this one: they wait until a person has decided",
        OnDead::Skip => {
            "later events of the key do not build on this one: they go on, its own order is given up"
        }
    };
    let has_effects = situation.calls.is_some() || situation.webhook.is_some();
    let covers = covering(&retry);
    let idempotency_reason = if has_effects {
        let longest = spoken(retry.longest());
        format!("delivery is at least once, and retries take up to {longest}: the window must be longer")
    } else {
        "its effects are committed with its checkpoint: an event has them once".to_owned()
    };
    let emits = spec.is_some_and(|spec| !spec.emits.is_empty());
    let replay =
        if has_effects || emits || situation.tables.is_none() { Replay::EffectsHeld } else { Replay::Safe };
    let replay_reason = match replay {
        Replay::Safe => "only tables of its own: they may be written again",
        _ => "a replay must not repeat what left the store, unless an operator says so with --effects",
    };
    Proposed {
        retry,
        retry_reason,
        on_dead_reason,
        window: has_effects.then_some(covers),
        idempotency_reason,
        replay,
        replay_reason,
    }
}

/// A window of whole days that covers every retry.
fn covering(retry: &RetryPolicy) -> Duration {
    let days = retry.longest().as_secs().div_ceil(DAY.as_secs()).max(1);
    DAY * u32::try_from(days).unwrap_or(u32::MAX)
}

/// Every setting: as the catalog says it, or as proposed.
pub(super) fn settings(
    spec: Option<&ConsumerSpec>,
    proposed: &Proposed,
    retry: &RetryPolicy,
) -> Vec<Setting> {
    let is_retry_declared = spec.is_some_and(|spec| spec.retry != RetrySpec::default());
    let letters = spec.map(|spec| &spec.dead_letters);
    let idempotency = spec.and_then(|spec| spec.idempotency.as_ref());
    let replay = spec.and_then(|spec| spec.replay);
    let never = spec.map(|spec| spec.retry.never.as_slice()).unwrap_or_default();
    vec![
        Setting {
            name: "retry",
            is_declared: is_retry_declared,
            value: retry_written(retry, never),
            reason: if is_retry_declared { retry_means(retry) } else { proposed.retry_reason.clone() },
        },
        Setting {
            name: "poison",
            is_declared: true,
            value: "refused by name, at once".to_owned(),
            reason: "what breaks its contract, cannot be decoded, or is rejected by the handler never succeeds: it is \
                     kept findable and holds nobody up"
                .to_owned(),
        },
        dead_letters(letters, spec, proposed, retry),
        Setting {
            name: "idempotency",
            is_declared: idempotency.is_some(),
            value: idempotency.map_or_else(|| idempotency_proposed(proposed), idempotency_written),
            reason: match idempotency {
                Some(declared) => idempotency_means(declared),
                None => proposed.idempotency_reason.clone(),
            },
        },
        Setting {
            name: "replay",
            is_declared: replay.is_some(),
            value: replay_word(replay.unwrap_or(proposed.replay)).to_owned(),
            reason: match replay {
                Some(declared) => replay_means(declared).to_owned(),
                None => proposed.replay_reason.to_owned(),
            },
        },
    ]
}

fn dead_letters(
    letters: Option<&DeadLetters>,
    spec: Option<&ConsumerSpec>,
    proposed: &Proposed,
    retry: &RetryPolicy,
) -> Setting {
    let declared = letters.and_then(|letters| letters.on_dead);
    let owner = letters.and_then(|letters| letters.owner.as_ref().map(|owner| owner.value.clone()));
    let is_declared = declared.is_some() && owner.is_some();
    let owner = owner.or_else(|| spec.map(|spec| spec.service.value.to_string()));
    let mut parts: Vec<String> = owner.map(|owner| format!("owner: {owner}")).into_iter().collect();
    parts.push(format!("on_dead: {}", on_dead(retry.on_dead)));
    parts.extend(letters.and_then(|it| it.alert.as_ref()).map(|alert| format!("alert: {alert}")));
    parts.extend(letters.and_then(|it| it.runbook.as_ref()).map(|runbook| format!("runbook: {runbook}")));
    let reason = match (declared, retry.on_dead) {
        (Some(_), OnDead::Hold) => "the key stays behind its dead letter, in order, until a person decides",
        (Some(_), OnDead::Skip) => "the key goes on without it; requeued later, it comes out of its order",
        (None, _) => proposed.on_dead_reason,
    };
    Setting {
        name: "dead_letters",
        is_declared,
        value: format!("{{ {} }}", parts.join(", ")),
        reason: reason.to_owned(),
    }
}

fn retry_written(retry: &RetryPolicy, never: &[String]) -> String {
    let mut text = format!(
        "{{ immediate: {}, attempts: {}, first: {}, max: {}, multiplier: {}, jitter: {}, timeout: {}",
        retry.immediate,
        retry.attempts,
        written(retry.first),
        written(retry.max),
        retry.multiplier,
        retry.jitter,
        written(retry.timeout)
    );
    if !never.is_empty() {
        text.push_str(&format!(", never: [{}]", never.join(", ")));
    }
    text + " }"
}

fn retry_means(retry: &RetryPolicy) -> String {
    let at_once = retry.immediate.min(retry.attempts);
    let later = retry.attempts.saturating_sub(at_once);
    format!(
        "{at_once} at once while its lane waits, then {later} more with its key set aside, each wait {} times the one \
         before, up to {}; jitter only lengthens",
        retry.multiplier,
        spoken(retry.max)
    )
}

fn idempotency_proposed(proposed: &Proposed) -> String {
    match proposed.window {
        Some(window) => format!("{{ by: event-id, window: {} }}", written(window)),
        None => "{ natural: \"its effects are committed with its checkpoint\" }".to_owned(),
    }
}

fn idempotency_means(declared: &Idempotency) -> String {
    match declared {
        Idempotency::EventId { .. } => {
            "the same event has its effects once; calls outside get a key that stays the \
                                        same across retries and replays"
                .to_owned()
        }
        Idempotency::Field { by, window } => {
            let window = window.map_or("a day".to_owned(), spoken);
            let field = &by.value;
            format!("a second event of the same type with the same {field} within {window} is passed over")
        }
        Idempotency::Natural { .. } => "handling twice is harmless, for the reason that is given".to_owned(),
    }
}

fn replay_means(declared: Replay) -> &'static str {
    match declared {
        Replay::Safe => "a replay runs everything again",
        Replay::EffectsHeld => "a replay runs effects again only with --effects",
        Replay::Refuse => "a replay is refused",
    }
}

/// What nobody has said and nobody may guess.
pub(super) fn questions(spec: Option<&ConsumerSpec>, situation: &Situation) -> Vec<String> {
    let mut questions = Vec::new();
    match spec {
        None => {
            questions.push("Which events does it take, and which field is their key?".to_owned());
            questions.push("Which service runs it, and who owns its dead letters?".to_owned());
        }
        Some(spec) if spec.dead_letters.owner.is_none() => {
            let service = &spec.service.value;
            questions.push(format!("Who looks after its dead letters? Proposed: {service}, which runs it."));
        }
        Some(_) => {}
    }
    let letters = spec.map(|spec| &spec.dead_letters);
    if letters.is_none_or(|letters| letters.alert.is_none()) {
        questions.push("Whom does a dead letter wake (`dead_letters.alert`)?".to_owned());
    }
    if letters.is_none_or(|letters| letters.runbook.is_none()) {
        questions.push("Where does it say what to do then (`dead_letters.runbook`)?".to_owned());
    }
    let has_idempotency = spec.is_some_and(|spec| spec.idempotency.is_some());
    if situation.webhook.is_some() && !has_idempotency {
        questions.push(
            "Which field carries the sender's own id? Senders repeat: `idempotency: { by: THAT FIELD }` stops it."
                .to_owned(),
        );
    }
    if situation.calls.is_some() && !has_idempotency {
        questions.push(
            "Does what it calls take an idempotency key, and how long does it remember one?".to_owned(),
        );
    }
    if situation.is_unknown() && spec.is_none() {
        questions.push("What does it do outside the store (`calls`)? Nothing is assumed.".to_owned());
    }
    questions
}

/// What to write into the catalog; nothing when all is there.
pub(super) fn yaml(name: &str, settings: &[Setting]) -> Option<String> {
    let missing: Vec<&Setting> = settings.iter().filter(|setting| !setting.is_declared).collect();
    if missing.is_empty() {
        return None;
    }
    let mut text = format!("consumers:\n  {name}:\n");
    for setting in missing {
        text.push_str(&format!("    {}: {}\n", setting.name, setting.value));
    }
    Some(text)
}
