//! What every peer in Rust is asked, and how it is timed: the same loops for all of them.
//!
//! A line of JSON comes in, the peer does it, a line goes out. Streams have ten events; then there is a new one.

use std::future::Future;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Connections that a peer may use at most, as many as Factum's default.
#[allow(dead_code, reason = "Factum keeps to its default")]
pub const CONNECTIONS: u32 = 12;

/// Events of one stream.
#[allow(dead_code, reason = "not every peer asks")]
pub const EVENTS_OF_STREAM: usize = 10;

/// A store of events, as little of it as is measured.
pub trait Peer: Clone + Send + Sync + 'static {
    /// The table whose inserts can be slowed down.
    const TABLE: &'static str;
    /// Why it cannot follow all events in an order, if it cannot.
    const CANNOT_FOLLOW: Option<&'static str> = None;

    /// Connects; makes the tables when told to.
    fn open(url: &str, makes: bool) -> impl Future<Output = Self>;
    /// Appends one event to a stream that is at `version`.
    fn append(&self, stream: &str, version: usize) -> impl Future<Output = ()> + Send;
    /// Reads all events of a stream; how many there are.
    fn load(&self, stream: &str) -> impl Future<Output = usize> + Send;
    /// Reads all events of the store; `None` when it cannot.
    fn read_all(&self) -> impl Future<Output = Option<usize>> + Send;
    /// Hands all events on as they come, from the first: stream and version of each. Runs until it is dropped.
    fn follow(&self, seen: impl FnMut(String, u64) + Send) -> impl Future<Output = ()> + Send;
}

/// Some 256 bytes of JSON.
pub fn text() -> String {
    "x".repeat(240)
}

/// Serves until the input ends.
pub fn serve<P: Peer>() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (mut peer, mut round) = (None, 0);
    for line in std::io::stdin().lock().lines() {
        let ask: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        round += 1;
        let answer = runtime.block_on(answer::<P>(&mut peer, &ask, round));
        println!("{answer}");
        std::io::stdout().flush().expect("somebody listens");
    }
}

async fn answer<P: Peer>(peer: &mut Option<P>, ask: &Value, round: usize) -> Value {
    let number = |name: &str| ask[name].as_u64().unwrap_or_default() as usize;
    let what = ask["do"].as_str().unwrap_or_default();
    if what == "open" {
        let makes = ask["makes"].as_bool().unwrap_or_default();
        *peer = Some(P::open(ask["url"].as_str().unwrap_or_default(), makes).await);
        let follows = P::CANNOT_FOLLOW.is_none().then_some(true);
        return json!({ "table": P::TABLE, "follows": follows, "why": P::CANNOT_FOLLOW });
    }
    let peer = peer.clone().expect("it was opened");
    // Names differ from round to round, and from process to process.
    let prefix = format!("p{}r{round}", std::process::id());
    let began = Instant::now();
    let events = match what {
        "append" => append(peer, prefix, number("count")).await,
        "writers" => {
            let writers = number("writers");
            let each = number("count") / writers;
            let tasks: Vec<_> = (0..writers)
                .map(|writer| tokio::spawn(append(peer.clone(), format!("{prefix}w{writer}"), each)))
                .collect();
            let mut events = 0;
            for task in tasks {
                events += task.await.expect("a writer ends");
            }
            events
        }
        "load_append" => return load_append(peer, &prefix, number("count"), number("length")).await,
        "catch_up" => match peer.read_all().await {
            Some(events) => events,
            None => return json!({ "skipped": "cannot read all events" }),
        },
        "follow" => return follow(peer, number("count"), number("idle_seconds")).await,
        _ => return json!({ "error": format!("cannot do {what:?}") }),
    };
    json!({ "events": events, "seconds": began.elapsed().as_secs_f64() })
}

async fn append<P: Peer>(peer: P, prefix: String, count: usize) -> usize {
    for index in 0..count {
        let stream = format!("order-{prefix}s{}", index / EVENTS_OF_STREAM);
        peer.append(&stream, index % EVENTS_OF_STREAM).await;
    }
    count
}

/// Streams of some length; then each is loaded and gets one event more. Only the latter is timed.
async fn load_append<P: Peer>(peer: P, prefix: &str, count: usize, length: usize) -> Value {
    let name = |index: usize| format!("order-{prefix}l{index}");
    for index in 0..count / length.max(1) {
        for version in 0..length {
            peer.append(&name(index), version).await;
        }
    }
    let streams = (count / length.max(1)).max(1);
    let began = Instant::now();
    for turn in 0..count {
        let stream = name(turn % streams);
        let version = peer.load(&stream).await;
        peer.append(&stream, version).await;
    }
    json!({ "events": count, "seconds": began.elapsed().as_secs_f64() })
}

async fn follow<P: Peer>(peer: P, count: usize, idle_seconds: usize) -> Value {
    let (mut all, mut last) = (Vec::new(), Instant::now());
    let idle = Duration::from_secs(idle_seconds as u64);
    let (sender, mut events) = tokio::sync::mpsc::channel(1_000);
    let following = tokio::spawn(async move {
        peer.follow(move |stream, version| {
            let mut event = (stream, version);
            // The channel is long, and its reader does nothing else.
            while let Err(tokio::sync::mpsc::error::TrySendError::Full(back)) = sender.try_send(event) {
                event = back;
                std::thread::yield_now();
            }
        })
        .await;
    });
    while all.len() < count && last.elapsed() < idle {
        if let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(100), events.recv()).await {
            all.push(event);
            last = Instant::now();
        }
    }
    // What comes a second time comes soon.
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(1), events.recv()).await {
        all.push(event);
    }
    following.abort();
    json!({ "seen": all })
}
