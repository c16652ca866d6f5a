//! The flagship as its users meet it: its own binary, over HTTP, with the default simulation.
//!
//! Needs the binary: `cargo build --release -p orders`; without it the rows are left out, and it says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::kit::{Kit, Pair, Spec, Target, millis, quantile, say};

const ORDERS: usize = 150;
/// Time between two looks at an order.
const LOOK: Duration = Duration::from_micros(500);
const GIVE_UP: Duration = Duration::from_secs(10);

pub(crate) fn measure(kit: &mut Kit, _: &Runtime) {
    let Some(binary) = binary() else {
        say("flagship left out: build it with `cargo build --release -p orders`");
        return;
    };
    let data = kit.path("orders.db");
    let mut shop = Shop::start(&binary, &data);
    let limit = |name, beside| Spec { name, unit: "ms", beside, target: Target::AtMost(1.0) };
    let specs = [
        limit("flagship: POST answered, order.placed in the log, p99 (aim 10 ms)", "limit"),
        limit("flagship: checkout to stock-reserved, p99 (aim 100 ms)", "aim"),
        limit("flagship: checkout to stock-reserved, longest", "limit"),
    ];
    shop.orders(20);
    kit.measure(specs, |_| {
        let (mut placed, mut reserved) = shop.orders(ORDERS);
        let (placed_p50, placed_p99) = (quantile(&mut placed, 0.50), quantile(&mut placed, 0.99));
        let (p50, p99) = (quantile(&mut reserved, 0.50), quantile(&mut reserved, 0.99));
        let longest = quantile(&mut reserved, 1.0);
        [
            Pair::new(placed_p99, 100.0).note(format!("p50 {placed_p50:.2} ms")),
            Pair::new(p99, 100.0).note(format!("p50 {p50:.2} ms")),
            Pair::new(longest, 5_000.0),
        ]
    });
}

/// The release build beside this bench.
fn binary() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let binary = own.parent()?.parent()?.join(format!("orders{}", std::env::consts::EXE_SUFFIX));
    binary.exists().then_some(binary)
}

struct Shop {
    process: Child,
    connection: BufReader<TcpStream>,
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Its data go with the folder; how it ends is no part of what is measured.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Shop {
    fn start(binary: &std::path::Path, data: &std::path::Path) -> Self {
        let mut command = Command::new(binary);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).env("RUST_LOG", "warn");
        let mut process =
            command.stdout(Stdio::piped()).env("NO_COLOR", "1").spawn().expect("the flagship starts");
        let output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let address = output.lines().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("http://")?;
            let end = rest.find([',', ' ', '/']).unwrap_or(rest.len());
            Some(rest[..end].to_owned())
        });
        let address = address.expect("the flagship says where it listens");
        let stream = TcpStream::connect(address).expect("the flagship answers");
        stream.set_nodelay(true).expect("small requests leave at once");
        Self { process, connection: BufReader::new(stream) }
    }

    /// Places orders one after the other; answers how long each took to be placed, and to be reserved.
    fn orders(&mut self, count: usize) -> (Vec<f64>, Vec<f64>) {
        let body = json!({
            "customerId": "c-1", "currency": "EUR",
            "items": [{ "productId": "teapot", "quantity": 2, "price": "10.50" }],
            "shippingAddress": { "street": "Lane 1", "city": "Bonn", "postalCode": "53111", "country": "DE" },
        })
        .to_string();
        let (mut placed, mut reserved) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let began = Instant::now();
            let answer = self.ask("POST", "/orders", &body);
            placed.push(millis(began.elapsed()));
            let order = answer["orderId"].as_str().expect("an order id").to_owned();
            while self.ask("GET", &format!("/orders/{order}"), "")["status"] != "stock-reserved" {
                assert!(began.elapsed() < GIVE_UP, "order {order} was never reserved");
                std::thread::sleep(LOOK);
            }
            reserved.push(millis(began.elapsed()));
        }
        (placed, reserved)
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Value {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.connection.get_mut().write_all(request.as_bytes()).expect("the request leaves");
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            self.connection.read_line(&mut line).expect("an answer");
            let header = line.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut answer = vec![0; length];
        self.connection.read_exact(&mut answer).expect("the whole answer");
        serde_json::from_slice(&answer).unwrap_or_default()
    }
}
