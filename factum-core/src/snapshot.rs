//! How the state of a decider is kept beside its stream, so that a long stream is not read from its start each time.
//!
//! A snapshot is only ever a short cut: what cannot be read, or was made by another version of the code, counts as not
//! there, and the events are read instead. Never the place where anything is known that the events do not say.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::name::DeciderName;

/// When a decider's state is kept, and how it is written.
///
/// ```
/// # use std::time::Duration;
/// # use factum_core::Snapshots;
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Account { balance: i64 }
///
/// let kept: Snapshots<Account> = Snapshots::new("account", 2).every(50).slower_than(Duration::from_millis(20));
/// let text = kept.write(&Account { balance: 7 }).unwrap();
/// assert_eq!(text, r#"{"balance":7}"#);
/// assert_eq!(kept.read(&text).unwrap().balance, 7);
/// ```
pub struct Snapshots<S> {
    name: DeciderName,
    version: u32,
    every: u64,
    slower_than: Option<Duration>,
    write: fn(&S) -> Result<String, serde_json::Error>,
    read: fn(&str) -> Result<S, serde_json::Error>,
}

impl<S: Serialize + DeserializeOwned> Snapshots<S> {
    /// Keeps the state every 100 events, under the decider's name.
    ///
    /// The version is raised whenever the state's form, or what `evolve` makes of an event, changes: older snapshots
    /// then count as not there.
    ///
    /// # Panics
    /// When the name breaks its grammar.
    #[must_use]
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self {
            name: DeciderName::constant(name),
            version,
            every: 100,
            slower_than: None,
            write: |state| serde_json::to_string(state),
            read: |text| serde_json::from_str(text),
        }
    }
}

impl<S> Snapshots<S> {
    /// Keeps the state once so many events have come since it was kept last; at least one.
    #[must_use]
    pub const fn every(mut self, events: u64) -> Self {
        self.every = if events == 0 { 1 } else { events };
        self
    }

    /// Keeps the state also when reading what is new took longer than this.
    #[must_use]
    pub const fn slower_than(mut self, took: Duration) -> Self {
        self.slower_than = Some(took);
        self
    }

    /// The decider that keeps them: several may follow one stream.
    #[must_use]
    pub const fn name(&self) -> &DeciderName {
        &self.name
    }

    /// The version of the state's meaning.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Whether the state is to be kept, so many events after it was kept last, and after a read that took so long.
    #[must_use]
    pub fn is_due(&self, events: u64, took: Duration) -> bool {
        events >= self.every || (events > 0 && self.slower_than.is_some_and(|slow| took > slow))
    }

    /// The state as text.
    ///
    /// # Errors
    /// When it has no JSON form.
    pub fn write(&self, state: &S) -> Result<String, serde_json::Error> {
        (self.write)(state)
    }

    /// The state of a text.
    ///
    /// # Errors
    /// When it was written of a state of another form.
    pub fn read(&self, text: &str) -> Result<S, serde_json::Error> {
        (self.read)(text)
    }
}

impl<S> fmt::Debug for Snapshots<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("every", &self.every)
            .field("slower_than", &self.slower_than)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_by_number_or_by_time_and_never_without_an_event() {
        let kept: Snapshots<u32> = Snapshots::new("hall", 1).every(10).slower_than(Duration::from_millis(5));
        let (quick, slow) = (Duration::from_millis(5), Duration::from_millis(6));
        assert!(kept.is_due(10, quick) && !kept.is_due(9, quick));
        assert!(kept.is_due(1, slow) && !kept.is_due(0, slow));
        assert!(!Snapshots::<u32>::new("hall", 1).is_due(99, slow));
    }
}
