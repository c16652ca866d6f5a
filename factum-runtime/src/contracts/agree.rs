//! Whether the code of an app and its catalog say the same: looked at before anything runs.
//!
//! Every disagreement is told in one go, each with its place in the catalog and in the code. Nothing is guessed: what
//! one side says and the other does not is wrong on one of them, and only people know on which.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use factum_contract::nearest;
use factum_contract::system::{ConsumerSpec, Idempotency, Pin};
use factum_contract::upcast::Step;
use factum_contract::words::{Placed, ServiceName};
use factum_contract::{Catalog, Contracts, Span, System};
use factum_core::{
    ConsumerName, Event as _, EventName, EventType, Gate, SagaSignalled, SubjectForgotten, Topic,
};

use crate::consumer::{Consumer, LANES_MAX};
use crate::erase;
use crate::inbox::InboxDeclared;
use crate::projection::Declared;
use crate::relay::RelayNamed;
use crate::saga;

/// Code and catalog that disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Disagreements {
    /// Each, in the order of the app.
    pub found: Vec<Disagreement>,
}

/// One thing on which code and catalog disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// What it is.
    pub what: String,
    /// Where the catalog says it: file, line and column.
    pub in_catalog: Option<String>,
    /// Where the code says it: file, line and column.
    pub in_code: Option<String>,
    /// What to change.
    pub hint: String,
}

impl fmt::Display for Disagreements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found.len() {
            1 => f.write_str("code and catalog disagree")?,
            many => write!(f, "code and catalog disagree in {many} things")?,
        }
        self.found.iter().try_for_each(|one| write!(f, "\n\n{one}"))
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(place) = &self.in_catalog {
            write!(f, "\n  catalog: {place}")?;
        }
        if let Some(place) = &self.in_code {
            write!(f, "\n  code: {place}")?;
        }
        write!(f, "\n  hint: {}", self.hint)
    }
}

/// What an app says of itself, beside its consumers.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// The services that it runs.
    pub(crate) services: Vec<(ServiceName, &'static Location<'static>)>,
    /// Whether it runs only a part of them.
    pub(crate) is_partial: bool,
}

/// The parts of an app that a catalog may describe.
pub(crate) struct Parts<'a> {
    pub(crate) claims: &'a Claims,
    pub(crate) consumers: Vec<&'a Consumer>,
    pub(crate) inboxes: &'a [InboxDeclared],
    pub(crate) projections: &'a [Declared],
    pub(crate) relays: &'a [RelayNamed],
    pub(crate) sagas: &'a [saga::Declared],
    /// Projections that the store applies inline.
    pub(crate) inline: Vec<String>,
}

/// Compares an app with the catalog of its store.
pub(crate) fn check(contracts: &Contracts, parts: &Parts<'_>) -> Result<(), Disagreements> {
    let mut check = Check { contracts, catalog: contracts.catalog(), found: Vec::new() };
    for consumer in parts.all_consumers() {
        check.handlers(consumer);
        check.consumer(consumer, parts);
    }
    for inbox in parts.inboxes {
        check.inbox(inbox);
    }
    for projection in parts.projections {
        check.projection(projection, parts);
    }
    parts.relays.iter().for_each(|relay| check.relay(relay));
    parts.sagas.iter().for_each(|saga| check.saga(saga, parts));
    check.services(parts);
    check.upcasts();
    if check.found.is_empty() { Ok(()) } else { Err(Disagreements { found: check.found }) }
}

impl<'a> Parts<'a> {
    fn all_consumers(&self) -> impl Iterator<Item = &'a Consumer> {
        let inboxes = self.inboxes.iter().map(|inbox| &inbox.consumer);
        self.consumers.iter().copied().chain(inboxes)
    }

    fn has_consumer(&self, name: &ConsumerName) -> bool {
        self.all_consumers().any(|consumer| consumer.name() == name)
    }

    fn has_projection(&self, name: &str) -> bool {
        self.projections.iter().any(|projection| projection.name.as_str() == name)
            || self.inline.iter().any(|inline| inline == name)
    }

    /// The services whose consumers and projections must all be here.
    fn whole_services(&self, system: &System) -> Vec<ServiceName> {
        if self.claims.is_partial {
            return Vec::new();
        }
        if !self.claims.services.is_empty() {
            return self.claims.services.iter().map(|(name, _)| name.clone()).collect();
        }
        let consumers = system.consumers.iter().filter(|(name, _)| self.has_consumer(name));
        let projections = system.projections.iter().filter(|(name, _)| self.has_projection(name.as_str()));
        let mut services: Vec<ServiceName> = consumers
            .map(|(_, spec)| spec.service.value.clone())
            .chain(projections.map(|(_, spec)| spec.service.value.clone()))
            .collect();
        services.sort();
        services.dedup();
        services
    }
}

mod sagas;

struct Check<'a> {
    contracts: &'a Contracts,
    catalog: &'a Catalog,
    found: Vec<Disagreement>,
}

impl Check<'_> {
    fn say(
        &mut self,
        what: String,
        span: Option<Span>,
        code: Option<&'static Location<'static>>,
        hint: impl Into<String>,
    ) {
        let in_catalog = span.map(|span| self.catalog.place(span));
        let in_code = code.map(ToString::to_string);
        self.found.push(Disagreement { what, in_catalog, in_code, hint: hint.into() });
    }

    /// What a consumer handles is in the catalog, as the code knows it.
    fn handlers(&mut self, consumer: &Consumer) {
        for (known, at) in consumer.handled() {
            self.event(&format!("consumer {}", consumer.name()), known, Some(at));
        }
    }

    fn event(&mut self, who: &str, known: &EventType, at: Option<&'static Location<'static>>) {
        if erase::is_forgotten(known) || known.name == SagaSignalled::TYPE.name {
            // Factum's own: it needs no contract.
            return;
        }
        let name = known.name.as_str();
        let Some(newest) = self.catalog.versions(name).next_back() else {
            let names = self.catalog.names().map(EventName::as_str);
            let hint =
                nearest::suggest(name, names).unwrap_or_else(|| "describe it in a contract".to_owned());
            return self.say(format!("{who} handles {known}, which no contract describes"), None, at, hint);
        };
        let Some(contract) = self.catalog.contract(name, known.version) else {
            let what = format!("{who} handles {known}, and the catalog has no such version");
            let hint = "generate the code again from these contracts";
            return self.say(what, Some(newest.span), at, hint);
        };
        if contract.event_type() != *known {
            let what =
                format!("{who} knows {known} as {known:?}, the catalog as {:?}", contract.event_type());
            return self.say(what, Some(contract.span), at, "generate the code again from these contracts");
        }
        let unreadable = self.catalog.versions(name).find(|newer| {
            newer.version > known.version && !self.contracts.can_read(&newer.event_type(), known)
        });
        if let Some(newer) = unreadable {
            let (label, span) = (newer.label(), newer.span);
            let what = format!("{who} handles {known}, which need not be able to read {label}");
            self.say(what, Some(span), at, format!("handle {label}: older events are brought up to it"));
        }
    }

    /// A consumer and its entry in the catalog.
    fn consumer(&mut self, consumer: &Consumer, parts: &Parts<'_>) {
        let system = &self.catalog.system;
        let name = consumer.name();
        let at = consumer.place_in_code();
        let Some(spec) = system.consumers.get(name) else {
            // A catalog that lists no consumers leaves them to the code.
            let is_listed = !system.consumers.is_empty() || !parts.claims.services.is_empty();
            if consumer.is_declared && is_listed {
                let names = system.consumers.keys().map(ConsumerName::as_str);
                let near = nearest::suggest(name.as_str(), names).unwrap_or_default();
                let hint = format!(
                    "add it under `consumers:`, or say `.undeclared()` of a consumer that is no part of the system; {near}"
                );
                self.say(
                    format!("consumer {name} is not in the catalog"),
                    None,
                    Some(at),
                    hint.trim_end_matches("; "),
                );
            }
            return;
        };
        self.owner(&format!("consumer {name}"), &spec.service, spec.span, Some(at), parts);
        if consumer.takes_everything() {
            return self.settings(consumer, spec);
        }
        // What no contract describes has been told already.
        let is_described = |known: &EventType| self.catalog.versions(known.name.as_str()).next().is_some();
        let handled = consumer.handled().filter(|(known, _)| is_described(known));
        let handled: Vec<_> = handled.map(|(known, at)| (known.name.clone(), at)).collect();
        self.sets(&format!("consumer {name}"), &spec.on, spec.span, &handled, at);
        self.pins(&format!("consumer {name}"), &spec.pinned, &consumer.handled().collect::<Vec<_>>());
        self.settings(consumer, spec);
    }

    /// What is handled is what the catalog says is handled.
    fn sets(
        &mut self,
        who: &str,
        on: &[Placed<EventName>],
        span: Span,
        handled: &[(EventName, &'static Location<'static>)],
        at: &'static Location<'static>,
    ) {
        for (event, at) in handled.iter().filter(|(event, _)| on.iter().all(|listed| listed.value != *event))
        {
            let span = on.first().map_or(span, |first| first.span);
            let what = format!("{who} handles {event}, which its `on` does not list");
            self.say(what, Some(span), Some(at), format!("add {event} to its `on`, or remove the handler"));
        }
        let is_own = |name: &EventName| *name == SubjectForgotten::TYPE.name;
        for listed in on.iter().filter(|listed| {
            !is_own(&listed.value) && handled.iter().all(|(event, _)| *event != listed.value)
        }) {
            let what = format!("{who} is to handle {}, and has no handler for it", listed.value);
            let hint = format!("handle it, or remove {} from its `on`", listed.value);
            self.say(what, Some(listed.span), Some(at), hint);
        }
    }

    /// Versions that the catalog says it was written for are those that the code knows.
    fn pins(
        &mut self,
        who: &str,
        pinned: &[Placed<Pin>],
        handled: &[(&EventType, &'static Location<'static>)],
    ) {
        for (known, at) in handled {
            let mut pins = pinned.iter().filter(|pin| pin.name == known.name).peekable();
            let Some(first) = pins.peek().map(|pin| pin.span) else { continue };
            if pins.all(|pin| pin.version != known.version) {
                let what = format!("{who} handles {known}, and its `on` names another version");
                let hint =
                    format!("write {}@{}, or handle the version that is named", known.name, known.version);
                self.say(what, Some(first), Some(at), hint);
            }
        }
    }

    fn owner(
        &mut self,
        who: &str,
        service: &Placed<ServiceName>,
        span: Span,
        at: Option<&'static Location<'static>>,
        parts: &Parts<'_>,
    ) {
        let claimed = &parts.claims.services;
        if !claimed.is_empty() && claimed.iter().all(|(name, _)| *name != service.value) {
            let what = format!("{who} is of service {}, which this app does not say it runs", service.value);
            self.say(what, Some(span), at, format!("say `.service(\"{}\")` of the app", service.value));
        }
    }

    /// Numbers of the catalog, and of the code, that cannot be kept.
    fn settings(&mut self, consumer: &Consumer, spec: &ConsumerSpec) {
        let (name, at) = (consumer.name(), consumer.place_in_code());
        if let Some(lanes) = spec.lanes.filter(|lanes| *lanes as usize > LANES_MAX) {
            let what =
                format!("consumer {name} is to have {lanes} lanes, more than the {LANES_MAX} slots it has");
            self.say(what, Some(spec.span), Some(at), format!("1 to {LANES_MAX}"));
        }
        if let Some(Idempotency::Field { by, .. }) = &spec.idempotency {
            for event in &spec.on {
                let newest = self.catalog.versions(event.as_str()).next_back();
                if newest.is_some_and(|contract| contract.payload.field(by).is_none()) {
                    let what = format!(
                        "consumer {name} knows events by `{}`, which {} does not have",
                        by.value, event.value
                    );
                    self.say(what, Some(by.span), Some(at), "name a field that all events of its `on` have");
                }
            }
        }
        let Some(once) = &consumer.once else { return };
        let longest = consumer.policy.longest();
        if once.window < longest {
            let what = format!(
                "consumer {name} may try an event again for {}, and remembers its `{}` for {} only",
                Spoken(longest),
                once.field,
                Spoken(once.window)
            );
            let hint =
                "a longer `window`, or fewer or shorter retries: else one event's effects can come twice";
            self.say(what, Some(spec.span), Some(at), hint);
        }
    }

    /// A consumer of a broker hears the topics of what it handles, and remembers longer than they keep.
    fn inbox(&mut self, inbox: &InboxDeclared) {
        let (consumer, source) = (&inbox.consumer, &inbox.source);
        let (name, at) = (consumer.name(), consumer.place_in_code());
        let missed: Vec<(EventType, _)> = consumer
            .handled()
            .filter(|(known, _)| !source.topics.is_empty() && !source.topics.contains(&known.topic))
            .map(|(known, at)| (known.clone(), at))
            .collect();
        for (known, at) in missed {
            let span =
                self.catalog.contract(known.name.as_str(), known.version).map(|contract| contract.topic.span);
            let what =
                format!("consumer {name} handles {known}, and does not listen to its topic {}", known.topic);
            self.say(what, span, Some(at), format!("add {} to its topics", known.topic));
        }
        let topics = source.topics_of(consumer);
        let kept = |topic: &Topic| {
            let system = &self.catalog.system;
            let at = system.topics.get(topic).map(|spec| spec.span);
            Some((topic.clone(), system.retention(topic)?, at))
        };
        let longest = topics.iter().filter_map(kept).max_by_key(|(_, retention, _)| *retention);
        if let Some((topic, retention, span)) =
            longest.filter(|(_, retention, _)| *retention > inbox.window())
        {
            let what = format!(
                "topic {topic} keeps events for {}, and consumer {name} remembers what it handled for {} only",
                Spoken(retention),
                Spoken(inbox.window())
            );
            let hint = "a `window` as long as the topic's `retention`, or `replay: effects-held`: else a replay of the topic repeats effects";
            self.say(what, span, Some(at), hint);
        }
    }

    /// A relay publishes to topics that the catalog has: on another one nobody listens, and no event names it.
    fn relay(&mut self, relay: &RelayNamed) {
        let contracts = self.catalog.contracts().map(|contract| (&contract.topic.value, contract.topic.span));
        let listed = self.catalog.system.topics.iter().map(|(topic, spec)| (topic, spec.span));
        let known: BTreeMap<&Topic, Span> = contracts.chain(listed).collect();
        for (topic, at) in relay.topics.iter().filter(|(topic, _)| !known.contains_key(topic)) {
            let names = || known.keys().map(|topic| topic.as_str());
            let near = nearest::nearest(topic.as_str(), names());
            let is_meant = |(listed, _): &(&&Topic, &Span)| near.is_none_or(|near| listed.as_str() == near);
            let span = known.iter().find(is_meant).map(|(_, span)| *span);
            let hint = nearest::suggest(topic.as_str(), names())
                .unwrap_or_else(|| format!("name {topic} as the `topic` of a contract"));
            let what =
                format!("relay {} publishes to topic {topic}, which the catalog does not have", relay.name);
            self.say(what, span, Some(at), hint);
        }
    }

    fn projection(&mut self, projection: &Declared, parts: &Parts<'_>) {
        let system = &self.catalog.system;
        let (name, at) = (&projection.name, projection.at);
        let who = format!("projection {name}");
        for known in &projection.types {
            self.event(&who, known, Some(at));
        }
        let Some((_, spec)) = system.projections.iter().find(|(listed, _)| listed.as_str() == name.as_str())
        else {
            if !system.projections.is_empty() || !parts.claims.services.is_empty() {
                let names = system.projections.keys().map(factum_contract::words::ProjectionName::as_str);
                let near = nearest::suggest(name.as_str(), names).unwrap_or_default();
                let hint = format!("add it under `projections:`; {near}");
                self.say(format!("{who} is not in the catalog"), None, Some(at), hint.trim_end_matches("; "));
            }
            return;
        };
        self.owner(&who, &spec.service, spec.span, Some(at), parts);
        let handled = projection.types.iter().filter(|known| !erase::is_forgotten(known));
        let handled: Vec<_> = handled.map(|known| (known.name.clone(), at)).collect();
        self.pins(&who, &spec.pinned, &projection.types.iter().map(|known| (known, at)).collect::<Vec<_>>());
        self.sets(&who, &spec.on, spec.span, &handled, at);
    }

    /// From every version of the catalog a way leads to the newest one.
    fn upcasts(&mut self) {
        for name in self.contracts.missing_upcasters() {
            let uses = |step: &&Placed<Step>| matches!(&step.value, Step::Code(code) if *code == name);
            let using = self
                .catalog
                .contracts()
                .find_map(|contract| Some((contract.label(), contract.upcast.iter().find(uses)?.span)));
            let Some((label, span)) = using else { continue };
            let what = format!("{label} is read through the code `{name}`, which nobody has registered");
            let hint = format!("open the store with `Contracts::try_from(CATALOG)?.upcaster(\"{name}\", …)`");
            self.say(what, Some(span), None, hint);
        }
        if !self.found.is_empty() {
            return;
        }
        for fault in self.contracts.upcast_faults() {
            let hint = fault.hint.unwrap_or_else(|| "mend the step, or the code behind it".to_owned());
            self.say(fault.message, Some(fault.span), None, hint);
        }
    }

    /// Everything that the catalog says of the services that run here is here.
    fn services(&mut self, parts: &Parts<'_>) {
        let system = &self.catalog.system;
        for (name, at) in &parts.claims.services {
            if !system.services.contains_key(name) {
                let known = system.services.keys().map(ServiceName::as_str);
                let hint = nearest::suggest(name.as_str(), known).unwrap_or_default();
                self.say(format!("there is no service {name} in the catalog"), None, Some(at), hint);
            }
        }
        let whole = parts.whole_services(system);
        let hint = "declare it, or say `.partial()` of an app that runs a part of its services";
        for (name, spec) in &system.consumers {
            if whole.contains(&spec.service.value) && !parts.has_consumer(name) {
                let what =
                    format!("the app runs service {}, and not its consumer {name}", spec.service.value);
                self.say(what, Some(spec.span), None, hint);
            }
        }
        for (name, spec) in &system.sagas {
            let runs = parts.sagas.iter().any(|saga| saga.name.as_str() == name.as_str());
            if whole.contains(&spec.service.value) && !runs {
                let what = format!("the app runs service {}, and not its saga {name}", spec.service.value);
                self.say(what, Some(spec.correlate.span), None, hint);
            }
        }
        for (name, spec) in &system.projections {
            if whole.contains(&spec.service.value) && !parts.has_projection(name.as_str()) {
                let what =
                    format!("the app runs service {}, and not its projection {name}", spec.service.value);
                self.say(what, Some(spec.span), None, hint);
            }
        }
    }
}

/// A duration as catalogs write it: `7d`, `1h30m`.
struct Spoken(Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let parts = [
            (seconds / 86400, "d"),
            (seconds / 3600 % 24, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
        ];
        let text: String = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| format!("{count}{unit}"))
            .collect();
        f.write_str(if text.is_empty() { "less than 1s" } else { &text })
    }
}
