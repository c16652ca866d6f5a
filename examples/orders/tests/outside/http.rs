//! What a client, an operator and a shell see of the program.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::client::{Answer, send};
use crate::program::{Program, command, order, wait_until};
use serde_json::{Value, json};

/// A folder that goes with the test, and the program's file in it.
fn data() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop/orders.db");
    (folder, file)
}

#[test]
fn an_order_is_placed_and_seen_until_it_is_reserved() {
    let (_folder, data) = data();
    let program = Program::start(&data, &[]);
    let answer = program.post("/orders", &order("c-1"));
    assert_eq!((answer.status, answer.json()["status"].as_str()), (201, Some("awaiting-payment")));
    let id = answer.json()["orderId"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(format!("/orders/{id}").as_str()));
    // Never "not found", not even before the read model has it.
    assert_eq!(program.get(&format!("/orders/{id}")).status, 200);
    let seen = program.order_becomes(&id, "stock-reserved");
    assert_eq!(
        (&seen["customerId"], &seen["total"], &seen["currency"]),
        (&"c-1".into(), &"21.00".into(), &"EUR".into())
    );
    assert_eq!(seen["items"], json!([{ "productId": "teapot", "quantity": 2, "price": "10.50" }]));
    assert_eq!(seen["shippingAddress"]["city"], "Bonn");
    let events = program.get(&format!("/orders/{id}/events")).json();
    let types: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["order.placed", "order.paid"]);
    assert_eq!(events["events"][1]["correlation"], id.as_str());
    let orders = program.get("/orders?customerId=c-1&wait=1000").json();
    assert_eq!((&orders["placed"], &orders["orders"][0]["orderId"]), (&1.into(), &id.as_str().into()));
    let metrics = program.get("/metrics").body;
    assert!(metrics.contains("factum_consumer_handled_total{consumer=\"orders.payments\"} 1"), "{metrics}");
}

#[test]
fn what_the_simulation_is_told_happens() {
    let (_folder, data) = data();
    let program = Program::start(&data, &["--payments", "decline"]);
    let declined = program.place();
    assert_eq!(program.order_becomes(&declined, "cancelled")["cancelReason"], "insufficient funds");
    assert_eq!(program.put("/simulation/payments", &json!({})).status, 200);
    assert_eq!(program.put("/simulation/stock", &json!({ "answer": "decline" })).status, 200);
    let rejected = program.place();
    let seen = program.order_becomes(&rejected, "cancelled");
    assert_eq!((&seen["cancelledBy"], &seen["refund"]), (&"stock".into(), &"21.00".into()));
    assert_eq!(program.get("/simulation/stock").json()["answer"], "decline");
    for bad in [json!({ "answer": "maybe" }), json!({ "slow": 1 }), json!({ "slowMs": 20_001 }), json!([])] {
        assert_eq!(program.put("/simulation/stock", &bad).status, 400, "{bad}");
    }
    assert_eq!(program.put("/simulation/weather", &json!({})).status, 404);
}

#[test]
fn an_order_can_be_cancelled_until_it_is_reserved() {
    let (_folder, data) = data();
    let program = Program::start(&data, &["--payments", "slow=20000"]);
    let id = program.place();
    let path = format!("/orders/{id}/cancel");
    for _ in 0..2 {
        let answer = program.post(&path, &json!({ "reason": "changed my mind" }));
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("cancelled")));
    }
    let seen = program.order(&id);
    assert_eq!((&seen["status"], &seen["cancelReason"]), (&"cancelled".into(), &"changed my mind".into()));
    assert_eq!(program.get(&format!("/orders/{id}/events")).json()["events"].as_array().unwrap().len(), 2);
    program.put("/simulation/payments", &json!({}));
    let reserved = program.place();
    program.order_becomes(&reserved, "stock-reserved");
    let answer = send(program.address, "POST", &format!("/orders/{reserved}/cancel"), &[], "").unwrap();
    assert_eq!((answer.status, answer.json()["type"].as_str()), (409, Some("/problems/too-late-to-cancel")));
    assert_eq!(program.post(&path, &json!({ "reason": "" })).status, 400);
}

#[test]
fn the_same_idempotency_key_answers_as_the_first_time_and_other_content_is_refused() {
    let (_folder, data) = data();
    let program = Program::start(&data, &[]);
    let place = |body: &Value, key: &str| {
        send(program.address, "POST", "/orders", &[("Idempotency-Key", key)], &body.to_string()).unwrap()
    };
    let first = place(&order("c-1"), "k-1");
    assert_eq!(first.status, 201);
    program.order_becomes(first.json()["orderId"].as_str().unwrap(), "stock-reserved");
    let again = place(&order("c-1"), "k-1");
    assert_eq!((again.status, again.json()), (201, first.json()));
    let other = place(&order("c-2"), "k-1");
    assert_eq!(
        (other.status, other.json()["type"].as_str()),
        (422, Some("/problems/idempotency-key-reused"))
    );
    let own = place(&order("c-1"), "k-2");
    assert_ne!(own.json()["orderId"], first.json()["orderId"]);
    assert_eq!(program.get("/orders?customerId=c-1&wait=1000").json()["placed"], 2);
    for bad in ["a b", &"x".repeat(201)] {
        let answer = place(&order("c-1"), bad);
        assert_eq!(
            (answer.status, answer.json()["errors"][0]["header"].as_str()),
            (400, Some("Idempotency-Key"))
        );
    }
}

#[test]
fn the_same_key_at_the_same_moment_places_one_order() {
    let (_folder, data) = data();
    let program = Program::start(&data, &[]);
    let address = program.address;
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let send =
            || send(address, "POST", "/orders", &[("Idempotency-Key", "k")], &order("c-1").to_string());
        let requests: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        requests.into_iter().map(|request| request.join().unwrap().unwrap()).collect()
    });
    let first = answers[0].json();
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.json() == first), "{answers:?}");
    assert_eq!(program.get("/orders?customerId=c-1&wait=1000").json()["placed"], 1);
}

#[test]
fn orders_are_listed_page_by_page_newest_first() {
    let (_folder, data) = data();
    let program = Program::start(&data, &[]);
    let mut placed: Vec<String> = (0..5).map(|_| program.place()).collect();
    placed.reverse();
    let mut listed = Vec::new();
    let mut next = Some("/orders?customerId=c-1&limit=2&wait=1000".to_owned());
    while let Some(path) = next {
        let page = program.get(&path).json();
        let orders = page["orders"].as_array().unwrap().clone();
        listed.extend(orders.iter().map(|order| order["orderId"].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(listed, placed);
}

/// An order with one part replaced.
fn with(pointer: &str, value: Value) -> String {
    let mut body = order("c-1");
    *body.pointer_mut(pointer).unwrap() = value;
    body.to_string()
}

#[test]
fn bad_input_of_every_field_is_a_problem_document_that_names_it() {
    let (_folder, data) = data();
    let program = Program::start(&data, &[]);
    let bodies = [
        ("not JSON", "{".to_owned()),
        ("a list", "[]".to_owned()),
        ("nothing at all", "{}".to_owned()),
        ("customerId", with("/customerId", json!("a b"))),
        ("customerId number", with("/customerId", json!(7))),
        ("currency", with("/currency", json!("eur"))),
        ("no items", with("/items", json!([]))),
        ("too many items", with("/items", json!(vec![json!({}); 101]))),
        ("productId", with("/items/0/productId", json!(""))),
        ("quantity none", with("/items/0/quantity", json!(0))),
        ("quantity half", with("/items/0/quantity", json!(1.5))),
        ("quantity text", with("/items/0/quantity", json!("2"))),
        ("price number", with("/items/0/price", json!(10.5))),
        ("price negative", with("/items/0/price", json!("-1"))),
        ("price too fine", with("/items/0/price", json!("10.505"))),
        ("price of yen", with("/currency", json!("JPY"))),
        ("total too large", with("/items/0/price", json!("999999999999"))),
        ("no address", with("/shippingAddress", json!("Lane 1"))),
        ("street", with("/shippingAddress/street", json!("  "))),
        ("city", with("/shippingAddress/city", json!("x".repeat(101)))),
        ("postalCode", with("/shippingAddress/postalCode", json!("#"))),
        ("country", with("/shippingAddress/country", json!("Germany"))),
    ];
    let mut seen = String::new();
    for (what, body) in bodies {
        let answer = send(program.address, "POST", "/orders", &[], &body).unwrap();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (400, Some("application/problem+json")),
            "{what}"
        );
        let problem = answer.json();
        assert_eq!(
            (&problem["type"], &problem["status"]),
            (&"/problems/invalid-request".into(), &400.into())
        );
        let _ = writeln!(seen, "{what}");
        for flaw in problem["errors"].as_array().unwrap() {
            let _ = writeln!(
                seen,
                "  {} {}",
                flaw["pointer"].as_str().unwrap(),
                flaw["detail"].as_str().unwrap()
            );
        }
    }
    let parameters = [
        "/orders",
        "/orders?customerId=a%20b",
        "/orders?customerId=c&limit=0",
        "/orders?customerId=c&before=x",
    ];
    for path in
        parameters.into_iter().chain(["/orders?customerId=c&wait=soon", "/orders?customerId=c&wait=10001"])
    {
        let answer = program.get(path);
        assert_eq!(answer.status, 400, "{path}");
        let flaw = &answer.json()["errors"][0];
        let _ = writeln!(
            seen,
            "{path}\n  {} {}",
            flaw["parameter"].as_str().unwrap(),
            flaw["detail"].as_str().unwrap()
        );
    }
    insta::assert_snapshot!(seen);
    assert_eq!(program.get("/health").json()["position"], 0);
}

#[test]
fn every_error_is_a_problem_document() {
    let (_folder, data) = data();
    let program = Program::start(&data, &[]);
    let nobody = "/orders/0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c";
    let large = "x".repeat(300_000);
    let evil = [("Host", "evil.example")];
    let page = [("Origin", "https://evil.example")];
    type Headers<'h> = &'h [(&'h str, &'h str)];
    let cases: [(&str, &str, Headers<'_>, &str, u16, &str); 10] = [
        ("GET", nobody, &[], "", 404, "order-not-found"),
        ("GET", "/orders/42", &[], "", 404, "order-not-found"),
        ("GET", &format!("{nobody}/events"), &[], "", 404, "order-not-found"),
        ("POST", &format!("{nobody}/cancel"), &[], "", 404, "order-not-found"),
        ("GET", "/orders/%ff", &[], "", 400, "unreadable"),
        ("GET", "/nowhere", &[], "", 404, "no-such-page"),
        ("DELETE", "/orders", &[], "", 405, "method-not-allowed"),
        ("POST", "/orders", &[], &large, 413, "too-large"),
        ("GET", "/health", &evil, "", 403, "not-from-here"),
        ("POST", "/orders", &page, "{}", 403, "not-from-here"),
    ];
    for (method, path, headers, body, status, name) in cases {
        let answer = send(program.address, method, path, headers, body).unwrap();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{path}"
        );
        assert_eq!(answer.json()["type"], format!("/problems/{name}"), "{path}");
    }
}

#[test]
fn a_second_start_goes_on_where_the_first_stopped() {
    let (_folder, data) = data();
    let program = Program::start(&data, &["--payments", "fail-always"]);
    let orders: Vec<String> = (0..3).map(|_| program.place()).collect();
    let (status, took) = program.stop("INT");
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    let program = Program::start(&data, &[]);
    for id in &orders {
        let seen = program.order_becomes(id, "stock-reserved");
        assert_eq!(seen["changes"], 3);
    }
    assert_eq!(program.get("/orders?customerId=c-1&wait=1000").json()["placed"], 3);
}

#[test]
fn ctrl_c_and_sigterm_end_it_with_0_within_five_seconds_whatever_is_in_hand() {
    for signal in ["INT", "TERM"] {
        let (_folder, data) = data();
        let program = Program::start(&data, &["--payments", "slow=20000"]);
        let id = program.place();
        let address = program.address;
        // A reader that waits longer than stopping may take.
        let reader =
            std::thread::spawn(move || send(address, "GET", "/orders?customerId=c-1&wait=10000", &[], ""));
        let (status, took) = program.stop(signal);
        assert!(status.success() && took < Duration::from_secs(5), "{signal}: {status} after {took:?}");
        drop(reader.join().unwrap());
        let program = Program::start(&data, &[]);
        program.order_becomes(&id, "stock-reserved");
    }
}

/// Runs it to its end; it must say one line, on standard error.
fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command().args(arguments).stdout(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_keeps_it_from_opening_is_one_line_and_exit_3() {
    let (folder, data) = data();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let port = listen.port().to_string();
    let (code, line) = fails(&["--listen", &listen.to_string(), "--data", data.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{line}");
    assert_eq!(line, format!("orders: port {port} is in use; choose another with --listen 127.0.0.1:0\n"));

    let file = folder.path().join("a-file");
    std::fs::write(&file, "not a store").unwrap();
    for data in [file.clone(), file.join("orders.db"), folder.path().to_owned(), "/proc/orders.db".into()] {
        let (code, line) = fails(&["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        assert_eq!((code, line.lines().count()), (Some(3), 1), "{line}");
        assert!(line.starts_with("orders: "), "{line}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a store");
}

#[test]
fn it_listens_on_this_machine_alone() {
    let (code, text) = fails(&["--listen", "0.0.0.0:0"]);
    assert!(code == Some(2) && text.contains("expected an address of this machine alone"), "{text}");
    let (code, text) = fails(&["--payments", "maybe"]);
    assert!(code == Some(2) && text.contains("words joined by commas"), "{text}");
}

#[test]
fn two_programs_share_one_file() {
    let (_folder, data) = data();
    let (first, second) = (Program::start(&data, &[]), Program::start(&data, &[]));
    let orders: Vec<String> =
        (0..6).map(|n| if n % 2 == 0 { first.place() } else { second.place() }).collect();
    for id in &orders {
        assert_eq!(second.order_becomes(id, "stock-reserved")["changes"], 3);
    }
    let (status, _) = first.stop("INT");
    assert!(status.success());
    let last = second.place();
    second.order_becomes(&last, "stock-reserved");
    wait_until("all are listed", || second.get("/orders?customerId=c-1&wait=1000").json()["placed"] == 7);
}

#[test]
fn it_says_how_to_place_an_order_how_to_watch_and_how_to_stop() {
    let (folder, data) = data();
    let mut program = Program::start(&data, &[]);
    let greeting = program.greeting().replace(&program.address.to_string(), "127.0.0.1:8080");
    insta::assert_snapshot!(greeting.replace(folder.path().to_str().unwrap(), "FOLDER"));
}

#[test]
fn it_says_what_it_can_be_told() {
    let output = command().arg("--help").output().unwrap();
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn the_demo_tells_its_story_in_under_ten_seconds() {
    let started = Instant::now();
    let output = command().arg("demo").output().unwrap();
    assert!(output.status.success() && started.elapsed() < Duration::from_secs(10), "{:?}", output.status);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(!told.contains('\x1b'), "{told}");
    // Times and order ids differ from telling to telling.
    let steady: Vec<String> = told
        .lines()
        .map(|line| match line.split_once(" ms ") {
            Some((_, fact)) => {
                let (name, rest) = fact.split_once(" …").unwrap_or((fact, ""));
                format!("  {} {}", name, rest.get(7..).unwrap_or_default())
            }
            None => line.to_owned(),
        })
        .collect();
    insta::assert_snapshot!(steady.join("\n"));
}
