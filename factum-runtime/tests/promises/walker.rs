//! Consumers in processes of their own, which a test starts, stops and signals.
//!
//! The children are this very test program, told by a variable of the environment what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use factum_core::{Context, Failure, Handler, OpenGate, Store, values};
use factum_runtime::{App, Consumer};

use crate::kit::*;
use crate::place;

const URL: &str = "FACTUM_TEST_WALKER_URL";
/// A lease is fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn open(url: &str) -> Arc<dyn Store> {
    place::open(url, Arc::new(OpenGate))
}

/// Says that it has begun with an event, takes its time, and leaves one row.
struct Slowly;

impl Handler<Stepped> for Slowly {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        // One write, so that two lines never mix.
        std::io::stdout().write_all(format!("begun {} {}\n", event.thing, event.step).as_bytes())?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        cx.execute("insert into effect (thing, step) values ($1, $2)", values![event.thing, event.step]);
        Ok(())
    }
}

/// Does nothing unless another test has started it as a process of its own; ends when it is asked to, or killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_walks() {
    let Ok(url) = std::env::var(URL) else { return };
    let consumer = Consumer::new("walker").on::<Stepped>(Slowly).retry(quick()).lanes(4);
    App::new(open(&url)).consumer(consumer).run().await.unwrap();
}

pub(crate) struct Walker {
    child: Child,
    pub(crate) begun: Receiver<String>,
}

impl Walker {
    pub(crate) fn start(url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["walker::a_child_that_walks", "--exact", "--nocapture"])
            .env(URL, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, begun) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, what)) = line.split_once("begun ") {
                    // Read on when nobody listens: a full pipe would hold the child up.
                    let _ = sender.send(what.to_owned());
                }
            }
        });
        Self { child, begun }
    }

    pub(crate) fn begins_something(&self) {
        self.begun.recv_timeout(PATIENCE).expect("it begins with an event");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{name} is sent");
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Walker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
