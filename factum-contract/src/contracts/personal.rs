//! Seals what is personal before it is stored, and opens it for readers.
//!
//! Contracts without personal data pay one look at a list that is empty, or short. Nothing personal is ever stored
//! unsealed: without keys such an event is refused.

use std::borrow::Cow;
use std::sync::Arc;

use factum_core::keys::{Bound, SUBJECT_BYTES_MAX, ToSeal};
use factum_core::personal::FORGOTTEN_JSON;
use factum_core::{
    Breach, Bytes, Envelope, EventName, EventType, Keys, KeysError, Personal, StoreError, StoreErrorKind,
    Unopened, WriteError,
};

use super::{Contracts, Flaw};
use crate::catalog::Catalog;
use crate::json::Cursor;
use crate::personal::{Finder, replaced, sealed};

/// A contract version with personal data.
#[derive(Debug, Clone)]
pub(super) struct PersonalContract {
    name: EventName,
    version: u32,
    finder: Finder,
    /// Whether its topic takes personal values unsealed.
    is_open: bool,
}

pub(super) fn of(catalog: &Catalog) -> Vec<PersonalContract> {
    let topics = &catalog.system.topics;
    let contracts = catalog.contracts().filter_map(|contract| {
        Some(PersonalContract {
            name: contract.name.clone(),
            version: contract.version,
            finder: Finder::of(&contract.payload)?,
            is_open: topics.get(&contract.topic.value).is_some_and(|topic| topic.is_open),
        })
    });
    contracts.collect()
}

/// A personal value, and where its sealed form goes.
struct Pending {
    event: usize,
    value: crate::personal::Found,
    subject: String,
}

impl Contracts {
    /// Seals and opens personal data with these keys.
    #[must_use]
    pub fn keys(mut self, keys: Arc<dyn Keys>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Contract versions that have personal data, so that events of theirs need keys.
    #[must_use]
    pub fn personal(&self) -> Vec<String> {
        self.personal.iter().map(|contract| format!("{}.v{}", contract.name, contract.version)).collect()
    }

    fn personal_of(&self, event: &EventType) -> Option<&PersonalContract> {
        self.personal.iter().find(|known| known.version == event.version && known.name == event.name)
    }

    pub(super) fn seal_all(&self, events: &[Envelope]) -> Result<Option<Vec<Bytes>>, WriteError> {
        if self.personal.is_empty() {
            return Ok(None);
        }
        let mut pending = Vec::new();
        for (index, envelope) in events.iter().enumerate() {
            if let Some(contract) = self.personal_of(&envelope.event_type) {
                self.find(index, envelope, &contract.finder, &mut pending)?;
            }
        }
        if pending.is_empty() {
            return Ok(None);
        }
        let Some(keys) = &self.keys else {
            let first = &pending[0];
            return Err(breach(&events[first.event], &first.value.path, "keys", NO_KEYS).into());
        };
        let values: Vec<ToSeal<'_>> = pending
            .iter()
            .map(|Pending { event, value, subject }| ToSeal {
                subject,
                bound: Bound::at(&events[*event], &value.path),
                value: &events[*event].data[value.range.clone()],
            })
            .collect();
        let sealed = keys.seal(&values).map_err(|error| match error {
            KeysError::Store(error) => WriteError::Store(error),
            other => StoreError::new(StoreErrorKind::Other, "the keys cannot seal").because(other).into(),
        })?;
        let mut data: Vec<Bytes> = events.iter().map(|event| event.data.clone()).collect();
        let mut rest = pending.iter().zip(sealed).peekable();
        while let Some((first, _)) = rest.peek() {
            let event = first.event;
            let mut own = Vec::new();
            while let Some((one, sealed)) = rest.next_if(|(one, _)| one.event == event) {
                own.push((one.value.range.clone(), Cow::Owned(written(&sealed).into_bytes())));
            }
            data[event] = replaced(&events[event].data, own).into();
        }
        Ok(Some(data))
    }

    /// Finds what is to be sealed in one event; what is sealed or forgotten already stays as it is.
    fn find(
        &self,
        index: usize,
        envelope: &Envelope,
        finder: &Finder,
        pending: &mut Vec<Pending>,
    ) -> Result<(), WriteError> {
        // Admitted payloads are JSON; were this one not, its reader would be told.
        let Ok(text) = std::str::from_utf8(&envelope.data) else { return Ok(()) };
        let Ok(found) = finder.find(text) else { return Ok(()) };
        for value in found.values {
            let plain = &text[value.range.clone()];
            if let Some(sealed) = sealed(plain.as_bytes()).first().filter(|one| one.path.is_empty()) {
                self.opens(envelope, &value.path, &sealed.text)?;
                continue;
            }
            if plain.starts_with('{') && is_forgotten(plain) {
                continue;
            }
            let subject = found.subjects.get(value.subject).cloned().flatten().unwrap_or_default();
            if !is_pseudonym(&subject) {
                let path = format!("/{}", finder.subject_field(value.subject));
                let message = "expected a pseudonym of 1 to 250 bytes without control characters";
                return Err(breach(envelope, &path, "subject", message).into());
            }
            pending.push(Pending { event: index, value, subject: subject.into_owned() });
        }
        Ok(())
    }

    /// An event may arrive sealed, from another store's log; a value that was sealed here must belong here.
    fn opens(&self, envelope: &Envelope, path: &str, sealed: &str) -> Result<(), WriteError> {
        let Some(keys) = &self.keys else { return Ok(()) };
        match keys.open(sealed, &Bound::at(envelope, path)) {
            Ok(_) => Ok(()),
            Err(KeysError::Store(error)) => Err(error.into()),
            Err(other) => Err(breach(envelope, path, "sealed", other.to_string()).into()),
        }
    }

    /// The payload with its sealed values opened, or `None` when it has none.
    pub(super) fn opened(&self, envelope: &Envelope) -> Result<Option<Bytes>, Unopened> {
        let event = &envelope.event_type;
        let is_known = self.version(event.name.as_str(), event.version).is_some();
        // What a later release wrote may be sealed too; its contract is not known here.
        if is_known && self.personal_of(event).is_none() {
            return Ok(None);
        }
        let found = sealed(&envelope.data);
        if found.is_empty() {
            return Ok(None);
        }
        let Some(keys) = &self.keys else {
            return Err(KeysError::Store(StoreError::new(StoreErrorKind::Invalid, NO_KEYS)).into());
        };
        open_all(keys.as_ref(), envelope).map(Some)
    }

    pub(super) fn for_topic(&self, envelope: &Envelope) -> Result<Option<Envelope>, Unopened> {
        if !self.personal_of(&envelope.event_type).is_some_and(|contract| contract.is_open) {
            return Ok(None);
        }
        let opened = self.opened(envelope)?;
        Ok(opened.map(|data| Envelope { data, ..envelope.clone() }))
    }
}

const NO_KEYS: &str =
    "the contract has personal data, and the store was opened without keys to seal and open it";

/// The payload of an event with all its sealed values opened; forgotten where the key is gone.
///
/// # Errors
/// When a sealed value was changed or moved, its key is lost, or the keys cannot be reached.
pub fn open_all(keys: &dyn Keys, envelope: &Envelope) -> Result<Bytes, Unopened> {
    let mut values = Vec::new();
    for one in sealed(&envelope.data) {
        let opened = keys.open(&one.text, &Bound::at(envelope, &one.path)).map_err(|error| match error {
            KeysError::Tampered { .. } => {
                Unopened::Breach(breach(envelope, &one.path, "sealed", error.to_string()))
            }
            other => Unopened::Keys(other),
        })?;
        let value = match opened {
            Personal::Known(value) => Cow::Owned(value),
            Personal::Forgotten => Cow::Borrowed(FORGOTTEN_JSON.as_bytes()),
        };
        values.push((one.range, value));
    }
    Ok(replaced(&envelope.data, values).into())
}

fn written(sealed: &Personal<String>) -> String {
    match sealed {
        // The text of a sealed value has no character that JSON escapes.
        Personal::Known(sealed) => format!("{{\"$sealed\":\"{sealed}\"}}"),
        Personal::Forgotten => FORGOTTEN_JSON.to_owned(),
    }
}

fn is_forgotten(text: &str) -> bool {
    crate::validate::is_stand_in(&mut Cursor::new(text))
}

fn is_pseudonym(subject: &str) -> bool {
    (1..=SUBJECT_BYTES_MAX).contains(&subject.len())
        && !subject.bytes().any(|byte| byte < 0x20 || byte == 0x7f)
}

fn breach(envelope: &Envelope, path: &str, rule: &'static str, message: impl Into<String>) -> Breach {
    Flaw { path: path.to_owned(), rule, message: message.into() }.into_breach(&envelope.event_type)
}
