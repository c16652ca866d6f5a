//! Names that point elsewhere must point at something.

use factum_core::closing::is_turn;
use factum_core::{Event as _, EventName, Kind, SubjectForgotten};

use crate::catalog::Catalog;
use crate::finding::Findings;
use crate::words::{Placed, ServiceName, TeamName};

pub(crate) fn check(catalog: &Catalog, findings: &mut Findings<'_>) {
    let links = Links { catalog };
    links.contracts(findings);
    links.services(findings);
    links.consumers(findings);
    links.sagas(findings);
    links.projections(findings);
    links.pinned(findings);
}

struct Links<'c> {
    catalog: &'c Catalog,
}

impl Links<'_> {
    fn contracts(&self, findings: &mut Findings<'_>) {
        for contract in self.catalog.contracts() {
            self.service(&contract.owner, findings);
            if let Some(name) = &contract.lifecycle.replaced_by {
                self.contract(name, None, findings);
            }
        }
    }

    fn services(&self, findings: &mut Findings<'_>) {
        let system = &self.catalog.system;
        for service in system.services.values() {
            if let Some(team) = &service.team {
                self.team(team, findings);
            }
            for name in &service.emits {
                self.contract(name, None, findings);
            }
        }
        for topic in system.topics.values() {
            if let Some(owner) = &topic.owner {
                self.service(owner, findings);
            }
        }
    }

    fn consumers(&self, findings: &mut Findings<'_>) {
        let system = &self.catalog.system;
        for consumer in system.consumers.values() {
            self.service(&consumer.service, findings);
            for name in consumer.on.iter().chain(&consumer.emits) {
                self.contract(name, None, findings);
            }
            let Some(owner) = &consumer.dead_letters.owner else { continue };
            let (services, teams) = (&system.services, &system.teams);
            if !services.contains_key(owner.as_str()) && !teams.contains_key(owner.as_str()) {
                let known =
                    services.keys().map(ServiceName::as_str).chain(teams.keys().map(TeamName::as_str));
                let message = format!("there is no service or team `{}`", owner.value);
                findings.unknown("unknown-owner", owner.span, message, owner, known);
            }
        }
    }

    fn sagas(&self, findings: &mut Findings<'_>) {
        for saga in self.catalog.system.sagas.values() {
            self.service(&saga.service, findings);
            self.contract(&saga.starts, Some(Kind::Event), findings);
            let field = saga.correlate.as_str();
            for name in std::iter::once(&saga.starts).chain(saga.steps.iter().map(|step| &step.on)) {
                let newest = self.catalog.versions(name.as_str()).next_back();
                if newest.is_some_and(|contract| contract.payload.field(field).is_none()) {
                    let message = format!("{} has no field `{field}` to correlate by", name.value);
                    findings.error("unknown-field", saga.correlate.span, message);
                }
            }
            for step in &saga.steps {
                self.contract(&step.on, Some(Kind::Event), findings);
                for name in step.then.iter().chain(&step.otherwise).chain(&step.compensate) {
                    self.contract(name, None, findings);
                }
            }
        }
    }

    fn projections(&self, findings: &mut Findings<'_>) {
        for projection in self.catalog.system.projections.values() {
            self.service(&projection.service, findings);
            for name in &projection.on {
                self.contract(name, Some(Kind::Event), findings);
            }
        }
    }

    /// A version that a reader names is there.
    fn pinned(&self, findings: &mut Findings<'_>) {
        let system = &self.catalog.system;
        let pins = system.consumers.values().flat_map(|consumer| &consumer.pinned);
        let pins = pins.chain(system.sagas.values().flat_map(|saga| &saga.pinned));
        for pin in pins.chain(system.projections.values().flat_map(|projection| &projection.pinned)) {
            let versions: Vec<_> = self.catalog.versions(pin.name.as_str()).collect();
            if versions.is_empty() || versions.iter().any(|contract| contract.version == pin.version) {
                continue;
            }
            let known: Vec<String> =
                versions.iter().map(|contract| format!("{}@{}", pin.name, contract.version)).collect();
            let message = format!("there is no version {} of `{}`", pin.version, pin.name);
            findings.error_with_hint(
                "unknown-version",
                pin.span,
                message,
                format!("known: {}", known.join(", ")),
            );
        }
    }

    fn service(&self, name: &Placed<ServiceName>, findings: &mut Findings<'_>) {
        let services = &self.catalog.system.services;
        if !services.contains_key(&name.value) {
            let message = format!("there is no service `{}` in the system file", name.value);
            let known = services.keys().map(ServiceName::as_str);
            findings.unknown("unknown-service", name.span, message, name.as_str(), known);
        }
    }

    fn team(&self, name: &Placed<TeamName>, findings: &mut Findings<'_>) {
        let teams = &self.catalog.system.teams;
        if !teams.contains_key(&name.value) {
            let message = format!("there is no team `{}` in the system file", name.value);
            let known = teams.keys().map(TeamName::as_str);
            findings.unknown("unknown-team", name.span, message, name.as_str(), known);
        }
    }

    fn contract(&self, name: &Placed<EventName>, kind: Option<Kind>, findings: &mut Findings<'_>) {
        let Some(contract) = self.catalog.versions(name.as_str()).next_back() else {
            if name.value == SubjectForgotten::TYPE.name || is_turn(&name.value) {
                return;
            }
            let message = format!("there is no contract `{}`", name.value);
            let known = self.catalog.names().map(EventName::as_str);
            findings.unknown("unknown-contract", name.span, message, name.as_str(), known);
            return;
        };
        if kind.is_some_and(|kind| kind != contract.kind) {
            let message = format!("`{}` is a command; an event is expected here", name.value);
            findings.error("kind", name.span, message);
        }
    }
}
