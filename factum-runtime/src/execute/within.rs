//! Decisions that span streams: made from every event that carries one of some tags, and appended only while no other
//! such event has come (elsewhere: dynamic consistency boundary).
//!
//! The boundary is as wide as the tags and no wider: decisions whose tags do not overlap never meet. Locks no stream
//! and needs no serialisable isolation; a decision that comes too late is made again from what is new.

use std::collections::BTreeMap;

use factum_core::{
    AppendError, Commit, Context, Decider, EventSet, Expected, Position, Query, Store, Tag, Version, Work,
};

use super::{
    CONFLICTS_MAX, DecideError, ExecuteError, ExecuteOptions, Executed, LoadError, decode, envelopes,
};

struct Within<S> {
    state: S,
    since: Position,
}

/// Executes a command on what all events say that carry one of the tags, as a unit of its own. What it decides is
/// appended, each event to the stream of its category and key, all or none.
///
/// Events must carry the tags of what they change: a boundary does not see those that do not.
///
/// # Errors
/// When the decider refuses, others came between each time, or the store fails. Without a tag, with more than
/// [`Expected::PARTS_MAX`], or with an idempotency key, which is kept for streams only, it is invalid.
pub async fn execute_within<D>(
    store: &dyn Store,
    tags: &[Tag],
    command: D::Command,
    options: &ExecuteOptions,
) -> Result<Executed<D::Event>, ExecuteError<D::Refusal>>
where
    D: Decider<Command: Clone>,
{
    check::<D>(tags, options)?;
    let mut within = Within { state: D::State::default(), since: Position::START };
    for _ in 0..CONFLICTS_MAX {
        let mut work = store.begin().await?;
        within = load::<D>(work.as_mut(), tags, within).await?;
        let events = D::decide(&within.state, command.clone()).map_err(ExecuteError::Refused)?;
        let mut expected = unchanged::<D>(tags, within.since);
        for envelope in envelopes(&events, options)? {
            let to = envelope.stream().map_err(AppendError::from)?;
            // Each part of a unit happens or none does: it is enough that one of them looks at the boundary.
            work.append(to, std::mem::replace(&mut expected, Expected::Any), vec![envelope]);
        }
        match work.commit().await {
            Commit::Committed(done) => {
                let last = done.appended.last();
                return Ok(Executed {
                    events,
                    version: last.map_or(Version::EMPTY, |last| last.version),
                    position: done.position.unwrap_or(Position::START),
                    is_repeated: false,
                });
            }
            Commit::Conflict(_) => {}
            other => {
                other.into_result()?;
            }
        }
    }
    let tags = tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ");
    Err(ExecuteError::BusyWithin { tags })
}

/// The same within a handler's unit of work: when such an event comes before the unit commits, the handler runs again.
///
/// # Errors
/// When the decider refuses, or the events cannot be read.
pub async fn decide_within<D: Decider>(
    cx: &mut Context<'_>,
    tags: &[Tag],
    command: D::Command,
) -> Result<Vec<D::Event>, DecideError<D::Refusal>> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| DecideError::Failed(error);
    check::<D>(tags, &ExecuteOptions::default()).map_err(|error| failed(error.into()))?;
    let start = Within { state: D::State::default(), since: Position::START };
    let within = load::<D>(cx.work(), tags, start).await.map_err(|error| failed(error.into()))?;
    let events = D::decide(&within.state, command).map_err(DecideError::Refused)?;
    let mut expected = unchanged::<D>(tags, within.since);
    for event in &events {
        let envelope = event.encode().map_err(|error| failed(error.into()))?;
        let envelope = cx.caused(envelope);
        let to = envelope.stream().map_err(|error| failed(error.into()))?;
        cx.work().append(to, std::mem::replace(&mut expected, Expected::Any), vec![envelope]);
    }
    Ok(events)
}

fn check<D: Decider>(tags: &[Tag], options: &ExecuteOptions) -> Result<(), AppendError> {
    if options.idempotency.is_some() {
        let message = "an idempotency key is kept for a stream, and this decision has none".to_owned();
        return Err(AppendError::Invalid(message));
    }
    if tags.is_empty() {
        return Err(AppendError::Invalid("a decision within tags names at least one".to_owned()));
    }
    unchanged::<D>(tags, Position::START).parts().map(drop).map_err(AppendError::Invalid)
}

fn query<D: Decider>(tag: &Tag) -> Query {
    let types = D::Event::types().into_iter().map(|known| known.name).collect();
    Query { tags: vec![tag.clone()], types, ..Query::default() }
}

fn unchanged<D: Decider>(tags: &[Tag], since: Position) -> Expected {
    Expected::All(tags.iter().map(|tag| Expected::unchanged(query::<D>(tag), since)).collect())
}

/// Folds what is new within the tags, in the order of the log, each event once.
async fn load<D: Decider>(
    work: &mut dyn Work,
    tags: &[Tag],
    within: Within<D::State>,
) -> Result<Within<D::State>, LoadError> {
    let mut found = BTreeMap::new();
    let mut up_to = Position::END;
    for tag in tags {
        let mut query = Query { up_to, ..query::<D>(tag) }.after(within.since);
        loop {
            let page = work.read(&query).await?;
            // All are read up to one place, so that the state is one that the log has had.
            up_to = up_to.min(page.head);
            query.up_to = up_to;
            found.extend(page.events.into_iter().map(|event| (event.position, event)));
            if !page.more {
                break;
            }
            query.after = page.end;
        }
    }
    found.retain(|position, _| *position <= up_to);
    let mut state = within.state;
    for event in found.into_values() {
        state = D::evolve(state, &decode::<D::Event>(work.gate().as_ref(), event)?);
    }
    Ok(Within { state, since: up_to.max(within.since) })
}
