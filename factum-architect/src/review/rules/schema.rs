//! Payloads as a whole: there, typed, of a size that people and brokers can carry.

use factum_contract::Severity::{Error, Warning};
use factum_contract::node::{Content, Node};

use crate::review::rule::Profile::{Recommended, Strict};
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{ContractView, View, entries, entry, items, number_of, truth_of};

/// Most fields of one event.
const FIELDS_MAX: usize = 30;
/// Deepest field.
const DEPTH_MAX: usize = 5;
/// What every hop of CloudEvents forwards.
const BYTES_MAX: u64 = 64 * 1024;

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "schema/missing",
        severity: Error,
        profile: Recommended,
        title: "A contract has no payload schema.",
        why: "Without one, the producer's code is the contract, and every change of it is a surprise.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }",
        fix: "write `payload:` with its fields",
        check: Check::Catalog(missing),
    },
    Rule {
        id: "schema/untyped",
        severity: Error,
        profile: Recommended,
        title: "A payload, or a field of it, may be anything.",
        why: "`true`, `{}` and an object without fields accept every document: nothing is promised, and nothing generated is typed.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, required: [orderId], properties: { orderId: { type: string }, data: {} } }",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, required: [orderId], properties: { orderId: { type: string }, note: { type: string } } }",
        fix: "say what the value is; a map has `additionalProperties: { type: … }`",
        check: Check::Catalog(untyped),
    },
    Rule {
        id: "schema/no-required",
        severity: Warning,
        profile: Recommended,
        title: "No field of a payload must be there.",
        why: "Where everything is optional, the empty object is a valid event, and every reader must guess.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { orderId: { type: string } } }",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }",
        fix: "list under `required` what every event of this kind has",
        check: Check::Catalog(no_required),
    },
    Rule {
        id: "schema/wildcard-extension",
        severity: Warning,
        profile: Recommended,
        title: "A payload invites fields that are not declared, and promises compatibility.",
        why: "A field that some producer sends already can be declared later with another type: old events break the new schema, and no check sees it coming.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\ncompatibility: backward\npayload: { type: object, additionalProperties: true, required: [orderId], properties: { orderId: { type: string } } }",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\ncompatibility: backward\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }",
        fix: "leave `additionalProperties` out: readers ignore what they do not know",
        check: Check::Catalog(wildcard),
    },
    Rule {
        id: "schema/closed-consumer",
        severity: Warning,
        profile: Recommended,
        title: "Consumers of other services read an event by a closed schema.",
        why: "With `additionalProperties: false` a field that the producer adds is refused by every reader that has not moved yet.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\npayload: { type: object, additionalProperties: false, required: [orderId], properties: { orderId: { type: string } } }\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        fix: "leave the schema open; the producer is held to it anyway",
        check: Check::Catalog(closed),
    },
    Rule {
        id: "schema/closed-enum",
        severity: Warning,
        profile: Recommended,
        title: "A choice of words that others read may never grow.",
        why: "A new word breaks every reader that knows the old ones only. `extensible: true` gives readers an Unknown from the start.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\npayload: { type: object, required: [channel], properties: { channel: { enum: [web, shop] } } }\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        good: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nowner: orders\npayload: { type: object, required: [channel], properties: { channel: { enum: [web, shop], extensible: true } } }\n# system.yaml\nsystem: shop\nservices: { orders: { emits: [order.placed] }, mail: {} }\nconsumers: { mail.letters: { service: mail, on: [order.placed] } }",
        fix: "add `extensible: true`, or accept it where the words are fixed by law",
        check: Check::Catalog(closed_enum),
    },
    Rule {
        id: "schema/too-wide",
        severity: Warning,
        profile: Recommended,
        title: "A payload has more than 30 fields in one object, or fields deeper than 5.",
        why: "An event that carries everything changes for every reason, and couples everybody to everything.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { a: { type: object, properties: { b: { type: object, properties: { c: { type: object, properties: { d: { type: object, properties: { e: { type: object, properties: { f: { type: string } } } } } } } } } } } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { a: { type: object, properties: { b: { type: string } } } } }",
        fix: "split it by fact, or send ids of what readers can look up in their own data",
        check: Check::Catalog(too_wide),
    },
    Rule {
        id: "schema/too-big",
        severity: Error,
        profile: Recommended,
        title: "A payload embeds a file, or may exceed 64 KiB.",
        why: "Intermediaries need not forward more than 64 KiB, logs and replays carry it for ever, and one attachment delays a whole partition.",
        bad: "# a.v1.yaml\nevent: invoice.issued\nversion: 1\npayload: { type: object, required: [pdf], properties: { pdf: { type: string, contentEncoding: base64 } } }",
        good: "# a.v1.yaml\nevent: invoice.issued\nversion: 1\npayload: { type: object, required: [pdf], properties: { pdf: { type: string, format: uri, description: Where the document is kept. } } }",
        fix: "store the file, and send its address and hash (a claim check)",
        check: Check::Catalog(too_big),
    },
    Rule {
        id: "schema/leaks-internals",
        severity: Warning,
        profile: Recommended,
        title: "A payload has columns of a table in it.",
        why: "Row versions, foreign keys and flags of an ORM are the producer's secrets; readers that use them break when the table changes.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { customer_fk: { type: integer } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { customerId: { type: string } } }",
        fix: "send what the business calls it, under that name",
        check: Check::Catalog(internals),
    },
    Rule {
        id: "schema/unsupported-keyword",
        severity: Warning,
        profile: Recommended,
        title: "A payload uses keywords that code and documents cannot carry.",
        why: "What a generator drops, nobody checks: producers and consumers then hold different contracts.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { a: { not: { type: string } } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { a: { type: integer } } }",
        fix: "write what is allowed with the plain keywords; `factum contract check` names a way for each",
        check: Check::Catalog(keywords),
    },
    Rule {
        id: "schema/endless-list",
        severity: Warning,
        profile: Strict,
        title: "A list has no most items.",
        why: "A list without a limit grows to the size of the largest customer, and then past what a broker takes.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { lines: { type: array, items: { type: string } } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { lines: { type: array, maxItems: 100, items: { type: string } } } }",
        fix: "add `maxItems`",
        check: Check::Catalog(open_list),
    },
];

fn missing(view: &View<'_>, found: &mut Found) {
    for contract in view.latest().filter(|contract| contract.payload().is_none()) {
        found.at(contract.name.span, format!("{} has no payload schema", contract.label()));
    }
}

/// Whether a schema accepts whatever there is.
fn is_anything(node: &Node) -> bool {
    if let Content::Bool(value) = node.content {
        return value;
    }
    let Content::Map(all) = &node.content else { return false };
    let says_nothing = all.iter().all(|one| {
        ["description", "title", "$comment", "examples", "default", "role", "deprecated", "personal"]
            .contains(&one.key.as_str())
    });
    let kind = node.get("type").and_then(Node::as_text);
    let has_fields =
        ["properties", "allOf", "oneOf", "anyOf", "$ref"].iter().any(|key| node.get(key).is_some());
    let is_map = node
        .get("additionalProperties")
        .is_some_and(|values| matches!(values.content, Content::Map(_)) && !is_anything(values));
    let is_pattern = node.get("patternProperties").is_some();
    says_nothing || (kind == Some("object") && !has_fields && !is_map && !is_pattern)
}

fn untyped(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(payload) = contract.payload() else { continue };
        if is_anything(payload) {
            found.at(
                contract.place("payload"),
                format!("the payload of {} may be anything", contract.label()),
            );
            continue;
        }
        for field in contract.fields.iter().filter(|field| is_anything(field.schema)) {
            found.at(field.span(), format!("`{}` may be anything", field.path));
        }
        for field in &contract.fields {
            let Some(list) = field.schema.get("items").filter(|items| is_anything(items)) else { continue };
            found.at(list.span, format!("items of `{}` may be anything", field.path));
        }
    }
}

fn no_required(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let Some(payload) = contract.payload() else { continue };
        let has_cases = ["allOf", "oneOf", "anyOf", "$ref"].iter().any(|key| payload.get(key).is_some());
        let requires = payload.get("required").is_some_and(|list| !items(list).is_empty());
        if contract.top().next().is_some() && !requires && !has_cases {
            found.at(contract.place("payload"), format!("no field of {} must be there", contract.label()));
        }
    }
}

fn wildcard(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let promised = contract.text("compatibility").map(|word| word.text);
        let promised = promised.or_else(|| view.default_of("compatibility").and_then(Node::as_text));
        let Some(promised) = promised.filter(|promised| *promised != "none") else { continue };
        let Some(open) = contract.payload().and_then(|payload| entry(payload, "additionalProperties")) else {
            continue;
        };
        let has_fields = contract.top().next().is_some();
        if has_fields && truth_of(&open.value) == Some(true) {
            found.at(
                open.key_span,
                format!("{} takes any field, and promises `{promised}`", contract.label()),
            );
        }
    }
}

/// Consumers of another service than the one that owns it.
fn has_outside_readers(view: &View<'_>, contract: &ContractView<'_>) -> bool {
    let owner = contract.text("owner").map(|owner| owner.text);
    view.taking(contract.name.text).iter().any(|end| Some(end.service) != owner && end.kind != "saga")
}

fn closed(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| has_outside_readers(view, event)) {
        let Some(open) = event.payload().and_then(|payload| entry(payload, "additionalProperties")) else {
            continue;
        };
        if truth_of(&open.value) == Some(false) {
            let readers: Vec<&str> =
                view.taking(event.name.text).iter().filter_map(|end| Some(end.part?.name.text)).collect();
            found.at(
                open.key_span,
                format!("{} is read by a closed schema in {}", event.label(), readers.join(", ")),
            );
        }
    }
}

fn closed_enum(view: &View<'_>, found: &mut Found) {
    for event in view.events().filter(|event| event.audience() != "component") {
        for field in &event.fields {
            let words = field.schema.get("enum").map_or(0, |list| items(list).len());
            let is_open = field.schema.get("extensible").and_then(truth_of) == Some(true);
            if words > 1 && !is_open {
                found.at(
                    field.span(),
                    format!(
                        "`{}` of {} has {words} words, and may never have another",
                        field.path,
                        event.label()
                    ),
                );
            }
        }
    }
}

fn too_wide(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let width = contract.top().count();
        let deepest = contract.fields.iter().max_by_key(|field| field.depth);
        if width > FIELDS_MAX {
            found.at(
                contract.place("payload"),
                format!("{} has {width} fields, over {FIELDS_MAX}", contract.label()),
            );
        } else if let Some(deep) = deepest.filter(|field| field.depth > DEPTH_MAX) {
            found.at(deep.span(), format!("`{}` lies {} deep, over {DEPTH_MAX}", deep.path, deep.depth));
        }
    }
}

fn too_big(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        for field in &contract.fields {
            let is_file = field.text("contentEncoding") == Some("base64")
                || matches!(field.text("format"), Some("byte" | "binary" | "base64"));
            let length = field.schema.get("maxLength").and_then(number_of);
            if is_file {
                found.at(field.span(), format!("`{}` of {} embeds a file", field.path, contract.label()));
            } else if let Some(length) = length.filter(|length| *length > BYTES_MAX) {
                found.at(
                    field.span(),
                    format!("`{}` may have {length} characters, over {BYTES_MAX} bytes", field.path),
                );
            }
        }
    }
}

fn internals(view: &View<'_>, found: &mut Found) {
    const NAMES: [&str; 9] = [
        "row_version",
        "rowVersion",
        "rowid",
        "__v",
        "_id",
        "hibernateLazyInitializer",
        "xmin",
        "ctid",
        "is_deleted",
    ];
    for contract in view.latest().filter(|contract| contract.category() != "data-change") {
        for field in &contract.fields {
            let name = field.name.text;
            let is_column = name.starts_with("tbl_")
                || name.ends_with("_fk")
                || name.ends_with("_pk")
                || name.ends_with("Fk");
            if is_column || NAMES.contains(&name) {
                found.at(
                    field.span(),
                    format!("`{}` of {} is a column, not a fact", field.path, contract.label()),
                );
            }
        }
    }
}

fn keywords(view: &View<'_>, found: &mut Found) {
    const LOST: [&str; 12] = [
        "not",
        "if",
        "then",
        "else",
        "dependentSchemas",
        "dependentRequired",
        "unevaluatedProperties",
        "unevaluatedItems",
        "prefixItems",
        "contains",
        "propertyNames",
        "$dynamicRef",
    ];
    for contract in view.latest() {
        let schemas = contract.payload().into_iter().chain(contract.fields.iter().map(|field| field.schema));
        for schema in schemas {
            for one in entries(schema).iter().filter(|one| LOST.contains(&one.key.as_str())) {
                found.at(
                    one.key_span,
                    format!("`{}` in {} is not carried into code and documents", one.key, contract.label()),
                );
            }
        }
    }
}

fn open_list(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let lists = contract.fields.iter().filter(|field| field.kind() == Some("array"));
        for field in lists.filter(|field| field.schema.get("maxItems").is_none()) {
            found.at(field.span(), format!("`{}` of {} has no most items", field.path, contract.label()));
        }
    }
}
