//! eventcore on PostgreSQL as a peer: its store's own calls, without commands.

use eventcore_postgres::PostgresEventStore;
use eventcore_types::{
    BatchSize, Event, EventFilter, EventPage, EventReader, EventStore, StreamId, StreamVersion, StreamWrites,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;

#[path = "../../drive.rs"]
mod drive;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Placed {
    stream: StreamId,
    version: u64,
    text: String,
}

impl Event for Placed {
    fn stream_id(&self) -> &StreamId {
        &self.stream
    }

    fn event_type_name() -> &'static str {
        "order.placed"
    }
}

fn stream_id(stream: &str) -> StreamId {
    StreamId::try_new(stream.to_owned()).expect("a stream")
}

#[derive(Clone)]
struct Eventcore(PostgresEventStore);

impl drive::Peer for Eventcore {
    const TABLE: &'static str = "eventcore_events";

    async fn open(url: &str, makes: bool) -> Self {
        let pool = PgPoolOptions::new().max_connections(drive::CONNECTIONS).connect(url).await.expect("connects");
        let store = PostgresEventStore::from_pool(pool);
        if makes {
            store.migrate().await;
        }
        Self(store)
    }

    async fn append(&self, stream: &str, version: usize) {
        let stream = stream_id(stream);
        let event = Placed { stream: stream.clone(), version: version as u64 + 1, text: drive::text() };
        let writes = StreamWrites::new().register_stream(stream, StreamVersion::new(version)).expect("a new stream");
        let writes = writes.append(event).expect("a stream that is registered");
        self.0.append_events(writes).await.expect("appends");
    }

    async fn load(&self, stream: &str) -> usize {
        let events = self.0.read_stream::<Placed>(stream_id(stream)).await.expect("reads");
        eventcore_types::collect_events(events).await.expect("decodes").len()
    }

    async fn read_all(&self) -> Option<usize> {
        let (mut count, mut page) = (0, EventPage::first(BatchSize::new(1_000)));
        loop {
            let events = self.0.read_events::<Placed>(EventFilter::all(), page).await.expect("reads");
            let Some((_, last)) = events.last() else { return Some(count) };
            page = EventPage::after(*last, BatchSize::new(1_000));
            count += events.len();
        }
    }

    async fn follow(&self, mut seen: impl FnMut(String, u64) + Send) {
        let mut page = EventPage::first(BatchSize::new(500));
        loop {
            let events = self.0.read_events::<Placed>(EventFilter::all(), page).await.expect("reads");
            match events.last() {
                Some((_, last)) => page = EventPage::after(*last, BatchSize::new(500)),
                None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
            for (event, _) in events {
                seen(event.stream.to_string(), event.version);
            }
        }
    }
}

fn main() {
    drive::serve::<Eventcore>();
}
