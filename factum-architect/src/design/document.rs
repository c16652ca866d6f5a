//! The architecture document: what a team agrees on, in one page that can be reviewed like code.
//!
//! Written from the catalog, so that it never says another thing than the contracts; what they do not hold comes from the
//! text, by line. What nobody said is marked with the number of its question.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use factum_contract::Contract;
use factum_contract::contract::Ordering;
use factum_contract::flow::Flow;
use factum_contract::generate::mermaid;
use factum_contract::system::{ConsumerSpec, Idempotency};
use factum_core::{EventName, Kind, OnDead};

use super::coordination::Style;
use super::{Design, Question, sequence};

/// Writes the document.
pub(super) fn write(design: &Design) -> String {
    let mut page = Page { design, flow: Flow::of(&design.catalog), out: String::new() };
    page.head();
    page.facts();
    page.table();
    page.order();
    page.coordination();
    page.carrier();
    page.failures();
    page.replay();
    page.observe();
    page.direct();
    page.drawings();
    page.questions();
    page.unread();
    page.out
}

struct Page<'d> {
    design: &'d Design,
    flow: Flow<'d>,
    out: String,
}

impl<'d> Page<'d> {
    // Writing to a String cannot fail, here and below.
    fn say(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.out, "{}", text.as_ref());
    }

    fn heading(&mut self, text: &str) {
        self.say(format!("\n## {text}\n"));
    }

    fn head(&mut self) {
        let design = self.design;
        let events = design.catalog.latest().filter(|contract| contract.kind == Kind::Event).count();
        let commands = design.catalog.latest().count() - events;
        let system = &design.catalog.system;
        self.say(format!("# {}: the architecture\n", design.system));
        self.say(format!(
            "Read from {} by `factum design`: {}, {}, {}, {}, {}, {}; {}. Edit this page as you like: the same command, \
            run again, keeps what you wrote.",
            design.source,
            plural(system.services.len(), "service"),
            plural(events, "event"),
            plural(commands, "command"),
            plural(system.consumers.len(), "consumer"),
            plural(system.sagas.len(), "saga"),
            plural(system.projections.len(), "read model"),
            plural(design.questions.len(), "open question"),
        ));
        let overkill = design.fit.overkill.clone();
        if !overkill.is_empty() {
            self.say("\n> **Events may be more than this needs.**");
            overkill.iter().for_each(|why| self.say(format!("> - {why}")));
        }
    }

    fn facts(&mut self) {
        self.heading("Facts, commands and queries");
        let design = self.design;
        self.say("**Facts** have happened and cannot be refused; whoever wants to know reacts.\n");
        for contract in design.catalog.latest().filter(|contract| contract.kind == Kind::Event) {
            let summary = contract.summary.as_deref().unwrap_or("No summary yet.");
            self.say(format!("- `{}`: {}", contract.name, plain(summary)));
        }
        self.say("\n**Commands** are asked for, and may be refused; exactly one service carries each out.\n");
        let sent: Vec<&Contract> =
            design.catalog.latest().filter(|contract| contract.kind == Kind::Command).collect();
        for contract in &sent {
            let from: BTreeSet<&str> =
                self.flow.senders(&contract.name).map(|arrow| arrow.service.as_str()).collect();
            let from = if from.is_empty() { "nobody yet".to_owned() } else { list(from) };
            let by: BTreeSet<&str> =
                self.flow.takers(&contract.name).map(|arrow| arrow.service.as_str()).collect();
            let by = if by.is_empty() { self.open(contract, "carries out") } else { list(by) };
            self.say(format!("- `{}`, sent by {from}, carried out by: {by}", contract.name));
        }
        for (line, service, said, outcomes) in &design.requests {
            let events = outcomes.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            self.say(format!(
                "- {}, asked of {service} from outside (line {line}); then {events}",
                plain(said)
            ));
        }
        if sent.is_empty() && design.requests.is_empty() {
            self.say("- none is named");
        }
        self.say("\n**Queries** only look; they are answered from read models, never by events.\n");
        for (name, spec) in &design.catalog.system.projections {
            let on: Vec<String> = spec.on.iter().map(|event| format!("`{}`", event.value)).collect();
            self.say(format!("- `{name}` of {}, made of {}", spec.service.value, on.join(", ")));
        }
        if design.catalog.system.projections.is_empty() {
            self.say("- none is named");
        }
    }

    fn table(&mut self) {
        self.heading("Who says what to whom");
        self.say("| event | producer | topic | partition key | consumers | failure strategy |");
        self.say("|---|---|---|---|---|---|");
        let contracts: Vec<&Contract> = self.design.catalog.latest().collect();
        for contract in contracts {
            let senders: BTreeSet<&str> =
                self.flow.senders(&contract.name).map(|arrow| arrow.service.as_str()).collect();
            let producer =
                if senders.is_empty() { self.open(contract, "which service says") } else { list(senders) };
            let takers: Vec<&str> = self
                .flow
                .takers(&contract.name)
                .map(|arrow| arrow.part.name().unwrap_or(arrow.service.as_str()))
                .collect();
            let consumers = match takers.as_slice() {
                [] => self.open(contract, "react"),
                takers => takers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            };
            let failure = self.failure(&contract.name);
            let key = format!(
                "`{}`{}",
                contract.key.value,
                self.numbers(contract.name.as_str(), &["kept in order", "keeps related"])
            );
            self.say(format!(
                "| `{}` | {producer} | `{}` | {key} | {consumers} | {failure} |",
                contract.name, contract.topic.value
            ));
        }
    }

    /// What stands in a cell that nobody filled: its question.
    fn open(&self, contract: &Contract, word: &str) -> String {
        let numbers = self.numbers(contract.name.as_str(), &[word, "who reacts", "carries out"]);
        if numbers.is_empty() { "nobody".to_owned() } else { format!("open{numbers}") }
    }

    /// The numbers of questions about a name whose text holds a word.
    fn numbers(&self, name: &str, words: &[&str]) -> String {
        let is_meant = |question: &&Question| {
            question.about.iter().any(|about| about == name)
                && words.iter().any(|word| question.text.contains(word))
        };
        let numbers: Vec<String> = self
            .design
            .questions
            .iter()
            .filter(is_meant)
            .map(|question| format!("Q{}", question.number))
            .collect();
        if numbers.is_empty() { String::new() } else { format!(" ({})", numbers.join(", ")) }
    }

    fn failure(&self, event: &EventName) -> String {
        let system = &self.design.catalog.system;
        let mut said: Vec<String> = Vec::new();
        for (name, spec) in
            system.consumers.iter().filter(|(_, spec)| spec.on.iter().any(|on| on.value == *event))
        {
            let open = self.numbers(name.as_str(), &["dead letters", "attempts", "harmless"]);
            said.push(format!("{}{open}", strategy(spec)));
        }
        for (name, saga) in &system.sagas {
            if let Some(step) = saga.steps.iter().find(|step| step.on.value == *event) {
                let undone: Vec<String> =
                    step.compensate.iter().map(|name| format!("`{}`", name.value)).collect();
                let undone =
                    if undone.is_empty() { String::new() } else { format!(", then {}", undone.join(", ")) };
                said.push(format!(
                    "`{name}` tries again, and stands still as \"stuck\" for an operator{undone}"
                ));
            } else if saga.starts.value == *event {
                said.push(format!("`{name}` starts again with the next attempt"));
            }
        }
        if system.projections.values().any(|spec| spec.on.iter().any(|on| on.value == *event)) {
            said.push("read models stop and are rebuilt".to_owned());
        }
        said.dedup();
        if said.is_empty() { "nothing to fail".to_owned() } else { said.join("; ") }
    }

    fn order(&mut self) {
        self.heading("Order");
        let contracts: Vec<&Contract> = self.design.catalog.latest().collect();
        let mut by_key: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut free = Vec::new();
        let mut total = Vec::new();
        for contract in contracts {
            let name = format!("`{}`", contract.name);
            match contract.ordering {
                Ordering::PerKey => by_key.entry(contract.key.as_str()).or_default().push(name),
                Ordering::None => free.push(name),
                Ordering::Total => total.push(name),
            }
        }
        for (key, names) in by_key {
            let one = names.len() == 1;
            self.say(format!(
                "- Events with one value of `{key}` stay in order within a topic: {}{}.",
                names.join(", "),
                if one { "" } else { "; across topics, only through the store's log" }
            ));
        }
        if !total.is_empty() {
            self.say(format!(
                "- All of a topic stays in order, by one consumer at a time: {}.",
                total.join(", ")
            ));
        }
        if !free.is_empty() {
            self.say(format!("- Order does not matter: {}.", free.join(", ")));
        }
        self.say("- Between different keys order does not matter, and nothing may rely on it: two orders have nothing to wait for.");
        let views: Vec<String> =
            self.design.catalog.system.projections.keys().map(|name| format!("`{name}`")).collect();
        if !views.is_empty() {
            self.say(format!("- Read models see everything in the order of the log: {}.", views.join(", ")));
        }
    }

    fn coordination(&mut self) {
        let found = &self.design.coordination;
        let title = match found.style {
            Style::None => "Coordination: none".to_owned(),
            style => format!("Coordination: {}", style.as_str()),
        };
        self.heading(&title);
        self.say(format!("Chosen because {}.\n", found.why));
        self.say("| asked | found | speaks for |\n|---|---|---|");
        for criterion in &found.criteria {
            self.say(format!(
                "| {} | {} | {} |",
                criterion.asks,
                plain(&criterion.found),
                criterion.says.as_str()
            ));
        }
        for (name, saga) in &self.design.catalog.system.sagas {
            self.say(format!(
                "\nThe saga `{name}` runs in {}, starts with `{}`, and finds its instance by `{}`. Its state and timers commit with what it sends; \
                a compensation that fails is held as \"stuck\", never lost.",
                saga.service.value, saga.starts.value, saga.correlate.value
            ));
        }
    }

    fn carrier(&mut self) {
        self.heading("What carries the events");
        let advice = &self.design.advice;
        let sure = if advice.is_sure { "" } else { ", until the last open question is answered" };
        self.say(format!("**{}**{sure}.\n", advice.carrier.as_str()));
        advice.reasons.iter().for_each(|reason| self.say(format!("- {reason}")));
        self.say("\nAnother one when:\n");
        advice.unless.iter().for_each(|reason| self.say(format!("- {reason}")));
        self.say("\nContracts, handlers and tests stay the same with each of them.");
    }

    fn failures(&mut self) {
        self.heading("When something fails");
        self.say("| consumer | of | tries | made harmless twice by | dead letters | calls outside |\n|---|---|---|---|---|---|");
        for (name, spec) in &self.design.catalog.system.consumers {
            let policy = spec.retry_policy();
            let owner = match &spec.dead_letters.owner {
                Some(owner) => owner.value.clone(),
                None => format!("open{}", self.numbers(name.as_str(), &["dead letters"])),
            };
            let calls =
                if spec.calls.is_empty() { "nothing".to_owned() } else { plain(&spec.calls.join(", ")) };
            let harmless = format!("{}{}", idempotency(spec), self.numbers(name.as_str(), &["harmless"]));
            self.say(format!(
                "| `{name}` | {} | {} at once, {} in all | {harmless} | {owner} | {calls} |",
                spec.service.value, policy.immediate, policy.attempts
            ));
        }
        self.say("\nA failing event is parked with all of its key behind it; other keys go on. After its attempts it is a dead letter: \
            `factum dlq list` shows them by cause, `requeue` and `discard` are the two ways out. What breaks its contract is refused by name, and never tried again.");
    }

    fn replay(&mut self) {
        self.heading("Replay");
        for (name, spec) in &self.design.catalog.system.consumers {
            let says = spec.replay.map_or("effects-held", factum_contract::system::Replay::as_str);
            let why = if spec.calls.is_empty() {
                "its effects are in the store"
            } else {
                "it calls outside: a replay with `--effects` sends the same idempotency keys again"
            };
            self.say(format!(
                "- `{name}`: {says}{}; {why}.",
                if spec.replay.is_none() { " (the default)" } else { "" }
            ));
        }
        for name in self.design.catalog.system.projections.keys() {
            self.say(format!("- `{name}`: rebuilt beside the live tables as often as you like."));
        }
        self.say("- Look first: `factum replay --consumer NAME --from-position 1 --dry-run` says how much, and what is held back.");
    }

    fn observe(&mut self) {
        self.heading("What to watch");
        self.say("- **Lag and holes** of each consumer: `factum consumers`, and the same as metrics.");
        self.say(
            "- **Dead letters** by cause, with their owner: an alert on the first one, not on a number.",
        );
        let roots: Vec<String> = self
            .design
            .requests
            .iter()
            .flat_map(|(_, _, _, outcomes)| outcomes.iter().map(|name| format!("`{name}`")))
            .collect();
        let roots = if roots.is_empty() { "the first event".to_owned() } else { roots.join(", ") };
        self.say(format!("- **One business transaction** is one correlation, from {roots} on: `factum trace ID` shows what caused what, with times."));
        for name in self.design.catalog.system.sagas.keys() {
            self.say(format!("- **Instances of `{name}`** by state, the oldest first, and every compensation that is stuck."));
        }
    }

    fn direct(&mut self) {
        if self.design.fit.direct.is_empty() {
            return;
        }
        self.heading("What stays a direct call");
        self.say("Somebody waits for the answer of these. An event has no answer, so they are calls (HTTP, gRPC), or are answered from a read model that events keep up to date:\n");
        for said in &self.design.fit.direct {
            self.say(format!("- line {}: {}", said.line, plain(&said.text)));
        }
    }

    fn drawings(&mut self) {
        self.heading("Drawings");
        let catalog = &self.design.catalog;
        self.drawing("Context map", &mermaid::context_map(catalog));
        self.drawing("Flow of events", &mermaid::event_flow(catalog));
        for name in catalog.system.sagas.keys() {
            if let Some(text) = mermaid::saga(catalog, name) {
                self.drawing(&format!("Sequence of `{name}`"), &text);
            }
        }
        if let Some(text) = sequence::draw(catalog) {
            self.drawing("Sequence of the whole", &text);
        }
    }

    fn drawing(&mut self, title: &str, text: &str) {
        self.say(format!("### {title}\n\n```mermaid\n{}\n```\n", text.trim_end()));
    }

    fn questions(&mut self) {
        self.heading("Open questions");
        if self.design.questions.is_empty() {
            self.say("None.");
        }
        for question in &self.design.questions {
            let end = if question.text.ends_with(['?', ')', '.']) { "" } else { "." };
            let text = plain(&capital(&question.text));
            self.say(format!("{}. {text}{end} To answer: {}.", question.number, question.answer));
        }
    }

    fn unread(&mut self) {
        let storm = &self.design.storm;
        let notes: Vec<(usize, &String)> =
            storm.rules.iter().flat_map(|rule| rule.notes.iter().map(|note| (rule.line, note))).collect();
        if storm.unread.is_empty() && notes.is_empty() && self.design.notes.is_empty() {
            return;
        }
        self.heading("What was not understood");
        for unread in &storm.unread {
            self.say(format!("- line {}: {} ({})", unread.line, plain(&unread.text), plain(&unread.reason)));
        }
        for (line, note) in notes {
            self.say(format!("- line {line}, kept as a remark: {}", plain(note)));
        }
        for note in &self.design.notes {
            self.say(format!("- {}", plain(note)));
        }
    }
}

/// What becomes of an event that a consumer cannot handle, in a line.
fn strategy(spec: &ConsumerSpec) -> String {
    let policy = spec.retry_policy();
    let owner =
        spec.dead_letters.owner.as_ref().map(|owner| format!(" of {}", owner.value)).unwrap_or_default();
    let after = match policy.on_dead {
        OnDead::Hold => "its key waits",
        OnDead::Skip => "its key goes on",
    };
    format!("{} attempts, then a dead letter{owner}; {after}", policy.attempts)
}

fn idempotency(spec: &ConsumerSpec) -> String {
    match &spec.idempotency {
        None => "nothing said".to_owned(),
        Some(Idempotency::EventId { .. }) => "the event's id".to_owned(),
        Some(Idempotency::Field { by, .. }) => format!("`{}`", by.value),
        Some(Idempotency::Natural { why }) => plain(why),
    }
}

/// People's words inside a table or a list: nothing in them is markup.
fn plain(text: &str) -> String {
    let one_line: Vec<&str> = text.split_whitespace().collect();
    one_line.join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn capital(text: &str) -> String {
    // A name keeps its first letter.
    let first = text.split_whitespace().next().unwrap_or_default();
    if first.contains('.') {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
