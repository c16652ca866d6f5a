//! The system around the contracts: services, topics, consumers, sagas, projections.
//!
//! Names that point elsewhere keep their place, so that a dangling one can be shown where it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use factum_core::{ConsumerName, ContractVersion, EventName, OnDead, RetryPolicy, Topic};

use crate::contract::{Allow, Compatibility, Policy};
use crate::finding::Span;
use crate::words::{Placed, ProjectionName, SagaName, ServiceName, SystemName, TeamName, words};

/// What `system.yaml` says.
#[derive(Debug, Clone)]
pub struct System {
    /// The system's name.
    pub name: SystemName,
    /// What it is for.
    pub description: Option<String>,
    /// What holds unless a contract says otherwise.
    pub defaults: Defaults,
    /// Who works on it.
    pub teams: BTreeMap<TeamName, Team>,
    /// Its services.
    pub services: BTreeMap<ServiceName, Service>,
    /// Topics that say more than their name.
    pub topics: BTreeMap<Topic, TopicSpec>,
    /// Its consumers.
    pub consumers: BTreeMap<ConsumerName, ConsumerSpec>,
    /// Its sagas.
    pub sagas: BTreeMap<SagaName, SagaSpec>,
    /// Its projections.
    pub projections: BTreeMap<ProjectionName, ProjectionSpec>,
    /// Findings that are accepted.
    pub allow: Vec<Allow>,
}

impl System {
    /// How long a topic keeps events: as it says itself, else as all do.
    #[must_use]
    pub fn retention(&self, topic: &Topic) -> Option<Duration> {
        self.topics.get(topic).and_then(|spec| spec.retention).or(self.defaults.retention)
    }
}

/// What holds unless a contract says otherwise.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// Compatibility.
    pub compatibility: Compatibility,
    /// Policy.
    pub policy: Policy,
    /// How long topics keep events.
    pub retention: Option<Duration>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { compatibility: Compatibility::Backward, policy: Policy::Lenient, retention: None }
    }
}

/// Who works on services.
#[derive(Debug, Clone, Default)]
pub struct Team {
    /// Where to reach them.
    pub contact: Option<String>,
    /// What they do.
    pub description: Option<String>,
}

/// A service: owns contracts, runs consumers.
#[derive(Debug, Clone)]
pub struct Service {
    /// Whose it is.
    pub team: Option<Placed<TeamName>>,
    /// Where it keeps its data; services that name the same one share it.
    pub datastore: Option<String>,
    /// What it emits, beyond what its consumers say.
    pub emits: Vec<Placed<EventName>>,
    /// What it is for.
    pub description: Option<String>,
}

/// What is known of a topic.
#[derive(Debug, Clone)]
pub struct TopicSpec {
    /// Where its name stands.
    pub span: Span,
    /// Whose it is.
    pub owner: Option<Placed<ServiceName>>,
    /// Into how many partitions it is split.
    pub partitions: Option<u32>,
    /// How long it keeps events.
    pub retention: Option<Duration>,
    /// Whether personal data leaves unsealed.
    pub is_open: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// A named reader.
#[derive(Debug, Clone)]
pub struct ConsumerSpec {
    /// Where its name stands.
    pub span: Span,
    /// The service that runs it.
    pub service: Placed<ServiceName>,
    /// What it handles.
    pub on: Vec<Placed<EventName>>,
    /// Versions it was written for, where it says so: `on: [order.placed@1]`.
    pub pinned: Vec<Placed<Pin>>,
    /// What it emits and sends.
    pub emits: Vec<Placed<EventName>>,
    /// What it does outside the store.
    pub calls: Vec<String>,
    /// What makes handling twice harmless.
    pub idempotency: Option<Idempotency>,
    /// When it tries again.
    pub retry: RetrySpec,
    /// What becomes of dead letters.
    pub dead_letters: DeadLetters,
    /// What a replay may do.
    pub replay: Option<Replay>,
    /// How many events it handles at once.
    pub lanes: Option<u32>,
    /// What it is for.
    pub description: Option<String>,
}

/// One version of a contract, as a reader names it: `order.placed@1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The contract.
    pub name: EventName,
    /// Its version.
    pub version: ContractVersion,
}

impl ConsumerSpec {
    /// Its retry policy: what the catalog says over the defaults.
    #[must_use]
    pub fn retry_policy(&self) -> RetryPolicy {
        let plain = RetryPolicy::default();
        let retry = &self.retry;
        RetryPolicy {
            immediate: retry.immediate.unwrap_or(plain.immediate),
            attempts: retry.attempts.unwrap_or(plain.attempts),
            first: retry.first.unwrap_or(plain.first),
            max: retry.max.unwrap_or(plain.max),
            multiplier: retry.multiplier.unwrap_or(plain.multiplier),
            jitter: retry.jitter.unwrap_or(plain.jitter),
            timeout: retry.timeout.unwrap_or(plain.timeout),
            never: retry.never.clone(),
            on_dead: self.dead_letters.on_dead.unwrap_or(plain.on_dead),
            ..plain
        }
    }
}

/// What makes handling twice harmless.
#[derive(Debug, Clone)]
pub enum Idempotency {
    /// The event's id is remembered.
    EventId {
        /// How long.
        window: Option<Duration>,
    },
    /// A field's value is remembered.
    Field {
        /// The field.
        by: Placed<String>,
        /// How long.
        window: Option<Duration>,
    },
    /// The effect is the same however often it happens.
    Natural {
        /// Why.
        why: String,
    },
}

/// When a consumer tries again; what is absent is the runtime's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetrySpec {
    /// Tries at once.
    pub immediate: Option<u32>,
    /// Tries in all.
    pub attempts: Option<u32>,
    /// First delay.
    pub first: Option<Duration>,
    /// Longest delay.
    pub max: Option<Duration>,
    /// By how much each delay is longer.
    pub multiplier: Option<f64>,
    /// Share by which a delay may be lengthened.
    pub jitter: Option<f64>,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
    /// Names of failures that are never tried again.
    pub never: Vec<String>,
}

/// What becomes of dead letters.
#[derive(Debug, Clone, Default)]
pub struct DeadLetters {
    /// Who looks after them: a service or a team.
    pub owner: Option<Placed<String>>,
    /// What becomes of the key.
    pub on_dead: Option<OnDead>,
    /// Whom to wake.
    pub alert: Option<String>,
    /// What to do.
    pub runbook: Option<String>,
}

words! {
    /// What a replay may do.
    Replay {
        /// Everything again.
        Safe = "safe",
        /// Projections only; effects are held.
        EffectsHeld = "effects-held",
        /// Nothing: it is refused.
        Refuse = "refuse",
    }
}

/// A multi-step workflow.
#[derive(Debug, Clone)]
pub struct SagaSpec {
    /// The service that runs it.
    pub service: Placed<ServiceName>,
    /// The event that starts it.
    pub starts: Placed<EventName>,
    /// Versions it was written for, where it says so.
    pub pinned: Vec<Placed<Pin>>,
    /// The field that its events have in common.
    pub correlate: Placed<String>,
    /// Its steps.
    pub steps: Vec<SagaStep>,
    /// What it is for.
    pub description: Option<String>,
}

/// One step of a saga.
#[derive(Debug, Clone)]
pub struct SagaStep {
    /// The event it waits for.
    pub on: Placed<EventName>,
    /// What it sends or emits then.
    pub then: Vec<Placed<EventName>>,
    /// How long it waits.
    pub within: Option<Duration>,
    /// What it sends or emits when the wait is over.
    pub otherwise: Vec<Placed<EventName>>,
    /// What undoes the steps before.
    pub compensate: Vec<Placed<EventName>>,
}

/// A consumer whose effects are all tables in the store.
#[derive(Debug, Clone)]
pub struct ProjectionSpec {
    /// Where its name stands.
    pub span: Span,
    /// The service that runs it.
    pub service: Placed<ServiceName>,
    /// What it takes.
    pub on: Vec<Placed<EventName>>,
    /// Versions it was written for, where it says so.
    pub pinned: Vec<Placed<Pin>>,
    /// What it is for.
    pub description: Option<String>,
}
