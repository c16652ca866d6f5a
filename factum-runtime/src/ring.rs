//! Which ring of keys a store's personal data is sealed with: noted once, compared at every start.
//!
//! A key file that was lost, or mixed up with another's, would else go unnoticed: new values would be sealed with new
//! keys, and old ones read as if their subjects had been forgotten.

use factum_core::{Commit, Guard, Record, RecordKind, Store, StoreError, StoreErrorKind};

use crate::instance::as_store_error;
use crate::state::{RingState, read, to_bytes};

const ID: &str = "ring";

/// Notes the ring of the store's gate when the store has none yet, and compares it when it has.
///
/// # Errors
/// When the store's personal data was sealed with another ring, or the store fails.
pub async fn bind(store: &dyn Store) -> Result<(), StoreError> {
    let Some(ring) = store.gate().keys().map(|keys| keys.ring().to_owned()) else { return Ok(()) };
    loop {
        if let Some(record) = store.find_one(RecordKind::KEYS, ID).await? {
            return compare(&read::<RingState>(&record)?.ring, &ring);
        }
        let mut work = store.begin().await?;
        let state = RingState { ring: ring.clone() };
        work.put(Record::new(RecordKind::KEYS, "", ID, to_bytes(&state)), Guard::Absent);
        match work.commit().await {
            Commit::Committed(_) => return Ok(()),
            Commit::Conflict(_) => {}
            other => return Err(as_store_error(other)),
        }
    }
}

fn compare(noted: &str, given: &str) -> Result<(), StoreError> {
    if noted == given {
        return Ok(());
    }
    let message = format!(
        "the store's personal data is sealed with key ring {noted}, and the key file holds ring {given}; restore the key file that belongs to the store"
    );
    Err(StoreError::new(StoreErrorKind::Invalid, message))
}
