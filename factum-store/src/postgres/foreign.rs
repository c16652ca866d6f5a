//! Appends inside somebody else's transaction, with the promises of every other append.
//!
//! The store's own connections make new types known, because a number that a rollback takes back must not be
//! remembered. What is written, and in which order locks are taken, is the same function as everywhere.
//! The transaction's connection may be the first to meet a server that took over. The statement that writes names the
//! server that the store is on, and does nothing elsewhere; the store's own connections then follow before anything is
//! written, so that no position is given twice. So looking where the transaction is costs no round trip.
//! Never ends the transaction, and never tries again inside it: a failed statement has ended it.

use factum_core::{
    AppendError, Appended, Commit, Committed, Expected, StoreError, StoreErrorKind, StreamId, WriteError,
};

use super::error::Doing as _;
use super::handle::Core;
use super::step::Step;
use super::unit::Stop;
use crate::batch::Batch;

/// How often an append follows a server that took over; more only when one takes over from another meanwhile.
const FOLLOWS_MAX: usize = 2;

const ELSEWHERE: &str =
    "the transaction is in another database than the store; begin it on a connection to the same";

pub(super) async fn append(
    core: &Core,
    tx: &mut sqlx::PgConnection,
    to: &StreamId,
    expected: Expected,
    events: Batch,
) -> Result<Appended, AppendError> {
    let steps = [Step::Append { to: to.clone(), expected, events }];
    let mut committed = match steps[0].can_share() {
        true => write_here(core, tx, &steps).await?,
        false => {
            follow(core, tx).await?;
            core.learn(&steps).await?;
            core.write(tx, &steps).await.map(|(committed, ..)| committed).map_err(refused)?
        }
    };
    // When the transaction ends is not known here; looking soon costs little.
    core.shared.nudge();
    Ok(committed.appended.pop().expect("a call with one append that was written answers with one"))
}

/// Writes in one round trip, in which the server sees for itself whether the transaction is where the store is.
async fn write_here(
    core: &Core,
    tx: &mut sqlx::PgConnection,
    steps: &[Step],
) -> Result<Committed, AppendError> {
    for _ in 0..FOLLOWS_MAX {
        core.learn(steps).await?;
        // Before the types are looked up, so that they are not those of a server that was there before.
        let identity = core.shared.identity();
        if let Some(committed) = core.write_here(tx, steps, &identity).await.map_err(refused)? {
            return Ok(committed);
        }
        follow(core, tx).await?;
    }
    let message = "one server took over from another while this was written; run the transaction again";
    Err(StoreError::new(StoreErrorKind::Unavailable, message).into())
}

/// Sees to it that the transaction is where the store is.
async fn follow(core: &Core, tx: &mut sqlx::PgConnection) -> Result<(), AppendError> {
    let look = sqlx::query_scalar(core.statements.identity.sql()).fetch_one(tx).await;
    let found: Option<String> = look.doing("cannot look at the server's identity")?;
    let Some(found) = found else {
        let message = "the transaction is on a replica, which cannot be written to; begin it on the primary";
        return Err(StoreError::new(StoreErrorKind::ReadOnly, message).into());
    };
    if core.shared.is_at(&found) {
        return Ok(());
    }
    core.follow(&found).await?;
    let expected = core.shared.identity();
    if *expected == *found {
        return Ok(());
    }
    if is_same_database(&expected, &found) {
        let message = "the transaction is on a server that was replaced; roll it back, and run it again on a new connection";
        return Err(StoreError::new(StoreErrorKind::Unavailable, message).into());
    }
    Err(AppendError::Invalid(ELSEWHERE.to_owned()))
}

/// Whether two identities differ in their timelines alone.
fn is_same_database(one: &str, other: &str) -> bool {
    let parts = |identity: &str| {
        let mut parts = identity.split('/').map(ToOwned::to_owned);
        (parts.next(), parts.nth(1))
    };
    parts(one) == parts(other)
}

fn refused(stop: Stop) -> AppendError {
    match stop {
        Stop::Decided(Commit::Failed(WriteError::Store(error)))
        | Stop::Again(error)
        | Stop::InDoubt(_, error) => error.into(),
        Stop::Decided(commit) => match commit.into_result() {
            Err(error) => error,
            Ok(_) => AppendError::Invalid("the append was not written".to_owned()),
        },
    }
}
