//! What a decision costs: loading a stream and appending to it, appends within a boundary of two tags, and an inline
//! projection beside the append.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use factum::{
    ConsumerName, Decider, Envelope, ExecuteOptions, Expected, Failure, InlineStore, Position, Projection,
    Query, Store, StreamId, Table, Tables, Tag, Tags, Version, execute, values,
};
use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::Runtime;

use crate::kit::{Kit, Pair, Spec, Target, median, millis, per_second};
use crate::scene::{Stepped, open, stepped};

/// Streams that are decided on, one after the other.
const STREAMS: usize = 300;
/// Events of each when the measuring begins.
const EVENTS: u32 = 40;
/// Events of the log behind a decision over tags.
const LOG: usize = 1_000_000;
/// Events of an append that fills it.
const FILL: usize = 1_000;
const COURSES: usize = 1_000;
const STUDENTS: usize = 20_000;
/// Single appends of one look.
const APPENDS: usize = 1_000;

struct Walk;

impl Decider for Walk {
    type Command = u32;
    type Event = Stepped;
    type State = u32;
    type Refusal = Infallible;

    fn evolve(steps: u32, _: &Stepped) -> u32 {
        steps + 1
    }

    fn decide(steps: &u32, thing: u32) -> Result<Vec<Stepped>, Infallible> {
        Ok(vec![Stepped { thing: format!("thing{thing}"), step: *steps, note: "decided".to_owned() }])
    }
}

struct Counts;

impl Projection for Counts {
    const NAME: ConsumerName = ConsumerName::constant("counts");
    const VERSION: u32 = 1;
    type Input = Stepped;

    fn tables() -> Vec<Table> {
        vec![Table::new("count", "thing text primary key, steps integer not null")]
    }

    async fn apply(&self, event: Stepped, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        tables.execute(
            "insert into {count} as known (thing, steps) values ($1, 1)
             on conflict (thing) do update set steps = known.steps + 1",
            values![event.thing],
        );
        Ok(())
    }
}

fn stream(number: usize) -> StreamId {
    format!("thing-{number}").parse().expect("a stream")
}

/// Loads, decides and appends, stream by stream, beside a select and an insert in a commit of their own.
pub(crate) fn measure_execute(kit: &mut Kit, runtime: &Runtime) {
    let (ours, raw) = (kit.path("decide.db"), kit.path("decide-raw.db"));
    let store = open(&ours);
    let mut twin = Streams::open(&raw);
    let payload = stepped("thing", 0).data;
    for number in 0..STREAMS {
        let events: Vec<Envelope> =
            (0..EVENTS).map(|step| stepped(&format!("thing{number}"), step)).collect();
        let done = runtime.block_on(store.append(&stream(number), Expected::NoStream, &events));
        done.expect("the stream is filled");
        twin.fill(number, &payload);
    }
    let spec = Spec {
        name: "load of 40 events, decide, append, one after the other",
        unit: "decisions/s",
        beside: "select, insert",
        target: Target::AtLeast(0.8),
    };
    kit.measure([spec], |_| {
        let began = Instant::now();
        (0..STREAMS).for_each(|number| twin.decide(number, &payload));
        let raw = per_second(STREAMS, began.elapsed());
        let began = Instant::now();
        runtime.block_on(async {
            for number in 0..STREAMS {
                let options = ExecuteOptions::default();
                let done = execute::<Walk>(store.as_ref(), &stream(number), number as u32, &options).await;
                assert_eq!(done.expect("it is decided").events.len(), 1);
            }
        });
        let note = format!("{STREAMS} streams; ours decodes and folds what it reads");
        [Pair::new(per_second(STREAMS, began.elapsed()), raw).note(note)]
    });
}

/// The twin of `execute`: a table of events by stream.
struct Streams {
    connection: Connection,
}

impl Streams {
    fn open(place: &Path) -> Self {
        drop(open(place));
        let connection = Connection::open(place).expect("the file opens");
        connection
            .execute_batch("pragma synchronous = full; pragma wal_autocheckpoint = 4000")
            .expect("the store's settings");
        connection
            .execute_batch(
                "create table raw (position integer primary key, stream integer not null, version integer not null, \
                 data blob not null, unique (stream, version))",
            )
            .expect("the table of events");
        Self { connection }
    }

    fn fill(&mut self, number: usize, payload: &[u8]) {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
        for version in 1..=EVENTS {
            insert(&tx, number, version.into(), payload);
        }
        tx.commit().expect("commits");
    }

    fn decide(&mut self, number: usize, payload: &[u8]) {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
        let (mut version, mut bytes) = (0, 0);
        {
            let sql = "select version, data from raw where stream = ?1 order by version";
            let mut select = tx.prepare_cached(sql).expect("the select");
            let mut rows = select.query([number as i64]).expect("it runs");
            while let Some(row) = rows.next().expect("a row") {
                version = row.get(0).expect("its version");
                bytes += row.get_ref(1).and_then(|data| Ok(data.as_blob()?.len())).expect("its payload");
            }
        }
        assert!(bytes > 0, "a stream has events");
        insert(&tx, number, version + 1, payload);
        tx.commit().expect("commits");
    }
}

fn insert(connection: &Connection, number: usize, version: i64, payload: &[u8]) {
    let sql = "insert into raw (stream, version, data) values (?1, ?2, ?3)";
    let mut insert = connection.prepare_cached(sql).expect("the insert");
    insert.execute((number as i64, version, payload)).expect("it runs");
}

fn tags(number: usize) -> [Tag; 2] {
    let course = format!("c{}", number % COURSES);
    let student = format!("s{}", number % STUDENTS);
    [Tag::new("course", &course).expect("a tag"), Tag::new("student", &student).expect("a tag")]
}

fn tagged(number: usize) -> Envelope {
    let tags = Tags::new(tags(number)).expect("two tags");
    Envelope { tags, ..stepped(&format!("thing{number}"), 0) }
}

fn unchanged(number: usize, since: Position) -> Expected {
    let of = |tag| Expected::unchanged(Query { tags: vec![tag], ..Query::default() }, since);
    Expected::All(tags(number).into_iter().map(of).collect())
}

/// Appends that expect two tags unchanged, over a log of a million events that carry such tags.
pub(crate) fn measure_boundary(kit: &mut Kit, runtime: &Runtime) {
    let store = open(&kit.path("boundary.db"));
    runtime.block_on(async {
        for first in (0..LOG).step_by(FILL) {
            let events: Vec<Envelope> = (first..first + FILL).map(tagged).collect();
            let to = stream(first / FILL % 100);
            store.append(&to, Expected::Any, &events).await.expect("the log is filled");
        }
    });
    let spec = Spec {
        name: "append that expects two tags unchanged, over 1 M events, p50",
        unit: "ms",
        beside: "plain append, same tags",
        target: Target::AtMost(2.0),
    };
    let mut number = LOG;
    kit.measure([spec], |_| {
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..APPENDS {
            number += 1;
            let (event, other) = (tagged(number), tagged(number + 7));
            let to = stream(number % 100);
            runtime.block_on(async {
                let since = store.head().await.expect("the head");
                let expected = unchanged(number, since);
                let began = Instant::now();
                store.append(&to, expected, &[event]).await.expect("nobody came between");
                ours.push(millis(began.elapsed()));
                let began = Instant::now();
                store.append(&to, Expected::Any, &[other]).await.expect("it is recorded");
                plain.push(millis(began.elapsed()));
            });
        }
        let note = format!("{APPENDS} of each in turn, {COURSES} courses, {STUDENTS} students");
        let middle = |times| median(times).unwrap_or_default();
        [Pair::new(middle(ours), middle(plain)).note(note)]
    });
}

/// Appends whose unit fills an inline projection, beside the appends alone.
pub(crate) fn measure_inline(kit: &mut Kit, runtime: &Runtime) {
    let plain = open(&kit.path("inline-none.db"));
    let wrapped = open(&kit.path("inline.db"));
    let inline: Arc<dyn Store> = Arc::new(
        runtime.block_on(InlineStore::new(wrapped).projection(Counts)).expect("the tables are made"),
    );
    let spec = Spec {
        name: "append with an inline projection of one upsert",
        unit: "ms",
        beside: "the append alone",
        target: Target::AtMost(1.3),
    };
    let mut version = 0;
    kit.measure([spec], |_| {
        let from = version;
        version += APPENDS as u64;
        let mut took = [&inline, &plain].map(|store| {
            let began = Instant::now();
            runtime.block_on(async {
                for at in from..from + APPENDS as u64 {
                    let event = stepped(&format!("thing{}", at % 100), at as u32);
                    let expected = if at == 0 { Expected::NoStream } else { Expected::At(Version::at(at)) };
                    store.append(&stream(0), expected, &[event]).await.expect("it is recorded");
                }
            });
            millis(began.elapsed()) / APPENDS as f64
        });
        let [ours, alone] = &mut took;
        [Pair::new(*ours, *alone).note(format!("{APPENDS} of each, one after the other"))]
    });
}
