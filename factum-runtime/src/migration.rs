//! A migration: a side effect moved from a call in the request to an event and its consumer, step by step and back.
//!
//! The switch decides once for each thing which way it goes, and writes the decision down in the unit of work that the
//! request commits; so a thing that began on one way ends on it, whatever the switch says meanwhile. What a crash cut
//! off is found and finished. Both ways hand the same idempotency key to the world: what may be asked twice there is
//! recognised. Never decides twice, and never runs the new path for what the old one does.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use factum_core::{
    AppendError, Commit, Context, EncodeError, Envelope, Event, EventId, EventName, Expected, Failure, Guard,
    MigrationName, NameError, Record, RecordKind, RecordQuery, Store, StoreError, Timestamp, Work, hash64,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::consumer::Consumer;
use crate::instance::as_store_error;
use crate::state::{MigrationState, Path, Stage, ThingState, read};

mod switched;

use switched::Switched;

/// Runs of a decision that others' writes undid.
const CONFLICTS_MAX: u32 = 10;
/// Longest name of a thing, in bytes.
const THING_BYTES_MAX: usize = 300;
/// Things that `recover` looks at in one go.
const RECOVER: usize = 100;

/// The call as it was, in the request.
pub trait OldCall<R>: Send + Sync + 'static {
    /// Does it, and says what it did: data to compare with what the new path says. `key` is the same on every try,
    /// and on the new path.
    fn call(&self, request: &R, key: &str) -> impl Future<Output = Result<Value, Failure>> + Send;
}

/// What the consumer of the event does in place of the call.
pub trait NewCall<E: Event>: Send + Sync + 'static {
    /// Says what it is going to do, and does nothing: in a shadow it is all that runs.
    fn plan(&self, event: &E) -> impl Future<Output = Result<Value, Failure>> + Send;

    /// Does what `plan` said. `key` is the same on every try, and on the old path.
    fn perform(
        &self,
        plan: &Value,
        key: &str,
        cx: &mut Context<'_>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

type Called<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

trait CallsOld<R>: Send + Sync {
    fn call<'a>(&'a self, request: &'a R, key: &'a str) -> Called<'a>;
}

impl<R: Send + Sync, O: OldCall<R>> CallsOld<R> for O {
    fn call<'a>(&'a self, request: &'a R, key: &'a str) -> Called<'a> {
        Box::pin(OldCall::call(self, request, key))
    }
}

type Describes<R> = dyn Fn(&R) -> Result<Envelope, EncodeError> + Send + Sync;

/// A switch between a call and an event. Clones share everything.
///
/// `R` is the request that both ways start from; it is kept while the old call is not done, so that a crash loses
/// nothing.
#[derive(Clone)]
pub struct Migration<R> {
    switch: Switch,
    old: Arc<dyn CallsOld<R>>,
    describe: Arc<Describes<R>>,
}

/// What both sides of a migration know of it.
#[derive(Clone)]
struct Switch {
    name: MigrationName,
    event: EventName,
    consumer: Option<String>,
    patience: Duration,
    window: Duration,
    ignored: Arc<BTreeSet<String>>,
}

/// What became of a thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// Which way it goes.
    pub path: Path,
    /// Whether it had been decided before.
    pub is_repeated: bool,
    /// What the old call says it did, when it ran just now.
    pub answer: Option<Value>,
}

/// Why a thing was not done, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The old call said no; asking again tries it again, under the same key.
    #[error("the call failed: {0}")]
    Call(Failure),
    /// Somebody else is calling for the same thing at this moment.
    #[error("{thing} is being done at this moment; ask again in {wait:?}")]
    UnderWay {
        /// The thing.
        thing: String,
        /// When it is given up on.
        wait: Duration,
    },
    /// The thing's name cannot be kept.
    #[error("a thing is named by 1 to {THING_BYTES_MAX} bytes, not {0}")]
    Thing(usize),
    /// The event cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The event's key cannot be part of a stream's name.
    #[error("the event has no stream")]
    Stream(#[from] NameError),
    /// The request cannot be kept, or what was kept cannot be read.
    #[error("the request of {thing} has no JSON form: {source}")]
    Request {
        /// The thing.
        thing: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The decision was not recorded: nothing has happened.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<R: Serialize + DeserializeOwned + Send + Sync + 'static> Migration<R> {
    /// A switch between `old_call` and the event that `event` makes of a request. It stands at "off" until an operator
    /// moves it.
    ///
    /// # Panics
    /// When the name breaks the grammar of migration names.
    #[must_use]
    pub fn new<E: Event>(
        name: impl AsRef<str>,
        old_call: impl OldCall<R>,
        event: impl Fn(&R) -> E + Send + Sync + 'static,
    ) -> Self {
        let name = name.as_ref().parse().unwrap_or_else(|error| panic!("{error}"));
        let switch = Switch {
            name,
            event: E::TYPE.name,
            consumer: None,
            patience: Duration::from_secs(60),
            window: Duration::from_secs(7 * 24 * 3600),
            ignored: Arc::default(),
        };
        let describe = Arc::new(move |request: &R| Envelope::of(&event(request)));
        Self { switch, old: Arc::new(old_call), describe }
    }

    /// How long one old call may take; after that it counts as cut off, and may be called again. Default 60 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.switch.patience = patience;
        self
    }

    /// How long a thing that is done is recognised when it is asked for again. Default seven days.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.switch.window = window;
        self
    }

    /// Top-level fields that may differ between the two sides, such as a time of sending.
    #[must_use]
    pub fn ignoring<'f>(mut self, fields: impl IntoIterator<Item = &'f str>) -> Self {
        self.switch.ignored = Arc::new(fields.into_iter().map(str::to_owned).collect());
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &MigrationName {
        &self.switch.name
    }

    /// The consumer of the new path, to be run by an app. The switch is told its name, so that its dead letters hold
    /// up the next stage.
    ///
    /// # Panics
    /// When the name breaks the grammar of consumer names, or `E` is not the event that the switch makes.
    #[must_use]
    #[track_caller]
    pub fn consumer<E: Event>(&mut self, name: impl AsRef<str>, new_call: impl NewCall<E>) -> Consumer {
        assert!(
            E::TYPE.name == self.switch.event,
            "migration {} makes {}, and the consumer handles {}",
            self.switch.name,
            self.switch.event,
            E::TYPE.name
        );
        let consumer = Consumer::new(name);
        self.switch.consumer = Some(consumer.name().to_string());
        let switched = Switched::new(self.switch.clone(), new_call);
        consumer.on::<E>(switched)
    }

    /// Does a thing the way that the switch says for its key. `thing` identifies it: asking again for the same does it
    /// once, however the switch has moved.
    ///
    /// # Errors
    /// When the old call fails, is under way elsewhere, or the store fails. Asking again is always right.
    pub async fn run(&self, store: &dyn Store, thing: &str, request: &R) -> Result<Ran, MigrationError> {
        self.run_with(store, thing, request, |_| {}).await
    }

    /// The same, with writes of the application in the unit that records the decision: the order and its mail are
    /// either both to be, or neither. When the thing has been decided before, `also` is not called.
    ///
    /// # Errors
    /// As [`Migration::run`]; when the writes fail, nothing has happened.
    pub async fn run_with(
        &self,
        store: &dyn Store,
        thing: &str,
        request: &R,
        also: impl Fn(&mut dyn Work) + Send + Sync,
    ) -> Result<Ran, MigrationError> {
        if thing.is_empty() || thing.len() > THING_BYTES_MAX {
            return Err(MigrationError::Thing(thing.len()));
        }
        for _ in 0..CONFLICTS_MAX {
            if let Some(record) = self.kept(store, thing).await? {
                match self.go_on(store, thing, &record, Some(request)).await? {
                    Some(ran) => return Ok(ran),
                    None => continue,
                }
            }
            if let Some(ran) = self.decide(store, thing, request, &also).await? {
                return Ok(ran);
            }
        }
        Err(MigrationError::UnderWay { thing: thing.to_owned(), wait: self.switch.patience })
    }

    /// Makes the switch known to operators, and finishes old calls that a crash has cut off; answers how many. To be
    /// called at the start, and now and then: a call counts as cut off once its patience is over.
    ///
    /// # Errors
    /// When the store fails. Calls that fail again stay, and are tried by the next one.
    pub async fn recover(&self, store: &dyn Store) -> Result<usize, MigrationError> {
        self.switch.state(store).await?;
        let mut finished = 0;
        let query =
            RecordQuery { limit: RECOVER, ..RecordQuery::group(ThingState::old_group(&self.switch.name)) };
        let now = store.now().await?;
        for record in store.find(RecordKind::MIGRATION, &query).await? {
            let ThingState { thing, claimed, .. } = read::<ThingState>(&record).map_err(StoreError::from)?;
            if claimed.is_some_and(|until| until > now) {
                continue;
            }
            match self.go_on(store, &thing, &record, None).await {
                Ok(Some(_)) => finished += 1,
                Ok(None) | Err(MigrationError::UnderWay { .. }) => {}
                Err(MigrationError::Call(failure)) => {
                    let migration = &self.switch.name;
                    tracing::warn!(%migration, thing, error = failure.to_string(), "the old call failed again");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(finished)
    }

    async fn kept(&self, store: &dyn Store, thing: &str) -> Result<Option<Record>, StoreError> {
        store.find_one(RecordKind::MIGRATION, &ThingState::id(&self.switch.name, thing)).await
    }

    /// Decides, records the decision, and calls when that is the way; nothing when somebody came between.
    async fn decide(
        &self,
        store: &dyn Store,
        thing: &str,
        request: &R,
        also: &(impl Fn(&mut dyn Work) + Send + Sync),
    ) -> Result<Option<Ran>, MigrationError> {
        let envelope = (self.describe)(request)?;
        let state = self.switch.state(store).await?;
        let path = self.switch.path(state.stage, envelope.key.as_str());
        let now = store.now().await?;
        let kept = serde_json::to_value(request);
        let kept = kept.map_err(|source| MigrationError::Request { thing: thing.to_owned(), source })?;
        let decided = ThingState {
            thing: thing.to_owned(),
            key: envelope.key.to_string(),
            path,
            round: state.round,
            event: (path != Path::Old).then_some(envelope.id),
            claimed: (path != Path::New).then(|| now.plus(self.switch.patience)),
            request: (path != Path::New).then_some(kept),
            old: None,
            new: None,
            at: now,
        };
        let mut work = store.begin().await?;
        let name = &self.switch.name;
        let group = match path {
            Path::New => ThingState::new_group(name),
            Path::Old | Path::Shadow => ThingState::old_group(name),
        };
        work.put(decided.record(name, group, None), Guard::Absent);
        if path != Path::Old {
            work.put(self.switch.pointer(&envelope, thing), Guard::Absent);
            work.append(envelope.stream()?, Expected::Any, vec![envelope]);
        }
        also(work.as_mut());
        match work.commit().await {
            Commit::Committed(_) => {}
            Commit::Conflict(_) => return Ok(None),
            other => {
                other.into_result()?;
            }
        }
        if path == Path::New {
            return Ok(Some(Ran { path, is_repeated: false, answer: None }));
        }
        let answer = self.call(store, &decided, request).await?;
        Ok(Some(Ran { path, is_repeated: false, answer: Some(answer) }))
    }

    /// Goes on with a thing that was decided before; nothing when it changed meanwhile.
    async fn go_on(
        &self,
        store: &dyn Store,
        thing: &str,
        record: &Record,
        request: Option<&R>,
    ) -> Result<Option<Ran>, MigrationError> {
        let mut state = read::<ThingState>(record).map_err(StoreError::from)?;
        let path = state.path;
        if record.group != ThingState::old_group(&self.switch.name) {
            return Ok(Some(Ran { path, is_repeated: true, answer: None }));
        }
        let now = store.now().await?;
        if let Some(until) = state.claimed.filter(|until| *until > now) {
            return Err(MigrationError::UnderWay { thing: thing.to_owned(), wait: until.since(now) });
        }
        let mut work = store.begin().await?;
        state.claimed = Some(now.plus(self.switch.patience));
        work.put(state.record(&self.switch.name, record.group.clone(), None), Guard::At(record.revision));
        match work.commit().await {
            Commit::Committed(_) => {}
            Commit::Conflict(_) => return Ok(None),
            other => return Err(as_store_error(other).into()),
        }
        // What was kept, not what is asked now: the thing is the one that was decided.
        let kept: Option<R> = match &state.request {
            Some(kept) => Some(
                serde_json::from_value(kept.clone())
                    .map_err(|source| MigrationError::Request { thing: thing.to_owned(), source })?,
            ),
            None => None,
        };
        let Some(request) = kept.as_ref().or(request) else { return Ok(None) };
        let answer = self.call(store, &state, request).await?;
        Ok(Some(Ran { path, is_repeated: true, answer: Some(answer) }))
    }

    /// Calls, and records what came of it. The caller has the claim.
    async fn call(
        &self,
        store: &dyn Store,
        state: &ThingState,
        request: &R,
    ) -> Result<Value, MigrationError> {
        let key = self.switch.idempotency_key(&state.thing);
        let called = tokio::time::timeout(self.switch.patience, self.old.call(request, &key)).await;
        let called = called.unwrap_or_else(|_| {
            Err(Failure::from(format!("no answer within {:?}; the call was dropped", self.switch.patience)))
        });
        for _ in 0..CONFLICTS_MAX {
            let Some(record) = self.kept(store, &state.thing).await? else { break };
            let mut state = read::<ThingState>(&record).map_err(StoreError::from)?;
            let mut work = store.begin().await?;
            // After a failure whoever asks next may call at once.
            state.claimed = None;
            if let Ok(answer) = &called {
                (state.old, state.request) = (Some(answer.clone()), None);
            }
            work.put(self.switch.settled(&state, store.now().await?), Guard::At(record.revision));
            match work.commit().await {
                Commit::Committed(_) => break,
                // The consumer has told its side meanwhile.
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other).into()),
            }
        }
        called.map_err(MigrationError::Call)
    }
}

impl Switch {
    /// Where it stands; made known when nobody has heard of it.
    async fn state(&self, store: &dyn Store) -> Result<MigrationState, MigrationError> {
        for _ in 0..CONFLICTS_MAX {
            let record = store.find_one(RecordKind::MIGRATION, self.name.as_str()).await?;
            let known = record.as_ref().map(read::<MigrationState>).transpose().map_err(StoreError::from)?;
            let guard = record.map_or(Guard::Absent, |record| Guard::At(record.revision));
            let mut state = known.clone().unwrap_or_default();
            state.event = self.event.to_string();
            state.consumer = self.consumer.clone().or(state.consumer);
            if known.as_ref() == Some(&state) {
                return Ok(state);
            }
            let mut work = store.begin().await?;
            work.put(state.record(&self.name), guard);
            match work.commit().await {
                Commit::Committed(_) => return Ok(state),
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other).into()),
            }
        }
        Err(MigrationError::UnderWay { thing: self.name.to_string(), wait: Duration::ZERO })
    }

    /// The way of a key at a stage. Of one key it only ever changes when the stage does, and a larger canary holds
    /// every key that a smaller one held.
    fn path(&self, stage: Stage, key: &str) -> Path {
        match stage {
            Stage::Off => Path::Old,
            Stage::Shadow => Path::Shadow,
            Stage::Canary(percent)
                if hash64(format!("{}/{key}", self.name).as_bytes()) % 100 < u64::from(percent) =>
            {
                Path::New
            }
            Stage::Canary(_) => Path::Old,
            Stage::On | Stage::Retired => Path::New,
        }
    }

    /// What both ways tell the world that it is.
    fn idempotency_key(&self, thing: &str) -> String {
        format!("{}/{thing}", self.name)
    }

    fn pointer_id(&self, event: &EventId) -> String {
        format!("{}/event/{event}", self.name)
    }

    /// Leads from an event to its thing.
    fn pointer(&self, envelope: &Envelope, thing: &str) -> Record {
        let group = format!("{}/event", self.name);
        Record::new(RecordKind::MIGRATION, group, self.pointer_id(&envelope.id), thing.as_bytes().to_vec())
    }

    /// A thing's record, as far as it has come.
    fn settled(&self, state: &ThingState, now: Timestamp) -> Record {
        let (name, due) = (&self.name, Some(now.plus(self.window)));
        let kept = |group: String| state.record(name, group, None);
        match (state.path, &state.old, &state.new) {
            (Path::Old, Some(_), _) | (Path::New, _, Some(_)) => {
                state.ended().record(name, ThingState::done_group(name), due)
            }
            (Path::Shadow, Some(old), Some(new)) if self.is_same(old, new) => {
                state.ended().record(name, ThingState::equal_group(name, state.round), due)
            }
            (Path::Shadow, Some(_), Some(_)) => kept(ThingState::differing_group(name, state.round)),
            (Path::Shadow, Some(_), None) => kept(ThingState::waiting_group(name, state.round)),
            (Path::New, _, None) => kept(ThingState::new_group(name)),
            (Path::Old | Path::Shadow, None, _) => kept(ThingState::old_group(name)),
        }
    }

    fn is_same(&self, old: &Value, new: &Value) -> bool {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                let kept = |object: &serde_json::Map<String, Value>| {
                    object
                        .iter()
                        .filter(|(field, _)| !self.ignored.contains(*field))
                        .map(|(field, value)| (field.clone(), value.clone()))
                        .collect::<std::collections::BTreeMap<_, _>>()
                };
                kept(old) == kept(new)
            }
            _ => old == new,
        }
    }

    /// The same once its event is handled: to recognise it, and to be forgotten with its thing.
    fn ended_pointer(&self, event: &EventId, thing: &str, now: Timestamp) -> Record {
        let group = format!("{}/event", self.name);
        let record =
            Record::new(RecordKind::MIGRATION, group, self.pointer_id(event), thing.as_bytes().to_vec());
        record.due(now.plus(self.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch() -> Switch {
        Switch {
            name: MigrationName::constant("email-sync"),
            event: EventName::constant("mail.due"),
            consumer: None,
            patience: Duration::from_secs(1),
            window: Duration::from_secs(60),
            ignored: Arc::new(BTreeSet::from(["sentAt".to_owned()])),
        }
    }

    #[test]
    fn a_larger_canary_keeps_every_key_of_a_smaller_one() {
        let switch = switch();
        let keys: Vec<String> = (0..2000).map(|number| format!("order-{number}")).collect();
        let taken = |percent| {
            let stage = Stage::Canary(percent);
            keys.iter().filter(|key| switch.path(stage, key) == Path::New).collect::<BTreeSet<_>>()
        };
        let (ten, fifty) = (taken(10), taken(50));
        assert!(ten.is_subset(&fifty));
        assert!(
            (150..250).contains(&ten.len()) && (900..1100).contains(&fifty.len()),
            "{} {}",
            ten.len(),
            fifty.len()
        );
        assert_eq!((taken(0).len(), taken(100).len()), (0, 2000));
    }

    #[test]
    fn what_may_differ_makes_no_difference() {
        let (switch, json) = (switch(), |text| serde_json::from_str::<Value>(text).unwrap());
        let old = json(r#"{"to":"ann","sentAt":1}"#);
        assert!(switch.is_same(&old, &json(r#"{"sentAt":2,"to":"ann"}"#)));
        assert!(!switch.is_same(&old, &json(r#"{"to":"bob","sentAt":1}"#)));
    }
}
