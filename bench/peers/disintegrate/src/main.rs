//! disintegrate on PostgreSQL as a peer: decisions over one identifier, which stands for a stream.
//!
//! Its appends run in SERIALIZABLE transactions, so that writers who share nothing fail each other; a failed append is
//! tried again, and the time that takes counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use disintegrate::{Event, EventStore, StreamItem, query};
use disintegrate_postgres::PgEventStore;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;

#[path = "../../drive.rs"]
mod drive;

#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
enum Order {
    Placed {
        #[id]
        order_id: String,
        version: u64,
        text: String,
    },
}

type Json = disintegrate::serde::json::Json<Order>;

#[derive(Clone)]
struct Disintegrate(PgEventStore<Order, Json>, Arc<Mutex<HashMap<String, i64>>>);

impl Disintegrate {
    /// The last event of a stream, and how many there are.
    async fn last(&self, stream: &str) -> (i64, usize) {
        let query = query!(Order; order_id == stream.to_owned());
        let (mut last, mut count) = (0, 0);
        let mut items = self.0.stream(&query);
        while let Some(item) = items.next().await {
            if let StreamItem::Event(event) = item.expect("reads") {
                (last, count) = (event.id(), count + 1);
            }
        }
        (last, count)
    }

    /// Follows all events from after one; the last that was seen.
    async fn after(&self, after: i64, mut seen: impl FnMut(String, u64)) -> (i64, usize) {
        let query = query!(Order).change_origin(after);
        let (mut last, mut count) = (after, 0);
        let mut items = self.0.stream(&query);
        while let Some(item) = items.next().await {
            let item = item.expect("reads");
            last = item.id();
            if let StreamItem::Event(event) = item {
                count += 1;
                let Order::Placed { order_id, version, .. } = event.into_inner();
                seen(order_id, version);
            }
        }
        (last, count)
    }
}

impl drive::Peer for Disintegrate {
    const TABLE: &'static str = "event";

    async fn open(url: &str, makes: bool) -> Self {
        let pool = PgPoolOptions::new().max_connections(drive::CONNECTIONS).connect(url).await.expect("connects");
        let store = match makes {
            true => PgEventStore::try_new(pool, Json::default()).await.expect("the tables are made"),
            false => PgEventStore::new_uninitialized(pool, Json::default()),
        };
        Self(store, Arc::default())
    }

    async fn append(&self, stream: &str, version: usize) {
        let event = |version| Order::Placed { order_id: stream.to_owned(), version, text: drive::text() };
        let query = query!(Order; order_id == stream.to_owned());
        // A decider knows the last event that it decided from; here the one it appended before.
        let known = self.1.lock().expect("no panic").remove(stream);
        let mut last = match known {
            Some(last) => last,
            None if version == 0 => 0,
            None => self.last(stream).await.0,
        };
        let appended = loop {
            match self.0.append(vec![event(version as u64 + 1)], query.clone(), last).await {
                Ok(appended) => break appended,
                Err(_) => last = self.last(stream).await.0,
            }
        };
        if version + 1 < drive::EVENTS_OF_STREAM {
            self.1.lock().expect("no panic").insert(stream.to_owned(), appended[0].id());
        }
    }

    async fn load(&self, stream: &str) -> usize {
        self.last(stream).await.1
    }

    async fn read_all(&self) -> Option<usize> {
        Some(self.after(0, |_, _| {}).await.1)
    }

    async fn follow(&self, mut seen: impl FnMut(String, u64) + Send) {
        let mut after = 0;
        loop {
            let (last, count) = self.after(after, &mut seen).await;
            after = last;
            if count == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    }
}

fn main() {
    drive::serve::<Disintegrate>();
}
