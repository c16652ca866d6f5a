//! Personal data of an instance: sealed before it is kept, opened for the saga's code.
//!
//! Of the state, the code's types say what is personal; of the commands that would undo its steps, their contracts do.
//! Sealed anew at each write, each time bound to another id, so that no value can be moved to another instance or
//! another place. Once the subject is forgotten the values read as forgotten, and the instance goes on.

use factum_core::keys::{Bound, Keys, ToSeal};
use factum_core::personal::{FORGOTTEN_FIELD, SEALED_FIELD};
use factum_core::saga::Instance;
use factum_core::{Draft, Envelope, EventId, EventName, Failure, Gate, Personal, Unopened, pointer};
use serde_json::{Value, json};

use crate::state::SagaState;

/// What stands where a contract's name stands in an event.
static STATE: EventName = EventName::constant("saga.state");

/// An instance as it is kept.
pub(super) fn sealed(mut state: SagaState, gate: &dyn Gate) -> Result<SagaState, Failure> {
    let Some(keys) = gate.keys() else { return Ok(state) };
    let seal = EventId::new();
    let bound = bound_to(&state, seal);
    let in_state = seal_state(&mut state.instance, keys.as_ref(), bound)?;
    let in_drafts = seal_drafts(&mut state.instance, gate, bound)?;
    state.seal = (in_state || in_drafts).then_some(seal);
    Ok(state)
}

/// An instance as its code sees it.
pub(super) fn opened(mut state: SagaState, gate: &dyn Gate) -> Result<SagaState, Failure> {
    let Some(seal) = state.seal.take() else { return Ok(state) };
    let Some(keys) = gate.keys() else {
        let why = "the instance holds sealed values, and this app has no keys: open the store with them";
        return Err(Failure::named("keys", why.to_owned()));
    };
    let bound = bound_to(&state, seal);
    let version = state.instance.version;
    open_value(&mut state.instance.state, &mut String::new(), keys.as_ref(), bound, version)?;
    for (at, draft) in drafts(&mut state.instance).into_iter().enumerate() {
        if !draft.data().contains(SEALED_FIELD) {
            continue;
        }
        let envelope = of_draft(draft, bound, at)?;
        match gate.open(&envelope, &envelope.event_type) {
            Ok(Some(opened)) => *draft = draft.with_data(text(&opened.data)),
            Ok(None) => {}
            Err(Unopened::Breach(breach)) => return Err(Failure::named("keys", breach.to_string())),
            Err(Unopened::Keys(error)) => return Err(Failure::named("keys", error.to_string())),
        }
    }
    Ok(state)
}

/// An id of this write of this instance alone.
fn bound_to(state: &SagaState, seal: EventId) -> EventId {
    EventId::derived(seal, &format!("{}/{}", state.saga, state.key), 0)
}

fn seal_state(instance: &mut Instance, keys: &dyn Keys, event: EventId) -> Result<bool, Failure> {
    let Some(subject) = instance.subject.clone() else { return Ok(false) };
    let version = instance.version;
    let mut values = Vec::with_capacity(instance.personal.len());
    for path in &instance.personal {
        let value = instance.state.pointer(path).filter(|value| !is_stand_in(value));
        values.extend(value.map(|value| (path, value.to_string())));
    }
    let to_seal: Vec<ToSeal<'_>> = values
        .iter()
        .map(|(path, value)| ToSeal {
            subject: &subject,
            bound: Bound { event, name: &STATE, version, path },
            value: value.as_bytes(),
        })
        .collect();
    let sealed = keys.seal(&to_seal).map_err(|error| Failure::named("keys", error.to_string()))?;
    for ((path, _), sealed) in values.iter().zip(sealed) {
        if let Some(place) = instance.state.pointer_mut(path) {
            *place = match sealed {
                Personal::Known(text) => json!({ SEALED_FIELD: text }),
                Personal::Forgotten => json!({ FORGOTTEN_FIELD: true }),
            };
        }
    }
    Ok(!values.is_empty())
}

fn seal_drafts(instance: &mut Instance, gate: &dyn Gate, event: EventId) -> Result<bool, Failure> {
    let mut drafts = drafts(instance);
    let envelopes: Result<Vec<Envelope>, Failure> =
        drafts.iter().enumerate().map(|(at, draft)| of_draft(draft, event, at)).collect();
    let sealed = gate.seal(&envelopes?).map_err(|error| Failure::named("undo", error.to_string()))?;
    let Some(sealed) = sealed else { return Ok(false) };
    for (draft, data) in drafts.iter_mut().zip(sealed) {
        **draft = draft.with_data(text(&data));
    }
    Ok(true)
}

fn open_value(
    value: &mut Value,
    path: &mut String,
    keys: &dyn Keys,
    event: EventId,
    version: u32,
) -> Result<(), Failure> {
    let length = path.len();
    match value {
        Value::Object(fields) if fields.len() == 1 && fields.contains_key(SEALED_FIELD) => {
            let Some(sealed) = fields.get(SEALED_FIELD).and_then(Value::as_str) else { return Ok(()) };
            let bound = Bound { event, name: &STATE, version, path };
            let opened =
                keys.open(sealed, &bound).map_err(|error| Failure::named("keys", error.to_string()))?;
            *value = match opened {
                Personal::Known(bytes) => serde_json::from_slice(&bytes)?,
                Personal::Forgotten => json!({ FORGOTTEN_FIELD: true }),
            };
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                path.push('/');
                path.push_str(&pointer::escaped(name));
                open_value(field, path, keys, event, version)?;
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                path.push_str(&format!("/{at}"));
                open_value(item, path, keys, event, version)?;
                path.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

/// What would undo its steps, and the step that is being undone.
fn drafts(instance: &mut Instance) -> Vec<&mut Draft> {
    let undoing = instance.undoing.as_mut().map(|undoing| &mut undoing.draft);
    instance.undo.iter_mut().chain(undoing).collect()
}

fn of_draft(draft: &Draft, event: EventId, at: usize) -> Result<Envelope, Failure> {
    let id = EventId::derived(event, "undo", at as u32);
    Ok(Envelope { id, ..draft.envelope([])? })
}

fn is_stand_in(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| {
        fields.len() == 1 && (fields.contains_key(SEALED_FIELD) || fields.contains_key(FORGOTTEN_FIELD))
    })
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}
