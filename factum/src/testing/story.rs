//! What happened, as a sequence diagram: in the failure message of a test, and for whoever wants to see.

use std::fmt;

use factum_core::{ConsumerName, EventId, Recorded};
use factum_runtime::admin::{TraceNode, Which};

use super::diagram::Diagram;

/// Most events that one consumer is looked for as the emitter of, from one cause.
const EMITTED_MAX: u32 = 64;

/// Everything that one event caused, in the order of the log; printed, it is a Mermaid sequence diagram.
#[derive(Debug, Clone)]
pub struct Story {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    event: Recorded,
    /// Who emitted it, where that is known.
    by: Option<String>,
    troubles: Vec<(String, &'static str, String)>,
}

impl Story {
    pub(super) fn of(trees: &[TraceNode], consumers: &[ConsumerName]) -> Self {
        let mut steps = Vec::new();
        let mut open: Vec<&TraceNode> = trees.iter().collect();
        while let Some(node) = open.pop() {
            open.extend(&node.caused);
            let envelope = &node.event.envelope;
            let is_by = |cause: EventId, name: &ConsumerName| {
                (0..EMITTED_MAX).any(|at| EventId::derived(cause, name.as_str(), at) == envelope.id)
            };
            let by = envelope.causation.and_then(|cause| consumers.iter().find(|name| is_by(cause, name)));
            let troubles = node.troubles.iter().map(|(which, troubled)| {
                let what = match which {
                    Which::Dead => "dead letter",
                    Which::Parked => "parked",
                    Which::Refused => "refused",
                };
                (troubled.consumer.clone(), what, troubled.error.clone())
            });
            let by = by.map(ToString::to_string);
            steps.push(Step { event: node.event.clone(), by, troubles: troubles.collect() });
        }
        steps.sort_by_key(|step| step.event.position);
        Self { steps }
    }

    /// The names of the events, in the order of the log.
    #[must_use]
    pub fn events(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step.event.envelope.event_type.name.as_str()).collect()
    }

    /// Asserts that these events happened, in this order, and no others.
    ///
    /// # Panics
    /// With the diagram, when others did.
    #[track_caller]
    pub fn then<'n>(&self, expected: impl IntoIterator<Item = &'n str>) -> &Self {
        let expected: Vec<&str> = expected.into_iter().collect();
        assert!(self.events() == expected, "expected {expected:?}, found {:?}:\n{self}", self.events());
        self
    }

    /// Asserts that nobody had trouble with any of them.
    ///
    /// # Panics
    /// With the diagram, when one was parked, refused or is a dead letter.
    #[track_caller]
    pub fn without_trouble(&self) -> &Self {
        let has_none = self.steps.iter().all(|step| step.troubles.is_empty());
        assert!(has_none, "a consumer had trouble:\n{self}");
        self
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut diagram = Diagram::default();
        for (at, step) in self.steps.iter().enumerate() {
            let name = step.event.envelope.event_type.name.as_str();
            let teller = match (&step.by, step.event.envelope.causation) {
                (Some(by), Some(cause)) => {
                    let told = self.steps[..at].iter().find(|other| other.event.envelope.id == cause);
                    if let Some(told) = told {
                        diagram.tell("log", by, &told.event.envelope.event_type.name);
                    }
                    by
                }
                _ => "test",
            };
            diagram.tell(teller, "log", format_args!("{name} in {}", step.event.stream));
            for (consumer, what, error) in &step.troubles {
                diagram.fail("log", consumer, format_args!("{name}, {what}: {error}"));
            }
        }
        diagram.fmt(f)
    }
}
