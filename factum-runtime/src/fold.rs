//! Read models that are kept nowhere: folded from the log when somebody asks (elsewhere: live projections).
//!
//! For what few ask for and few events make: the events of a tag, of a stream, of a small category. Reads up to one
//! position, so that what is answered was so at one moment. Never writes.

use factum_core::{EventSet, Position, Query, Store};

use crate::admin::archive::moved_out;
use crate::execute::{LoadError, decode};
use crate::moved_out::MovedOut;

/// A state, and up to where the log was read for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded<S> {
    /// The state.
    pub state: S,
    /// Nothing up to this position is missing in it that is in the log.
    pub position: Position,
    /// Events up to this position may be missing: some of the log was moved out, and what it held is not in the state.
    pub lacks: Option<Position>,
}

/// Folds the events that a query finds, in the order of the log. Of the types that the query names, or of all that `E`
/// knows when it names none; its limit is the size of a page, its direction does not count.
///
/// ```
/// # use std::sync::Arc;
/// # use factum_core::{Envelope, Event, EventType, Expected, OpenGate, PartitionKey, Query, Tag, Tags};
/// # use factum_runtime::fold;
/// #[derive(serde::Serialize, serde::Deserialize)] struct Paid { order: String, cents: i64 }
/// # impl Event for Paid {
/// #     const TYPE: EventType = EventType::event("order.paid", 1, "payment", "order.paid");
/// #     fn key(&self) -> PartitionKey { self.order.parse().unwrap() }
/// #     fn tags(&self) -> Tags { Tags::new([Tag::new("orderId", &self.order).unwrap()]).unwrap() }
/// # }
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let store = factum_store::open("memory:", Arc::new(OpenGate))?.store;
/// # for cents in [100, 250] {
/// #     let paid = Envelope::of(&Paid { order: "42".into(), cents })?;
/// #     store.append(&paid.stream()?, Expected::Any, &[paid]).await?;
/// # }
/// let of_order = Query { tags: vec!["orderId:42".parse()?], ..Query::default() };
/// let paid = fold(&*store, &of_order, 0, |cents, paid: Paid| cents + paid.cents).await?;
/// assert_eq!(paid.state, 350);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When an event cannot be read, the query names a stream of which events were moved out of the log, or the store fails.
pub async fn fold<E: EventSet, S>(
    store: &dyn Store,
    query: &Query,
    start: S,
    mut step: impl FnMut(S, E) -> S,
) -> Result<Folded<S>, LoadError> {
    let mut query = Query { direction: factum_core::Direction::Forward, ..query.clone() };
    if query.types.is_empty() {
        query.types = E::types().into_iter().map(|known| known.name).collect();
    }
    // Before, because events may be on their way back, and after, because they may be on their way out.
    let asked = query.clone();
    let before = lacking(store, &asked).await?;
    let mut state = start;
    loop {
        let page = store.read(&query).await?;
        query.up_to = query.up_to.min(page.head);
        for event in page.events {
            if event.position <= query.up_to {
                state = step(state, decode::<E>(store.gate().as_ref(), event)?);
            }
        }
        if !page.more || page.end >= query.up_to {
            let lacks = lacking(store, &asked).await?.max(before);
            return Ok(Folded { state, position: query.up_to, lacks });
        }
        query.after = page.end;
    }
}

/// Up to where events that the query asks for may have been moved out of the log; of a stream it is known whether they were.
async fn lacking(store: &dyn Store, query: &Query) -> Result<Option<Position>, LoadError> {
    let Some(stream) = &query.stream else {
        return Ok(moved_out(store).await?.map(|(up_to, _)| up_to).filter(|up_to| *up_to > query.after));
    };
    match MovedOut::behind(store, stream, query.after).await? {
        Some(out) => Err(out.into()),
        None => Ok(None),
    }
}
