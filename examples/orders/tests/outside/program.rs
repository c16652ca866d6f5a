//! The program itself as a child process, on a port of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, send};

/// Longest that anything may take; only a broken program takes it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const LOOK: Duration = Duration::from_millis(5);

pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    out: BufReader<ChildStdout>,
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.env("NO_COLOR", "1").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

impl Program {
    /// Starts it and waits until it is healthy.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        let program = Self::spawn(data, arguments);
        wait_until("it is healthy", || program.get("/health").status == 200);
        program
    }

    /// Starts it and ends it on the spot after a while, whatever it is doing then.
    pub(crate) fn start_and_kill(data: &Path, after: Duration) {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn spawn(data: &Path, arguments: &[&str]) -> Self {
        let log = data.with_extension("log");
        std::fs::create_dir_all(data.parent().unwrap()).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next());
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = child.kill();
            let log = std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
            panic!("it did not start: {line:?} {:?}\n{log}", child.wait());
        };
        Self { child, address, out }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The rest of what it says at its start, after the first line.
    pub(crate) fn greeting(&mut self) -> String {
        let mut greeting = String::new();
        while !greeting.ends_with("goes on from here\n") {
            assert_ne!(self.out.read_line(&mut greeting).unwrap(), 0, "it breaks off: {greeting}");
        }
        greeting
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        send(self.address, "GET", path, &[], "").unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.address, "POST", path, &[], &body.to_string()).unwrap()
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        send(self.address, "PUT", path, &[], &body.to_string()).unwrap()
    }

    /// Places an order of customer c-1 over 21.00 EUR.
    pub(crate) fn place(&self) -> String {
        let answer = self.post("/orders", &order("c-1"));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["orderId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn order(&self, id: &str) -> Value {
        let answer = self.get(&format!("/orders/{id}?wait=1000"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) fn order_becomes(&self, id: &str, status: &str) -> Value {
        wait_until(&format!("order {id} is {status}"), || self.order(id)["status"] == status);
        self.order(id)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Sends ctrl-c, or another signal, and waits for the end.
    pub(crate) fn stop(mut self, signal: &str) -> (ExitStatus, Duration) {
        let started = Instant::now();
        self.signal(signal);
        (ended(&mut self.child), started.elapsed())
    }

    /// Ends it on the spot.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already, unless its test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < until, "it does not end");
        thread::sleep(LOOK);
    }
}

pub(crate) fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < until, "in vain waited until {what}");
        thread::sleep(LOOK);
    }
}

pub(crate) fn order(customer: &str) -> Value {
    json!({
        "customerId": customer,
        "currency": "EUR",
        "items": [{ "productId": "teapot", "quantity": 2, "price": "10.50" }],
        "shippingAddress": { "street": "Lane 1", "city": "Bonn", "postalCode": "53111", "country": "DE" },
    })
}
