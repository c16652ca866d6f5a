//! One member of a consumer: asks each part for one event at a time, hands out, acknowledges.
//!
//! The server remembers what it was asked for only as long as the connection lasts, and answers with nothing when the
//! time of a question is over; so every question has an end here too, after which it is asked again. A question asked
//! twice does no harm, because a part has one delivery in flight whatever is asked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{Message, StatusCode, Subject, Subscriber};
use async_trait::async_trait;
use factum_core::broker::Token;
use factum_core::{BrokerError, Delivered, Deliveries, Topic};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::api::{Pull, nanos};
use super::held::{self, ACK, GIVE_BACK, Held, InFlight, Leaving};
use super::link::{Link, refused, transient};
use super::topics::{SUBJECTS, part_of_durable};
use super::wire;

/// How long the server keeps a question.
const ASK: Duration = Duration::from_secs(10);
/// How much later it is asked again, should the answer that it is over be lost.
const GRACE: Duration = Duration::from_secs(2);
/// How soon a part is asked again that nobody answers for.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How long nobody may answer before the member says so.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What came and is not handed out.
struct Arrived {
    part: usize,
    sequence: u64,
    deliveries: u32,
    reply: Subject,
    message: Message,
    at: Instant,
}

pub(crate) struct NatsDeliveries {
    link: Arc<Link>,
    topic: Topic,
    /// Of each part, the subject on which it is asked.
    questions: Vec<String>,
    inbox: String,
    messages: Option<Subscriber>,
    /// Of each part, until when it need not be asked.
    asked: Vec<Option<Instant>>,
    /// Since when nobody answers for some part.
    silent: Option<Instant>,
    arrived: VecDeque<Arrived>,
    held: Arc<Held>,
    /// Of each part, the latest acknowledgement: sent again with a new connection, because one may be lost with the old.
    acknowledged: Vec<Option<Subject>>,
    next_token: u64,
    /// How long what arrived may wait for being handed out; then the server soon gives it to another.
    fresh_max: Duration,
    ups: watch::Receiver<u64>,
    leave: Option<oneshot::Sender<Leaving>>,
    keeper: Option<JoinHandle<()>>,
}

impl NatsDeliveries {
    /// A member of the consumer that has these durables, one for each part of the topic.
    pub(crate) async fn join(
        link: Arc<Link>,
        topic: Topic,
        stream: &str,
        durables: &[String],
        ack_wait: Duration,
    ) -> Result<Self, BrokerError> {
        let inbox = link.client.new_inbox();
        let messages = link.client.subscribe(format!("{inbox}.*")).await;
        let messages =
            messages.map_err(|error| transient(format!("{} cannot be listened to: {error}", link.shown)))?;
        let held = Arc::new(Held::default());
        let (leave, left) = oneshot::channel();
        let keeper = tokio::spawn(held::keep(link.clone(), held.clone(), ack_wait / 3, left));
        let question = |durable: &String| format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}");
        Ok(Self {
            ups: link.ups(),
            link,
            topic,
            questions: durables.iter().map(question).collect(),
            inbox,
            messages: Some(messages),
            asked: vec![None; SUBJECTS],
            silent: None,
            arrived: VecDeque::new(),
            held,
            acknowledged: vec![None; SUBJECTS],
            next_token: 0,
            fresh_max: ack_wait * 2 / 3,
            leave: Some(leave),
            keeper: Some(keeper),
        })
    }

    /// Asks every part that has nothing in flight here, and was not asked.
    async fn ask(&mut self) -> Result<(), BrokerError> {
        let mut is_busy = [false; SUBJECTS];
        self.arrived.iter().for_each(|arrived| is_busy[arrived.part] = true);
        self.held.lock().values().for_each(|held| is_busy[held.part] = true);
        let now = Instant::now();
        let pull = serde_json::to_vec(&Pull { expires: nanos(ASK), batch: 1 });
        let pull = factum_core::Bytes::from(pull.unwrap_or_default());
        for (part, is_busy) in is_busy.into_iter().enumerate() {
            if is_busy || self.asked[part].is_some_and(|until| until > now) || !self.link.is_up() {
                continue;
            }
            let reply = format!("{}.{part}", self.inbox);
            let asked =
                self.link.client.publish_with_reply(self.questions[part].clone(), reply, pull.clone());
            asked.await.map_err(|error| {
                transient(format!("the connection to {} is gone: {error}", self.link.shown))
            })?;
            self.asked[part] = Some(now + ASK + GRACE);
        }
        Ok(())
    }

    /// When the next part is to be asked again.
    fn next_question(&self) -> Instant {
        let soon = Instant::now() + ASK_AGAIN;
        self.asked.iter().flatten().min().copied().map_or(soon, |at| at.max(soon))
    }

    /// Takes one message of the server: a delivery, or why there is none.
    fn take(&mut self, message: Message) -> Result<(), BrokerError> {
        let Some(status) = message.status.filter(|_| message.reply.is_none()) else {
            self.take_delivery(message);
            return Ok(());
        };
        let part = message.subject.rsplit('.').next().and_then(|part| part.parse::<usize>().ok());
        let Some(part) = part.filter(|part| *part < SUBJECTS) else { return Ok(()) };
        let description = message.description.unwrap_or_default();
        if status == StatusCode::TIMEOUT || status == StatusCode::NOT_FOUND {
            self.asked[part] = None;
            return Ok(());
        }
        if status == StatusCode::IDLE_HEARTBEAT {
            return Ok(());
        }
        if description.to_ascii_lowercase().contains("consumer deleted") {
            return Err(self.gone());
        }
        // Nobody answers, or the one who does is about to change: JetStream starts, or elects a leader.
        self.asked[part] = Some(Instant::now() + ASK_AGAIN);
        if self.silent.get_or_insert_with(Instant::now).elapsed() > SILENCE_MAX {
            return Err(self.gone());
        }
        Ok(())
    }

    fn gone(&self) -> BrokerError {
        transient(format!(
            "the consumer of topic {} at {} is gone; subscribing again makes it anew",
            self.topic, self.link.shown
        ))
    }

    fn take_delivery(&mut self, message: Message) {
        let Some(reply) = message.reply.clone() else { return };
        let Some(Place { part, sequence, deliveries }) = place(&reply) else { return };
        self.silent = None;
        self.asked[part] = None;
        // The same again, because its time was over: only how to acknowledge it has changed.
        if let Some(held) =
            self.held.lock().values_mut().find(|held| held.part == part && held.sequence == sequence)
        {
            held.reply = reply;
            return;
        }
        self.arrived.retain(|arrived| (arrived.part, arrived.sequence) != (part, sequence));
        let at = Instant::now();
        self.arrived.push_back(Arrived { part, sequence, deliveries, reply, message, at });
    }

    /// Forgets what has waited so long that the server is about to give it to another.
    fn drop_stale(&mut self) {
        let fresh_max = self.fresh_max;
        self.arrived.retain(|arrived| arrived.at.elapsed() < fresh_max);
    }

    fn hand_out(&mut self, limit: usize) -> Vec<Delivered> {
        let count = self.arrived.len().min(limit.max(1));
        let mut handed = Vec::with_capacity(count);
        for arrived in self.arrived.drain(..count) {
            let Arrived { part, sequence, deliveries, reply, message, .. } = arrived;
            let token = Token(self.next_token);
            self.next_token += 1;
            self.held.lock().insert(token, InFlight { part, sequence, reply });
            let event = wire::read(message.headers.as_ref(), message.payload, &self.topic);
            handed.push(Delivered { token, event, deliveries: Some(deliveries) });
        }
        handed
    }

    fn release(&mut self, token: Token) -> Result<InFlight, BrokerError> {
        let held = self.held.lock().remove(&token);
        held.ok_or_else(|| refused(format!("delivery {} of topic {} is not in flight", token.0, self.topic)))
    }

    /// A new connection knows nothing of what was asked or acknowledged last.
    async fn begin_again(&mut self) {
        self.asked.fill(None);
        for reply in self.acknowledged.iter().flatten() {
            let _ = self.link.send(reply, ACK).await;
        }
    }

    fn leave(&mut self) {
        if let (Some(leave), Some(messages)) = (self.leave.take(), self.messages.take()) {
            let arrived = self.arrived.drain(..).map(|arrived| arrived.reply).collect();
            let _ = leave.send(Leaving { messages, arrived });
        }
    }
}

/// What the subject of an acknowledgement says of its delivery.
struct Place {
    part: usize,
    sequence: u64,
    deliveries: u32,
}

/// Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.…`; newer servers put a domain and an account before the
/// stream.
fn place(reply: &str) -> Option<Place> {
    let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let tokens = if tokens.len() >= 9 { &tokens[2..] } else { &tokens[..] };
    let [_, durable, deliveries, sequence, ..] = tokens else { return None };
    Some(Place {
        part: part_of_durable(durable)?,
        sequence: sequence.parse().ok()?,
        deliveries: deliveries.parse().ok()?,
    })
}

#[async_trait]
impl Deliveries for NatsDeliveries {
    async fn next(&mut self, limit: usize) -> Result<Vec<Delivered>, BrokerError> {
        loop {
            while let Some(Some(message)) =
                self.messages.as_mut().and_then(|messages| messages.next().now_or_never())
            {
                self.take(message)?;
            }
            self.drop_stale();
            self.ask().await?;
            if !self.arrived.is_empty() {
                return Ok(self.hand_out(limit));
            }
            let wake = tokio::time::Instant::from_std(self.next_question());
            let Some(messages) = self.messages.as_mut() else {
                return Err(refused("this member has left".into()));
            };
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take(message)?,
                    None => return Err(transient(format!("the connection to {} was closed", self.link.shown))),
                },
                up = self.ups.changed() => match up {
                    Ok(()) => self.begin_again().await,
                    Err(_) => return Err(transient(format!("the connection to {} was closed", self.link.shown))),
                },
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    async fn ack(&mut self, token: Token) -> Result<(), BrokerError> {
        let held = self.release(token)?;
        self.acknowledged[held.part] = Some(held.reply.clone());
        self.link.send(&held.reply, ACK).await
    }

    async fn nack(&mut self, token: Token) -> Result<(), BrokerError> {
        let held = self.release(token)?;
        self.link.send(&held.reply, GIVE_BACK).await
    }

    async fn close(mut self: Box<Self>) -> Result<(), BrokerError> {
        self.leave();
        if let Some(keeper) = self.keeper.take() {
            // It ends by itself within its own limit.
            let _ = keeper.await;
        }
        Ok(())
    }
}

impl Drop for NatsDeliveries {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_servers_say_where_a_delivery_is() {
        for reply in [
            "$JS.ACK.order~placed.payments=7.2.40.12.1700000000000000000.3",
            "$JS.ACK.hub.ACCHASH.order~placed.payments=7.2.40.12.1700000000000000000.3.rnd",
            "$JS.ACK._.ACCHASH.order~placed.payments=7.2.40.12.1700000000000000000.3",
        ] {
            let place = place(reply).unwrap();
            assert_eq!((place.part, place.deliveries, place.sequence), (7, 2, 40), "{reply}");
        }
        assert!(place("$JS.ACK.stream.somebody-else.1.1.1.1.0").is_none());
        assert!(place("_INBOX.x.3").is_none());
    }
}
