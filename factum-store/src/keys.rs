//! Keys of data subjects, kept apart from the log: what is personal is sealed with them, and erased by destroying them.
//!
//! Each subject has a key of its own, wrapped by a master key that is in no file of the store. The ring of keys is one
//! small file beside the store (`orders.keys.db` beside `orders.db`), or a schema of its own beside the store's in a
//! server (`factum_keys` beside `factum`), outside of the store's backups. Keys are held in memory for
//! a short while; a key that is destroyed here is out of use in every other process within [`STALE_MAX`].
//! Never shows a key or a value, and never answers a value that was changed or moved.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use factum_core::keys::{Bound, KeyName, SubjectState, ToSeal};
use factum_core::{Keys, KeysError, Personal, StoreError, StoreErrorKind, SystemClock, Timestamp};

mod cache;
mod cipher;
mod file;
mod master;
mod moved;
#[cfg(feature = "postgres")]
mod server;

pub use file::KeysAt;
pub use master::{MasterKey, MasterKeyError};
pub use moved::{MoveError, Moved};

use cache::Cache;
use cipher::{DataKey, Sealed};
use file::{KeyFile, Ring};

/// How long a key that another process destroyed may still be used here.
pub const STALE_MAX: Duration = Duration::from_millis(100);

/// How long a key is held in memory before it is read again.
pub const HELD_MAX: Duration = Duration::from_secs(60);

/// How many keys are held in memory.
pub const HELD_COUNT_MAX: usize = 4_096;

/// A key as it is kept: wrapped, or destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    number: u64,
    subject: String,
    /// `None` once the subject was forgotten.
    wrapped: Option<Vec<u8>>,
}

impl Row {
    fn state(&self) -> SubjectState {
        match self.wrapped {
            Some(_) => SubjectState::Kept { number: self.number },
            None => SubjectState::Forgotten { number: self.number },
        }
    }
}

/// A subject as it is moved: its row, and when it was forgotten, in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    row: Row,
    forgotten_at: Option<i64>,
}

/// What shows that a master key is the one of a ring.
struct Proof {
    /// The master key's.
    fingerprint: String,
    bytes: Vec<u8>,
}

impl Proof {
    fn of(master: &MasterKey, ring: &str) -> Result<Self, StoreError> {
        Ok(Self { fingerprint: master.fingerprint(), bytes: cipher::prove(master, ring)? })
    }
}

/// Makes the wrapped key of a number and its subject.
type Wrap<'w> = dyn FnMut(u64, &str) -> Result<Vec<u8>, StoreError> + 'w;

/// Where wrapped keys are kept; knows no cipher. A SQLite file, or a schema of a server.
trait KeyTable: Send {
    /// A number that changes whenever somebody else has changed the table.
    fn changes(&mut self) -> Result<i64, StoreError>;
    /// A key by its number.
    fn by_number(&mut self, number: u64) -> Result<Option<Row>, StoreError>;
    /// A key by its subject.
    fn by_subject(&mut self, subject: &str) -> Result<Option<Row>, StoreError>;
    /// Keeps a key for each subject that has none, in one commit; `wrap` is given the number and makes it.
    fn make(&mut self, subjects: &[&str], wrap: &mut Wrap<'_>) -> Result<(), StoreError>;
    /// Destroys a subject's key, for good and in every copy that the table made; a subject without one is marked.
    fn destroy(&mut self, subject: &str, at: Timestamp) -> Result<(), StoreError>;
    /// Replaces every wrapped key and the proof of the master key, in one commit; answers how many keys.
    fn wrap_anew(
        &mut self,
        proof: &Proof,
        wrap: &mut dyn FnMut(&Row) -> Result<Vec<u8>, StoreError>,
    ) -> Result<u64, StoreError>;
    /// Keys, and subjects that were forgotten.
    fn counts(&mut self) -> Result<(u64, u64), StoreError>;
    /// Keeps everybody else from changing the table until it is emptied, or this is dropped.
    fn hold(&mut self) -> Result<(), StoreError>;
    /// Subjects behind a number, by number, forgotten ones too; none when there are no more.
    fn entries(&mut self, after: u64) -> Result<Vec<Entry>, StoreError>;
    /// Becomes another ring, with all of its subjects, in one commit; the table has none yet.
    fn take_over(
        &mut self,
        ring: &Ring,
        entries: &mut dyn FnMut(u64) -> Result<Vec<Entry>, StoreError>,
    ) -> Result<(), StoreError>;
    /// Destroys every key, for good, and the table; whoever held it lets go.
    fn end(&mut self) -> Result<(), StoreError>;
}

/// A ring of keys, open.
pub struct KeyRing {
    ring: String,
    open: Mutex<Open>,
}

struct Open {
    table: Box<dyn KeyTable>,
    master: MasterKey,
    held: Cache,
    changes: i64,
    looked: Instant,
    swept: Instant,
}

/// How many keys a ring has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingCounts {
    /// Subjects with a key.
    pub kept: u64,
    /// Subjects that were forgotten.
    pub forgotten: u64,
}

/// A ring that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenRingError {
    /// The master key cannot be had.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// The master key is not the one that the ring's keys are wrapped by.
    #[error(
        "the keys in {place} are wrapped by master key {expected}, and the one given is {found}; give the right one"
    )]
    OtherMaster {
        /// The key file, or the server.
        place: String,
        /// Fingerprint of the master key that opens it.
        expected: String,
        /// Fingerprint of the one given.
        found: String,
    },
    /// The key file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyRing {
    /// Opens a ring; makes it when there is none.
    ///
    /// # Errors
    /// When the master key is another one, or the key file cannot be used.
    pub fn open(at: &KeysAt, master: MasterKey) -> Result<Self, OpenRingError> {
        let (mut table, Ring { name, proof }) = table(at, &mut |ring| Proof::of(&master, ring))?;
        if !cipher::is_proven(&master, &name, &proof.bytes) {
            return Err(OpenRingError::OtherMaster {
                place: at.to_string(),
                expected: proof.fingerprint,
                found: master.fingerprint(),
            });
        }
        let (changes, looked) = (table.changes()?, Instant::now());
        let open = Open { table, master, held: Cache::default(), changes, looked, swept: looked };
        Ok(Self { ring: name, open: Mutex::new(open) })
    }

    /// Wraps every key by another master key; answers how many. The old master key opens nothing of this file any
    /// more; processes that were started with it must be started again with the new one.
    ///
    /// # Errors
    /// When the key file cannot be used; nothing has changed then.
    pub fn rotate(&self, master: MasterKey) -> Result<u64, StoreError> {
        let mut open = self.lock();
        let Open { table, master: old, .. } = &mut *open;
        let count = table.wrap_anew(&Proof::of(&master, &self.ring)?, &mut |row| {
            let wrapped = row.wrapped.as_deref().unwrap_or_default();
            let key = cipher::unwrap(old, &self.ring, row.number, &row.subject, wrapped)?;
            cipher::wrap(&master, &self.ring, row.number, &row.subject, &key)
        })?;
        open.master = master;
        open.held.clear();
        Ok(count)
    }

    /// How many keys there are.
    ///
    /// # Errors
    /// When the key file cannot be read.
    pub fn counts(&self) -> Result<RingCounts, StoreError> {
        let (kept, forgotten) = self.lock().table.counts()?;
        Ok(RingCounts { kept, forgotten })
    }

    /// Fingerprint of the master key: tells keys apart, and tells nothing of them.
    #[must_use]
    pub fn master_fingerprint(&self) -> String {
        self.lock().master.fingerprint()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the table of a place; a new one gets a ring that `prove` binds to the master key.
fn table(
    at: &KeysAt,
    prove: &mut dyn FnMut(&str) -> Result<Proof, StoreError>,
) -> Result<(Box<dyn KeyTable>, Ring), StoreError> {
    #[cfg(feature = "postgres")]
    if let KeysAt::Server(url) = at {
        let (server, ring) = server::KeyServer::open(url, prove)?;
        return Ok((Box::new(server), ring));
    }
    let (file, ring) = KeyFile::open(at, prove)?;
    Ok((Box::new(file), ring))
}

impl Open {
    /// Lets go of what is held when another process has changed the table.
    fn refresh(&mut self) -> Result<(), StoreError> {
        if self.looked.elapsed() < STALE_MAX {
            return Ok(());
        }
        let changes = self.table.changes()?;
        if changes != self.changes {
            self.held.clear();
        }
        (self.changes, self.looked) = (changes, Instant::now());
        if self.swept.elapsed() >= HELD_MAX {
            self.held.sweep();
            self.swept = self.looked;
        }
        Ok(())
    }

    /// A row's key, held from now on; `None` once the subject was forgotten.
    fn hold(&mut self, ring: &str, row: Row) -> Result<Option<DataKey>, StoreError> {
        let key = match &row.wrapped {
            Some(wrapped) => Some(cipher::unwrap(&self.master, ring, row.number, &row.subject, wrapped)?),
            None => None,
        };
        self.held.hold(row.number, row.subject, key.clone());
        Ok(key)
    }

    /// The number and key of a subject that has a row.
    fn of_subject(
        &mut self,
        ring: &str,
        subject: &str,
    ) -> Result<Option<(u64, Option<DataKey>)>, StoreError> {
        if let Some(held) = self.held.of_subject(subject) {
            return Ok(Some(held));
        }
        let Some(row) = self.table.by_subject(subject)? else { return Ok(None) };
        let number = row.number;
        Ok(Some((number, self.hold(ring, row)?)))
    }
}

impl Keys for KeyRing {
    fn ring(&self) -> &str {
        &self.ring
    }

    fn seal(&self, values: &[ToSeal<'_>]) -> Result<Vec<Personal<String>>, KeysError> {
        let mut open = self.lock();
        let open = &mut *open;
        open.refresh()?;
        let mut missing: HashSet<&str> = HashSet::new();
        for value in values {
            if open.of_subject(&self.ring, value.subject)?.is_none() {
                missing.insert(value.subject);
            }
        }
        if !missing.is_empty() {
            let missing: Vec<&str> = missing.into_iter().collect();
            let master = &open.master;
            open.table.make(&missing, &mut |number, subject| {
                let key = cipher::new_key()?;
                cipher::wrap(master, &self.ring, number, subject, &key)
            })?;
        }
        let mut sealed = Vec::with_capacity(values.len());
        for value in values {
            let found = open.of_subject(&self.ring, value.subject)?;
            let Some((number, key)) = found else {
                let message = "a key that was just made is not in the key file; look at its disk";
                return Err(StoreError::new(StoreErrorKind::Corrupt, message).into());
            };
            sealed.push(match key {
                Some(key) => {
                    let name = KeyName { ring: &self.ring, number };
                    Personal::Known(cipher::seal(&key, name, &value.bound, value.value)?)
                }
                None => Personal::Forgotten,
            });
        }
        Ok(sealed)
    }

    fn open(&self, sealed: &str, bound: &Bound<'_>) -> Result<Personal<Vec<u8>>, KeysError> {
        let tampered = || KeysError::Tampered { at: bound.to_string() };
        let Sealed { name, nonce, bytes } = Sealed::read(sealed).ok_or_else(tampered)?;
        if name.ring != self.ring {
            return Ok(Personal::Forgotten);
        }
        let key = {
            let mut open = self.lock();
            open.refresh()?;
            match open.held.of_number(name.number) {
                Some(held) => held,
                None => {
                    let row = open.table.by_number(name.number)?.ok_or_else(|| KeysError::Lost {
                        ring: self.ring.clone(),
                        number: name.number,
                        at: bound.to_string(),
                    })?;
                    open.hold(&self.ring, row)?
                }
            }
        };
        match key {
            None => Ok(Personal::Forgotten),
            Some(key) => {
                cipher::open(&key, name, bound, &nonce, &bytes).map(Personal::Known).ok_or_else(tampered)
            }
        }
    }

    fn subject(&self, subject: &str) -> Result<SubjectState, KeysError> {
        let mut open = self.lock();
        let state = open.table.by_subject(subject)?.map_or(SubjectState::Unknown, |row| row.state());
        if let SubjectState::Forgotten { .. } = state {
            // Another process may have destroyed it a moment ago.
            open.held.clear();
        }
        Ok(state)
    }

    fn forget(&self, subject: &str) -> Result<SubjectState, KeysError> {
        let mut open = self.lock();
        let before = open.table.by_subject(subject)?.map_or(SubjectState::Unknown, |row| row.state());
        open.held.clear();
        open.table.destroy(subject, SystemClock::default().now())?;
        Ok(before)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("ring", &self.ring).finish_non_exhaustive()
    }
}
