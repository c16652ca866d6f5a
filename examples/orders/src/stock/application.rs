//! What Stock does: answers for the goods of every order that is paid.

use factum::{Context, Failure};
use uuid::Uuid;

use super::domain::{Outcome, Shelves, reserve};
use crate::simulation::{Answer, Behaviour, Deliver};
use crate::values::{OrderId, ReservationId};

/// What made Stock look at an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It was placed: time to remember what it wants.
    Placed,
    /// It was paid: time to answer.
    Paid,
}

/// Answers as told, what is to be said in the order in which it is to be said.
///
/// # Errors
/// When the simulation is told to fail.
pub async fn answer(
    cx: &mut Context<'_>,
    order: OrderId,
    occasion: Occasion,
    behaviour: Behaviour,
) -> Result<Vec<Outcome>, Failure> {
    let is_early = occasion == Occasion::Placed;
    if is_early && behaviour.deliver != Deliver::OutOfOrder {
        return Ok(vec![]);
    }
    behaviour.act(cx.attempt(), "stock").await?;
    // One reservation per order, however often it is answered: the order's own identity names it.
    let reservation = ReservationId::of(Uuid::new_v5(&order.uuid(), b"reservation"));
    let shelves = match behaviour.answer {
        Answer::Approve => Shelves::Full,
        Answer::Decline => Shelves::Empty,
    };
    let outcome = reserve(shelves, reservation);
    Ok(match behaviour.deliver {
        Deliver::Twice => vec![outcome.clone(), outcome],
        Deliver::Once | Deliver::OutOfOrder => vec![outcome],
    })
}
