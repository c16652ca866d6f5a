//! The sequence of a saga: what it waits for, what it sends, what happens when the wait is over.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use factum_core::EventName;

use crate::catalog::Catalog;
use crate::flow::Flow;
use crate::generate::duration;
use crate::system::{SagaSpec, SagaStep};
use crate::words::{Placed, SagaName, ServiceName};

use super::text::{Ids, label};

pub(super) fn draw(catalog: &Catalog, name: &SagaName, saga: &SagaSpec) -> String {
    let mut drawing = Drawing {
        flow: Flow::of(catalog),
        ids: Ids::default(),
        me: String::new(),
        lines: String::new(),
        others: Vec::new(),
    };
    drawing.me = drawing.ids.of('g', name.as_str());
    drawing.comes(&saga.starts);
    for step in &saga.steps {
        drawing.step(step);
    }
    // Writing to a String cannot fail, here and below.
    let mut out = "sequenceDiagram\n".to_owned();
    let _ = writeln!(out, "  participant {} as {}", drawing.me, label(name.as_str()));
    for (id, service) in &drawing.others {
        let _ = writeln!(out, "  participant {id} as {}", label(service));
    }
    out.push_str(&drawing.lines);
    out
}

struct Drawing<'c> {
    flow: Flow<'c>,
    ids: Ids,
    me: String,
    lines: String,
    others: Vec<(String, String)>,
}

impl Drawing<'_> {
    fn step(&mut self, step: &SagaStep) {
        let Some(within) = step.within else {
            self.comes(&step.on);
            self.sends(&step.then, "");
            self.sends(&step.compensate, " (undoes)");
            return;
        };
        let within = duration(within);
        let _ = writeln!(self.lines, "  alt within {within}");
        self.comes(&step.on);
        self.sends(&step.then, "");
        self.sends(&step.compensate, " (undoes)");
        let _ = writeln!(self.lines, "  else after {within}");
        self.sends(&step.otherwise, "");
        self.lines.push_str("  end\n");
    }

    /// An event arrives, from each service that may send it.
    fn comes(&mut self, event: &EventName) {
        let from: BTreeSet<&ServiceName> = self.flow.senders(event).map(|arrow| arrow.service).collect();
        let mut from: Vec<String> = from.into_iter().map(ToString::to_string).collect();
        if from.is_empty() {
            from.push("unknown".to_owned());
        }
        for service in from {
            let (id, me) = (self.other(&service), &self.me);
            let _ = writeln!(self.lines, "  {id}->>{me}: {}", label(event.as_str()));
        }
    }

    /// Something is sent, to each service that takes it.
    fn sends(&mut self, events: &[Placed<EventName>], note: &str) {
        for event in events {
            let to: BTreeSet<&ServiceName> = self.flow.takers(event).map(|arrow| arrow.service).collect();
            let to: Vec<String> = to.into_iter().map(ToString::to_string).collect();
            let text = label(&format!("{}{note}", event.value));
            if to.is_empty() {
                let _ = writeln!(self.lines, "  {me}->>{me}: {text}", me = self.me);
            }
            for service in to {
                let id = self.other(&service);
                let _ = writeln!(self.lines, "  {}->>{id}: {text}", self.me);
            }
        }
    }

    fn other(&mut self, service: &str) -> String {
        let id = self.ids.of('s', service);
        if !self.others.iter().any(|(known, _)| *known == id) {
            self.others.push((id.clone(), service.to_owned()));
        }
        id
    }
}
