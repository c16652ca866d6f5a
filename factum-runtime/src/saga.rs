//! Runs sagas: a consumer whose slots are by correlation, and whose handler is the saga's pure code.
//!
//! What an instance took, its state, its commands, events and timers are one unit of work, under the slot's lease and
//! the instance's own revision. Everything that is no event of the saga's input comes to it through the log as well, as
//! `saga.signalled`: so all that an instance hears has one order, and is heard once.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use factum_core::saga::{Code, Effect, Incoming, Instance, StepError, Undo, code_of, hear};
use factum_core::{
    ConsumerName, Context, ContractVersion, Envelope, Event, EventSet, EventType, Expected, Failure, Guard,
    NameError, PartitionKey, RecordKind, RecordQuery, Saga, SagaSignalled, Tag,
};

use crate::consumer::{Consumer, Handled, Handles};
use crate::state::{SagaState, TimerState, as_seen, read};

pub(crate) mod check;
mod seal;
pub(crate) mod timer;

pub(crate) use check::SagaRefused;
pub(crate) use timer::Alarm;

/// How long an ended instance is kept, so that what comes late finds it ended instead of beginning it anew.
pub(crate) const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long an instance waits for an app that has the version that it is of.
const OTHER_VERSION: Duration = Duration::from_secs(5);

/// A saga without its types, with every version of it that the app has.
pub(crate) struct Declared {
    pub(crate) name: ConsumerName,
    pub(crate) at: &'static Location<'static>,
    pub(crate) versions: BTreeMap<ContractVersion, Arc<dyn Code>>,
}

impl Declared {
    #[track_caller]
    pub(crate) fn new<S: Saga>() -> Self {
        let (at, mut versions) = (Location::caller(), BTreeMap::new());
        versions.insert(S::VERSION, code_of::<S>());
        Self { name: S::NAME, at, versions }
    }

    /// The newest version, by which the saga is known.
    pub(crate) fn newest(&self) -> &Arc<dyn Code> {
        self.versions.values().next_back().expect("a declared saga has the version that it was declared with")
    }

    /// The code that goes on with instances of a version.
    pub(crate) fn code(&self, version: ContractVersion) -> Option<&Arc<dyn Code>> {
        code(&self.versions, version)
    }

    /// The types of all its versions, each once, in the newest contract version that one of them knows.
    pub(crate) fn types(&self) -> Vec<EventType> {
        let mut types: BTreeMap<String, EventType> = BTreeMap::new();
        for known in self.versions.values().flat_map(|code| code.types()) {
            let best = types.entry(known.name.to_string()).or_insert_with(|| known.clone());
            if best.version < known.version {
                *best = known;
            }
        }
        types.into_values().collect()
    }

    /// The consumer that runs it.
    pub(crate) fn consumer(&self, alarm: Arc<Alarm>) -> Consumer {
        let field = self.newest().correlate();
        let mut types = self.types();
        types.push(SagaSignalled::TYPE);
        let (name, versions) = (self.name.clone(), self.versions.clone());
        let runs: Arc<dyn Handles> = Arc::new(Runs { name, field, versions, alarm });
        Consumer::of_saga(self.name.clone(), self.at, field, types, runs)
    }
}

/// The version itself where the app has it, else the newest that goes on with it.
fn code(
    versions: &BTreeMap<ContractVersion, Arc<dyn Code>>,
    version: ContractVersion,
) -> Option<&Arc<dyn Code>> {
    versions.get(&version).or_else(|| versions.values().rev().find(|code| code.goes_on_with(version)))
}

/// The handler of a saga's consumer.
struct Runs {
    name: ConsumerName,
    field: &'static str,
    versions: BTreeMap<ContractVersion, Arc<dyn Code>>,
    alarm: Arc<Alarm>,
}

impl Handles for Runs {
    fn handle<'a>(&'a self, envelope: &'a Envelope, cx: &'a mut Context<'_>) -> Handled<'a> {
        Box::pin(self.run(envelope, cx))
    }
}

impl Runs {
    async fn run(&self, envelope: &Envelope, cx: &mut Context<'_>) -> Result<(), Failure> {
        let signalled = match envelope.event_type.name == SagaSignalled::TYPE.name {
            true => Some(SagaSignalled::decode(&envelope.event_type, &envelope.data)?),
            false => None,
        };
        if signalled.as_ref().is_some_and(|signalled| self.name != signalled.saga.as_str()) {
            return Ok(());
        }
        let key = signalled.as_ref().map(|signalled| signalled.instance.as_str());
        let Some(key) = key.or_else(|| envelope.tags.value(self.field)) else {
            let detail = format!("{} has no tag {}", envelope.event_type, self.field);
            return Err(Failure::reject("no-correlation").detail(detail));
        };
        let key: PartitionKey = key.parse()?;
        let id = SagaState::id(&self.name, key.as_str());
        let found = cx.work().find(RecordKind::SAGA, &RecordQuery::id(id)).await?.pop();
        let before = found.as_ref().map(read::<SagaState>).transpose()?;
        let gate = cx.gate().clone();
        let before = before.map(|state| seal::opened(state, gate.as_ref())).transpose()?;
        let newest = self.versions.values().next_back();
        let of = before.as_ref().map(|state| state.instance.version);
        let Some(code) = of.map_or(newest, |version| code(&self.versions, version)) else {
            let why = format!("{}/{key} is of version {}, which this app lacks", self.name, of.unwrap_or(0));
            return Err(Failure::later(OTHER_VERSION, why));
        };
        let incoming = match &signalled {
            Some(signalled) => Incoming::Told(&signalled.told),
            None => Incoming::Event(&envelope.event_type, &envelope.data),
        };
        let instance = before.as_ref().map(|state| &state.instance);
        let heard = hear(instance, code.as_ref(), incoming, cx.now()).map_err(failed)?;
        let Some((mut instance, effects)) = heard else { return Ok(()) };
        for effect in effects {
            self.act(effect, &key, &mut instance, cx)?;
        }
        let correlation = match before {
            Some(state) => state.correlation,
            None => envelope.correlation.to_string(),
        };
        let state = SagaState {
            saga: self.name.to_string(),
            key: key.to_string(),
            field: self.field.to_owned(),
            correlation,
            seal: None,
            instance,
        };
        let state = seal::sealed(state, gate.as_ref())?;
        let revision = found.map_or(0, |record| record.revision);
        cx.work().put(state.record(), as_seen(revision));
        Ok(())
    }

    fn act(
        &self,
        effect: Effect,
        key: &PartitionKey,
        instance: &mut Instance,
        cx: &mut Context<'_>,
    ) -> Result<(), Failure> {
        match effect {
            Effect::Emit(draft) => _ = append(draft.envelope([])?, cx)?,
            Effect::Send(draft) => _ = append(draft.envelope([self.tag(key, false)?])?, cx)?,
            Effect::Undo(draft) => {
                let command = append(draft.envelope([self.tag(key, true)?])?, cx)?;
                if let Some(undoing) = &mut instance.undoing {
                    undoing.command = Some(command);
                }
            }
            Effect::SetTimer(timer, due) => {
                self.alarm.ring(due);
                let state = TimerState {
                    saga: self.name.to_string(),
                    instance: key.clone(),
                    field: self.field.to_owned(),
                    timer,
                    cause: cx.envelope().id,
                    correlation: cx.envelope().correlation.clone(),
                    since: cx.now(),
                };
                cx.work().put(state.record(due), Guard::Any);
            }
            Effect::DropTimer(timer) => {
                let id = TimerState::id(&self.name, key.as_str(), &timer);
                cx.work().remove(RecordKind::TIMER, id, Guard::Any);
            }
        }
        Ok(())
    }

    /// What a command carries, so that its handler can tell how it ended.
    fn tag(&self, key: &PartitionKey, is_undo: bool) -> Result<Tag, NameError> {
        Undo::new(self.name.as_str(), self.field, key.clone(), is_undo).tag()
    }
}

fn append(envelope: Envelope, cx: &mut Context<'_>) -> Result<factum_core::EventId, Failure> {
    let stream = envelope.stream()?;
    let envelope = cx.caused(envelope);
    let id = envelope.id;
    cx.work().append(stream, Expected::Any, vec![envelope]);
    Ok(id)
}

/// What will be the same however often it is tried is refused by name.
fn failed(error: StepError) -> Failure {
    let reason = match &error {
        StepError::Decode(_) => "undecodable",
        StepError::State { .. } | StepError::NoSubject { .. } => "state",
        StepError::Unwritable(_) => return error.into(),
    };
    let mut text = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    if reason == "state" {
        // Another release may read it.
        return Failure::named(reason, text);
    }
    Failure::reject(reason).detail(text)
}
