//! Everything at once: handlers that fail at random, instances that come, vanish and stand by, pauses, lanes and
//! batches of any size. Whatever the seed, every key's effects are there once, in order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use factum_core::{ConsumerName, RetryPolicy, hash64};
use factum_runtime::{App, Consumer, Running};

use crate::kit::*;
use crate::place;

const NAME: ConsumerName = ConsumerName::constant("walker");
const KEYS: u32 = 12;
const STEPS: u32 = 25;

/// Small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = hash64(&self.0.to_le_bytes());
        self.0 % sides
    }
}

fn instance(dice: &mut Dice, seen: &Seen, seed: u64) -> Consumer {
    let percent = dice.roll(40);
    let tries = AtomicU64::new(seed << 32);
    let answer = move |_: &Stepped, _| {
        let luck = hash64(&tries.fetch_add(1, Ordering::Relaxed).to_le_bytes()) % 100;
        if luck < percent / 2 {
            no("bad luck")
        } else if luck < percent {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Err(factum_core::Failure::from("bad luck, slowly"))
            })
        } else {
            yes()
        }
    };
    let policy = RetryPolicy {
        immediate: 1 + dice.roll(3) as u32,
        attempts: 10_000,
        first: Duration::from_millis(2),
        max: Duration::from_millis(8),
        ..quick()
    };
    Consumer::new("walker")
        .on::<Stepped>(Does { seen: seen.clone(), answer })
        .retry(policy)
        .lanes(1 + dice.roll(12) as usize)
        .batch([1, 1, 3, 64][dice.roll(4) as usize])
}

async fn storm(seed: u64) {
    let store = fresh();
    let mut dice = Dice(seed);
    let seen = Seen::default();
    effects(store.as_ref()).await;
    let mut running: Vec<Running> = Vec::new();
    let mut sent = [0; KEYS as usize];
    while sent.iter().any(|sent| *sent < STEPS) {
        match dice.roll(60) {
            0 if running.len() < 3 => {
                let app = App::new(store.clone()).consumer(instance(&mut dice, &seen, seed));
                running.push(app.start().await.unwrap());
            }
            1 if !running.is_empty() => running.swap_remove(0).abort().await,
            2 if !running.is_empty() => running.swap_remove(0).stop().await,
            3 if running.len() == 1 => {
                let admin = running[0].admin();
                // It may not have taken its first slot yet: then there is nothing to pause.
                if admin.pause(&NAME, "weather").await.is_ok() {
                    admin.resume(&NAME).await.unwrap();
                }
            }
            _ => {
                let key = dice.roll(u64::from(KEYS)) as u32;
                let next = &mut sent[key as usize];
                if *next < STEPS {
                    step(store.as_ref(), &format!("thing-{key}"), *next).await;
                    *next += 1;
                }
            }
        }
    }
    for instance in running {
        instance.stop().await;
    }
    let app = App::new(store.clone()).consumer(instance(&mut dice, &seen, seed));
    let last = app.start().await.unwrap();
    for key in 0..KEYS {
        let thing = format!("thing-{key}");
        until(&format!("seed {seed}: all of {thing}"), async || {
            effects_of(store.as_ref(), &thing).await.len() >= STEPS as usize
        })
        .await;
        let effects = effects_of(store.as_ref(), &thing).await;
        assert_eq!(effects, (0..STEPS).collect::<Vec<_>>(), "seed {seed}, {thing}: once each, in order");
    }
    until(&format!("seed {seed}: nothing waits"), async || {
        last.admin().consumer(&NAME).await.unwrap().parked == 0
    })
    .await;
    last.stop().await;
    let rows = store.query("select count(*) as n from effect", &[]).await.unwrap();
    assert_eq!(rows.first().unwrap().get::<i64>("n").unwrap(), i64::from(KEYS * STEPS), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_effects_are_there_once_and_in_order() {
    let seeds = if std::env::var_os("FACTUM_LONG").is_some() { 25 * place::STORMS } else { place::STORMS };
    let first = std::env::var("FACTUM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in first..first + seeds {
        storm(seed).await;
    }
}
