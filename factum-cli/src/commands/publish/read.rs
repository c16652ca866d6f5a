//! Events as people and programs write them: one object, an array, or one object a line.
//!
//! The payload is kept byte for byte. Attribute names are those of CloudEvents 1.0.2 where it has one.

use factum_core::{ContractVersion, Envelope};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::CliError;

/// One event of the input.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) version: Option<ContractVersion>,
    pub(super) data: &'a RawValue,
    attributes: Attributes,
}

/// What an envelope may be given; unknown attributes are refused, so that no typing error is lost.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(rename = "type")]
    event_type: String,
    version: Option<ContractVersion>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    id: Option<String>,
    #[serde(alias = "key", alias = "partitionkey")]
    subject: Option<String>,
    time: Option<String>,
    #[serde(alias = "correlationid")]
    correlation: Option<String>,
    #[serde(alias = "causationid")]
    causation: Option<String>,
    actor: Option<String>,
    traceparent: Option<String>,
    // What CloudEvents asks for and the contract knows better.
    #[serde(rename = "specversion")]
    _specversion: Option<String>,
    #[serde(rename = "source")]
    _source: Option<String>,
    #[serde(rename = "datacontenttype")]
    _datacontenttype: Option<String>,
    #[serde(rename = "dataschema")]
    _dataschema: Option<String>,
}

#[derive(Debug, Default)]
struct Attributes {
    id: Option<String>,
    subject: Option<String>,
    time: Option<String>,
    correlation: Option<String>,
    causation: Option<String>,
    actor: Option<String>,
    traceparent: Option<String>,
}

/// All events of the input, in order.
pub(super) fn events(text: &str) -> Result<Vec<Incoming<'_>>, CliError> {
    let mut events = Vec::new();
    let mut lines = Lines { text, offset: 0, line: 1 };
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value.map_err(|error| {
            CliError::refused(format!("line {} is not JSON: {error}", error.line()))
                .hint("one object, an array of objects, or one object a line")
        })?;
        let line = lines.of(value);
        if value.get().starts_with('[') {
            let items: Vec<&RawValue> =
                serde_json::from_str(value.get()).map_err(|error| not_an_event(line, &error))?;
            for item in items {
                events.push(event(lines.of(item), item)?);
            }
        } else {
            events.push(event(line, value)?);
        }
    }
    if events.is_empty() {
        return Err(
            CliError::refused("the input holds no event").hint("{\"type\": \"order.placed\", \"data\": {…}}")
        );
    }
    Ok(events)
}

/// Counts lines as values go by, each byte once: the values are slices of the text, in order.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line on which a value begins.
    fn of(&mut self, value: &RawValue) -> usize {
        let offset = (value.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        if let Some(passed) = self.text.as_bytes().get(self.offset..offset) {
            self.line += passed.iter().filter(|byte| **byte == b'\n').count();
            self.offset = offset;
        }
        self.line
    }
}

fn event(line: usize, value: &RawValue) -> Result<Incoming<'_>, CliError> {
    let written: Written<'_> =
        serde_json::from_str(value.get()).map_err(|error| not_an_event(line, &error))?;
    let (name, suffix) = match written.event_type.rsplit_once(".v") {
        Some((name, digits)) => match digits.parse::<ContractVersion>() {
            Ok(version) => (name.to_owned(), Some(version)),
            Err(_) => (written.event_type.clone(), None),
        },
        None => (written.event_type.clone(), None),
    };
    let Some(data) = written.data else {
        return Err(CliError::refused(format!("line {line}: {name} has no `data`")));
    };
    let attributes = Attributes {
        id: written.id,
        subject: written.subject,
        time: written.time,
        correlation: written.correlation,
        causation: written.causation,
        actor: written.actor,
        traceparent: written.traceparent,
    };
    Ok(Incoming { line, name, version: written.version.or(suffix), data, attributes })
}

fn not_an_event(line: usize, error: &serde_json::Error) -> CliError {
    // The parser counts lines from the start of the event.
    let at = line + error.line().saturating_sub(1);
    let text = error.to_string();
    let what = text.rsplit_once(" at line").map_or(text.as_str(), |(what, _)| what);
    CliError::refused(format!("line {at} is not an event: {what}")).hint(
        "{\"type\": \"order.placed\", \"data\": {…}}; `factum publish --help` names the other attributes",
    )
}

impl Incoming<'_> {
    /// Gives the envelope what was written; answers the attribute that breaks its grammar.
    pub(super) fn dress(&self, envelope: &mut Envelope) -> Result<(), (&'static str, String)> {
        let given = &self.attributes;
        if let Some(id) = &given.id {
            envelope.id = id.parse().map_err(at("/id"))?;
            envelope.correlation = id.parse().map_err(at("/id"))?;
        }
        if let Some(key) = &given.subject {
            envelope.key = key.parse().map_err(at("/subject"))?;
        }
        if let Some(time) = &given.time {
            envelope.time = time.parse().map_err(at("/time"))?;
        }
        if let Some(correlation) = &given.correlation {
            envelope.correlation = correlation.parse().map_err(at("/correlation"))?;
        }
        if let Some(causation) = &given.causation {
            envelope.causation = Some(causation.parse().map_err(at("/causation"))?);
        }
        if let Some(actor) = &given.actor {
            envelope.actor = Some(actor.parse().map_err(at("/actor"))?);
        }
        if let Some(trace) = &given.traceparent {
            envelope.trace = Some(trace.parse().map_err(at("/traceparent"))?);
        }
        Ok(())
    }
}

fn at<E: std::fmt::Display>(path: &'static str) -> impl FnOnce(E) -> (&'static str, String) {
    move |error| (path, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(usize, String, Option<u32>)> {
        events(text).unwrap().into_iter().map(|event| (event.line, event.name, event.version)).collect()
    }

    #[test]
    fn one_object_an_array_or_a_line_each() {
        let one = r#"{"type":"a.b","data":{}}"#;
        assert_eq!(names(one), [(1, "a.b".into(), None)]);
        assert_eq!(names(&format!("{one}\n\n{one}\n")), [(1, "a.b".into(), None), (3, "a.b".into(), None)]);
        assert_eq!(names(&format!("[\n{one},\n{one}]")), [(2, "a.b".into(), None), (3, "a.b".into(), None)]);
        assert_eq!(names(r#"{"type":"a.b.v2","data":1}"#), [(1, "a.b".into(), Some(2))]);
    }

    #[test]
    fn what_is_no_event_is_said_with_its_line() {
        for (text, said) in [
            ("", "the input holds no event"),
            ("{\"type\":\"a\",\"data\":{}}\n{,}", "line 2 is not JSON"),
            ("\n{\"data\":{}}", "line 2 is not an event: missing field `type`"),
            ("{\"type\":\"a\",\n\"dta\":{}}", "line 2 is not an event: unknown field `dta`"),
            ("{\"type\":\"a\"}", "line 1: a has no `data`"),
        ] {
            let error = events(text).unwrap_err();
            assert!(error.what.starts_with(said), "{}", error.what);
        }
    }
}
