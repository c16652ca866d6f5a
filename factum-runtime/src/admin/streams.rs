//! The life of a stream: closed, opened again.
//!
//! A stream ends by an event of its own, which stores look for; code that decides that something is over appends it
//! itself, with what it decides. Here operators do. Never ends a stream that others write to at the same moment
//! without looking again.

use factum_core::{
    AppendError, Commit, Direction, Envelope, Expected, Guard, Query, Recorded, StreamClosed, StreamId,
    StreamReopened, Version, closing,
};

use super::{Admin, AdminError};
use crate::moved_out::MovedOut;

/// How often a stream that others write to is looked at anew.
const TRIES_MAX: u32 = 100;

/// What became of closing or opening a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    /// The version of the event that says so.
    pub version: Version,
    /// Whether it was so before.
    pub was_so: bool,
}

impl Admin {
    /// Closes a stream: appends to it are refused from then on. Asking again changes nothing.
    ///
    /// # Errors
    /// When it has no events, others write to it all the time, or the store fails.
    pub async fn close_stream(&self, stream: &StreamId, why: &str) -> Result<Turned, AdminError> {
        let event = StreamClosed::new(stream).map(|event| event.because(why).envelope());
        self.turn(stream, event.map_err(|error| AdminError::Refused(error.to_string()))?, "close", true).await
    }

    /// Opens a closed stream again. Asking again changes nothing.
    ///
    /// # Errors
    /// When it has no events, others write to it all the time, or the store fails.
    pub async fn reopen_stream(&self, stream: &StreamId, why: &str) -> Result<Turned, AdminError> {
        let event = StreamReopened::new(stream).map(|event| event.because(why).envelope());
        self.turn(stream, event.map_err(|error| AdminError::Refused(error.to_string()))?, "reopen", false)
            .await
    }

    async fn turn(
        &self,
        stream: &StreamId,
        event: Result<Envelope, factum_core::EncodeError>,
        action: &str,
        closes: bool,
    ) -> Result<Turned, AdminError> {
        let mut event = event.map_err(|error| AdminError::Refused(error.to_string()))?;
        event.actor = self.actor.parse().ok();
        for _ in 0..TRIES_MAX {
            let last = self.last_of(stream).await?;
            if closing::is_closing(&last.envelope.event_type.name) == closes {
                return Ok(Turned { version: last.version, was_so: true });
            }
            let mut work = self.store.begin().await?;
            work.append(stream.clone(), Expected::At(last.version), vec![event.clone()]);
            work.put(self.audit_record(action, stream.as_str(), String::new()).await?, Guard::Absent);
            match work.commit().await {
                Commit::Committed(_) => return Ok(Turned { version: last.version.next(), was_so: false }),
                Commit::Conflict(_) => {}
                other => return Err(other.into_result().map_or_else(AdminError::Append, |_| busy(stream))),
            }
        }
        Err(busy(stream))
    }

    /// The last event of a stream, of whatever kind.
    pub(super) async fn last_of(&self, stream: &StreamId) -> Result<Recorded, AdminError> {
        let newest =
            Query { kind: None, limit: 1, direction: Direction::Backward, ..Query::stream(stream.clone()) };
        if let Some(last) = self.store.read(&newest).await?.events.pop() {
            return Ok(last);
        }
        Err(match self.moved_out(stream).await? {
            Some(out) => AdminError::Refused(out.to_string()),
            None => AdminError::Unknown {
                what: "stream",
                name: stream.to_string(),
                hint: format!("`factum log --category {}` lists events of its category", stream.category()),
            },
        })
    }

    /// Where a stream is that has come some way and has no event in the log.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn moved_out(&self, stream: &StreamId) -> Result<Option<MovedOut>, AdminError> {
        Ok(MovedOut::whole(self.store.as_ref(), stream).await?)
    }
}

fn busy(stream: &StreamId) -> AdminError {
    AdminError::Append(AppendError::Invalid(format!(
        "others wrote to stream {stream} {TRIES_MAX} times in a row; ask again"
    )))
}
