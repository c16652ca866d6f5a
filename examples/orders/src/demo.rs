//! The story in the terminal: what happens to orders when all goes well, and when it does not.
//!
//! Runs on a store in memory with short delays; each fact is printed as it is recorded.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use factum::admin::{Letter, ReplayRequest, Which};
use factum::{ConsumerName, Position, Query, RetryPolicy, Store};

use crate::orders::application::{Asked, Desk};
use crate::orders::domain::{Address, Line, Lines, Placing};
use crate::orders::infrastructure::shipping;
use crate::shop::{Settings, Shop};
use crate::simulation::{Answer, Behaviour, Deliver};
use crate::terminal::{Ink, Terminal};
use crate::values::{Money, OrderId};

mod facts;

/// The consumer that the story's poison is given to.
const CHARGE: ConsumerName = ConsumerName::constant("payments.charge");
/// Longest that any part of the story may take.
const PART_MAX: Duration = Duration::from_secs(5);

/// Tells the story.
///
/// # Errors
/// When something does not happen as told, or nobody reads any more.
pub async fn tell(terminal: Terminal) -> anyhow::Result<()> {
    let retry = RetryPolicy {
        immediate: 1,
        attempts: 3,
        first: Duration::from_millis(150),
        max: Duration::from_millis(300),
        jitter: 0.0,
        ..RetryPolicy::default()
    };
    let shop = Shop::open("memory:", Settings { retry: Some(retry), ..Settings::default() }).await?;
    let store = shop.running().store().clone();
    let printer = facts::print(store.clone(), terminal, Instant::now());
    let teller = Teller { desk: Desk::new(store.clone(), shipping::keep), store, shop, terminal };
    let result = teller.story().await;
    printer.abort();
    teller.shop.stop().await;
    result
}

struct Teller {
    shop: Shop,
    store: Arc<dyn Store>,
    desk: Desk,
    terminal: Terminal,
}

impl Teller {
    async fn story(&self) -> anyhow::Result<()> {
        self.title("1  An order is placed, paid and reserved: three contexts, no calls between them")?;
        self.place("c-ada", "teapot", "10.50").await?;
        self.settled().await?;

        self.title("2  Payments says it twice: the second approval carries the same payment, and is quiet")?;
        self.shop.payments.turn(Behaviour { deliver: Deliver::Twice, ..Behaviour::default() });
        self.place("c-ada", "cup", "3.00").await?;
        self.settled().await?;

        self.title("3  Payments declines: the order is cancelled, nothing is owed")?;
        self.shop.payments.turn(Behaviour { answer: Answer::Decline, ..Behaviour::default() });
        self.place("c-bob", "samovar", "950.00").await?;
        self.settled().await?;

        self.title(
            "4  A poison event: Payments fails on it until it is a dead letter; others are not held up",
        )?;
        self.poison().await?;

        self.title(
            "5  A replay: payments.charge is given the whole log again, and the facts stay what they are",
        )?;
        self.replay().await?;
        self.say(
            "\nThat was it. `cargo run -p orders` opens the shop over HTTP and keeps its facts in a file.",
        )
    }

    async fn poison(&self) -> anyhow::Result<()> {
        self.shop.payments.turn(Behaviour { fail_always: true, ..Behaviour::default() });
        let order = self.place("c-cy", "kettle", "24.90").await?;
        let letter = self.dead_letter(order).await?;
        let attempts = letter.troubled.attempts;
        let error = letter.troubled.error.lines().next().unwrap_or_default().to_owned();
        self.note(Ink::Red, &format!("dead letter after {attempts} attempts: {error}"))?;
        self.shop.payments.turn(Behaviour::default());
        self.place("c-dee", "spoon", "1.20").await?;
        self.settled().await?;
        self.note(Ink::Green, "Payments is mended; the operator puts the letter back")?;
        self.shop.running().admin().requeue(&[letter]).await?;
        self.reserved(order).await
    }

    async fn replay(&self) -> anyhow::Result<()> {
        let before = self.store.head().await?;
        let admin = self.shop.running().admin();
        let handled = self.handled().await?;
        // Checkpoints of slots without events are written once a second; a replay goes up to the least of them.
        self.until("the checkpoints are written", async || {
            Ok(admin.consumer(&CHARGE).await?.position >= before)
        })
        .await?;
        let request =
            ReplayRequest { consumer: CHARGE, after: Position::START, from_time: None, effects: true };
        let plan = admin.replay(&request).await?;
        let placed = plan.types.iter().find(|(name, _)| name.starts_with("order.placed"));
        let again = placed.map_or(0, |(_, count)| *count);
        self.until("the events are handled again", async || Ok(self.handled().await? >= handled + again))
            .await?;
        self.note(Ink::Dim, &format!("of {} events, {again} orders were charged again", plan.events))?;
        self.settled().await?;
        let after = self.store.head().await?;
        if before != after {
            bail!("the replay made facts: the log was at {before} and is at {after}");
        }
        self.note(
            Ink::Green,
            &format!("the log is where it was, at {after}: every answer was known by its id"),
        )
    }

    /// How many events the poisoned consumer has handled.
    async fn handled(&self) -> anyhow::Result<u64> {
        let figures = self.shop.running().figures().await?;
        let charge = figures.iter().find(|figures| figures.consumer == CHARGE.as_str());
        Ok(charge.map_or(0, |figures| figures.metrics.handled.load(Ordering::Relaxed)))
    }

    /// Looks again and again until something is so.
    async fn until(&self, what: &str, is: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let until = Instant::now() + PART_MAX;
        while Instant::now() < until {
            if is().await? {
                return Ok(());
            }
            tokio::time::sleep(facts::PACE).await;
        }
        bail!("in vain waited until {what}")
    }

    async fn place(&self, customer: &str, product: &str, price: &str) -> anyhow::Result<OrderId> {
        let price = Money::parse(price, "EUR".parse()?)?;
        let line = Line { product: product.parse()?, quantity: 2.try_into()?, price };
        let ship_to = Address::new("Lane 1", "Bonn", "53111", "DE");
        let placing = Placing {
            order: OrderId::of(uuid::Uuid::now_v7()),
            customer: customer.parse()?,
            lines: Lines::new(vec![line])?,
            email: None,
            ship_to: ship_to.ok().context("the story's address is an address")?,
            at: crate::request::moment(self.store.now().await?),
        };
        let order = placing.order;
        self.desk.place(placing, Asked::default()).await?;
        Ok(order)
    }

    async fn settled(&self) -> anyhow::Result<()> {
        self.shop.running().settled(PART_MAX).await.context("the shop does not come to rest")?;
        // The printer hears of the last fact as everybody else does; let it speak before the next title.
        tokio::time::sleep(facts::PACE).await;
        Ok(())
    }

    async fn dead_letter(&self, order: OrderId) -> anyhow::Result<Letter> {
        let admin = self.shop.running().admin();
        let key = order.to_string();
        let letter = async || -> anyhow::Result<Option<Letter>> {
            let letters = admin.letters(Which::Dead, Some(&CHARGE)).await?;
            Ok(letters.into_iter().find(|letter| letter.troubled.key == key))
        };
        self.until("the poison is a dead letter", async || Ok(letter().await?.is_some())).await?;
        letter().await?.context("the dead letter is gone again")
    }

    async fn reserved(&self, order: OrderId) -> anyhow::Result<()> {
        let reserved = Query {
            correlation: Some(order.to_string().try_into()?),
            types: vec!["stock.reserved".parse()?],
            ..Query::default()
        };
        self.until("the order is reserved", async || {
            Ok(!self.store.read(&reserved).await?.events.is_empty())
        })
        .await?;
        self.settled().await
    }

    fn title(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.terminal.line(&format!("\n{}", self.terminal.paint(Ink::Bold, text)))?)
    }

    fn note(&self, ink: Ink, text: &str) -> anyhow::Result<()> {
        Ok(self.terminal.line(&format!("           {}", self.terminal.paint(ink, text)))?)
    }

    fn say(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.terminal.line(text)?)
    }
}
