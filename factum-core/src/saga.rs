//! Multi-step workflows that react to events (elsewhere: process manager). Pure; a consumer runs them.
//!
//! A saga says what an event means for an instance (`route`), what is known after it (`evolve`) and what is to be done
//! about it (`react`). It never acts: what it answers is committed together with its state, or not at all.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::event::{ContractVersion, Event, EventSet, EventType, Kind, Tag, Tags};
use crate::name::{Category, ConsumerName, EventName, NameError, PartitionKey, TimerName, Topic};

mod code;
mod instance;
mod signalled;

pub use code::{Code, Heard, Made, Shape, StateJson, StepError, code_of};
pub use instance::{Effect, Incoming, Instance, SagaStatus, Undoing, hear};
pub use signalled::{CommandEnd, SagaSignalled, Told, Undo};

/// What an event means for the instance that its correlation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// It begins an instance where there is none; otherwise it goes on with the one there is.
    Starts,
    /// It goes on with an instance; without one it means nothing.
    Continues,
    /// It means nothing.
    Ignored,
}

/// What an instance hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal<E> {
    /// An event of its input.
    Event(E),
    /// A timer that it started, and neither moved nor cancelled since, is due.
    Timer(TimerName),
    /// A command that it sent was not handled: it is a dead letter, or was refused.
    CommandFailed(EventName),
    /// Everything that was to be undone is undone; the instance ends after this.
    Compensated,
}

/// Reacts to what it hears with actions, from what it has heard so far.
///
/// ```
/// # use std::time::Duration;
/// # use factum_core::{Action, ConsumerName, Event, EventType, PartitionKey, Route, Saga, Signal, Tag, Tags, event_set};
/// # macro_rules! contract { ($name:ident, $kind:ident, $type:literal) => {
/// #     #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)] pub struct $name { order: String }
/// #     impl Event for $name {
/// #         const TYPE: EventType = EventType::$kind($type, 1, "order", $type);
/// #         fn key(&self) -> PartitionKey { self.order.parse().unwrap() }
/// #         fn tags(&self) -> Tags { Tags::new([Tag::new("order", &self.order).unwrap()]).unwrap() }
/// #     }
/// # } }
/// # contract!(Placed, event, "order.placed");
/// # contract!(Paid, event, "order.paid");
/// # contract!(TakePayment, command, "take.payment");
/// # contract!(Lapsed, event, "order.lapsed");
/// event_set! {
///     pub enum Heard { Placed, Paid }
/// }
///
/// struct Payment;
///
/// impl Saga for Payment {
///     const NAME: ConsumerName = ConsumerName::constant("payment");
///     const CORRELATE: &'static str = "order";
///     type Input = Heard;
///     type State = String;
///
///     fn route(event: &Heard) -> Route {
///         match event {
///             Heard::Placed(_) => Route::Starts,
///             Heard::Paid(_) => Route::Continues,
///         }
///     }
///
///     fn evolve(state: String, heard: &Signal<Heard>) -> String {
///         match heard {
///             Signal::Event(Heard::Placed(placed)) => placed.order.clone(),
///             _ => state,
///         }
///     }
///
///     fn react(order: &String, heard: &Signal<Heard>) -> Vec<Action> {
///         match heard {
///             Signal::Event(Heard::Placed(_)) => vec![
///                 Action::send(&TakePayment { order: order.clone() }),
///                 Action::start_timer("payment", Duration::from_secs(900)),
///             ],
///             Signal::Event(Heard::Paid(_)) => vec![Action::complete()],
///             _ => vec![Action::emit(&Lapsed { order: order.clone() }), Action::complete()],
///         }
///     }
/// }
/// ```
pub trait Saga: Send + Sync + 'static {
    /// Its name; instances, timers and checkpoints are kept under it.
    const NAME: ConsumerName;
    /// Raised when an instance that is under way could not go on with the new code: instances stay with the version
    /// that started them.
    const VERSION: u32 = 1;
    /// Earlier versions whose instances this code goes on with: their states are read by [`Saga::migrate`].
    const GOES_ON_FROM: &'static [u32] = &[];
    /// The field that names the instance; every contract of its input marks it `identifier`.
    const CORRELATE: &'static str;
    /// The field of the state that names, by pseudonym, whose the personal data in the state is. Needed as soon as the
    /// state has some.
    const SUBJECT: Option<&'static str> = None;
    /// The events that it follows.
    type Input: EventSet + Sync;
    /// What it knows of one instance. Kept as JSON. Personal data stands in fields of type [`Personal`](crate::Personal):
    /// those are sealed with the key of [`Saga::SUBJECT`], and forgotten with it.
    type State: Default + Send + Sync + Serialize + DeserializeOwned;

    /// What an event means.
    fn route(event: &Self::Input) -> Route;

    /// What is known after a signal.
    fn evolve(state: Self::State, heard: &Signal<Self::Input>) -> Self::State;

    /// What to do about a signal, given what is known after it.
    fn react(state: &Self::State, heard: &Signal<Self::Input>) -> Vec<Action>;

    /// Reads the state of an earlier version; by default it is read as it stands.
    ///
    /// # Errors
    /// When it does not fit.
    fn migrate(from: u32, state: serde_json::Value) -> Result<Self::State, serde_json::Error> {
        let _ = from;
        serde_json::from_value(state)
    }
}

/// What a saga wants done; committed together with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a command.
    Send(Draft),
    /// Emit an event.
    Emit(Draft),
    /// Wake the instance under this name after a while; a timer of this name that is pending is moved.
    StartTimer {
        /// The timer's name within the instance.
        name: TimerName,
        /// How long from now.
        after: Duration,
    },
    /// Move a timer, when it is still pending.
    MoveTimer {
        /// The timer's name within the instance.
        name: TimerName,
        /// How long from now.
        after: Duration,
    },
    /// Forget a timer.
    CancelTimer(TimerName),
    /// From now on, undoing what was done means sending this command too.
    UndoBy(Draft),
    /// Undo what was done: the commands of [`Action::UndoBy`], the last one first, each once the one before is handled.
    Compensate,
    /// Nothing more will happen in this instance.
    Complete,
    /// Something could not be written as JSON; the signal fails.
    Unwritable(String),
}

impl Action {
    /// Sends a command: recorded in the log, handled by its one handler.
    pub fn send<E: Event>(command: &E) -> Self {
        Draft::of(command).map_or_else(Self::Unwritable, Self::Send)
    }

    /// Emits an event.
    pub fn emit<E: Event>(event: &E) -> Self {
        Draft::of(event).map_or_else(Self::Unwritable, Self::Emit)
    }

    /// Wakes the instance after a while; a timer of this name that is pending is moved.
    ///
    /// # Panics
    /// When the name breaks the grammar of timer names.
    #[must_use]
    pub fn start_timer(name: &'static str, after: Duration) -> Self {
        Self::StartTimer { name: TimerName::constant(name), after }
    }

    /// Moves a timer, when it is still pending.
    ///
    /// # Panics
    /// When the name breaks the grammar of timer names.
    #[must_use]
    pub fn move_timer(name: &'static str, after: Duration) -> Self {
        Self::MoveTimer { name: TimerName::constant(name), after }
    }

    /// Forgets a timer.
    ///
    /// # Panics
    /// When the name breaks the grammar of timer names.
    #[must_use]
    pub fn cancel_timer(name: &'static str) -> Self {
        Self::CancelTimer(TimerName::constant(name))
    }

    /// From now on, undoing what was done means sending this command too.
    pub fn undo_by<E: Event>(command: &E) -> Self {
        Draft::of(command).map_or_else(Self::Unwritable, Self::UndoBy)
    }

    /// Undoes what was done, the last step first; ends the instance once all of it is undone.
    #[must_use]
    pub fn compensate() -> Self {
        Self::Compensate
    }

    /// Ends the instance; timers that are pending are forgotten.
    #[must_use]
    pub fn complete() -> Self {
        Self::Complete
    }
}

/// An event or command that is to be recorded: all of it but its identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    name: EventName,
    version: ContractVersion,
    #[serde(default, skip_serializing_if = "is_false")]
    is_command: bool,
    category: Category,
    topic: Topic,
    key: PartitionKey,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    data: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Draft {
    /// Writes an event or command.
    ///
    /// # Errors
    /// Why it cannot be written as JSON.
    pub fn of<E: Event>(event: &E) -> Result<Self, String> {
        let data = serde_json::to_string(event).map_err(|error| format!("{}: {error}", E::TYPE))?;
        let EventType { name, version, kind, category, topic } = E::TYPE;
        let tags = event.tags().iter().map(str::to_owned).collect();
        let is_command = kind == Kind::Command;
        Ok(Self { name, version, is_command, category, topic, key: event.key(), tags, data })
    }

    /// Its contract's name.
    #[must_use]
    pub fn name(&self) -> &EventName {
        &self.name
    }

    /// Its payload, as JSON text.
    #[must_use]
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Its contract's name, version, kind and places.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        EventType {
            name: self.name.clone(),
            version: self.version,
            kind: if self.is_command { Kind::Command } else { Kind::Event },
            category: self.category.clone(),
            topic: self.topic.clone(),
        }
    }

    /// The same, with another payload: one whose personal values are sealed, or opened.
    #[must_use]
    pub fn with_data(&self, data: String) -> Self {
        Self { data, ..self.clone() }
    }

    /// As an envelope of its own, with tags beside those of its contract.
    ///
    /// # Errors
    /// When it has more tags than an envelope may have.
    pub fn envelope(&self, beside: impl IntoIterator<Item = Tag>) -> Result<Envelope, NameError> {
        let tags = self.tags.iter().map(|tag| tag.parse()).collect::<Result<Vec<Tag>, _>>()?;
        let data = Bytes::from(self.data.clone().into_bytes());
        let envelope = Envelope::raw(self.event_type(), self.key.clone(), data);
        Ok(Envelope { tags: Tags::new(tags.into_iter().chain(beside))?, ..envelope })
    }
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.v{} {}", self.name, self.version, self.data)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(draft) => write!(f, "send {draft}"),
            Self::Emit(draft) => write!(f, "emit {draft}"),
            Self::StartTimer { name, after } => write!(f, "start timer {name}, due in {after:?}"),
            Self::MoveTimer { name, after } => write!(f, "move timer {name}, due in {after:?}"),
            Self::CancelTimer(name) => write!(f, "cancel timer {name}"),
            Self::UndoBy(draft) => write!(f, "undo by {draft}"),
            Self::Compensate => f.write_str("compensate"),
            Self::Complete => f.write_str("complete"),
            Self::Unwritable(why) => write!(f, "what cannot be written: {why}"),
        }
    }
}
