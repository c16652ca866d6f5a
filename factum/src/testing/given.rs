//! Deciders, without runtime, store or clock.

use std::fmt::Debug;

use factum_core::Decider;

/// A thing with a history.
pub struct Given<D: Decider> {
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
/// assert_eq!(given::<Account>([] as [Opened; 0]).when("7".into()), Ok(vec![opened.clone()]));
/// assert_eq!(given::<Account>([opened]).when("7".into()), Ok(vec![]), "opening twice is quiet");
/// ```
pub fn given<D: Decider>(history: impl IntoIterator<Item = impl Into<D::Event>>) -> Given<D> {
    Given { state: D::State::default() }.and(history)
}

impl<D: Decider> Given<D> {
    /// The same, after this has happened too.
    #[must_use]
    pub fn and(self, history: impl IntoIterator<Item = impl Into<D::Event>>) -> Self {
        let evolve = |state, event: <D as Decider>::Event| D::evolve(state, &event);
        Self { state: history.into_iter().map(Into::into).fold(self.state, evolve) }
    }

    /// What a command leads to, or why it is refused.
    ///
    /// # Errors
    /// The decider's refusal.
    pub fn when(&self, command: D::Command) -> Result<Vec<D::Event>, D::Refusal> {
        D::decide(&self.state, command)
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
        D: Decider<Command: Clone + Debug, Event: Debug>,
    {
        let first = self.when(command.clone());
        let events = first.unwrap_or_else(|refusal| panic!("{command:?} is refused: {refusal}"));
        match self.and(events).when(command.clone()) {
            Ok(again) if again.is_empty() => {}
            Ok(again) => panic!("{command:?} happens twice: the second time it leads to {again:?}"),
            Err(refusal) => panic!("{command:?} is refused the second time: {refusal}"),
        }
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
