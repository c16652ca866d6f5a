//! How a consumer deals with failure: explained where the catalog says it, proposed with reasons where it does not.
//!
//! Every number comes from the code that the runtime runs: `RetryPolicy` for the attempts, `Breaker` for outages. What
//! neither catalog nor words tell is asked, never invented.

use std::collections::BTreeSet;
use std::time::Duration;

use factum_contract::Catalog;
use factum_contract::contract::Ordering;
use factum_contract::system::{ConsumerSpec, Idempotency, Replay, RetrySpec};
use factum_core::{Breaker, ConsumerName, OnDead, RetryPolicy};
use serde::Serialize;

mod check;
pub mod length;
mod propose;
pub mod simulate;
mod situation;
pub mod svg;
mod text;

pub use simulate::{Load, LoadError, Simulation, simulate};

use length::{spoken, written};
use situation::Situation;

/// All there is to say about one consumer's failures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The consumer, or the words that stand for one.
    pub about: String,
    /// "catalog" or "words".
    pub source: &'static str,
    /// The service that runs it.
    pub service: Option<String>,
    /// What it takes.
    pub on: Vec<Taken>,
    /// What it calls outside the store.
    pub calls: Vec<String>,
    /// Each setting: what it is, whether the catalog says so, and why.
    pub settings: Vec<Setting>,
    /// The policy, declared or proposed.
    pub policy: PolicyShown,
    /// Each attempt of one event that never succeeds.
    pub attempts: Vec<Try>,
    /// How long it takes until such an event is a dead letter.
    pub dead: Dead,
    /// What it costs when what the handler needs is away.
    pub outages: Vec<OutageCost>,
    /// Whether repeats are recognised for long enough.
    pub window: Window,
    /// What happens to the order of a key.
    pub order: Vec<String>,
    /// What an operator can do.
    pub controls: Vec<Control>,
    /// What is weak.
    pub findings: Vec<String>,
    /// What nobody has said.
    pub questions: Vec<String>,
    /// What to write into `system.yaml`; nothing when all is said.
    pub proposal: Option<String>,
    #[serde(skip)]
    retry: RetryPolicy,
}

/// An event that a consumer takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Its name.
    pub event: String,
    /// The field that keeps related ones in order.
    pub key: Option<String>,
    /// How far order is promised.
    pub ordering: Option<&'static str>,
}

/// One thing that a consumer settles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// "retry", "poison", "dead_letters", "idempotency", "replay" or "lanes".
    pub name: &'static str,
    /// Whether the catalog says it; else it is proposed.
    pub is_declared: bool,
    /// As the catalog writes it, or in words.
    pub value: String,
    /// Why, or what it means.
    pub reason: String,
}

/// A policy's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyShown {
    /// Tries at once.
    pub immediate: u32,
    /// Tries in all.
    pub attempts: u32,
    /// First delay.
    pub first: String,
    /// Longest delay.
    pub max: String,
    /// By how much each delay is longer.
    pub multiplier: f64,
    /// Share by which a delay may be lengthened.
    pub jitter: f64,
    /// Longest time of one attempt.
    pub timeout: String,
    /// "hold" or "skip".
    pub on_dead: &'static str,
}

/// One attempt of an event that never succeeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Try {
    /// From 1.
    pub number: u32,
    /// Whether it follows at once, its lane waiting for it; else the event is parked before it.
    pub is_at_once: bool,
    /// Seconds after the first attempt at the earliest: attempts fail at once, no jitter.
    pub earliest_seconds: f64,
    /// At the latest: every attempt runs into its timeout, all jitter.
    pub latest_seconds: f64,
}

/// How long it takes until an event is dead.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dead {
    /// Seconds at the least.
    pub earliest_seconds: f64,
    /// Seconds at the most.
    pub latest_seconds: f64,
    /// How long other keys of its lane wait for it, at the most.
    pub lane_held_seconds: f64,
    /// How often an event may bring the process down before it is dead.
    pub crashes: u32,
}

/// What an outage of one length costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutageCost {
    /// How long.
    pub outage: String,
    /// Probes during it, for all keys together.
    pub probes: u32,
    /// Seconds from its end to the probe that notices.
    pub noticed_after_seconds: f64,
    /// Attempts of each event, where outages were not told from bad events.
    pub attempts_each_without: u32,
    /// Whether events would be dead letters there.
    pub dead_without: bool,
}

/// Whether repeats are recognised for long enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// "covered", "short", "natural" or "unsaid".
    pub verdict: &'static str,
    /// Seconds that repeats are recognised.
    pub window_seconds: Option<f64>,
    /// Seconds that retries of one event may take.
    pub retries_seconds: f64,
    /// What that means for retries, dead letters and replays.
    pub says: Vec<String>,
}

/// Something that an operator can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// When.
    pub when: &'static str,
    /// What to type.
    pub command: String,
}

/// What is known of a consumer before anything is said about its failures.
struct Known<'a> {
    about: String,
    name: String,
    spec: Option<&'a ConsumerSpec>,
    on: Vec<Taken>,
    situation: Situation,
}

impl Report {
    /// About a consumer of a catalog; nothing when it has none of this name.
    #[must_use]
    pub fn of_consumer(catalog: &Catalog, name: &ConsumerName) -> Option<Self> {
        let spec = catalog.system.consumers.get(name)?;
        let taken = |event: &factum_contract::words::Placed<factum_core::EventName>| {
            let contract = catalog.versions(event.value.as_str()).next_back();
            Taken {
                event: event.value.to_string(),
                key: contract.map(|contract| contract.key.value.clone()),
                ordering: contract.map(|contract| contract.ordering.as_str()),
            }
        };
        let mut situation = Situation::of_spec(name.as_str(), spec);
        let contracts = spec.on.iter().filter_map(|event| catalog.versions(event.value.as_str()).next_back());
        situation.is_ordered = contracts.into_iter().any(|contract| contract.ordering != Ordering::None);
        Some(Self::of(Known {
            about: name.to_string(),
            name: name.to_string(),
            spec: Some(spec),
            on: spec.on.iter().map(taken).collect(),
            situation,
        }))
    }

    /// About a consumer that is only described: "retry strategy for webhook ingestion".
    #[must_use]
    pub fn of_words(words: &str) -> Self {
        let situation = Situation::of_words(words);
        let name = situation::name_of(words);
        Self::of(Known { about: words.trim().to_owned(), name, spec: None, on: Vec::new(), situation })
    }

    /// The policy, as the runtime would run it.
    #[must_use]
    pub fn retry_policy(&self) -> &RetryPolicy {
        &self.retry
    }

    /// All of it as text, in lines.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::report(self)
    }

    fn of(known: Known<'_>) -> Self {
        let (spec, name) = (known.spec, &known.name);
        let proposed = propose::propose(&known.situation, spec);
        let has_policy = spec.is_some_and(|spec| spec.retry != RetrySpec::default());
        let on_dead = spec.and_then(|spec| spec.dead_letters.on_dead).unwrap_or(proposed.retry.on_dead);
        let retry = match spec {
            Some(spec) if has_policy => RetryPolicy { on_dead, ..spec.retry_policy() },
            _ => RetryPolicy { on_dead, ..proposed.retry.clone() },
        };
        let attempts = tries(&retry);
        let mut report = Self {
            about: known.about,
            source: if spec.is_some() { "catalog" } else { "words" },
            service: spec.map(|spec| spec.service.value.to_string()),
            on: known.on,
            calls: spec.map(|spec| spec.calls.clone()).unwrap_or_default(),
            settings: propose::settings(spec, &proposed, &retry),
            policy: shown(&retry),
            dead: dead(&retry, &attempts),
            outages: [60, 300, 3600].map(|seconds| cost(&attempts, Duration::from_secs(seconds))).into(),
            window: check::window(spec, &proposed, &retry),
            order: check::order(spec, &retry, &known.situation),
            controls: controls(name, &retry),
            findings: spec.map(|spec| check::findings(spec, &retry, &known.situation)).unwrap_or_default(),
            questions: propose::questions(spec, &known.situation),
            proposal: None,
            attempts,
            retry,
        };
        report.proposal = propose::yaml(name, &report.settings);
        report
    }
}

fn shown(retry: &RetryPolicy) -> PolicyShown {
    PolicyShown {
        immediate: retry.immediate,
        attempts: retry.attempts,
        first: written(retry.first),
        max: written(retry.max),
        multiplier: retry.multiplier,
        jitter: retry.jitter,
        timeout: written(retry.timeout),
        on_dead: on_dead(retry.on_dead),
    }
}

fn on_dead(word: OnDead) -> &'static str {
    match word {
        OnDead::Hold => "hold",
        OnDead::Skip => "skip",
    }
}

/// Every attempt of an event that never succeeds.
fn tries(retry: &RetryPolicy) -> Vec<Try> {
    let (mut earliest, mut latest) = (Duration::ZERO, Duration::ZERO);
    let mut tries = Vec::with_capacity(retry.attempts as usize);
    let waits = std::iter::once((Duration::ZERO, Duration::ZERO));
    for (number, (least, most)) in (1..).zip(waits.chain(retry.waits(0.0).zip(retry.waits(1.0)))) {
        if number > 1 {
            latest = latest.saturating_add(retry.timeout);
        }
        (earliest, latest) = (earliest.saturating_add(least), latest.saturating_add(most));
        tries.push(Try {
            number,
            is_at_once: most.is_zero(),
            earliest_seconds: earliest.as_secs_f64(),
            latest_seconds: latest.as_secs_f64(),
        });
    }
    tries
}

fn dead(retry: &RetryPolicy, tries: &[Try]) -> Dead {
    let at_once = tries.iter().filter(|one| one.is_at_once).count() as u32;
    Dead {
        earliest_seconds: tries.last().map_or(0.0, |last| last.earliest_seconds),
        latest_seconds: retry.longest().as_secs_f64(),
        lane_held_seconds: retry.timeout.saturating_mul(at_once).as_secs_f64(),
        crashes: retry.crashes_max,
    }
}

/// Runs the breaker through an outage that begins with five failing keys.
fn cost(tries: &[Try], outage: Duration) -> OutageCost {
    let mut breaker = Breaker::default();
    (0..u64::from(Breaker::KEYS)).for_each(|key| _ = breaker.failed(key, Duration::ZERO));
    let (mut now, mut probes) = (Duration::ZERO, 0);
    loop {
        now += breaker.wait(now);
        if now >= outage {
            break;
        }
        breaker.take_probe(now);
        breaker.failed(u64::from(probes), now);
        probes += 1;
    }
    let within = tries.iter().filter(|one| one.earliest_seconds < outage.as_secs_f64()).count();
    OutageCost {
        outage: spoken(outage),
        probes,
        noticed_after_seconds: now.saturating_sub(outage).as_secs_f64(),
        attempts_each_without: within as u32,
        dead_without: within == tries.len(),
    }
}

fn controls(name: &str, retry: &RetryPolicy) -> Vec<Control> {
    let control = |when, command: &str| Control { when, command: format!("factum {command}") };
    let mut controls = vec![
        control("what is wrong", &format!("dlq list --consumer {name}")),
        control("one letter, whole", "dlq show LETTER"),
        control("the cause is gone", &format!("dlq requeue --consumer {name} --dry-run")),
        control("it shall never be handled", "dlq discard LETTER"),
        control("it must stop now", &format!("consumers pause {name} --why TEXT")),
        control("it may go on", &format!("consumers resume {name}")),
        control("handle a stretch again", &format!("replay --consumer {name} --from-time 2h --dry-run")),
    ];
    if retry.on_dead == OnDead::Hold {
        controls.insert(1, control("which keys wait behind a letter", "dlq list --parked"));
    }
    controls
}

/// Names of a catalog's consumers.
#[must_use]
pub fn consumers(catalog: &Catalog) -> BTreeSet<String> {
    catalog.system.consumers.keys().map(ToString::to_string).collect()
}

/// What makes handling twice harmless, as the catalog writes it.
fn idempotency_written(idempotency: &Idempotency) -> String {
    let within =
        |window: Option<Duration>| window.map_or(String::new(), |it| format!(", window: {}", written(it)));
    match idempotency {
        Idempotency::EventId { window } => format!("{{ by: event-id{} }}", within(*window)),
        Idempotency::Field { by, window } => format!("{{ by: {}{} }}", by.value, within(*window)),
        Idempotency::Natural { why } => format!("{{ natural: {why:?} }}"),
    }
}

fn replay_word(replay: Replay) -> &'static str {
    match replay {
        Replay::Safe => "safe",
        Replay::EffectsHeld => "effects-held",
        Replay::Refuse => "refuse",
    }
}
