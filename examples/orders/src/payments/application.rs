//! What Payments does: settles the bill of every order that is placed.

use factum::{Context, Failure};

use super::domain::{Bank, Bill, Outcome, settle};
use crate::simulation::{Answer, Behaviour, Deliver};

/// Why the first of two tries was declined, when answers come in the wrong order.
pub const FIRST_TRY: &str = "the first try was declined";

/// Settles a bill as told; answers what is to be said, in the order in which it is to be said.
///
/// # Errors
/// When the simulation is told to fail.
pub async fn charge(
    cx: &mut Context<'_>,
    bill: &Bill,
    behaviour: Behaviour,
) -> Result<Vec<Outcome>, Failure> {
    behaviour.act(cx.attempt(), "payments").await?;
    // The same on every try and in every replay: a real bank would be given it as its idempotency key.
    let payment = cx.idempotency_key("payment").parse()?;
    let bank = match behaviour.answer {
        Answer::Approve => Bank::Pays,
        Answer::Decline => Bank::Declines,
    };
    Ok(deliveries(settle(bill, bank, payment), behaviour.deliver))
}

fn deliveries(outcome: Outcome, deliver: Deliver) -> Vec<Outcome> {
    match (deliver, &outcome) {
        (Deliver::Twice, _) => vec![outcome.clone(), outcome],
        (Deliver::OutOfOrder, Outcome::Approved { .. }) => {
            vec![outcome, Outcome::Declined { reason: FIRST_TRY }]
        }
        (Deliver::Once | Deliver::OutOfOrder, _) => vec![outcome],
    }
}
