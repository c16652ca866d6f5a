//! Long streams: shown a page at a time, in little memory.

#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use factum_core::{Envelope, Expected, StreamId};

use crate::copy::BEAT;
use crate::sample::open;
use crate::terminal::Terminal;

/// One stream of so many events, each with so many bytes of payload.
async fn long(terminal: &Terminal, count: usize, bytes: usize) {
    let (store, stream) = (open(terminal), "heart-1".parse::<StreamId>().unwrap());
    let data = format!(r#"{{"beat":"{}"}}"#, "x".repeat(bytes));
    for _ in 0..count / 500 {
        let event = |_| Envelope::raw(BEAT, "1".parse().unwrap(), data.clone().into());
        store.append(&stream, Expected::Any, &(0..500).map(event).collect::<Vec<_>>()).await.unwrap();
    }
}

/// The same command with no more memory than a small share of what the stream has.
fn in_little_memory(terminal: &Terminal, args: &[&str]) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -d 131072 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_factum")]);
    command.args(args).current_dir(terminal.folder()).env_clear();
    command.env("FACTUM_STORE", terminal.store()).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_hundred_thousand_events_is_shown_a_page_at_a_time() {
    let terminal = Terminal::new();
    long(&terminal, 110_000, 2_000).await;
    let newest = in_little_memory(&terminal, &["stream", "heart-1", "--last", "3"]);
    assert!(newest.contains("earlier events: `factum stream heart-1 --as-of 109997`"), "{newest}");
    // Page by page, as each of them says, from the end of the stream on.
    let mut next = 110_000;
    for last in ["1", "1000", "1000", "2000"] {
        let as_of = next.to_string();
        let page =
            in_little_memory(&terminal, &["stream", "heart-1", "--as-of", &as_of, "--last", last, "--json"]);
        let versions: Vec<u64> = versions(&page);
        let size = last.parse::<u64>().unwrap();
        assert_eq!(versions, (next - size + 1..=next).collect::<Vec<_>>());
        next -= size;
    }
    let oldest = in_little_memory(&terminal, &["stream", "heart-1", "--as-of", "2", "--json"]);
    assert_eq!(versions(&oldest), [1, 2]);
}

fn versions(page: &str) -> Vec<u64> {
    let page: serde_json::Value = serde_json::from_str(page).unwrap();
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["version"].as_u64().unwrap()).collect()
}
