//! Fields: money, times, ids.

use std::collections::BTreeMap;

use factum_contract::Severity::Warning;

use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Fix, Found, Rule};
use crate::review::view::View;

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "schema/number-money",
        severity: Warning,
        profile: Recommended,
        title: "An amount of money is a floating number, or has no currency.",
        why: "0.1 + 0.2 is not 0.3: sums drift by cents, and languages round differently.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { totalAmount: { type: number } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { totalAmount: { type: string, format: decimal, unit: currency }, currency: { type: string } } }",
        fix: "use `type: string, format: decimal` with a `currency`, or whole minor units (`totalCents: integer`)",
        check: Check::Catalog(money),
    },
    Rule {
        id: "schema/time-no-format",
        severity: Warning,
        profile: Recommended,
        title: "A time is a text without a format.",
        why: "Is `03/04` in March or in April, and of which zone? Every reader guesses on its own.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload:\n  type: object\n  properties:\n    placedAt: { type: string }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload:\n  type: object\n  properties:\n    placedAt: { type: string, format: date-time }",
        fix: "add `format: date-time`, or `format: date` for a day",
        check: Check::Catalog(time),
    },
    Rule {
        id: "schema/id-no-format",
        severity: Warning,
        profile: Recommended,
        title: "The same id has another type, or another form, in another event.",
        why: "Joins across events compare texts with numbers, and find nothing.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { orderId: { type: string, format: uuid } } }\n# b.v1.yaml\nevent: order.paid\nversion: 1\npayload: { type: object, properties: { orderId: { type: integer } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { orderId: { type: string, format: uuid } } }\n# b.v1.yaml\nevent: order.paid\nversion: 1\npayload: { type: object, properties: { orderId: { type: string, format: uuid } } }",
        fix: "give an id one type and form wherever it stands",
        check: Check::Catalog(ids),
    },
];

fn money(view: &View<'_>, found: &mut Found) {
    const WORDS: [&str; 9] =
        ["amount", "price", "total", "cost", "fee", "balance", "salary", "subtotal", "discount"];
    for contract in view.latest() {
        for field in &contract.fields {
            let words = field.words();
            // `totalItems` counts, `taxRate` and `discountPercent` are shares.
            let is_money = words.last().is_some_and(|last| WORDS.contains(&last.as_str()))
                || words.windows(2).any(|pair| pair[0] == "total" && WORDS.contains(&pair[1].as_str()));
            if is_money && field.kind() == Some("number") {
                found.at(
                    field.span(),
                    format!("`{}` of {} is money in a floating number", field.path, contract.label()),
                );
            }
        }
    }
}

fn time(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        for field in
            contract.fields.iter().filter(|field| field.kind() == Some("string") && field.is_named_time())
        {
            let says_form =
                ["format", "pattern", "enum", "const"].iter().any(|key| field.schema.get(key).is_some());
            if says_form {
                continue;
            }
            let is_day = field.name.text.to_lowercase().ends_with("date");
            let format = if is_day { "date" } else { "date-time" };
            let message = format!("`{}` of {} is a time in free text", field.path, contract.label());
            found.fixed_by(field.span(), Fix::Keyword(format!("format: {format}")), message);
        }
    }
}

fn ids(view: &View<'_>, found: &mut Found) {
    let mut seen: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for contract in view.latest() {
        for field in contract.fields.iter().filter(|field| field.is_named_id() && field.name.text != "id") {
            let Some(kind) = field.kind() else { continue };
            let form = match field.text("format") {
                Some(format) => format!("{kind} ({format})"),
                None => kind.to_owned(),
            };
            let (before, place) =
                seen.entry(field.name.text).or_insert_with(|| (form.clone(), contract.label())).clone();
            let kind_before = before.split(' ').next().unwrap_or_default();
            // A text here and a uuid there is worth saying only where both promise something.
            let both_say = before.contains('(') && form.contains('(');
            if kind_before != kind || (both_say && before != form) {
                found.at(
                    field.span(),
                    format!(
                        "`{}` is {form} in {}, and {before} in {place}",
                        field.name.text,
                        contract.label()
                    ),
                );
            }
        }
    }
}
