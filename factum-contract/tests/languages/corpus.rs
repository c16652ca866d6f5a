//! The documents: those written by hand, and examples of contracts changed at every place.

use std::fmt::Write as _;
use std::path::Path;

use factum_contract::schema::{Personal, Shape};
use factum_contract::{Catalog, Contract, Schema, Validator};
use serde_json::{Value, json};

use super::places::pointers;

/// A document and what the gate says of it.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The contract's name.
    pub(crate) contract: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) verdict: Verdict,
}

/// `None` when it is accepted; else path and rule.
pub(crate) type Verdict = Option<(String, String)>;

impl Document {
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.contract, self.bytes.escape_ascii())
    }
}

/// The documents of `documents.txt`.
pub(crate) fn written() -> Vec<Document> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages/documents.txt");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(read).collect()
}

/// `maxLength /short   text   {"short":"abcd"}`.
fn read(line: &str) -> Document {
    let (verdict, rest) = line.split_at_checked(32).unwrap();
    let (contract, document) = rest.split_once("  ").unwrap_or((rest, ""));
    let mut words = verdict.split_whitespace();
    let rule = words.next().unwrap();
    let path = words.next().unwrap_or_default();
    let verdict = (rule != "ok").then(|| (path.to_owned(), rule.to_owned()));
    Document { contract: format!("trap.{}", contract.trim()), bytes: bytes(document.trim_start()), verdict }
}

/// A document as written: `\x41` is a byte, `\\` a backslash.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend(before.as_bytes());
        if let Some(after) = after.strip_prefix('\\') {
            out.push(b'\\');
            rest = after;
        } else if let Some(digits) = after.strip_prefix('x') {
            out.push(u8::from_str_radix(&digits[..2], 16).unwrap());
            rest = &digits[2..];
        } else {
            let (digits, after) = after.strip_prefix('u').unwrap().split_at(4);
            let c = char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap();
            out.extend(c.to_string().as_bytes());
            rest = after;
        }
    }
    out.extend(rest.as_bytes());
    out
}

/// What the gate says of a document.
pub(crate) fn judge(catalog: &Catalog, document: &Document) -> Verdict {
    let contract = catalog.latest().find(|contract| contract.name.as_str() == document.contract).unwrap();
    verdict(&Validator::of(contract).unwrap(), &document.bytes)
}

fn verdict(validator: &Validator, bytes: &[u8]) -> Verdict {
    validator.check(bytes).err().map(|flaw| (flaw.path, flaw.rule.to_owned()))
}

/// Whether two verdicts are one. Where JSON ends being JSON is said in words: a reader of the whole names no field.
pub(crate) fn is_same(one: &Verdict, other: &Verdict) -> bool {
    let is_json = |verdict: &Verdict| verdict.as_ref().is_some_and(|(_, rule)| rule == "json");
    one == other || is_json(one) && is_json(other)
}

/// The written documents, and all that can be made by changing examples.
pub(crate) fn all(catalog: &Catalog, written: Vec<Document>) -> Vec<Document> {
    let mut documents = written;
    for contract in catalog.latest() {
        let validator = Validator::of(contract).unwrap();
        for example in &contract.examples {
            let mut example = example.to_json();
            keep_exact(&mut example);
            change(contract, &validator, &example, &|_| true, &mut documents);
        }
    }
    documents
}

/// Those of them that are changed where a personal value is, or in what it is made of.
pub(crate) fn personal(catalog: &Catalog) -> Vec<Document> {
    let mut documents = Vec::new();
    for contract in catalog.latest() {
        let validator = Validator::of(contract).unwrap();
        for example in &contract.examples {
            let mut example = example.to_json();
            keep_exact(&mut example);
            let is_personal = |place: &str| has_personal(&contract.payload, place);
            change(contract, &validator, &example, &is_personal, &mut documents);
        }
    }
    documents
}

/// Whether a schema on the way to a place is that of a personal value.
fn has_personal(schema: &Schema, place: &str) -> bool {
    if matches!(schema.personal, Some(Personal::Of(_))) {
        return true;
    }
    let Some(place) = place.strip_prefix('/') else { return false };
    let (name, rest) = place.split_at(place.find('/').unwrap_or(place.len()));
    match &schema.shape {
        Shape::Object(object) => {
            let field = object.fields.iter().find(|field| field.name == name);
            field.is_some_and(|field| has_personal(&field.schema, rest))
        }
        Shape::Map(values) => has_personal(values, rest),
        Shape::List(list) => has_personal(&list.items, rest),
        _ => false,
    }
}

/// Whole numbers past 2^53 are left to the written documents: one of them hides all other flaws from a language that
/// refuses it.
fn keep_exact(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|whole| whole.unsigned_abs() >= 1 << 53) => {
            *value = json!(9);
        }
        Value::Object(object) => object.values_mut().for_each(keep_exact),
        Value::Array(items) => items.iter_mut().for_each(keep_exact),
        _ => {}
    }
}

/// Values that are near some bound of something.
fn junk() -> Vec<Value> {
    let texts = [
        "",
        "x",
        "EUR",
        "10.50",
        "-0.1",
        "2026-01-05",
        "2026-01-05T10:00:00Z",
        "a@example.org",
        "https://a.b/c",
    ];
    let mut junk: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    junk.extend([
        json!("0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"),
        json!("é".repeat(61)),
        json!("a".repeat(251)),
    ]);
    junk.extend([
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(7),
        json!(1001),
        json!(1.5),
        json!(-0.5),
    ]);
    junk.extend([json!({}), json!([]), json!(["x", null]), json!({ "a": 1 })]);
    junk.extend([json!({ "$forgotten": true }), json!({ "$sealed": "1.abc" })]);
    junk.extend([json!({ "$forgotten": false }), json!({ "$forgotten": true, "a": 1 }), json!([{}])]);
    junk
}

/// One change at every place: another value, nothing at all, or one field more.
fn change(
    contract: &Contract,
    validator: &Validator,
    example: &Value,
    is_asked: &dyn Fn(&str) -> bool,
    documents: &mut Vec<Document>,
) {
    let mut add = |payload: &Value| {
        let bytes = payload.to_string().into_bytes();
        let verdict = verdict(validator, &bytes);
        documents.push(Document { contract: contract.name.to_string(), bytes, verdict });
    };
    add(example);
    for place in pointers(example).iter().filter(|place| is_asked(place)) {
        for value in junk() {
            let mut payload = example.clone();
            *payload.pointer_mut(place).unwrap() = value;
            add(&payload);
        }
        let mut payload = example.clone();
        if let Value::Object(object) = payload.pointer_mut(place).unwrap() {
            object.insert("extra".to_owned(), json!({ "a": [1] }));
            add(&payload);
        }
        let (parent, name) = place.rsplit_once('/').unwrap_or_default();
        let mut payload = example.clone();
        if let Some(Value::Object(object)) = payload.pointer_mut(parent) {
            object.remove(&name.replace("~1", "/").replace("~0", "~"));
            add(&payload);
        }
    }
}

/// Documents as the runners of the languages read them, one a line.
pub(crate) fn lines(documents: &[Document]) -> String {
    let mut out = String::new();
    for document in documents {
        let mut hex = String::with_capacity(document.bytes.len() * 2);
        for byte in &document.bytes {
            let _ = write!(hex, "{byte:02x}");
        }
        let _ = writeln!(out, "{}", json!({ "contract": document.contract, "hex": hex }));
    }
    out
}

/// Compares what a language answered with what the gate says; `alone` are rules that only the language has. Answers
/// which of those were met.
#[track_caller]
pub(crate) fn compare(
    documents: &[Document],
    answers: &str,
    alone: &[(&'static str, &str)],
) -> Vec<&'static str> {
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), documents.len(), "every document has an answer");
    let (mut differences, mut accepted, mut met) = (Vec::new(), 0, Vec::new());
    for (document, answer) in documents.iter().zip(&answers) {
        let flaws = answer["flaws"].as_array().unwrap();
        let text = |flaw: &Value, key: &str| flaw[key].as_str().unwrap().to_owned();
        let found: Vec<Verdict> =
            flaws.iter().map(|flaw| Some((text(flaw, "path"), text(flaw, "rule")))).collect();
        accepted += usize::from(found.is_empty());
        let is_same = match &document.verdict {
            None => found.is_empty(),
            // Some languages list all flaws, in an order of their own; the gate stops at the first.
            verdict => found.iter().any(|one| is_same(one, verdict)),
        };
        let only = alone.iter().find(|(rule, _)| flaws.iter().any(|flaw| flaw["rule"] == json!(rule)));
        met.extend(only.map(|(rule, _)| *rule).filter(|_| document.verdict.is_none()));
        let is_excused = only.is_some() && document.verdict.is_none();
        if !is_same && !is_excused {
            let said: Vec<String> = flaws.iter().map(Value::to_string).collect();
            differences.push(format!(
                "{}\n  gate {:?}, here {}",
                document.shown(),
                document.verdict,
                said.join(" ")
            ));
        }
        if found.is_empty() && answer["again"] != json!(true) {
            differences.push(format!("{}\n  is not written as it was read", document.shown()));
        }
    }
    assert!(accepted > 0 && accepted < documents.len(), "{accepted} of {} accepted", documents.len());
    let shown = &differences[..differences.len().min(20)];
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), documents.len(), shown.join("\n"));
    met
}
