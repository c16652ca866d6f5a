//! mire as a peer: its store's own calls, without aggregates.

use mire::{Event, EventData, EventStore, ExpectedVersion};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;

#[path = "../../drive.rs"]
mod drive;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Placed {
    text: String,
}

impl EventData for Placed {
    fn event_type(&self) -> &'static str {
        "order.placed"
    }
}

#[derive(Clone)]
struct Mire(std::sync::Arc<EventStore>);

impl drive::Peer for Mire {
    const TABLE: &'static str = "es_events";

    async fn open(url: &str, makes: bool) -> Self {
        let pool = PgPoolOptions::new().max_connections(drive::CONNECTIONS).connect(url).await.expect("connects");
        let store = EventStore::new(pool);
        if makes {
            store.migrate().await.expect("the tables are made");
        }
        Self(std::sync::Arc::new(store))
    }

    async fn append(&self, stream: &str, version: usize) {
        let expected = match version {
            0 => ExpectedVersion::NoStream,
            version => ExpectedVersion::Exact(version as i64),
        };
        let event = Event::new(Placed { text: drive::text() });
        self.0.append(stream, "order", expected, &[event]).await.expect("appends");
    }

    async fn load(&self, stream: &str) -> usize {
        self.0.read_stream_all(stream, 0).await.expect("reads").len()
    }

    async fn read_all(&self) -> Option<usize> {
        let (mut count, mut after) = (0, (0, 0));
        loop {
            let page = self.0.read_all_after(after.0, after.1, 1_000).await.expect("reads");
            let Some(last) = page.last() else { return Some(count) };
            after = (last.transaction_id, last.global_position);
            count += page.len();
        }
    }

    async fn follow(&self, mut seen: impl FnMut(String, u64) + Send) {
        let mut after = (0, 0);
        loop {
            let page = self.0.read_all_after(after.0, after.1, 500).await.expect("reads");
            match page.last() {
                Some(last) => after = (last.transaction_id, last.global_position),
                None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
            for event in page {
                seen(event.stream_id, event.stream_version as u64);
            }
        }
    }
}

fn main() {
    drive::serve::<Mire>();
}
