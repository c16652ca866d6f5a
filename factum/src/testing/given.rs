//! Deciders, without runtime, store or clock.

use std::fmt::{self, Debug};
use std::sync::Arc;

use factum_contract::fixture::Broken;
use factum_core::{Decider, Event, EventSet as _};

use super::diagram::{Diagram, name_of};
use super::heard::{encoded, encoded_all, listed, takes_none, written};

/// A thing with a history.
pub struct Given<D: Decider> {
    history: Vec<Arc<D::Event>>,
    state: D::State,
}

/// A thing to which this has happened.
///
/// ```
/// # use factum::{Decider, Event, EventType, PartitionKey};
/// # #[derive(serde::Serialize, serde::Deserialize, Debug, Clone, PartialEq)] struct Opened { id: String }
/// # impl Event for Opened {
/// #     const TYPE: EventType = EventType::event("account.opened", 1, "account", "account.opened");
/// #     fn key(&self) -> PartitionKey { self.id.parse().unwrap() }
/// # }
/// # struct Account;
/// # impl Decider for Account {
/// #     type Command = String;
/// #     type Event = Opened;
/// #     type State = bool;
/// #     type Refusal = std::fmt::Error;
/// #     fn evolve(_: bool, _: &Opened) -> bool { true }
/// #     fn decide(is_open: &bool, id: String) -> Result<Vec<Opened>, std::fmt::Error> {
/// #         Ok(if *is_open { vec![] } else { vec![Opened { id }] })
/// #     }
/// # }
/// use factum::testing::given;
///
/// let opened = Opened { id: "7".into() };
/// given::<Account>([] as [Opened; 0])
///     .when("7".into())
///     .then([opened.clone()])
///     .when("7".into())
///     .then_nothing();
/// // The same as a comparison.
/// assert_eq!(given::<Account>([opened]).when("7".into()), Ok(vec![]), "opening twice is quiet");
/// ```
pub fn given<D: Decider>(history: impl IntoIterator<Item = impl Into<D::Event>>) -> Given<D> {
    Given { history: Vec::new(), state: D::State::default() }.and(history)
}

impl<D: Decider> Given<D> {
    /// The same, after this has happened too.
    #[must_use]
    pub fn and(mut self, history: impl IntoIterator<Item = impl Into<D::Event>>) -> Self {
        for event in history {
            let event = Arc::new(event.into());
            self.state = D::evolve(self.state, &event);
            self.history.push(event);
        }
        self
    }

    /// What a command leads to, or why it is refused; it has not happened yet, unless [`Decided::then`] says so.
    pub fn when(&self, command: D::Command) -> Decided<D>
    where
        D::Command: Debug,
    {
        let asked = format!("{command:?}");
        Decided { history: self.history.clone(), asked, outcome: D::decide(&self.state, command) }
    }

    /// What is known of the thing.
    pub fn state(&self) -> &D::State {
        &self.state
    }

    /// Asserts that a command which is taken leads to nothing when it comes again.
    ///
    /// # Panics
    /// When it is refused, or leads to something again.
    #[track_caller]
    pub fn handled_twice(self, command: D::Command)
    where
        D: Decider<Command: Clone + Debug>,
    {
        let first = self.when(command.clone());
        let Ok(events) = first.outcome else { panic!("it is refused the first time: {first:?}") };
        let again = self.and(events).when(command);
        let is_quiet = again.outcome.as_ref().is_ok_and(Vec::is_empty);
        assert!(is_quiet, "it should lead to nothing the second time: {again:?}");
    }

    /// Asserts that the decider is never asked about a history with a payload that breaks its contract: it cannot be
    /// read as one of its events.
    ///
    /// # Panics
    /// With the first that can.
    #[track_caller]
    pub fn malformed<E: Event>(self, documents: impl IntoIterator<Item = Broken>) -> Self {
        takes_none::<D::Event, E>(name_of::<D>(), documents);
        self
    }
}

/// What a command led to.
#[must_use = "what it led to is to be asserted"]
pub struct Decided<D: Decider> {
    history: Vec<Arc<D::Event>>,
    asked: String,
    outcome: Result<Vec<D::Event>, D::Refusal>,
}

impl<D: Decider> Decided<D> {
    /// Asserts that the command led to exactly these events, in this order; from here on they have happened.
    ///
    /// # Panics
    /// When it is refused, or led to others.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = impl Into<D::Event>>) -> Given<D> {
        let expected: Vec<String> = encoded_all::<D::Event>(expected).iter().map(written).collect();
        assert!(self.outcome.is_ok(), "it should be taken: {self:?}");
        let found = self.written();
        assert!(
            found == expected,
            "it should lead to\n{}and leads to\n{}{}",
            listed(&expected),
            listed(&found),
            self.diagram()
        );
        self.happened()
    }

    /// Asserts that the command is taken, and leads to nothing.
    ///
    /// # Panics
    /// When it is refused, or led to something.
    #[track_caller]
    pub fn then_nothing(self) -> Given<D> {
        self.then([] as [D::Event; 0])
    }

    /// Asserts that the command is refused for this reason.
    ///
    /// # Panics
    /// When it is taken, or refused for another one.
    #[track_caller]
    pub fn is_refused(self, expected: D::Refusal) -> Given<D>
    where
        D: Decider<Refusal: PartialEq>,
    {
        let is = self.outcome.as_ref().err() == Some(&expected);
        assert!(is, "it should be refused, because {expected}: {self:?}");
        self.happened()
    }

    /// The events that the command led to.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    #[track_caller]
    pub fn events(self) -> Vec<D::Event> {
        assert!(self.outcome.is_ok(), "it should be taken: {self:?}");
        self.outcome.unwrap_or_default()
    }

    fn written(&self) -> Vec<String> {
        self.outcome.iter().flatten().map(|event| written(&encoded(event))).collect()
    }

    /// What is known once it has happened.
    fn happened(self) -> Given<D> {
        let state = D::replay(self.history.iter().map(AsRef::as_ref));
        Given { history: self.history, state }.and(self.outcome.into_iter().flatten())
    }

    fn diagram(&self) -> Diagram {
        let (mut diagram, decider) = (Diagram::default(), name_of::<D>());
        for event in &self.history {
            // A history may hold what others write, and this code can only read.
            let told = event.encode().map_or_else(|error| error.to_string(), |envelope| written(&envelope));
            diagram.tell("log", decider, told);
        }
        diagram.tell("test", decider, &self.asked);
        match &self.outcome {
            Ok(_) => self.written().iter().for_each(|event| diagram.tell(decider, "log", event)),
            Err(refusal) => diagram.fail(decider, "test", refusal),
        }
        diagram
    }
}

impl<D: Decider> Debug for Decided<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(_) => writeln!(f, "it leads to\n{}{}", listed(&self.written()), self.diagram()),
            Err(refusal) => writeln!(f, "it is refused, because {refusal}\n{}", self.diagram()),
        }
    }
}

impl<D: Decider<Event: PartialEq, Refusal: PartialEq>> PartialEq<Result<Vec<D::Event>, D::Refusal>>
    for Decided<D>
{
    fn eq(&self, other: &Result<Vec<D::Event>, D::Refusal>) -> bool {
        self.outcome == *other
    }
}

/// Most commands of one sequence.
const COMMANDS_MAX: u64 = 40;

/// Asserts that an invariant holds after whatever sequence of commands, refusals among them: 200 sequences, the same
/// in each run, made of the numbers that `command` is given.
///
/// # Panics
/// With the shortest sequence found that breaks it.
#[track_caller]
pub fn any_commands<D>(
    command: impl Fn(u64) -> D::Command,
    invariant: impl Fn(&D::State) -> Result<(), String>,
) where
    D: Decider<Command: Debug>,
{
    for seed in 0..200_u64 {
        let mut numbers: Vec<u64> = (0..=seed % COMMANDS_MAX).map(|at| mixed(seed << 32 | at)).collect();
        let Err(mut why) = run::<D>(&numbers, &command, &invariant) else { continue };
        let mut at = 0;
        while at < numbers.len() {
            let mut fewer = numbers.clone();
            fewer.remove(at);
            match run::<D>(&fewer, &command, &invariant) {
                Err(still) => (numbers, why) = (fewer, still),
                Ok(()) => at += 1,
            }
        }
        let commands: Vec<String> =
            numbers.iter().map(|number| format!("  {:?}", command(*number))).collect();
        panic!("{why}, after these commands:\n{}", commands.join("\n"));
    }
}

fn run<D: Decider>(
    numbers: &[u64],
    command: &impl Fn(u64) -> D::Command,
    invariant: &impl Fn(&D::State) -> Result<(), String>,
) -> Result<(), String> {
    let mut state = D::State::default();
    for number in numbers {
        // A refused command changes nothing, which is what the invariant is looked at for as well.
        for event in D::decide(&state, command(*number)).unwrap_or_default() {
            state = D::evolve(state, &event);
        }
        invariant(&state)?;
    }
    Ok(())
}

/// Spreads a number over all bits, the same in each run.
fn mixed(number: u64) -> u64 {
    factum_core::hash64(&number.to_le_bytes())
}
