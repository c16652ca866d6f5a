//! Who sends what, and who takes it: the arrows of a system, found in one place.
//!
//! Tables, documents and drawings all ask here, so that none of them counts a sender that another forgets.
//! Says only what the catalog declares; nothing is inferred from names.

use std::collections::BTreeSet;

use factum_core::{ConsumerName, EventName};

use crate::catalog::Catalog;
use crate::system::SagaStep;
use crate::words::{ProjectionName, SagaName, ServiceName};

/// The part of a service that sends or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part<'c> {
    /// The service by itself.
    Service,
    /// One of its consumers.
    Consumer(&'c ConsumerName),
    /// One of its sagas.
    Saga(&'c SagaName),
    /// One of its projections.
    Projection(&'c ProjectionName),
}

impl<'c> Part<'c> {
    /// "service", "consumer", "saga" or "projection".
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Consumer(_) => "consumer",
            Self::Saga(_) => "saga",
            Self::Projection(_) => "projection",
        }
    }

    /// Its own name; none for the service by itself.
    #[must_use]
    pub fn name(self) -> Option<&'c str> {
        match self {
            Self::Service => None,
            Self::Consumer(name) => Some(name.as_str()),
            Self::Saga(name) => Some(name.as_str()),
            Self::Projection(name) => Some(name.as_str()),
        }
    }
}

/// One arrow: a part of a service, and an event or command that it sends or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arrow<'c> {
    /// The service.
    pub service: &'c ServiceName,
    /// Its part.
    pub part: Part<'c>,
    /// The event or command.
    pub event: &'c EventName,
}

/// Why one event may follow another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause<'c> {
    /// What is taken.
    pub from: &'c EventName,
    /// What is sent because of it.
    pub to: &'c EventName,
    /// The part that takes the one and may send the other.
    pub part: Part<'c>,
}

/// All arrows of a catalog, each once, in the order of services, parts and names.
#[derive(Debug, Clone, Default)]
pub struct Flow<'c> {
    /// What is sent.
    pub sends: BTreeSet<Arrow<'c>>,
    /// What is taken.
    pub takes: BTreeSet<Arrow<'c>>,
    /// What may follow what.
    pub causes: BTreeSet<Cause<'c>>,
}

impl<'c> Flow<'c> {
    /// The arrows of a catalog.
    #[must_use]
    pub fn of(catalog: &'c Catalog) -> Self {
        let mut flow = Self::default();
        let system = &catalog.system;
        for (service, spec) in &system.services {
            flow.sends.extend(spec.emits.iter().map(|event| arrow(service, Part::Service, event)));
        }
        for (name, spec) in &system.consumers {
            let (service, part) = (&spec.service.value, Part::Consumer(name));
            flow.takes.extend(spec.on.iter().map(|event| arrow(service, part, event)));
            flow.sends.extend(spec.emits.iter().map(|event| arrow(service, part, event)));
            for from in &spec.on {
                flow.causes.extend(spec.emits.iter().map(|to| Cause { from, to, part }));
            }
        }
        for (name, spec) in &system.sagas {
            let (service, part) = (&spec.service.value, Part::Saga(name));
            let taken = std::iter::once(&spec.starts).chain(spec.steps.iter().map(|step| &step.on));
            flow.takes.extend(taken.map(|event| arrow(service, part, event)));
            for step in &spec.steps {
                flow.sends.extend(sent_by(step).map(|event| arrow(service, part, event)));
                let then = step.then.iter().chain(&step.compensate);
                flow.causes.extend(then.map(|to| Cause { from: &step.on, to, part }));
                // A wait that is over has no event of its own: what began it is the start.
                flow.causes.extend(step.otherwise.iter().map(|to| Cause { from: &spec.starts, to, part }));
            }
        }
        for (name, spec) in &system.projections {
            let (service, part) = (&spec.service.value, Part::Projection(name));
            flow.takes.extend(spec.on.iter().map(|event| arrow(service, part, event)));
        }
        flow
    }

    /// Who sends an event or command.
    pub fn senders<'f>(&'f self, event: &'f EventName) -> impl Iterator<Item = &'f Arrow<'c>> {
        self.sends.iter().filter(move |arrow| arrow.event == event)
    }

    /// Who takes an event or command.
    pub fn takers<'f>(&'f self, event: &'f EventName) -> impl Iterator<Item = &'f Arrow<'c>> {
        self.takes.iter().filter(move |arrow| arrow.event == event)
    }
}

/// What a step of a saga may send.
pub(crate) fn sent_by(step: &SagaStep) -> impl Iterator<Item = &EventName> {
    let sent = step.then.iter().chain(&step.otherwise).chain(&step.compensate);
    sent.map(|event| &event.value)
}

fn arrow<'c>(service: &'c ServiceName, part: Part<'c>, event: &'c EventName) -> Arrow<'c> {
    Arrow { service, part, event }
}
