//! Factum as a peer: a store in PostgreSQL, without a gate.

use factum_core::{Envelope, EventType, Expected, Query, Store, Version};
use factum_store::postgres::{Options, PostgresStore};

#[path = "../../drive.rs"]
mod drive;

const PLACED: EventType = EventType::event("order.placed", 1, "order", "order.placed");

#[derive(Clone)]
struct Factum(PostgresStore);

impl drive::Peer for Factum {
    const TABLE: &'static str = "factum.event";

    async fn open(url: &str, _makes: bool) -> Self {
        // As the other peers in Rust do it.
        let executor = Some(tokio::runtime::Handle::current());
        let options = Options { executor, ..Options::default() };
        Self(PostgresStore::open(url, options).expect("the store opens"))
    }

    async fn append(&self, stream: &str, version: usize) {
        let data = format!("{{\"text\":\"{}\"}}", drive::text());
        let event = Envelope::raw(PLACED, "42".parse().expect("a key"), data.into_bytes().into());
        let to = stream.parse().expect("a stream");
        self.0.append(&to, Expected::At(Version::at(version as u64)), &[event]).await.expect("appends");
    }

    async fn load(&self, stream: &str) -> usize {
        let page = self.0.read(&Query::stream(stream.parse().expect("a stream"))).await.expect("reads");
        page.events.len()
    }

    async fn read_all(&self) -> Option<usize> {
        let (mut count, mut query) = (0, Query { limit: Query::LIMIT_MAX, ..Query::all() });
        loop {
            let page = self.0.read(&query).await.expect("reads");
            count += page.events.len();
            query.after = page.end;
            if !page.more {
                return Some(count);
            }
        }
    }

    async fn follow(&self, mut seen: impl FnMut(String, u64) + Send) {
        let mut query = Query::all();
        loop {
            let page = self.0.read(&query).await.expect("reads");
            query.after = page.end;
            for event in page.events {
                seen(event.stream.to_string(), event.version.number());
            }
            if !page.more {
                self.0.wait(query.after).await.expect("waits");
            }
        }
    }
}

fn main() {
    drive::serve::<Factum>();
}
