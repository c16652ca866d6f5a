//! A ring of keys moved to where its store has been moved: from a file to a server, or back.
//!
//! Keys stay as they are wrapped, and keep their numbers, so that what was sealed with them opens. The ring is copied in
//! one commit and compared before the old one is destroyed; stopped in between, the same move goes on. No copy stays
//! behind: a key that is destroyed later must be destroyed everywhere.
//! Never mixes two rings.

use factum_core::{StoreError, StoreErrorKind};

use super::{KeysAt, MasterKey, OpenRingError, Proof, cipher, table};

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Subjects with a key.
    pub kept: u64,
    /// Subjects that were forgotten, which stay so.
    pub forgotten: u64,
}

/// A ring that cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenRingError),
    /// There are keys of another ring in the place.
    #[error("{place} has keys of another ring already; move to a place that has none")]
    Taken {
        /// The place.
        place: String,
    },
    /// A place cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl super::KeyRing {
    /// Moves the ring of a place to another; programs that use it have to be stopped first. The master key stays.
    ///
    /// # Errors
    /// When the master key is another one, the other place has keys of its own, or a place cannot be used; nothing is
    /// destroyed then.
    pub fn move_to(from: &KeysAt, to: &KeysAt, master: &MasterKey) -> Result<Moved, MoveError> {
        if from == to {
            return Err(MoveError::Taken { place: to.to_string() });
        }
        let mut prove = |ring: &str| Proof::of(master, ring);
        let (mut old, ring) = table(from, &mut prove)?;
        if !cipher::is_proven(master, &ring.name, &ring.proof.bytes) {
            let (expected, found) = (ring.proof.fingerprint, master.fingerprint());
            return Err(OpenRingError::OtherMaster { place: from.to_string(), expected, found }.into());
        }
        old.hold()?;
        let (mut new, there) = table(to, &mut prove)?;
        let is_empty = new.entries(0)?.is_empty();
        match is_empty {
            true => new.take_over(&ring, &mut |after| old.entries(after))?,
            // An earlier move got so far.
            false if there.name == ring.name => {}
            false => return Err(MoveError::Taken { place: to.to_string() }),
        }
        let (mut after, mut moved) = (0, Moved::default());
        loop {
            let entries = old.entries(after)?;
            if new.entries(after)? != entries {
                return Err(differs(to).into());
            }
            let Some(last) = entries.last() else { break };
            after = last.row.number;
            let kept = entries.iter().filter(|entry| entry.row.wrapped.is_some()).count() as u64;
            moved.kept += kept;
            moved.forgotten += entries.len() as u64 - kept;
        }
        old.end()?;
        drop(old);
        remove(from)?;
        Ok(moved)
    }
}

fn differs(to: &KeysAt) -> StoreError {
    let message = format!("the keys in {to} differ from those that were moved there; nothing was destroyed");
    StoreError::new(StoreErrorKind::Corrupt, message)
}

/// Takes an emptied file away.
fn remove(from: &KeysAt) -> Result<(), StoreError> {
    let KeysAt::File(path) = from else { return Ok(()) };
    std::fs::remove_file(path).map_err(|error| {
        let message = format!("the emptied key file {} cannot be removed; remove it", path.display());
        StoreError::new(StoreErrorKind::ReadOnly, message).because(error)
    })
}
