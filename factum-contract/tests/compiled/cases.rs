//! Schemas, read one by one: carried or refused; and the payloads that the carried ones are asked about.

use std::collections::BTreeSet;
use std::path::PathBuf;

use factum_contract::fixture::{Broken, Fixtures};
use factum_contract::{Catalog, Contract, Flaw, Source, Validator, check};
use serde_json::{Value, json};

use super::places::pointers;
use super::theirs::{OURS, theirs};
use super::traps;

/// Valid payloads of each contract.
const VALID: u64 = 24;

/// Changed payloads of each contract.
const CHANGED: u64 = 60;

const SYSTEM: &str = r#"{"system":"cases","services":{"o":{}}}"#;

/// One contract, or several versions of one.
pub(crate) struct Case {
    pub(crate) documents: Vec<Value>,
    /// The catalog, or the words that its refusal names.
    pub(crate) read: Result<Catalog, BTreeSet<String>>,
}

impl Case {
    fn of(documents: Vec<Value>) -> Self {
        let mut sources = vec![Source::new("system.json", SYSTEM)];
        let documents: Vec<Value> = documents.into_iter().map(owned).collect();
        for (index, document) in documents.iter().enumerate() {
            sources.push(Source::new(format!("{index}.json"), document.to_string()));
        }
        let report = check(&sources);
        let words = || {
            let errors = report.findings.iter().filter(|finding| finding.severity.as_str() == "error");
            errors.map(|finding| word(&finding.rule, &finding.message)).collect()
        };
        let read = report.catalog.clone().ok_or_else(words);
        Self { documents, read }
    }
}

/// What a refusal is about: the word that it names.
fn word(rule: &str, message: &str) -> String {
    match message.split('`').nth(1) {
        Some(word) if rule == "not-carried" || rule == "unknown-key" || rule == "missing-key" => {
            word.to_owned()
        }
        _ => rule.to_owned(),
    }
}

fn owned(mut document: Value) -> Value {
    document["owner"] = json!("o");
    document["key"] = json!("id");
    document
}

/// Traps of our own: those that must be carried are, and those that must not be are refused by name.
pub(crate) fn traps() -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    let mut versions: Vec<(String, Vec<Value>)> = Vec::new();
    let mut lost = Vec::new();
    for (label, document) in traps::carried() {
        let name = document["event"].as_str().or(document["command"].as_str()).unwrap().to_owned();
        match versions.iter_mut().find(|(_, known)| known[0]["event"] == name.as_str()) {
            Some((_, known)) => known.push(document),
            None => versions.push((label, vec![document])),
        }
    }
    for (label, documents) in versions {
        let case = Case::of(documents);
        if let Err(words) = &case.read {
            lost.push(format!("{label} is refused: {words:?}"));
        }
        all.push(case);
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    let mut unnamed = Vec::new();
    for (expected, document) in traps::refused() {
        let sources =
            [Source::new("system.json", SYSTEM), Source::new("a.json", owned(document.clone()).to_string())];
        let report = check(&sources);
        let errors = report.findings.iter().filter(|finding| finding.severity.as_str() == "error");
        let said: Vec<&str> = errors.map(|finding| finding.message.as_str()).collect();
        if !said.iter().any(|message| message.contains(&expected)) {
            unnamed.push(format!("{expected} is not named: {said:?}"));
        }
        all.push(Case::of(vec![document]));
    }
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n"));
    all
}

/// Third-party schemas, each once, as a field of a payload; `None` where they are absent.
pub(crate) fn vectors() -> Option<Vec<Case>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/compat");
    if !folder.exists() {
        println!("skipped: compiled: ../shared/vectors is absent");
        return None;
    }
    let read = |file: &str| -> Vec<Value> {
        serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap()
    };
    let mut schemas: Vec<Value> = Vec::new();
    for pair in read("vectors.json") {
        schemas.extend([pair["old"].clone(), pair["new"].clone()]);
    }
    for pair in read("nakadi-evolution.json") {
        schemas.extend([pair["original_schema"].clone(), pair["update_schema"].clone()]);
    }
    let mut seen = BTreeSet::new();
    schemas.retain(|schema| seen.insert(schema.to_string()));
    let case = |(index, schema): (usize, &Value)| {
        let required = if index.is_multiple_of(2) { json!(["id", "value"]) } else { json!(["id"]) };
        let mut schema = schema.clone();
        let mut payload = json!({ "type": "object", "required": required });
        if let Some(object) = schema.as_object_mut() {
            object.remove("$schema");
            if let Some(defs) = object.remove("$defs") {
                payload["$defs"] = defs;
            }
        }
        payload["properties"] = json!({ "id": { "type": "string" }, "value": schema });
        let document = json!({ "event": format!("vector.n{index}"), "version": 1, "payload": payload });
        Case::of(vec![document])
    };
    Some(schemas.iter().enumerate().map(case).collect())
}

/// A contract that is carried, with all that judges its payloads.
pub(crate) struct Subject {
    pub(crate) label: String,
    pub(crate) document: Value,
    pub(crate) ours: Validator,
    pub(crate) fixtures: Fixtures,
    theirs: jsonschema::Validator,
}

impl Subject {
    pub(crate) fn of(case: Case) -> Option<Vec<Self>> {
        let catalog = case.read.ok()?;
        let of = |document: &Value| {
            let name = document["event"].as_str().or(document["command"].as_str()).unwrap();
            let version = u32::try_from(document["version"].as_u64().unwrap()).unwrap();
            Self::of_contract(catalog.contract(name, version).unwrap(), document)
        };
        Some(case.documents.iter().map(of).collect())
    }

    fn of_contract(contract: &Contract, document: &Value) -> Self {
        Self {
            label: contract.label(),
            document: document.clone(),
            ours: Validator::of(contract).unwrap(),
            fixtures: Fixtures::of(contract).unwrap(),
            theirs: theirs(contract),
        }
    }

    /// Payloads to ask about: valid ones, one for each broken rule, and changed ones.
    pub(crate) fn payloads(&self) -> Vec<String> {
        let valid: Vec<Value> = (0..VALID).filter_map(|seed| self.fixtures.valid(seed)).collect();
        for payload in &valid {
            let json = payload.to_string();
            assert!(self.ours.check(json.as_bytes()).is_ok(), "{} does not admit {json}", self.label);
        }
        let broken = self.fixtures.broken().into_iter().map(|broken| broken.json);
        let changed = (0..CHANGED).filter_map(|seed| {
            let base = valid.get(usize::try_from(seed).unwrap() % valid.len().max(1))?;
            Some(changed(base.clone(), seed).to_string())
        });
        valid.iter().map(Value::to_string).chain(broken).chain(changed).collect()
    }

    /// Why the gate, the generated type and the independent validator do not agree, when they do not.
    pub(crate) fn disagreement(
        &self,
        json: &str,
        gate: &Result<(), Flaw>,
        typed: Option<&str>,
    ) -> Option<String> {
        let value: Value = serde_json::from_str(json).unwrap();
        let is_valid = self.theirs.is_valid(&value);
        match (gate, typed) {
            (Ok(()), None) => return Some("the gate admits what the type refuses".to_owned()),
            (Err(flaw), Some(_)) if flaw.rule != "identifiers" => {
                return Some(format!("the type reads what the gate refuses ({flaw})"));
            }
            (Ok(()), Some(again)) => {
                // What the type writes is admitted too.
                if let Err(flaw) = self.ours.check(again.as_bytes()) {
                    return Some(format!("the type writes {again}, which is refused: {flaw}"));
                }
            }
            _ => {}
        }
        match gate {
            Ok(()) if !is_valid => Some("only the gate admits it".to_owned()),
            Err(flaw) if is_valid && !OURS.contains(&flaw.rule) => {
                Some(format!("only the gate refuses it ({flaw})"))
            }
            _ => None,
        }
    }

    /// An independent validator finds one flaw alone, at the place that is named.
    pub(crate) fn assert_breaks_only(&self, broken: &Broken) {
        let value: Value = serde_json::from_str(&broken.json).unwrap();
        let errors: Vec<_> = self.theirs.iter_errors(&value).collect();
        if OURS.contains(&broken.rule) {
            assert!(errors.is_empty(), "{}: {} breaks more than {}", self.label, broken.json, broken.rule);
            return;
        }
        assert!(!errors.is_empty(), "{}: {} breaks nothing", self.label, broken.json);
        for error in errors {
            assert_eq!(error.instance_path().as_str(), broken.path, "{}: {}", self.label, broken.json);
            let keyword = error.schema_path().as_str().rsplit('/').next().unwrap_or_default().to_owned();
            // Exclusive bounds of whole numbers are read as the inclusive ones beside them.
            let keyword = match keyword.as_str() {
                "exclusiveMinimum" if broken.rule == "minimum" => "minimum",
                "exclusiveMaximum" if broken.rule == "maximum" => "maximum",
                "enum" | "const" if ["enum", "const", "type"].contains(&broken.rule) => broken.rule,
                keyword => keyword,
            };
            assert_eq!(keyword, broken.rule, "{}: {}", self.label, broken.json);
        }
    }
}

/// All carried contracts as one catalog.
pub(crate) fn joined(subjects: &[Subject]) -> Catalog {
    let mut sources = vec![Source::new("system.json", SYSTEM)];
    for (index, subject) in subjects.iter().enumerate() {
        sources.push(Source::new(format!("{index}.json"), subject.document.to_string()));
    }
    let report = check(&sources);
    assert_eq!(report.errors(), 0, "{report}");
    report.catalog.unwrap()
}

/// A payload with one value replaced, removed or added, by a number.
fn changed(mut payload: Value, seed: u64) -> Value {
    let junk = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-7),
        json!(1.5),
        json!(9_007_199_254_740_993_i64),
        json!(""),
        json!("x"),
        json!("10.50"),
        json!("0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"),
        json!("0192F3C47E2A7C3B9D550D4E8F6A1B2C"),
        json!("2026-01-05T10:00:00Z"),
        json!("2026-01-05 10:00:00Z"),
        json!("2026-01-05"),
        json!("a@example.org"),
        json!("https://example.org/a"),
        json!([]),
        json!({}),
        json!([null, "x"]),
        json!({ "a": 1 }),
        json!("EUR\r"),
    ];
    let all = pointers(&payload);
    let pick = |n: u64, of: usize| usize::try_from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).unwrap() % of;
    let new = junk[pick(seed.wrapping_mul(31) + 7, junk.len())].clone();
    let at = &all[pick(seed, all.len())];
    match (seed % 4, payload.pointer_mut(at).unwrap()) {
        (0, Value::Object(object)) => {
            let key = object.keys().nth(pick(seed, object.len().max(1))).cloned();
            key.map(|key| object.remove(&key));
        }
        (0, Value::Array(items)) => drop(items.pop()),
        (1, Value::Object(object)) => drop(object.insert("extra".to_owned(), new)),
        (1, Value::Array(items)) => items.push(new),
        (_, target) => *target = new,
    }
    payload
}
