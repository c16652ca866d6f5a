//! cqrs-es with postgres-es as a peer: through its framework, which loads an aggregate for each command.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::PersistedEventRepository;
use cqrs_es::{Aggregate, DomainEvent};
use postgres_es::{PostgresCqrs, PostgresEventRepository, postgres_cqrs};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;

#[path = "../../drive.rs"]
mod drive;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Placed { text: String },
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "order.placed".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Order {
    placed: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused;

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = ();
    type Event = Event;
    type Error = Refused;
    type Services = ();

    async fn handle(&mut self, _: (), _: &(), sink: &EventSink<Self>) -> Result<(), Refused> {
        sink.write(Event::Placed { text: drive::text() }, self).await;
        Ok(())
    }

    fn apply(&mut self, _: Event) {
        self.placed += 1;
    }
}

const TABLES: [&str; 2] = [
    "create table events (
        aggregate_type text not null, aggregate_id text not null, sequence bigint check (sequence >= 0) not null,
        event_type text not null, event_version text not null, payload json not null, metadata json not null,
        primary key (aggregate_type, aggregate_id, sequence))",
    "create table snapshots (
        aggregate_type text not null, aggregate_id text not null, last_sequence bigint not null,
        current_snapshot bigint not null, payload json not null,
        primary key (aggregate_type, aggregate_id, last_sequence))",
];

#[derive(Clone)]
struct CqrsEs {
    framework: Arc<PostgresCqrs<Order>>,
    repository: Arc<PostgresEventRepository>,
}

impl drive::Peer for CqrsEs {
    const TABLE: &'static str = "events";
    const CANNOT_FOLLOW: Option<&'static str> = Some("has no order of all events, and no feed of them");

    async fn open(url: &str, makes: bool) -> Self {
        let pool = PgPoolOptions::new().max_connections(drive::CONNECTIONS).connect(url).await.expect("connects");
        if makes {
            for table in TABLES {
                sqlx::query(table).execute(&pool).await.expect("the tables are made");
            }
        }
        let repository = Arc::new(PostgresEventRepository::new(pool.clone()));
        Self { framework: Arc::new(postgres_cqrs(pool, vec![], ())), repository }
    }

    async fn append(&self, stream: &str, _version: usize) {
        self.framework.execute(stream, ()).await.expect("appends");
    }

    async fn load(&self, stream: &str) -> usize {
        self.repository.get_events::<Order>(stream).await.expect("reads").len()
    }

    async fn read_all(&self) -> Option<usize> {
        let mut events = self.repository.stream_all_events::<Order>().await.expect("reads");
        let mut count = 0;
        while let Some(event) = events.next::<Order>(&[]).await {
            event.expect("decodes");
            count += 1;
        }
        Some(count)
    }

    async fn follow(&self, _seen: impl FnMut(String, u64) + Send) {}
}

fn main() {
    drive::serve::<CqrsEs>();
}
