//! Every example of every contract version as a CloudEvent in structured mode: what other systems see on the wire.
//!
//! Written by the codec that events travel with. Ids and times follow from the example, so that the same contracts
//! give the same bytes. The extension `generator` marks the file as ours, and is a legal part of the event.

use factum_core::cloudevents::{CloudEvent, to_json};
use factum_core::{Bytes, CorrelationId, Envelope, EventId, PartitionKey, Timestamp};

use crate::catalog::Catalog;
use crate::contract::Contract;
use crate::node::{Content, Node, json, write};
use crate::schema::{Format, Role, Shape};
use crate::validate::Validator;

use super::{BadExample, Generated, GeneratedFile, MARK, bad_example};

/// The folder under the output folder that holds the events.
const FOLDER: &str = "cloudevents";

/// When an event happened whose payload does not say.
const TIME: &str = "2026-01-05T10:00:00Z";

/// A file for each example, in the folder `cloudevents`.
///
/// # Errors
/// When an example breaks its contract: it could never be sent.
pub fn generate(catalog: &Catalog) -> Result<Generated, BadExample> {
    let note = format!("{MARK} cloudevents`; change the contracts, not this file");
    let mut files = Vec::new();
    for contract in catalog.contracts() {
        for (index, example) in contract.examples.iter().enumerate() {
            let event = event(catalog, contract, index, example)?;
            let text = String::from_utf8(to_json(&event)).unwrap_or_default();
            let error = |message: String| bad_example(contract, index, String::new(), message);
            let document = json::parse(&text, 0).map_err(|broken| error(broken.message))?;
            files.push(GeneratedFile {
                path: format!("{FOLDER}/{}.example{}.json", contract.label(), index + 1),
                text: write::json(&document, Some(("generator", &note))),
            });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Generated { files, owns_folder: false })
}

fn event(
    catalog: &Catalog,
    contract: &Contract,
    index: usize,
    example: &Node,
) -> Result<CloudEvent, BadExample> {
    let error = |path: String, message: String| bad_example(contract, index, path, message);
    let validator = Validator::of(contract).map_err(|broken| error(String::new(), broken.to_string()))?;
    let payload = example.to_json_text();
    let checked = validator.check(payload.as_bytes()).map_err(|flaw| error(flaw.path, flaw.message))?;
    let key: PartitionKey = checked
        .key
        .into_owned()
        .try_into()
        .map_err(|broken: factum_core::NameError| error(String::new(), broken.to_string()))?;
    let source = format!("/{}/{}", catalog.system.name, contract.owner.value);
    let mut envelope = Envelope::raw(contract.event_type(), key, Bytes::from(payload));
    envelope.id = EventId::foreign(&source, &format!("{}.example{}", contract.label(), index + 1));
    let correlation: Result<CorrelationId, _> = envelope.id.to_string().try_into();
    envelope.correlation = correlation.map_err(|broken| error(String::new(), broken.to_string()))?;
    let time = time(contract, example).or_else(|| TIME.parse().ok());
    envelope.time = time.unwrap_or(envelope.time);
    Ok(CloudEvent::of(&envelope, &source))
}

/// The time that an example gives for itself: its first field that is metadata and a point in time.
fn time(contract: &Contract, example: &Node) -> Option<Timestamp> {
    let is_time = |shape: &Shape| matches!(shape, Shape::Text(text) if text.format == Some(Format::DateTime));
    let fields = contract.payload.fields().iter();
    let mut named =
        fields.filter(|field| field.schema.role == Role::Metadata && is_time(&field.schema.shape));
    let field = named.next()?;
    match &example.get(&field.name)?.content {
        Content::Text(text) => text.parse().ok(),
        _ => None,
    }
}
