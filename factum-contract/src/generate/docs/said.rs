//! What a catalog says in numbers and words, as sentences.

use std::time::Duration;

use crate::contract::Compatibility;
use crate::schema::{Schema, Shape};
use crate::system::{ConsumerSpec, DeadLetters, Idempotency, Replay};
use crate::upcast::Step;

use super::html::Html;

/// A duration in its largest whole unit: `90s`, `30m`, `400d`.
pub(super) fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let fitting = units.iter().find(|(unit, _)| milliseconds >= *unit && milliseconds.is_multiple_of(*unit));
    fitting
        .map_or_else(|| format!("{milliseconds}ms"), |(unit, word)| format!("{}{word}", milliseconds / unit))
}

/// A duration of which only the size matters: `17 minutes`.
pub(super) fn about(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let units = [(86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds")];
    let fitting = units.iter().find(|(unit, _)| seconds >= 2.0 * unit);
    fitting.map_or_else(|| "2 seconds".to_owned(), |(unit, word)| format!("{:.0} {word}", seconds / unit))
}

/// What makes handling twice harmless.
pub(super) fn idempotency(idempotency: &Idempotency) -> String {
    let within = |window: &Option<Duration>| match window {
        Some(window) => format!(", for {}", duration(*window)),
        None => String::new(),
    };
    match idempotency {
        Idempotency::EventId { window } => format!("remembers event ids{}", within(window)),
        Idempotency::Field { by, window } => format!("remembers `{}`{}", by.value, within(window)),
        Idempotency::Natural { why } => format!("needs none: {why}"),
    }
}

/// When it tries again.
pub(super) fn retry(consumer: &ConsumerSpec) -> String {
    let policy = consumer.retry_policy();
    let plural = if policy.attempts == 1 { "" } else { "s" };
    let mut said = format!("{} attempt{plural}", policy.attempts);
    // A timeline of a policy that never gives up would never end.
    let shown_max = policy.attempts.min(RETRIES_SHOWN_MAX);
    let timeline = factum_core::RetryPolicy { attempts: shown_max, ..policy.clone() }.timeline();
    let delays: Vec<Duration> = timeline.iter().copied().filter(|delay| !delay.is_zero()).collect();
    if policy.immediate > 1 {
        said.push_str(&format!(", {} at once", policy.immediate.min(policy.attempts)));
    }
    if let Some(last) = delays.last() {
        let first: Vec<String> = delays.iter().take(3).map(|delay| duration(rounded(*delay))).collect();
        let more =
            if delays.len() > 3 { format!(" … {}", duration(rounded(*last))) } else { String::new() };
        said.push_str(&format!(", then after {}{more}", first.join(", ")));
    }
    if policy.attempts <= RETRIES_SHOWN_MAX {
        let total: Duration = timeline.iter().sum();
        if !total.is_zero() {
            said.push_str(&format!("; given up after about {}", about(total)));
        }
    }
    if !consumer.retry.never.is_empty() {
        said.push_str(&format!("; never again on {}", consumer.retry.never.join(", ")));
    }
    said
}

/// Most attempts of which every delay is worked out.
const RETRIES_SHOWN_MAX: u32 = 10_000;

fn rounded(delay: Duration) -> Duration {
    if delay > Duration::from_secs(10) {
        Duration::from_secs(delay.as_secs())
    } else {
        Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What becomes of a dead letter's key.
pub(super) fn on_dead(letters: &DeadLetters) -> &'static str {
    match letters.on_dead.unwrap_or_default() {
        factum_core::OnDead::Hold => "later events of its key wait",
        factum_core::OnDead::Skip => "later events of its key go on",
    }
}

/// What a replay may do.
pub(super) fn replay(replay: Replay) -> &'static str {
    match replay {
        Replay::Safe => "safe: everything is done again",
        Replay::EffectsHeld => "effects are held: only tables are filled again",
        Replay::Refuse => "refused",
    }
}

/// What a promise means for readers.
pub(super) fn promise(promise: Compatibility) -> &'static str {
    match promise {
        Compatibility::None => "nothing is promised to readers of other versions",
        Compatibility::Backward => "readers of this version read the one before",
        Compatibility::BackwardTransitive => "readers of this version read all before",
        Compatibility::Forward => "readers of the version before read this one",
        Compatibility::ForwardTransitive => "readers of all versions before read this one",
        Compatibility::Full => "both ways with the version before",
        Compatibility::FullTransitive => "both ways with all before",
    }
}

/// What a value may be.
pub(super) fn value(schema: &Schema) -> Html {
    let Shape::Choice(choice) = &schema.shape else { return Html::text(&schema.summary()) };
    let shown = choice.words.iter().take(WORDS_SHOWN_MAX).map(|word| Html::code(word));
    let mut said = Html::join(shown, " · ").into_string();
    let more = choice.words.len().saturating_sub(WORDS_SHOWN_MAX);
    if more > 0 {
        said.push_str(&format!(" and {more} more"));
    }
    if choice.is_extensible {
        said.push_str(" <span class=\"small\">and words to come</span>");
    }
    if schema.is_nullable {
        said.push_str(", or null");
    }
    Html::trusted(said)
}

/// Most words of an enum that a table shows.
const WORDS_SHOWN_MAX: usize = 60;

/// A step of an upcast.
pub(super) fn step(step: &Step) -> Html {
    let code = |text: &dyn std::fmt::Display| Html::code(&text.to_string());
    let lines: Vec<String> = match step {
        Step::Set(fields) => fields
            .iter()
            .map(|(path, value)| format!("{} becomes {}", code(path), Html::code(&value.to_string())))
            .collect(),
        Step::Rename(fields) => fields
            .iter()
            .map(|(path, name)| format!("{} is called {}", code(path), Html::code(name)))
            .collect(),
        Step::Move(fields) => {
            fields.iter().map(|(from, to)| format!("{} moves to {}", code(from), code(to))).collect()
        }
        Step::Drop(fields) => fields.iter().map(|path| format!("{} is dropped", code(path))).collect(),
        Step::Split { field, by, into } => {
            let into = Html::join(into.iter().map(|path| code(path)), ", ");
            vec![format!("{} is split at {} into {into}", code(field), Html::code(&format!("{by:?}")))]
        }
        Step::Join { fields, by, into } => {
            let from = Html::join(fields.iter().map(|path| code(path)), ", ");
            vec![format!("{from} are joined by {} into {}", Html::code(&format!("{by:?}")), code(into))]
        }
        Step::Map { field, values, otherwise } => {
            let pairs = values.iter().map(|(old, new)| {
                Html::trusted(format!("{} → {}", Html::code(old), Html::code(&value_text(new))))
            });
            let rest = match otherwise {
                Some(value) => format!(", anything else → {}", Html::code(&value_text(value))),
                None => String::new(),
            };
            vec![format!("{}: {}{rest}", code(field), Html::join(pairs, ", "))]
        }
        Step::Code(name) => vec![format!("the function {} is called", Html::code(name))],
    };
    Html::join(lines.into_iter().map(Html::trusted), "; ")
}

fn value_text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_unit_that_fits() {
        let said = |ms: u64| duration(Duration::from_millis(ms));
        assert_eq!(
            [said(500), said(90_000), said(1_800_000), said(86_400_000 * 400)],
            ["500ms", "90s", "30m", "400d"]
        );
        assert_eq!(about(Duration::from_secs(1023)), "17 minutes");
        assert_eq!(about(Duration::from_secs(0)), "2 seconds");
    }
}
