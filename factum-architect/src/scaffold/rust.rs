//! Scaffolds in Rust, on `factum` alone.

use factum_contract::{Contract, Source};

use super::{Kind, Parts, Request, Scaffold, wanted};

/// Makes the files of one.
pub(super) fn scaffold(request: &Request<'_>, parts: &Parts<'_>) -> Scaffold {
    let path = |module: &str| format!("{}/{module}.rs", request.folder);
    let mut next = Vec::new();
    next.extend(wanted(request, parts));
    let mut files = Vec::new();
    if request.kind == Kind::Service {
        let mut registered = String::new();
        let mut modules = Vec::new();
        for (name, spec) in &request.catalog.system.consumers {
            let on = spec.on.first().and_then(|event| request.catalog.versions(event.as_str()).next_back());
            let (Some(contract), true) = (on, spec.service.value.as_str() == parts.service) else { continue };
            let module = crate::design::phrase::words(name.as_str()).join("_");
            let inner = Parts {
                name: name.as_str(),
                type_name: crate::plan::pascal(name.as_str()),
                module: module.clone(),
                service: parts.service.clone(),
                contract: Some(contract),
            };
            registered.push_str(&format!("\n        .consumer(crate::{module}::consumer())"));
            files.push(Source::new(path(&module), consumer(request, &inner)));
            modules.push(module);
        }
        files
            .push(Source::new(path(&parts.module), parts.fill(&SERVICE.replace("@registered", &registered))));
        modules.push(parts.module.clone());
        next.extend(
            modules.iter().map(|module| format!("`pub mod {module};` where the crate's modules are")),
        );
    } else {
        let text = match request.kind {
            Kind::Producer => parts.fill(PRODUCER),
            Kind::Projection => projection(request, parts),
            Kind::Saga => parts.fill(SAGA),
            Kind::Decider => parts.fill(DECIDER),
            Kind::Consumer | Kind::Service | Kind::Contract => consumer(request, parts),
        };
        files.push(Source::new(path(&parts.module), text));
        next.push(format!("`pub mod {};` where the crate's modules are", parts.module));
    }
    next.push(format!("cargo test {}: it fails until what is marked DECIDE is decided", parts.module));
    Scaffold { files, next }
}

/// What a reader takes: the event that was asked for, and all others that the catalog lists for it. An app starts only
/// when its code takes every one of them.
fn taken<'c>(request: &Request<'c>, parts: &Parts<'c>) -> Vec<&'c Contract> {
    let system = &request.catalog.system;
    let listed = match request.kind {
        Kind::Projection => {
            let found = system.projections.iter().find(|(name, _)| name.as_str() == parts.module);
            found.map(|(_, spec)| &spec.on)
        }
        _ => {
            let found = system.consumers.iter().find(|(name, _)| name.as_str() == parts.name);
            found.map(|(_, spec)| &spec.on)
        }
    };
    let mut taken: Vec<&Contract> = parts.contract.into_iter().collect();
    for on in listed.into_iter().flatten() {
        let contract = request.catalog.versions(on.value.as_str()).next_back();
        if let Some(contract) = contract.filter(|found| taken.iter().all(|known| known.name != found.name)) {
            taken.push(contract);
        }
    }
    taken
}

/// A piece of text for each event.
fn each(parts: &Parts<'_>, taken: &[&Contract], text: &str) -> String {
    taken.iter().map(|contract| Parts { contract: Some(contract), ..parts.clone() }.fill(text)).collect()
}

/// A reader with what its events have in common put in.
fn reader(parts: &Parts<'_>, taken: &[&Contract], text: &str) -> String {
    let mut types: Vec<String> =
        taken.iter().map(|contract| crate::plan::pascal(contract.name.as_str())).collect();
    types.sort();
    let names: Vec<String> = taken.iter().map(|contract| format!("`{}`", contract.name)).collect();
    let (last, first) = names.split_last().map_or(("", &[][..]), |(last, first)| (last.as_str(), first));
    let said = if first.is_empty() { last.to_owned() } else { format!("{} and {last}", first.join(", ")) };
    let used = if let [only] = types.as_slice() { only.clone() } else { format!("{{{}}}", types.join(", ")) };
    let text = text
        .replace("@said", &said)
        .replace("@used", &used)
        .replace("@types", &types.join(", "))
        .replace("@tested", &each(parts, taken, TESTED));
    parts.fill(&text)
}

fn consumer(request: &Request<'_>, parts: &Parts<'_>) -> String {
    let taken = taken(request, parts);
    let on = match taken.as_slice() {
        [_] => each(parts, &taken, ".on::<@EventType>(@Name)"),
        _ => each(parts, &taken, "\n        .on::<@EventType>(@Name)"),
    };
    let text = CONSUMER.replace("@handlers", &each(parts, &taken, HANDLER)).replace("@on", &on);
    reader(parts, &taken, &[&text, TESTS].concat())
}

fn projection(request: &Request<'_>, parts: &Parts<'_>) -> String {
    let taken = taken(request, parts);
    let (set, input, key) = match taken.as_slice() {
        [_] => ("", "@EventType", "event.key()".to_owned()),
        _ => {
            let arms = each(parts, &taken, "            @NameEvent::@EventType(event) => event.key(),\n");
            (EVENTS, "@NameEvent", format!("match &event {{\n{arms}        }}"))
        }
    };
    let text = PROJECTION.replace("@set", set).replace("@input", input).replace("@keyed", &key);
    let tests = TESTS.replace(".consumer(consumer())", ".projection(@Name)");
    reader(parts, &taken, &[&text, tests.as_str()].concat())
}

const CONSUMER: &str = r##"//! `@name`: what @service does on @said.
//!
//! Before `handle` is called, the payload has been checked against its contract. A second delivery of the same event is
//! ignored: the mark that it was handled commits with what the handler does. What fails is tried again as the catalog says.

use factum::prelude::*;

use crate::contracts::@used;

/// Handles @said.
#[derive(Debug, Clone, Copy, Default)]
pub struct @Name;
@handlers
/// The consumer, for `App::consumer`.
#[must_use]
pub fn consumer() -> Consumer {
    Consumer::new("@name")@on
}
"##;

const HANDLER: &str = r##"
impl Handler<@EventType> for @Name {
    async fn handle(&self, event: @EventType, cx: &mut Context<'_>) -> Result<(), Failure> {
        // The same on every try: hand it to whatever is called outside, so that it happens once.
        let key = cx.idempotency_key("@part");
        // DECIDE: what happens on `@event`. An error means "try again", `Failure::reject` means "never".
        let _ = (event, key);
        Err(Failure::reject("not-built").detail("DECIDE: what @name does on @event"))
    }
}
"##;

const EVENTS: &str = r##"
event_set! {
    /// What it is made of: all that the catalog lists.
    #[derive(Debug, Clone, PartialEq)]
    pub enum @NameEvent { @types }
}
"##;

const PROJECTION: &str = r##"//! The read model `@table`: what is known from @said.
//!
//! Filled from the log alone, so that it can be rebuilt beside the live tables. Raise `VERSION` when its meaning changes.

use factum::prelude::*;
use factum::{ConsumerName, Table};

use crate::contracts::@used;
@set
/// One row for each key.
#[derive(Debug, Clone, Copy, Default)]
pub struct @Name;

impl Projection for @Name {
    const NAME: ConsumerName = ConsumerName::constant("@table");
    const VERSION: u32 = 1;
    type Input = @input;

    fn tables() -> Vec<Table> {
        // DECIDE: which columns are asked for, and by what they are found.
        vec![Table::new("@table", "key text primary key, events integer not null")]
    }

    async fn apply(&self, event: @input, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        let key = @keyed;
        let sql = "insert into {@table} (key, events) values ($1, 1) on conflict (key) do update set events = {@table}.events + 1";
        tables.execute(sql, values![key.as_str()]);
        Err(Failure::reject("not-built").detail("DECIDE: what @table keeps of @said"))
    }
}
"##;

const TESTS: &str = r##"
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use factum::admin::Which;
    use factum::{App, Envelope, Query};

    use super::*;
    use crate::contracts::CATALOG;

    /// Has an event happen so many times; answers why it was not handled, and all events of the log.
    async fn happens(event: &impl Event, times: usize) -> (Vec<String>, Vec<String>) {
        let store = factum::open("memory:", CATALOG).await.expect("the store opens");
        let app = App::new(store.clone()).partial().consumer(consumer());
        let running = app.start().await.expect("the catalog has it, under this name");
        let envelope = Envelope::of(event).expect("the example is valid");
        for _ in 0..times {
            running.admin().publish(envelope.clone()).await.expect("it is published");
        }
        running.settled(Duration::from_secs(20)).await.expect("it comes to the end of the log");
        let mut reasons = Vec::new();
        for which in [Which::Dead, Which::Refused, Which::Parked] {
            let letters = running.admin().letters(which, None).await.expect("they can be read");
            reasons.extend(letters.into_iter().map(|letter| letter.troubled.reason));
        }
        let page = store.read(&Query::all()).await.expect("the log can be read");
        let names = page.events.iter().map(|event| event.envelope.event_type.name.to_string()).collect();
        running.stop().await;
        (reasons, names)
    }
@tested}
"##;

const TESTED: &str = r##"
    #[tokio::test]
    async fn @event_words_is_handled() {
        let (reasons, _) = happens(&@EventType::example(), 1).await;
        assert_eq!(reasons, Vec::<String>::new(), "`@name` does not handle `@event` yet");
    }

    #[tokio::test]
    async fn the_same_@event_words_twice_is_handled_once() {
        let (reasons, twice) = happens(&@EventType::example(), 2).await;
        assert_eq!(reasons, Vec::<String>::new(), "`@name` does not handle `@event` yet");
        let (_, once) = happens(&@EventType::example(), 1).await;
        assert_eq!(twice, once);
    }
"##;

const PRODUCER: &str = r##"//! Says `@event`: what has happened, once it has.
//!
//! The event is appended in the transaction that makes it true, or not at all; the store refuses what breaks its contract.

use factum::{Envelope, Expected, Store};

use crate::contracts::@EventType;

/// What goes wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Says it.
///
/// # Errors
/// When it cannot be stored; then it has not happened.
pub async fn say(store: &dyn Store) -> Result<(), Error> {
    let event = made().ok_or("DECIDE: from what @event is made")?;
    let envelope = Envelope::of(&event)?;
    // DECIDE: what must not have changed meanwhile; `Expected::Any` is for facts that nothing contradicts.
    store.append(&envelope.stream()?, Expected::Any, &[envelope]).await?;
    Ok(())
}

/// DECIDE: the event, from what the caller knows.
fn made() -> Option<@EventType> {
    None
}

#[cfg(test)]
mod tests {
    use factum::Query;

    use super::*;
    use crate::contracts::CATALOG;

    #[tokio::test]
    async fn @event_words_is_said_once() {
        let store = factum::open("memory:", CATALOG).await.expect("the store opens");
        let answer = say(store.as_ref()).await.map_err(|error| error.to_string());
        assert_eq!(answer, Ok(()), "`@event` is not emitted yet");
        let page = store.read(&Query::all()).await.expect("the log can be read");
        let names: Vec<&str> = page.events.iter().map(|event| event.envelope.event_type.name.as_str()).collect();
        assert_eq!(names, ["@event"]);
    }
}
"##;

const SAGA: &str = r##"//! The saga `@name`: what is to be done after `@event`, until all is done or undone.
//!
//! Pure functions: what an event means, what is known after it, and what to do about it. Nothing else decides, so that
//! all of it can be tested without a store.

use factum::contract::rt::serde::{Deserialize, Serialize};
use factum::{Action, ConsumerName, Route, Saga, Signal};

use crate::contracts::@EventType;

/// What is known of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "factum::contract::rt::serde")]
pub struct State {
    /// Signals that it has heard.
    pub heard: u32,
}

/// The workflow.
#[derive(Debug, Clone, Copy, Default)]
pub struct @Name;

impl Saga for @Name {
    const NAME: ConsumerName = ConsumerName::constant("@name");
    // DECIDE: the field that its events have in common; each contract marks it `role: identifier`.
    const CORRELATE: &'static str = "@correlate";
    // DECIDE: which events it follows; several are an enum, written with `event_set!`.
    type Input = @EventType;
    type State = State;

    fn route(_event: &@EventType) -> Route {
        Route::Starts
    }

    fn evolve(state: State, _heard: &Signal<@EventType>) -> State {
        State { heard: state.heard + 1 }
    }

    fn react(_state: &State, heard: &Signal<@EventType>) -> Vec<Action> {
        match heard {
            // DECIDE: what is sent, which timer is started, and what undoes it.
            Signal::Event(_) => Vec::new(),
            // DECIDE: what follows when nothing came in time, or a command failed.
            Signal::Timer(_) | Signal::CommandFailed(_) => vec![Action::compensate()],
            Signal::Compensated => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use factum::SagaStatus;
    use factum::testing::given_saga;

    use super::*;

    #[test]
    fn @event_words_begins_an_instance() {
        let saga = given_saga::<@Name>([@EventType::example()]).is(SagaStatus::Running);
        assert_eq!(saga.state(), State { heard: 1 });
    }

    #[test]
    fn something_is_done_about_@event_words() {
        let heard = Signal::Event(@EventType::example());
        let state = @Name::evolve(State::default(), &heard);
        assert!(!@Name::react(&state, &heard).is_empty(), "`@name` does nothing about `@event` yet");
    }
}
"##;

const DECIDER: &str = r##"//! The decider `@name`: what may happen to one thing, decided from what has happened to it.
//!
//! Pure: no I/O, no clock, no randomness. What it needs of those comes in with the command.

use std::fmt;

use factum::prelude::*;

use crate::contracts::@EventType;

/// What can be asked.
#[derive(Debug, Clone)]
pub enum Command {
    /// DECIDE: the request that makes `@event` happen, with what it brings.
    Request(Box<@EventType>),
}

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Whether it has happened.
    pub has_happened: bool,
}

/// Why a command is refused; for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// DECIDE: the reasons, each by a name that an operator understands.
    NotBuilt,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DECIDE: when @event may happen")
    }
}

impl std::error::Error for Refusal {}

/// The rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct @Name;

impl Decider for @Name {
    type Command = Command;
    type Event = @EventType;
    type State = State;
    type Refusal = Refusal;

    fn evolve(_state: State, _event: &@EventType) -> State {
        State { has_happened: true }
    }

    fn decide(state: &State, _command: Command) -> Result<Vec<@EventType>, Refusal> {
        if state.has_happened {
            return Ok(Vec::new());
        }
        Err(Refusal::NotBuilt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Command {
        Command::Request(Box::new(@EventType::example()))
    }

    #[test]
    fn @event_words_happens_when_it_is_asked_for() {
        let answer = @Name::decide(&State::default(), request()).map(|events| events.len());
        assert_eq!(answer, Ok(1), "`@event` is not decided yet");
    }

    #[test]
    fn asking_twice_is_quiet() {
        let state = @Name::evolve(State::default(), &@EventType::example());
        assert_eq!(@Name::decide(&state, request()).map(|events| events.len()), Ok(0));
    }
}
"##;

const SERVICE: &str = r##"//! The service @service: its consumers, put together.
//!
//! The one place that says what of it runs. It starts only when code and catalog agree.

use std::sync::Arc;

use factum::{App, Running, StartError, Store};

/// Starts it on a store.
///
/// # Errors
/// When code and catalog disagree, or the store cannot be used.
pub async fn start(store: Arc<dyn Store>) -> Result<Running, StartError> {
    App::new(store)@registered
        .partial()
        .start()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::CATALOG;

    #[tokio::test]
    async fn it_starts_on_an_empty_store() {
        let store = factum::open("memory:", CATALOG).await.expect("the store opens");
        let running = start(store).await.expect("code and catalog agree");
        running.stop().await;
    }
}
"##;
