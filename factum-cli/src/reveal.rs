//! Personal values in what is printed: masked, unless `--reveal` says otherwise and the keys are at hand.
//!
//! Whoever reveals is kept in the audit before anything is shown.

use std::path::PathBuf;
use std::sync::Arc;

use factum_contract::contracts::open_all;
use factum_contract::personal::{replaced, sealed};
use factum_core::{Breach, Envelope, EventType, Gate, Keys, Recorded, Unopened};
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
    /// The key file; else the one beside the store, orders.keys.db of orders.db
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

/// What personal values look like to this command.
pub(crate) enum Eyes {
    /// `"***"`.
    Masked,
    /// Themselves.
    Open(Arc<dyn Keys>),
}

impl Reveal {
    /// The store, and what personal values of it look like.
    pub(crate) async fn open(&self, settings: &Settings) -> Result<(Admin, Eyes), CliError> {
        if !self.reveal {
            return Ok((reach::admin(settings)?, Eyes::Masked));
        }
        let keys = self.keys.ring(settings)?;
        let opened = open(settings, keys.clone()).await?;
        Ok((Admin::new(opened.store), Eyes::Open(keys)))
    }
}

impl KeysArgs {
    /// The ring of keys of the store that the settings name.
    pub(crate) fn ring(&self, settings: &Settings) -> Result<Arc<KeyRing>, CliError> {
        let at = match &self.keys {
            Some(path) => KeysAt::File(path.clone()),
            None => KeysAt::beside(settings.store()?).ok_or_else(|| {
                CliError::usage("the store is no file, so its key file must be named")
                    .hint("pass --keys FILE")
            })?,
        };
        if let KeysAt::File(path) = &at
            && !path.is_file()
        {
            return Err(CliError::unreachable(format!("no key file at {}", path.display()))
                .hint("pass --keys FILE; an app whose contracts have personal data makes it"));
        }
        let master = MasterKey::from_env().map_err(|error| CliError::unreachable(error.to_string()))?;
        let ring = KeyRing::open(&at, master).map_err(|error| CliError::unreachable(told(&error)))?;
        Ok(Arc::new(ring))
    }
}

/// Opens the store with keys.
pub(crate) async fn open(settings: &Settings, keys: Arc<dyn Keys>) -> Result<Opened, CliError> {
    let opened = reach::open_with(settings, Arc::new(WithKeys(keys)))?;
    ring::bind(opened.store.as_ref()).await?;
    Ok(opened)
}

impl Eyes {
    /// Changes events to what may be shown of them; what is revealed is kept in the audit first.
    pub(crate) async fn look(
        &self,
        admin: &Admin,
        what: &str,
        events: &mut [Recorded],
    ) -> Result<(), CliError> {
        let Self::Open(keys) = self else { return Ok(()) };
        let values: usize = events.iter().map(|event| sealed(&event.envelope.data).len()).sum();
        if values > 0 {
            admin.audit_reveal(what, values).await?;
        }
        for event in events {
            self.open(keys.as_ref(), &mut event.envelope)?;
        }
        Ok(())
    }

    /// The same for one envelope.
    pub(crate) async fn look_at(
        &self,
        admin: &Admin,
        what: &str,
        envelope: &mut Envelope,
    ) -> Result<(), CliError> {
        let Self::Open(keys) = self else { return Ok(()) };
        match sealed(&envelope.data).len() {
            0 => Ok(()),
            values => {
                admin.audit_reveal(what, values).await?;
                self.open(keys.as_ref(), envelope)
            }
        }
    }

    fn open(&self, keys: &dyn Keys, envelope: &mut Envelope) -> Result<(), CliError> {
        let opened = open_all(keys, envelope).map_err(|error| {
            CliError::unreachable(error.to_string()).hint("without --reveal the event is shown masked")
        })?;
        envelope.data = opened;
        Ok(())
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
