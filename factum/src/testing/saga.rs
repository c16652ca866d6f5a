//! Given / when / then for sagas: no runtime, no store, and time that a test moves.
//!
//! ```text
//! given_saga::<Fulfilment>([placed(7)])          what has been heard
//!     .when(payment_approved(7))                 what is heard now
//!     .then([Action::send(&reserve(7))])         what the saga does about it
//!     .advance(minutes(15))                      timers that are due fire, in order
//!     .is(SagaStatus::Compensated);
//! ```
//!
//! The commands that undo a step count as handled at once, unless [`SagaTest::fails`] says otherwise.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factum_contract::fixture::Broken;
use factum_core::saga::{Code, Effect, Heard, Incoming, Instance, Shape, StepError, Told, code_of, hear};
use factum_core::{
    Action, Bytes, ConsumerName, ContractVersion, DecodeError, Envelope, Event, EventId, EventName,
    EventType, Route, Saga, SagaStatus, Timestamp,
};

use super::diagram::Diagram;
use super::heard::{ORDERS_MAX, encoded, encoded_all, keys, listed, orders, takes_none, written};

/// Most steps that one thing heard may lead to: more is a saga that goes in circles.
const STEPS_MAX: usize = 1000;

/// A saga of which nothing is known but what it has heard; nothing of that is looked at.
///
/// # Panics
/// When the saga's code fails.
#[must_use]
#[track_caller]
pub fn given_saga<S: Saga>(history: impl IntoIterator<Item = S::Input>) -> SagaTest<S> {
    let mut test = SagaTest::new();
    for event in history {
        test.event(&event);
    }
    test.begin();
    test
}

/// Compares a saga's shape with the file that is committed for it; `FACTUM_ACCEPT=1` writes the file.
///
/// # Panics
/// When they differ, with what differs and what to do.
#[track_caller]
pub fn committed_shape<S: Saga>(path: impl AsRef<std::path::Path>) {
    let (path, now) = (path.as_ref(), Shape::of::<S>());
    if std::env::var_os("FACTUM_ACCEPT").is_some_and(|accept| accept == "1") {
        std::fs::write(path, now.to_string())
            .unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
        return;
    }
    let shown = path.display();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| {
        panic!("{shown} cannot be read: {error}; run the test with FACTUM_ACCEPT=1 to write it")
    });
    let committed: Shape =
        text.parse().unwrap_or_else(|error| panic!("{shown} holds no shape of a saga: {error}"));
    let differences = committed.differences(&now);
    assert!(
        differences.is_empty() || committed.version != now.version,
        "saga {} has changed, and is still version {}: {}; raise `VERSION`, for instances that are under way, and run \
         the test with FACTUM_ACCEPT=1",
        now.saga,
        now.version,
        differences.join("; "),
    );
    assert!(
        committed.version == now.version,
        "saga {} is version {} now, and {shown} is of version {}: run the test with FACTUM_ACCEPT=1",
        now.saga,
        now.version,
        committed.version,
    );
}

/// A saga under test.
pub struct SagaTest<S: Saga> {
    code: Recorder<S>,
    instance: Option<Instance>,
    now: Timestamp,
    /// What the saga asked for since the last thing that was heard.
    actions: Vec<Action>,
    /// What undid a step since then.
    undone: Vec<Action>,
    fails: Vec<EventName>,
    last: Option<(EventType, Bytes)>,
    diagram: Diagram,
    /// All that was sent and emitted.
    told: Vec<String>,
}

impl<S: Saga> SagaTest<S> {
    fn new() -> Self {
        Self {
            code: Recorder {
                inner: code_of::<S>(),
                actions: Mutex::default(),
                saga: std::marker::PhantomData,
            },
            instance: None,
            now: Timestamp::EPOCH,
            actions: Vec::new(),
            undone: Vec::new(),
            fails: Vec::new(),
            last: None,
            diagram: Diagram::default(),
            told: Vec::new(),
        }
    }

    /// Hears an event.
    ///
    /// # Panics
    /// When the saga's code fails.
    #[must_use = "what it does is to be asserted"]
    #[track_caller]
    pub fn when(mut self, event: impl Into<S::Input>) -> Self {
        self.begin();
        self.event(&event.into());
        self
    }

    /// Hears that a command it sent was not handled: it is a dead letter, or was refused.
    ///
    /// # Panics
    /// When the saga's code fails.
    #[must_use = "what it does is to be asserted"]
    #[track_caller]
    pub fn when_failed<C: Event>(mut self) -> Self {
        self.begin();
        let told = Told::CommandFailed {
            command: EventId::new(),
            name: C::TYPE.name,
            error: "it failed".to_owned(),
        };
        self.diagram.fail("log", S::NAME.as_str(), C::TYPE.name);
        self.hear(Incoming::Told(&told));
        self
    }

    /// Lets time pass; timers that are due fire, in order, each at its time.
    ///
    /// # Panics
    /// When the saga's code fails.
    #[must_use = "what it does is to be asserted"]
    #[track_caller]
    pub fn advance(mut self, by: Duration) -> Self {
        self.begin();
        let until = self.now.plus(by);
        self.diagram.note(S::NAME.as_str(), format_args!("after {by:?}"));
        for _ in 0..STEPS_MAX {
            let timers = self.instance.iter().flat_map(|instance| &instance.timers);
            let next =
                timers.filter(|(_, due)| **due <= until).min_by_key(|(name, due)| (**due, (*name).clone()));
            let Some((timer, due)) = next.map(|(name, due)| (name.clone(), *due)) else {
                self.now = until;
                return self;
            };
            self.now = self.now.max(due);
            self.diagram.tell("timer", S::NAME.as_str(), &timer);
            self.hear(Incoming::Told(&Told::TimerDue { timer, due }));
        }
        panic!("its timers start each other without an end\n{}", self.diagram);
    }

    /// From now on, this command fails for good when it is to undo a step.
    #[must_use = "what it does is to be asserted"]
    pub fn fails<C: Event>(mut self) -> Self {
        self.fails.push(C::TYPE.name);
        self
    }

    /// Asserts what the saga did about what it heard last: all of it, in order.
    ///
    /// # Panics
    /// When it did something else.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = Action>) -> Self {
        let expected: Vec<Action> = expected.into_iter().collect();
        self.same("it should do", &expected, &self.actions);
        self
    }

    /// Asserts which commands undid a step since what was heard last, in order.
    ///
    /// # Panics
    /// When others did.
    #[track_caller]
    pub fn undoes(self, expected: impl IntoIterator<Item = Action>) -> Self {
        let expected: Vec<Action> = expected.into_iter().collect();
        self.same("it should undo by", &expected, &self.undone);
        self
    }

    /// Asserts where the instance stands.
    ///
    /// # Panics
    /// When it stands elsewhere, or there is none.
    #[track_caller]
    pub fn is(self, expected: SagaStatus) -> Self {
        let found = self.instance.as_ref().map(|instance| instance.status);
        assert!(found == Some(expected), "it should be {expected}, and is {found:?}\n{}", self.diagram);
        self
    }

    /// Asserts that no instance has begun.
    ///
    /// # Panics
    /// When one has.
    #[track_caller]
    pub fn has_not_begun(self) -> Self {
        assert!(self.instance.is_none(), "no instance should have begun\n{}", self.diagram);
        self
    }

    /// Asserts which timers are pending, and in how long they are due.
    ///
    /// # Panics
    /// When others are.
    #[track_caller]
    pub fn waits_for<const N: usize>(self, expected: [(&'static str, Duration); N]) -> Self {
        let timers = self.instance.iter().flat_map(|instance| &instance.timers);
        let found: Vec<(String, Duration)> =
            timers.map(|(name, due)| (name.to_string(), due.since(self.now))).collect();
        let mut expected: Vec<(String, Duration)> =
            expected.into_iter().map(|(name, after)| (name.to_owned(), after)).collect();
        expected.sort();
        assert!(
            found == expected,
            "it should wait for {expected:?}, and waits for {found:?}\n{}",
            self.diagram
        );
        self
    }

    /// Asserts that hearing the last event a second time does nothing: no command, no event, nothing to undo.
    ///
    /// # Panics
    /// When it does, or nothing was heard.
    #[track_caller]
    pub fn handled_twice(mut self) -> Self {
        let Some((event_type, data)) = self.last.clone() else { panic!("nothing has been heard yet") };
        self.begin();
        self.diagram.tell("log", S::NAME.as_str(), format_args!("{event_type} again"));
        self.hear(Incoming::Event(&event_type, &data));
        let done = self.actions.iter().any(|action| {
            matches!(action, Action::Send(_) | Action::Emit(_) | Action::UndoBy(_) | Action::Compensate)
        });
        assert!(!done, "hearing {event_type} twice should do nothing more\n{}", self.diagram);
        self
    }

    /// Hears these events in every order in which the log may hold them, up to 120: those of one key keep theirs.
    /// Asserts that the instance ends the same: where it stands, what it knows, which timers are pending, and, in
    /// whatever order, what it sent, emitted and undid.
    ///
    /// # Panics
    /// With both orders, when it does not.
    #[track_caller]
    pub fn out_of_order(mut self, events: impl IntoIterator<Item = S::Input>) -> Self {
        let events = encoded_all::<S::Input>(events);
        let others = orders(&events, ORDERS_MAX);
        let (instance, diagram) = (self.instance.clone(), self.diagram.clone());
        let first = self.ends(&events);
        for order in others {
            let shown = std::mem::replace(&mut self.diagram, diagram.clone());
            self.instance.clone_from(&instance);
            let other = self.ends(&order);
            assert!(
                first == other,
                "the order of keys matters:\n{}became, with {},\n{}what went before was\n{shown}and became\n{}",
                listed(&first),
                keys(&order),
                listed(&other),
                self.diagram
            );
        }
        self
    }

    /// How it ends when it has heard these.
    #[track_caller]
    fn ends(&mut self, events: &[Envelope]) -> Vec<String> {
        self.begin();
        self.told.clear();
        events.iter().for_each(|event| self.envelope(event.clone()));
        self.told.sort();
        let instance = self.instance.iter().flat_map(|instance| {
            let timers = instance.timers.iter().map(|(name, due)| format!("timer {name} due at {due}"));
            [format!("it is {}", instance.status), format!("it knows {}", instance.state)]
                .into_iter()
                .chain(timers)
        });
        instance.chain(self.told.iter().cloned()).collect()
    }

    /// Asserts that it never hears a payload which breaks its contract: none of these can be read as its input.
    ///
    /// # Panics
    /// With the first that can.
    #[track_caller]
    pub fn malformed<E: Event>(self, documents: impl IntoIterator<Item = Broken>) -> Self {
        takes_none::<S::Input, E>(S::NAME.as_str(), documents);
        self
    }

    /// What the saga knows.
    ///
    /// # Panics
    /// When no instance has begun.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> S::State {
        let Some(instance) = &self.instance else { panic!("no instance has begun\n{}", self.diagram) };
        S::migrate(instance.version, instance.state.clone())
            .unwrap_or_else(|error| panic!("the state cannot be read again: {error}"))
    }

    fn begin(&mut self) {
        self.actions.clear();
        self.undone.clear();
    }

    #[track_caller]
    fn event(&mut self, event: &S::Input) {
        self.envelope(encoded(event));
    }

    #[track_caller]
    fn envelope(&mut self, envelope: Envelope) {
        self.diagram.tell("log", S::NAME.as_str(), written(&envelope));
        self.hear(Incoming::Event(&envelope.event_type, &envelope.data));
        self.last = Some((envelope.event_type, envelope.data));
    }

    #[track_caller]
    fn hear(&mut self, incoming: Incoming<'_>) {
        let mut undo = self.step(incoming);
        for _ in 0..STEPS_MAX {
            let Some((command, name)) = undo else { return };
            let told = if self.fails.contains(&name) {
                Told::CommandFailed { command, name, error: "it failed".to_owned() }
            } else {
                Told::CommandHandled { command }
            };
            undo = self.step(Incoming::Told(&told));
        }
        panic!("it undoes without an end\n{}", self.diagram);
    }

    /// Makes one step; answers the command that undoes something.
    #[track_caller]
    fn step(&mut self, incoming: Incoming<'_>) -> Option<(EventId, EventName)> {
        let heard = hear(self.instance.as_ref(), &self.code, incoming, self.now);
        let heard = heard.unwrap_or_else(|error| panic!("{}\n{}", told(&error), self.diagram));
        let actions = std::mem::take(&mut *self.code.actions.lock().unwrap_or_else(PoisonError::into_inner));
        for action in actions {
            self.diagram.tell(S::NAME.as_str(), "log", &action);
            if matches!(action, Action::Send(_) | Action::Emit(_)) {
                self.told.push(action.to_string());
            }
            self.actions.push(action);
        }
        let (mut instance, effects) = heard?;
        let mut command = None;
        for effect in effects {
            if let Effect::Undo(draft) = effect {
                let id = EventId::new();
                self.diagram.tell(S::NAME.as_str(), "log", format_args!("send {draft}, to undo a step"));
                self.told.push(format!("undo by {draft}"));
                command = Some((id, draft.name().clone()));
                if let Some(undoing) = &mut instance.undoing {
                    undoing.command = Some(id);
                }
                self.undone.push(Action::Send(draft));
            }
        }
        self.instance = Some(instance);
        command
    }

    #[track_caller]
    fn same(&self, what: &str, expected: &[Action], found: &[Action]) {
        if expected == found {
            return;
        }
        panic!("{what}\n{}and does\n{}{}", listed(expected), listed(found), self.diagram);
    }
}

fn told(error: &StepError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

/// The saga's code, with a note of what it asks for.
struct Recorder<S> {
    inner: Arc<dyn Code>,
    actions: Mutex<Vec<Action>>,
    saga: std::marker::PhantomData<fn() -> S>,
}

impl<S: Saga> Code for Recorder<S> {
    fn name(&self) -> ConsumerName {
        self.inner.name()
    }

    fn version(&self) -> ContractVersion {
        self.inner.version()
    }

    fn goes_on_with(&self, version: ContractVersion) -> bool {
        self.inner.goes_on_with(version)
    }

    fn correlate(&self) -> &'static str {
        self.inner.correlate()
    }

    fn types(&self) -> Vec<EventType> {
        self.inner.types()
    }

    fn shape(&self) -> Shape {
        self.inner.shape()
    }

    fn route(&self, event_type: &EventType, data: &Bytes) -> Result<Route, DecodeError> {
        self.inner.route(event_type, data)
    }

    fn step(
        &self,
        state: Option<factum_core::saga::StateJson>,
        from: ContractVersion,
        heard: Heard<'_>,
    ) -> Result<factum_core::saga::Made, StepError> {
        let made = self.inner.step(state, from, heard)?;
        self.actions.lock().unwrap_or_else(PoisonError::into_inner).extend(made.actions.iter().cloned());
        Ok(made)
    }
}
