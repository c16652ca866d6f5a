//! What a loop of events is: one that nothing on the way remembers.

use crate::sample::found;

/// Four events between two services: the parts between them differ.
fn system(parts: &str) -> String {
    format!("# system.yaml\nsystem: shop\nservices: {{ orders: {{}}, stock: {{}} }}\n{parts}")
}

fn loops(parts: &str) -> Vec<String> {
    found(&system(parts), "topo/cycle")
}

#[test]
fn two_consumers_that_wake_each_other_are_a_loop() {
    let loops = loops(
        "consumers:\n  orders.a: { service: orders, on: [cost.raised], emits: [price.raised] }\n  stock.b: { service: stock, on: [price.raised], emits: [cost.raised] }\n",
    );
    assert_eq!(loops.len(), 1, "{loops:?}");
    assert!(loops[0].contains("cost.raised -> price.raised -> cost.raised"), "{loops:?}");
}

#[test]
fn a_saga_that_is_told_again_goes_on_from_where_it_stands() {
    let desk = "consumers:\n  stock.desk: { service: stock, on: [reserve.stock, release.stock], emits: [stock.reserved, stock.rejected] }\n";
    let saga = |starts: &str| {
        format!(
            "{desk}sagas:\n  fulfilment:\n    service: orders\n    starts: {starts}\n    correlate: orderId\n    steps:\n      - {{ on: {starts}, then: reserve.stock }}\n      - {{ on: stock.rejected, compensate: release.stock }}\n      - {{ on: stock.reserved, then: release.stock }}\n"
        )
    };
    assert_eq!(loops(&saga("order.placed")), Vec::<String>::new());
    // Begun by what it brings about, another instance begins each time.
    let loops = loops(&saga("stock.reserved"));
    assert_eq!(loops.len(), 1, "{loops:?}");
}

#[test]
fn a_loop_that_may_be_none_is_a_warning() {
    let busy = "consumers:\n  orders.track: { service: orders, on: [order.paid, stock.rejected], emits: [order.confirmed, order.cancelled] }\n  stock.keep: { service: stock, on: [order.confirmed, order.cancelled], emits: [stock.reserved, stock.rejected] }\n";
    let report = crate::sample::reviewed(&system(busy), &crate::sample::options());
    let found: Vec<_> = report.findings.iter().filter(|one| one.rule == "topo/cycle").collect();
    assert!(!found.is_empty());
    for one in found {
        assert_eq!(one.severity.as_str(), "warning");
        assert!(one.message.contains("may cause each other"), "{}", one.message);
    }
}
