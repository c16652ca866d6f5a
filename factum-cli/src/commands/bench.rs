//! `factum bench`: how fast this machine is at what a store does: syncing, appending alone, appending together.
//!
//! Runs in a folder of its own that is gone afterwards, on the disk that is asked about. Absolute figures are this
//! machine's at this moment; the ratios say more.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{Envelope, EventType, Expected, OpenGate, Query, Store, StreamId};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Column, Table, grouped, length};
use crate::reach;

/// Measure how fast this machine is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to measure; else beside the store, else here
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How long each part may take
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Writers that append at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    writers: u16,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    dir: String,
    seconds: f64,
    writers: u16,
    fsync: Figure,
    append_single: Figure,
    append_grouped: Figure,
    read: Figure,
    events_per_commit: f64,
    grouped_over_single: f64,
}

/// How many, how fast; times are of one answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figure {
    count: u64,
    per_second: f64,
    p50_us: u64,
    p99_us: u64,
}

const TYPE: EventType = EventType::event("bench.measured", 1, "bench", "bench.measured");
/// An event as large as most are.
const DATA: &[u8] = br#"{"orderId":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c","customerId":"c-1042","items":[{"productId":"p-7","quantity":2,"price":"10.50"}],"totalAmount":"21.00","currency":"EUR"}"#;
/// Timings kept for the percentiles.
const TIMES_MAX: usize = 1_000_000;

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected 0.01 to 60".to_owned()),
    }
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let dir = args.dir.clone().unwrap_or_else(|| beside(cx));
    let shown = dir.display().to_string();
    let cannot =
        |error: std::io::Error| CliError::unreachable(format!("{shown} cannot be written to: {error}"));
    let temporary = tempfile::Builder::new().prefix(".factum-bench-").tempdir_in(&dir).map_err(cannot)?;
    let length = Duration::from_secs_f64(args.seconds);
    cx.out.note(&format!("measuring in {shown}"));
    let path = temporary.path().join("fsync");
    let fsync = tokio::task::spawn_blocking(move || fsyncs(&path, length));
    let fsync = fsync.await.map_err(|error| cannot(std::io::Error::other(error)))?.map_err(cannot)?;
    let url = temporary.path().join("bench.db");
    let opened = factum_store::open(&url.display().to_string(), Arc::new(OpenGate))?;
    let store = opened.store.clone();
    let append_single = appends(&store, 1, length).await?;
    let before = store.stats();
    let append_grouped = appends(&store, args.writers, length).await?;
    let after = store.stats();
    let read = reads(&store, length).await?;
    let commits = after.commits.saturating_sub(before.commits).max(1);
    let json = Json {
        dir: shown,
        seconds: args.seconds,
        writers: args.writers,
        events_per_commit: after.events.saturating_sub(before.events) as f64 / commits as f64,
        grouped_over_single: append_grouped.per_second / append_single.per_second.max(f64::MIN_POSITIVE),
        fsync,
        append_single,
        append_grouped,
        read,
    };
    drop((store, opened));
    report(cx, &json)
}

fn beside(cx: &Cx<'_>) -> PathBuf {
    let file = cx.settings.store_if_any().and_then(reach::file_of);
    let folder = file.and_then(|file| file.parent().map(Path::to_owned));
    folder.filter(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("."))
}

fn fsyncs(path: &Path, length: Duration) -> std::io::Result<Figure> {
    let mut file = File::create(path)?;
    let mut times = Times::default();
    let started = Instant::now();
    while started.elapsed() < length {
        let one = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.add(one.elapsed());
    }
    Ok(times.figure(started.elapsed()))
}

async fn appends(store: &Arc<dyn Store>, writers: u16, length: Duration) -> Result<Figure, CliError> {
    let started = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Times::default();
                let mut index = 0_u64;
                while started.elapsed() < length {
                    let key = format!("{writers}-{writer}-{index}");
                    let one = Instant::now();
                    append(store.as_ref(), &key).await?;
                    times.add(one.elapsed());
                    index += 1;
                }
                Ok::<_, CliError>(times)
            })
        })
        .collect();
    let mut all = Times::default();
    for task in tasks {
        let times =
            task.await.map_err(|error| CliError::unreachable(format!("a writer broke: {error}")))??;
        all.count += times.count;
        all.times.extend(times.times);
    }
    Ok(all.figure(started.elapsed()))
}

async fn append(store: &dyn Store, key: &str) -> Result<(), CliError> {
    let grammar = |error: factum_core::NameError| CliError::unreachable(error.to_string());
    let envelope = Envelope::raw(TYPE, key.parse().map_err(grammar)?, factum_core::Bytes::from_static(DATA));
    let stream = StreamId::of(&TYPE.category, key).map_err(grammar)?;
    store.append(&stream, Expected::NoStream, &[envelope]).await?;
    Ok(())
}

async fn reads(store: &Arc<dyn Store>, length: Duration) -> Result<Figure, CliError> {
    let mut times = Times::default();
    let started = Instant::now();
    let mut query = Query { limit: Query::LIMIT_MAX, ..Query::default() };
    while started.elapsed() < length {
        let one = Instant::now();
        let page = store.read(&query).await?;
        let count = page.events.len() as u64;
        times.add(one.elapsed());
        times.count += count.saturating_sub(1);
        query.after = if page.more { page.end } else { factum_core::Position::START };
    }
    Ok(times.figure(started.elapsed()))
}

#[derive(Default)]
struct Times {
    count: u64,
    times: Vec<u64>,
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        if self.times.len() < TIMES_MAX {
            self.times.push(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
    }

    fn figure(mut self, took: Duration) -> Figure {
        self.times.sort_unstable();
        let part = |part: f64| {
            let index = (self.times.len() as f64 * part) as usize;
            self.times.get(index.min(self.times.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        let per_second = self.count as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
        Figure { count: self.count, per_second, p50_us: part(0.5), p99_us: part(0.99) }
    }
}

fn report(cx: &mut Cx<'_>, json: &Json) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(json)?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("what"),
        Column::Right("per second"),
        Column::Right("p50"),
        Column::Right("p99"),
    ]);
    let grouped_name = format!("appends, {} writers together", json.writers);
    for (name, figure) in [
        ("fsyncs of 4 KiB", &json.fsync),
        ("appends, one writer", &json.append_single),
        (&grouped_name, &json.append_grouped),
        ("events read, in pages", &json.read),
    ] {
        let time = |micros: u64| length(Duration::from_micros(micros));
        table.row([
            name.into(),
            grouped(figure.per_second.round() as u64).into(),
            time(figure.p50_us).into(),
            time(figure.p99_us).into(),
        ]);
    }
    cx.out.table(&table)?;
    cx.out.line(format!(
        "\ntogether is {:.1} × one writer; {:.1} events share a commit; measured in {}",
        json.grouped_over_single, json.events_per_commit, json.dir
    ))?;
    Ok(Done::Clean)
}
