//! A saga without its types: what runs instances needs only this. And its shape, which says when it has changed.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Action, Route, Saga, Signal};
use crate::event::{DecodeError, EventSet, EventType};
use crate::name::{ConsumerName, EventName, TimerName};
use crate::personal::places;

/// A state as it is kept.
pub type StateJson = Value;

/// What an instance hears, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// An event of its input.
    Event(&'a EventType, &'a Bytes),
    /// A timer is due.
    Timer(&'a TimerName),
    /// A command that it sent was not handled.
    CommandFailed(&'a EventName),
    /// Everything is undone.
    Compensated,
}

/// A step that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The event cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The state that is kept cannot be read, or the new one cannot be written.
    #[error("the state of version {version} does not fit the code of version {by}")]
    State {
        /// The version that wrote it.
        version: u32,
        /// The version that reads it.
        by: u32,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The state holds personal data, and nothing says whose.
    #[error(
        "the state holds personal data ({}), and nothing says whose: name the field of the state that holds the \
         subject's pseudonym as the saga's `SUBJECT`, and fill it with the first personal value",
        at.iter().map(|at| if at.is_empty() { "all of it" } else { at }).collect::<Vec<_>>().join(", ")
    )]
    NoSubject {
        /// JSON pointers to it.
        at: Vec<String>,
    },
    /// Something that is to be recorded cannot be written.
    #[error("what the saga wants recorded cannot be written: {0}")]
    Unwritable(String),
}

/// What a step leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The state after it.
    pub state: StateJson,
    /// JSON pointers to the personal data in the state.
    pub personal: Vec<String>,
    /// Whose personal data it is, by pseudonym.
    pub subject: Option<String>,
    /// What to do about the signal.
    pub actions: Vec<Action>,
}

/// One version of a saga, without its types.
pub trait Code: Send + Sync {
    /// The saga's name.
    fn name(&self) -> ConsumerName;
    /// The version.
    fn version(&self) -> u32;
    /// Whether it goes on with instances of a version.
    fn goes_on_with(&self, version: u32) -> bool;
    /// The field that names the instance.
    fn correlate(&self) -> &'static str;
    /// The types of its input.
    fn types(&self) -> Vec<EventType>;
    /// What it looks like from outside.
    fn shape(&self) -> Shape;
    /// What an event means.
    ///
    /// # Errors
    /// When the event cannot be read.
    fn route(&self, event_type: &EventType, data: &Bytes) -> Result<Route, DecodeError>;
    /// The state after a signal, and what to do about it. Without a state it begins.
    ///
    /// # Errors
    /// When the event or the state cannot be read.
    fn step(&self, state: Option<StateJson>, from: u32, heard: Heard<'_>) -> Result<Made, StepError>;
}

struct Typed<S>(PhantomData<fn() -> S>);

/// A saga without its types.
#[must_use]
pub fn code_of<S: Saga>() -> Arc<dyn Code> {
    Arc::new(Typed::<S>(PhantomData))
}

impl<S: Saga> Code for Typed<S> {
    fn name(&self) -> ConsumerName {
        S::NAME
    }

    fn version(&self) -> u32 {
        S::VERSION
    }

    fn goes_on_with(&self, version: u32) -> bool {
        version == S::VERSION || S::GOES_ON_FROM.contains(&version)
    }

    fn correlate(&self) -> &'static str {
        S::CORRELATE
    }

    fn types(&self) -> Vec<EventType> {
        S::Input::types()
    }

    fn shape(&self) -> Shape {
        Shape::of::<S>()
    }

    fn route(&self, event_type: &EventType, data: &Bytes) -> Result<Route, DecodeError> {
        Ok(S::route(&S::Input::decode(event_type, data)?))
    }

    fn step(&self, state: Option<StateJson>, from: u32, heard: Heard<'_>) -> Result<Made, StepError> {
        let misfit = |source| StepError::State { version: from, by: S::VERSION, source };
        let signal = match heard {
            Heard::Event(event_type, data) => Signal::Event(S::Input::decode(event_type, data)?),
            Heard::Timer(name) => Signal::Timer(name.clone()),
            Heard::CommandFailed(name) => Signal::CommandFailed(name.clone()),
            Heard::Compensated => Signal::Compensated,
        };
        let state = match state {
            None => S::State::default(),
            Some(state) if from == S::VERSION => serde_json::from_value(state).map_err(misfit)?,
            Some(state) => S::migrate(from, state).map_err(misfit)?,
        };
        let state = S::evolve(state, &signal);
        let actions = S::react(&state, &signal);
        let (state, personal) = places(&state).map_err(misfit)?;
        let named = S::SUBJECT.and_then(|field| state.get(field)?.as_str());
        let subject = named.filter(|name| !name.is_empty() && !personal.is_empty()).map(str::to_owned);
        if subject.is_none() && !personal.is_empty() {
            return Err(StepError::NoSubject { at: personal });
        }
        Ok(Made { state, personal, subject, actions })
    }
}

/// What must stay as it is while instances of a version are under way: what it hears, by what it knows its instances,
/// and the form of its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The saga.
    pub saga: String,
    /// Its version.
    pub version: u32,
    /// The field that names the instance.
    pub correlate: String,
    /// Contract versions that it follows, sorted.
    pub on: Vec<String>,
    /// The form of a state that has heard nothing yet: its fields, and what kind of value each holds.
    pub state: Value,
}

impl Shape {
    /// The shape of a saga.
    #[must_use]
    pub fn of<S: Saga>() -> Self {
        let mut on: Vec<String> = S::Input::types().iter().map(ToString::to_string).collect();
        on.sort();
        let state = serde_json::to_value(S::State::default()).map_or(Value::Null, |value| form(&value));
        Self { saga: S::NAME.to_string(), version: S::VERSION, correlate: S::CORRELATE.to_owned(), on, state }
    }

    /// What differs, in words; nothing when both are the same.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.correlate != now.correlate {
            found.push(format!("it is correlated by {}, and was by {}", now.correlate, self.correlate));
        }
        found.extend(
            now.on
                .iter()
                .filter(|on| !self.on.contains(on))
                .map(|on| format!("it follows {on}, and did not")),
        );
        found.extend(
            self.on.iter().filter(|on| !now.on.contains(on)).map(|on| format!("it no longer follows {on}")),
        );
        if self.state != now.state {
            found.push(format!("its state is {}, and was {}", now.state, self.state));
        }
        found
    }
}

/// As it is committed beside the code: indented JSON, with a line feed at its end.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?;
        writeln!(f, "{text}")
    }
}

impl FromStr for Shape {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// A value with the kinds of its parts in place of the parts.
fn form(value: &Value) -> Value {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(_) => "yes or no".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Array(items) => Value::Array(items.iter().map(form).collect()),
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), form(value))).collect();
            sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(Map::from_iter(sorted))
        }
    }
}
