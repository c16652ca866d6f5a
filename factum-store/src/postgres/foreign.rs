//! Appends inside somebody else's transaction, with the promises of every other append.
//!
//! The store's own connections make new types known, because a number that a rollback takes back must not be
//! remembered. What is written, and in which order locks are taken, is the same function as everywhere.
//! Never ends the transaction, and never tries again inside it: a failed statement has ended it.

use factum_core::{AppendError, Appended, Commit, Expected, StreamId, WriteError};

use super::handle::Core;
use super::step::Step;
use super::unit::Stop;
use crate::batch::Batch;

pub(super) async fn append(
    core: &Core,
    tx: &mut sqlx::PgConnection,
    to: &StreamId,
    expected: Expected,
    events: Batch,
) -> Result<Appended, AppendError> {
    let steps = [Step::Append { to: to.clone(), expected, events }];
    core.learn(&steps).await?;
    let written = core.write(tx, &steps).await;
    let mut committed = written.map(|(committed, ..)| committed).map_err(refused)?;
    // When the transaction ends is not known here; looking soon costs little.
    core.shared.nudge();
    Ok(committed.appended.pop().expect("a call with one append that was written answers with one"))
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
