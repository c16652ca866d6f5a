//! Spans leave the process by OTLP, and a trace goes from the request through the handler of its event.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use factum_core::{
    Context, Decider, Event, EventType, Failure, Handler, OpenGate, PartitionKey, Query, Store, StreamId,
};
use factum_runtime::{App, Consumer, ExecuteOptions, execute};

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Rung {
    bell: String,
}

impl Event for Rung {
    const TYPE: EventType = EventType::event("bell.rung", 1, "bell", "bell.rung");

    fn key(&self) -> PartitionKey {
        self.bell.parse().unwrap()
    }
}

struct Bell;

impl Decider for Bell {
    type Command = String;
    type Event = Rung;
    type State = ();
    type Refusal = std::fmt::Error;

    fn evolve((): (), _: &Rung) {}

    fn decide((): &(), bell: String) -> Result<Vec<Rung>, std::fmt::Error> {
        Ok(vec![Rung { bell }])
    }
}

struct Hears;

impl Handler<Rung> for Hears {
    async fn handle(&self, _: Rung, _: &mut Context<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
#[ignore = "run by the test below, in a process with an endpoint"]
fn a_process_that_traces() {
    let _telemetry = factum_runtime::telemetry::init("bells", "warn").unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store: Arc<dyn Store> = factum_store::open("memory:", Arc::new(OpenGate)).unwrap().store;
        let app = App::new(store.clone()).consumer(Consumer::new("hears").on::<Rung>(Hears));
        let running = app.start().await.unwrap();
        let stream: StreamId = "bell-1".parse().unwrap();
        execute::<Bell>(store.as_ref(), &stream, "1".into(), &ExecuteOptions::default()).await.unwrap();
        running.settled(Duration::from_secs(60)).await.unwrap();
        let event = store.read(&Query::all()).await.unwrap().events.remove(0);
        println!("traceparent={}", event.envelope.trace.unwrap());
        running.stop().await;
    });
}

/// Takes what is posted, answers 200, and hands the bodies on.
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::sync_channel(64);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if sender.send((first, body)).is_err() {
                return;
            }
        }
    });
    (endpoint, receiver)
}

fn count(body: &[u8], part: &[u8]) -> usize {
    body.windows(part.len()).filter(|window| *window == part).count()
}

#[test]
fn spans_of_append_and_handle_are_exported_in_one_trace() {
    let (endpoint, received) = collector();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_process_that_traces", "--nocapture"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{output}\n{}", String::from_utf8_lossy(&child.stderr));
    let line = output.lines().find_map(|line| line.split_once("traceparent=00-")).unwrap().1;
    let trace_id: Vec<u8> =
        (0..16).map(|index| u8::from_str_radix(&line[index * 2..index * 2 + 2], 16).unwrap()).collect();

    let mut all = Vec::new();
    while let Ok((first, body)) = received.recv_timeout(Duration::from_secs(5)) {
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        all.extend(body);
        if count(&all, b"handle") > 0 && count(&all, b"append") > 0 {
            break;
        }
    }
    for name in ["execute", "append", "handle", "bells"] {
        assert!(count(&all, name.as_bytes()) > 0, "{name} is missing");
    }
    assert!(count(&all, &trace_id) >= 3, "execute, append and handle belong to one trace");
}
