//! Personal values in what is printed: masked, unless `--reveal` says otherwise and the keys are at hand.
//!
//! Sealed values are known by their form; others, older than the mark of their field or come over an open topic, by the
//! contracts that the store has recorded. Whoever reveals is kept in the audit before anything is shown.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use factum_contract::contracts::open_all;
use factum_contract::personal::{Marks, replaced, sealed};
use factum_core::{Breach, Bytes, Envelope, EventType, Gate, Keys, Recorded, Unopened};
use factum_runtime::{Admin, ring};
use factum_store::Opened;
use factum_store::keys::{KeyRing, KeysAt, MasterKey};

use crate::error::CliError;
use crate::reach;
use crate::settings::Settings;

/// What stands for a personal value that is not shown.
const MASK: &[u8] = b"\"***\"";

/// Where the keys of personal data are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct KeysArgs {
    /// The key file; else the keys beside the store: orders.keys.db of orders.db, the schema factum_keys of factum
    #[arg(long, value_name = "FILE", env = "FACTUM_KEYS")]
    pub(crate) keys: Option<PathBuf>,
}

/// Whether personal values are shown.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Personal data")]
pub(crate) struct Reveal {
    /// Show personal values, which are masked otherwise; kept in the audit
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    keys: KeysArgs,
}

/// What personal values look like to this command: themselves with keys, `"***"` without.
pub(crate) struct Eyes {
    keys: Option<Arc<dyn Keys>>,
    marks: Marks,
}

impl Reveal {
    /// The store, and what personal values of it look like.
    pub(crate) async fn open(&self, settings: &Settings) -> Result<(Admin, Eyes), CliError> {
        if !self.reveal {
            let admin = reach::admin(settings)?;
            let eyes = Eyes::masked(&admin).await?;
            return Ok((admin, eyes));
        }
        let keys = self.keys.ring(settings)?;
        let admin = Admin::new(open(settings, keys.clone()).await?.store);
        let marks = admin.personal_marks().await?;
        Ok((admin, Eyes { keys: Some(keys), marks }))
    }
}

impl KeysArgs {
    /// The ring of keys of the store that the settings name.
    pub(crate) fn ring(&self, settings: &Settings) -> Result<Arc<KeyRing>, CliError> {
        let at = self.at(settings)?;
        let master = MasterKey::from_env().map_err(|error| CliError::unreachable(error.to_string()))?;
        let ring = KeyRing::open(&at, master).map_err(|error| CliError::unreachable(told(&error)))?;
        Ok(Arc::new(ring))
    }

    /// Where the keys of the store are that the settings name; there are some.
    pub(crate) fn at(&self, settings: &Settings) -> Result<KeysAt, CliError> {
        let at = match &self.keys {
            Some(path) => KeysAt::File(path.clone()),
            None => KeysAt::beside(settings.store()?).ok_or_else(|| {
                CliError::usage("keys lie beside a store in a file or on a server").hint("pass --keys FILE")
            })?,
        };
        if !at.is_there()? {
            let what = match &at {
                KeysAt::File(path) => format!("no key file at {}", path.display()),
                at => format!("no keys at {at}"),
            };
            return Err(CliError::unreachable(what)
                .hint("pass --keys FILE; an app whose contracts have personal data makes it"));
        }
        Ok(at)
    }
}

/// Opens the store with keys.
pub(crate) async fn open(settings: &Settings, keys: Arc<dyn Keys>) -> Result<Opened, CliError> {
    let opened = reach::open_with(settings, Arc::new(WithKeys(keys)))?;
    ring::bind(opened.store.as_ref()).await?;
    Ok(opened)
}

impl Eyes {
    /// Those that see no personal value of a store.
    pub(crate) async fn masked(admin: &Admin) -> Result<Self, CliError> {
        Ok(Self { keys: None, marks: admin.personal_marks().await? })
    }

    /// Changes events to what may be shown of them; what is revealed is kept in the audit first.
    pub(crate) async fn look(
        &self,
        admin: &Admin,
        what: &str,
        events: &mut [Recorded],
    ) -> Result<(), CliError> {
        let values = events.iter().map(|event| self.values(&event.envelope)).sum();
        self.note(admin, what, values).await?;
        events.iter_mut().try_for_each(|event| self.show(&mut event.envelope))
    }

    /// The same for one envelope.
    pub(crate) async fn look_at(
        &self,
        admin: &Admin,
        what: &str,
        envelope: &mut Envelope,
    ) -> Result<(), CliError> {
        self.note(admin, what, self.values(envelope)).await?;
        self.show(envelope)
    }

    /// Keeps in the audit that so many values are revealed.
    pub(crate) async fn note(&self, admin: &Admin, what: &str, values: usize) -> Result<(), CliError> {
        if self.keys.is_some() && values > 0 {
            admin.audit_reveal(what, values).await?;
        }
        Ok(())
    }

    /// How many personal values these eyes see of an event.
    pub(crate) fn values(&self, envelope: &Envelope) -> usize {
        match self.keys {
            Some(_) => sealed(&envelope.data).len() + self.plain(envelope).len(),
            None => 0,
        }
    }

    /// Changes an event to what may be shown of it.
    pub(crate) fn show(&self, envelope: &mut Envelope) -> Result<(), CliError> {
        let shown = self.shown(envelope).map_err(|error| {
            CliError::unreachable(error.to_string()).hint("without --reveal the event is shown masked")
        })?;
        envelope.data = shown;
        Ok(())
    }

    /// What may be searched of an event: what may be shown of it. One that does not open is searched masked.
    pub(crate) fn searched(&self, envelope: &Envelope) -> String {
        let shown = self.shown(envelope).unwrap_or_else(|_| envelope.data.clone());
        masked(&shown).unwrap_or_else(|| String::from_utf8_lossy(&shown).into_owned())
    }

    fn shown(&self, envelope: &Envelope) -> Result<Bytes, Unopened> {
        if let Some(keys) = &self.keys {
            return open_all(keys.as_ref(), envelope);
        }
        let plain = self.plain(envelope);
        if plain.is_empty() {
            return Ok(envelope.data.clone());
        }
        let masks = plain.into_iter().map(|range| (range, MASK.into()));
        Ok(replaced(&envelope.data, masks).into())
    }

    fn plain(&self, envelope: &Envelope) -> Vec<Range<usize>> {
        self.marks.plain(envelope.event_type.name.as_str(), &envelope.data)
    }
}

/// A payload with its sealed values masked; `None` when it has none.
pub(crate) fn masked(data: &[u8]) -> Option<String> {
    let found = sealed(data);
    if found.is_empty() {
        return None;
    }
    let masked = replaced(data, found.into_iter().map(|one| (one.range, MASK.into())));
    String::from_utf8(masked).ok()
}

/// An error and its causes.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// An open gate with keys.
struct WithKeys(Arc<dyn Keys>);

impl Gate for WithKeys {
    fn admit(&self, _: &Envelope) -> Result<(), Breach> {
        Ok(())
    }

    fn open(&self, _: &Envelope, _: &EventType) -> Result<Option<Envelope>, Unopened> {
        Ok(None)
    }

    fn keys(&self) -> Option<&Arc<dyn Keys>> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_is_masked_and_the_rest_stays() {
        let data = br#"{"a": 1.50, "email":{"$sealed":"1.r.1.x"},"b":{"$forgotten":true}}"#;
        assert_eq!(masked(data).unwrap(), r#"{"a": 1.50, "email":"***","b":{"$forgotten":true}}"#);
        assert_eq!(masked(b"{}"), None);
    }
}
