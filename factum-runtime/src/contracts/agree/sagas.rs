//! A saga and its entry in the catalog: what it starts with, what it waits for, and by what it knows its instances.

use factum_contract::nearest;
use factum_contract::schema::Role;
use factum_contract::words::SagaName;

use super::{Check, Parts};
use crate::saga::Declared;

impl Check<'_> {
    pub(super) fn saga(&mut self, saga: &Declared, parts: &Parts<'_>) {
        let system = &self.catalog.system;
        let (name, at, field) = (&saga.name, saga.at, saga.newest().correlate());
        let who = format!("saga {name}");
        for known in saga.types() {
            let contract = self.catalog.contract(known.name.as_str(), known.version);
            let Some(contract) = contract else { continue };
            let is_marked =
                contract.payload.field(field).is_some_and(|found| found.schema.role == Role::Identifier);
            if !is_marked {
                let what =
                    format!("{who} knows its instances by {field}, which {known} does not mark `identifier`");
                let hint = format!("give {field} `role: identifier` in {}", contract.label());
                self.say(what, Some(contract.span), Some(at), hint);
            }
        }
        let Some((_, spec)) = system.sagas.iter().find(|(listed, _)| listed.as_str() == name.as_str()) else {
            if !system.sagas.is_empty() || !parts.claims.services.is_empty() {
                let near = nearest::suggest(name.as_str(), system.sagas.keys().map(SagaName::as_str));
                let hint = format!("add it under `sagas:`; {}", near.unwrap_or_default());
                self.say(format!("{who} is not in the catalog"), None, Some(at), hint.trim_end_matches("; "));
            }
            return;
        };
        self.owner(&who, &spec.service, spec.service.span, Some(at), parts);
        if spec.correlate.value != field {
            let what =
                format!("{who} is correlated by {}, and the code knows it by {field}", spec.correlate.value);
            self.say(what, Some(spec.correlate.span), Some(at), "let both name the same field");
        }
        let types = saga.types();
        for listed in std::iter::once(&spec.starts).chain(spec.steps.iter().map(|step| &step.on)) {
            if types.iter().all(|known| known.name != listed.value) {
                let what = format!("{who} is to follow {}, and its `Input` does not have it", listed.value);
                let hint = format!("add it to the `Input`, or remove {} from the catalog", listed.value);
                self.say(what, Some(listed.span), Some(at), hint);
            }
        }
    }
}
