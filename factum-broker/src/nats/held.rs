//! Deliveries in flight: who holds them says so now and then, and gives them back when it leaves, however it leaves.
//!
//! One task a member. It ends when the member closes or is dropped, and holds nothing then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use factum_core::Bytes;
use factum_core::broker::Token;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use super::link::Link;

/// How long giving back may take; what is not given back in time comes again when its time is over.
const LEAVE_MAX: Duration = Duration::from_secs(2);

pub(crate) const ACK: Bytes = Bytes::from_static(b"+ACK");
pub(crate) const GIVE_BACK: Bytes = Bytes::from_static(b"-NAK");
const IN_PROGRESS: Bytes = Bytes::from_static(b"+WPI");

/// A delivery in flight.
pub(crate) struct InFlight {
    pub(crate) part: usize,
    /// Its place in the stream.
    pub(crate) sequence: u64,
    /// Where the server hears of it.
    pub(crate) reply: Subject,
}

#[derive(Default)]
pub(crate) struct Held(Mutex<HashMap<Token, InFlight>>);

impl Held {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<Token, InFlight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replies(&self) -> Vec<Subject> {
        self.lock().values().map(|held| held.reply.clone()).collect()
    }

    fn take_all(&self) -> Vec<Subject> {
        self.lock().drain().map(|(_, held)| held.reply).collect()
    }
}

/// What a member leaves behind beside what it holds.
pub(crate) struct Leaving {
    pub(crate) messages: Subscriber,
    pub(crate) arrived: Vec<Subject>,
}

/// Extends what is held, until the member leaves; then gives everything back.
pub(crate) async fn keep(
    link: Arc<Link>,
    held: Arc<Held>,
    every: Duration,
    mut leave: oneshot::Receiver<Leaving>,
) {
    let mut beat = tokio::time::interval(every);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let leaving = loop {
        tokio::select! {
            leaving = &mut leave => break leaving,
            _ = beat.tick() => {}
        }
        for reply in held.replies() {
            // Without a connection there is nothing to extend: the server counts on.
            if link.is_up()
                && let Err(error) = link.send(&reply, IN_PROGRESS).await
            {
                tracing::debug!(%error, "a delivery in flight could not be extended");
            }
        }
    };
    let Ok(leaving) = leaving else { return };
    if tokio::time::timeout(LEAVE_MAX, give_back(&link, &held, leaving)).await.is_err() {
        tracing::debug!("not everything was given back in time; it comes again by itself");
    }
}

async fn give_back(link: &Link, held: &Held, leaving: Leaving) {
    let Leaving { mut messages, arrived } = leaving;
    for reply in held.take_all().into_iter().chain(arrived) {
        let _ = link.send(&reply, GIVE_BACK).await;
    }
    // What was asked for may still be under way.
    if messages.drain().await.is_ok() {
        while let Some(message) = messages.next().await {
            if let Some(reply) = reply_of(&message) {
                let _ = link.send(&reply, GIVE_BACK).await;
            }
        }
    }
    let _ = link.client.flush().await;
}

fn reply_of(message: &Message) -> Option<Subject> {
    message.reply.clone().filter(|reply| reply.starts_with("$JS.ACK."))
}
