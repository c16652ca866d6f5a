//! What the answers of Payments and Stock do to an order.
//!
//! An answer that comes twice is quiet: known by its payment or reservation id for a day, and by the order itself
//! for ever. One that the order refuses is refused by name: kept, never tried again, holding nothing up.

use std::time::Duration;

use factum::{Context, EventSet, Failure, Position, Timestamp};

use super::history::{History, HistoryError};
use super::stream_of;
use crate::orders::domain::{Command, Reason, Refusal};
use crate::values::{Money, OrderId, PaymentId, ReservationId};

/// How long a payment or reservation id is remembered: deliveries that are repeated later than a day after the first
/// are an operator's doing.
pub const DEDUPE_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Payments approved a payment.
///
/// # Errors
/// By name when the order refuses it: no such order, not awaiting payment, amount differs.
pub async fn take_payment(
    cx: &mut Context<'_>,
    order: OrderId,
    payment: PaymentId,
    amount: Money,
) -> Result<(), Failure> {
    if !cx.first_time(&format!("{order}/payment/{payment}"), DEDUPE_WINDOW).await? {
        return Ok(());
    }
    let at = moment(cx.now());
    decide(cx, order, Command::TakePayment { payment, amount, at }).await
}

/// Payments declined.
///
/// # Errors
/// By name when the order refuses it.
pub async fn decline_payment(cx: &mut Context<'_>, order: OrderId, reason: Reason) -> Result<(), Failure> {
    let at = moment(cx.now());
    decide(cx, order, Command::DeclinePayment { reason, at }).await
}

/// Stock has not got the goods.
///
/// # Errors
/// By name when the order refuses it.
pub async fn reject_reservation(cx: &mut Context<'_>, order: OrderId, reason: Reason) -> Result<(), Failure> {
    let at = moment(cx.now());
    decide(cx, order, Command::RejectReservation { reason, at }).await
}

/// Stock set the goods aside: the fact is in the order's history from where Stock wrote it, so there is nothing left
/// to write; one that the order does not take is refused.
///
/// # Errors
/// By name when the order refuses it.
pub async fn take_reservation(
    cx: &mut Context<'_>,
    order: OrderId,
    reservation: ReservationId,
) -> Result<(), Failure> {
    if !cx.first_time(&format!("{order}/reservation/{reservation}"), DEDUPE_WINDOW).await? {
        return Ok(());
    }
    let at = moment(cx.now());
    let before = cx.position().map_or(Position::END, |position| Position::at(position.number() - 1));
    let history = History::read(cx.work(), order, before).await.map_err(untold)?;
    match history.order.decide(Command::TakeReservation { reservation, at }) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(refused(&refusal)),
    }
}

/// Decides in the handler's unit of work; when the order's history grows before it commits, the handler runs again.
async fn decide(cx: &mut Context<'_>, order: OrderId, command: Command) -> Result<(), Failure> {
    let history = History::read(cx.work(), order, Position::END).await.map_err(untold)?;
    let events = history.order.decide(command).map_err(|refusal| refused(&refusal))?;
    if events.is_empty() {
        return Ok(());
    }
    let mut envelopes = Vec::with_capacity(events.len());
    for event in &events {
        let envelope = event.encode()?;
        envelopes.push(cx.caused(envelope));
    }
    cx.work().append(stream_of(order), history.unchanged(), envelopes);
    Ok(())
}

/// A history that cannot be understood now cannot be understood later.
fn untold(error: HistoryError) -> Failure {
    match error {
        HistoryError::Unreadable(why) => Failure::reject("history-unreadable").detail(why.to_string()),
        HistoryError::Store(_) => error.into(),
    }
}

fn refused(refusal: &Refusal) -> Failure {
    Failure::reject(refusal.name()).detail(refusal.to_string())
}

fn moment(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default()
}
