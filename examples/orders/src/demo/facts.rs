//! Prints each fact as it is recorded: when, what, of which order, and what it says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use factum::{Position, Query, Recorded, Store};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::terminal::{Ink, Terminal};

/// How long a fact may take to be printed, at most.
pub(super) const PACE: Duration = Duration::from_millis(60);

/// Prints facts until it is aborted, or nobody reads any more.
pub(super) fn print(store: Arc<dyn Store>, terminal: Terminal, started: Instant) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut after = Position::START;
        loop {
            let Ok(page) = store.read(&Query::all().after(after)).await else { return };
            for event in &page.events {
                if terminal.line(&line(terminal, started, event)).is_err() {
                    return;
                }
            }
            after = page.end;
            if !page.more && store.wait(after).await.is_err() {
                return;
            }
        }
    })
}

fn line(terminal: Terminal, started: Instant, event: &Recorded) -> String {
    let name = event.envelope.event_type.name.as_str();
    let data: Value = serde_json::from_slice(&event.envelope.data).unwrap_or_default();
    let ink = match name {
        "payment.declined" | "stock.rejected" | "order.cancelled" => Ink::Red,
        "payment.approved" => Ink::Green,
        "stock.reserved" => Ink::Yellow,
        _ => Ink::Cyan,
    };
    let key = event.envelope.key.as_str();
    let short: String = key.chars().skip(key.len().saturating_sub(6)).collect();
    format!(
        "{} {} {} {}",
        terminal.paint(Ink::Dim, &format!("{:>7} ms", started.elapsed().as_millis())),
        terminal.paint(ink, &format!("{name:<17}")),
        terminal.paint(Ink::Dim, &format!("…{short}")),
        told(name, &data)
    )
}

fn told(name: &str, data: &Value) -> String {
    let text = |field: &str| data[field].as_str().unwrap_or("?").to_owned();
    match name {
        "order.placed" => {
            format!(
                "{} wants {} for {} {}",
                text("customerId"),
                items(data),
                text("totalAmount"),
                text("currency")
            )
        }
        "order.paid" => format!("{} {} by {}", text("amount"), text("currency"), text("method")),
        "order.cancelled" => {
            let currency = data["currency"].as_str().unwrap_or_default();
            let refund = data["refundAmount"].as_str();
            let refund = refund.map(|refund| format!(", {refund} {currency} to pay back"));
            format!("by {}: {}{}", text("cancelledBy"), text("reason"), refund.unwrap_or_default())
        }
        "payment.approved" => format!("{} {}", text("approvedAmount"), text("currency")),
        "payment.declined" => text("reason"),
        "stock.reserved" => items(data),
        "stock.rejected" => format!("{}: {}", text("reason"), items(data)),
        _ => String::new(),
    }
}

fn items(data: &Value) -> String {
    let item = |item: &Value| format!("{} × {}", item["quantity"], item["productId"].as_str().unwrap_or("?"));
    data["items"]
        .as_array()
        .map(|items| items.iter().map(item).collect::<Vec<_>>().join(", "))
        .unwrap_or_default()
}
