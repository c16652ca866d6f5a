//! Whatever is read, nothing panics, nothing takes for ever, and what is accepted holds.
//!
//! Texts that are fine are changed by numbers, so that a run can be repeated: `FACTUM_FUZZ_SEED=n` runs one seed alone.
//! 20,000 runs; a million with `FACTUM_LONG=1`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![allow(clippy::print_stderr, reason = "what is found must be seen before the process ends")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use factum_contract::fixture::Fixtures;
use factum_contract::generate::rust::{Options as RustOptions, generate};
use factum_contract::judge::{Mode, Options, judge};
use factum_contract::{Catalog, Contracts, Source, Validator, check, folder};
use factum_core::Bytes;
use factum_core::cloudevents::{self, CloudEvent, Data};
use serde_json::{Value, json};

const RUNS: u64 = 20_000;
const RUNS_LONG: u64 = 1_000_000;

/// Longest that one run may take, on a machine that does other things too.
const RUN_MAX: Duration = Duration::from_secs(20);

/// Largest text that is made.
const BYTES_MAX: usize = 64 * 1024;

/// Numbers that look random and are the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % (end.max(1) as u64)).unwrap()
    }

    fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }
}

/// What means something to one reader or another.
const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "'",
    "\\",
    "\n",
    "\n  ",
    "- ",
    "? ",
    "| ",
    "> ",
    "# ",
    "&a ",
    "*a",
    "!!str ",
    "<<: ",
    "%YAML 1.1\n",
    "---\n",
    "...\n",
    "\t",
    "\u{feff}",
    "\u{0}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "é",
    "😀",
    "\\ud800",
    "\\u0000",
    "null",
    "true",
    "no",
    "012",
    "0x1F",
    ".inf",
    ".nan",
    "-0",
    "1e999",
    "-1e-999",
    "9223372036854775808",
    "18446744073709551616",
    "1.0",
    "0.1",
    "$ref",
    "#/$defs/A",
    "#",
    "#/",
    "oneOf",
    "not",
    "enum",
    "const",
    "type",
    "string",
    "object",
    "array",
    "integer",
    "number",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "patternProperties",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "default",
    "role",
    "identifier",
    "personal",
    "self",
    "extensible",
    "upcast",
    "set",
    "split",
    "join",
    "move",
    "rename",
    "code",
    "version",
    "event",
    "command",
    "key",
    "topic",
    "stream",
    "payload",
    "examples",
    "specversion",
    "data",
    "data_base64",
    "datacontenttype",
    "id",
    "source",
    "time",
    "^[a-z]+$",
    "(a{99}){99}",
    "(?=x)",
    "[[:alpha:]]",
    "\\p{L}",
    "(?i)",
    "a.b.c",
    "2026-02-30",
    "9999-12-31T23:59:60Z",
    "://",
    "%",
    "%2",
    "..",
    "../../x",
];

fn mutate(text: &[u8], others: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(24)).min(bytes.len());
        match dice.below(10) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part.repeat(1 + dice.below(4)));
            }
            4 => bytes.truncate(at),
            5 => {
                let other = dice.pick(others);
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(80)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            6 => {
                let token = dice.pick(TOKENS).repeat(1 + dice.below(90));
                bytes.splice(at..at, token.into_bytes());
            }
            _ => {
                bytes.splice(at..end, dice.pick(TOKENS).bytes());
            }
        }
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

/// Runs with numbers until they are used up; a run that panics, or never ends, is named with its input.
fn fuzz(name: &str, share: u64, seeds: &[Vec<u8>], run: impl Fn(&[u8], &mut Dice)) {
    let all = if std::env::var_os("FACTUM_LONG").is_some() { RUNS_LONG } else { RUNS };
    let alone: Option<u64> = std::env::var("FACTUM_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in alone.map_or(0..all * share / 100, |seed| seed..seed + 1) {
        let mut dice = Dice(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let first = dice.pick(seeds).clone();
        let input = mutate(&first, seeds, &mut dice);
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&input, &mut dice)));
        let took = started.elapsed();
        let shown = || String::from_utf8_lossy(&input).chars().take(4_000).collect::<String>();
        if let Err(panic) = outcome {
            eprintln!("{name} panics with FACTUM_FUZZ_SEED={seed}:\n{}", shown());
            std::panic::resume_unwind(panic);
        }
        assert!(took < RUN_MAX, "{name} takes {took:?} with FACTUM_FUZZ_SEED={seed}:\n{}", shown());
    }
}

fn files(path: &str) -> Vec<Source> {
    folder::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

static CONTRACTS: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let all = files("tests/corpus/contracts").into_iter().chain(files("../examples/orders/contracts"));
    all.filter(|source| !source.name.ends_with("system.yaml")).collect()
});

fn texts(sources: &[Source]) -> Vec<Vec<u8>> {
    sources.iter().map(|source| source.text.clone().into_bytes()).collect()
}

/// All that follows a catalog that is accepted must hold for it.
fn use_catalog(catalog: Catalog, dice: &mut Dice) {
    // Large catalogs take longer, and are looked at less often.
    let once_in = 8 * catalog.contracts().count();
    if dice.below(once_in) == 0 {
        let generated = generate(&catalog, &RustOptions::default());
        assert!(!generated.is_err_and(|error| error.to_string().contains("please report")));
    }
    if dice.below(once_in) == 0 {
        for contract in catalog.contracts() {
            let fixtures = Fixtures::of(contract).unwrap();
            let validator = Validator::of(contract).unwrap();
            for seed in 0..3 {
                if let Some(payload) = fixtures.valid(seed) {
                    assert!(validator.check(payload.to_string().as_bytes()).is_ok());
                }
            }
            fixtures.broken().iter().for_each(|one| assert!(validator.check(one.json.as_bytes()).is_err()));
        }
    }
    Contracts::new(catalog).unwrap();
}

const SYSTEM: &str = "system: s\nservices: { orders: {}, payments: {}, stock: {}, odd: {}, even: {} }\n";

#[test]
fn no_contract_in_yaml_panics() {
    fuzz("contract", 30, &texts(&CONTRACTS), |input, dice| {
        let text = String::from_utf8_lossy(input);
        let report = check(&[Source::new("system.yaml", SYSTEM), Source::new("a.yaml", text)]);
        let _ = report.to_string();
        report.catalog.into_iter().for_each(|catalog| use_catalog(catalog, dice));
    });
}

#[test]
fn no_system_in_yaml_panics() {
    let systems: Vec<Source> = files("../examples/orders/contracts")
        .into_iter()
        .filter(|source| source.name == "system.yaml")
        .collect();
    let rest: Vec<Source> = files("../examples/orders/contracts")
        .into_iter()
        .filter(|source| source.name != "system.yaml")
        .collect();
    fuzz("system", 5, &texts(&systems), |input, dice| {
        let text = String::from_utf8_lossy(input);
        let sources: Vec<Source> = rest.iter().cloned().chain([Source::new("system.yaml", text)]).collect();
        let report = check(&sources);
        let _ = report.to_string();
        report.catalog.into_iter().for_each(|catalog| use_catalog(catalog, dice));
    });
}

#[test]
fn no_contract_in_json_panics() {
    let report = check(&files("../examples/orders/contracts"));
    let catalog = report.catalog.unwrap();
    let seeds: Vec<Vec<u8>> =
        catalog.contracts().map(|contract| contract.document.to_json_text().into_bytes()).collect();
    fuzz("json", 15, &seeds, |input, dice| {
        let text = String::from_utf8_lossy(input);
        let report = check(&[Source::new("system.yaml", SYSTEM), Source::new("a.json", text)]);
        let _ = report.to_string();
        report.catalog.into_iter().for_each(|catalog| use_catalog(catalog, dice));
    });
}

#[test]
fn no_payload_panics_and_what_is_admitted_is_json() {
    let catalog = check(&files("tests/corpus/contracts")).catalog.unwrap();
    let validators: Vec<Validator> =
        catalog.contracts().map(|contract| Validator::of(contract).unwrap()).collect();
    let seeds: Vec<Vec<u8>> = catalog
        .contracts()
        .flat_map(|contract| &contract.examples)
        .map(|example| example.to_json_text().into_bytes())
        .collect();
    fuzz("payload", 20, &seeds, |input, _| {
        for validator in &validators {
            if let Ok(checked) = validator.check(input) {
                assert!(serde_json::from_slice::<Value>(input).is_ok());
                assert!(checked.key.len() <= 250 && !checked.key.is_empty());
            }
            let _ = validator.tags(input);
        }
    });
}

#[test]
fn no_pair_of_schemas_panics_the_judge() {
    let mut seeds: Vec<Vec<u8>> = [
        json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "integer", "minimum": 1 } } }),
        json!({ "type": "array", "prefixItems": [{ "type": "string" }], "items": false, "uniqueItems": true }),
        json!({ "anyOf": [{ "type": "string", "pattern": "^a" }, { "not": { "type": "number" } }] }),
        json!({ "$ref": "#/$defs/A", "$defs": { "A": { "properties": { "next": { "$ref": "#/$defs/A" } } } } }),
        json!({ "patternProperties": { "^x": { "multipleOf": 0.1 } }, "propertyNames": { "maxLength": 3 } }),
        json!({ "if": { "minLength": 2 }, "then": { "format": "email" }, "else": { "enum": ["a", 1, null] } }),
        json!({ "type": ["object", "null"], "dependentRequired": { "a": ["b"] }, "unevaluatedProperties": false }),
        json!({ "contains": { "const": 1 }, "minContains": 2, "maxItems": 3 }),
    ]
    .iter()
    .map(|schema| schema.to_string().into_bytes())
    .collect();
    let catalog = check(&files("../examples/orders/contracts")).catalog.unwrap();
    seeds.extend(
        catalog
            .contracts()
            .map(|contract| contract.document.get("payload").unwrap().to_json_text().into_bytes()),
    );
    let schemas: Vec<Value> = seeds.iter().map(|seed| serde_json::from_slice(seed).unwrap()).collect();
    fuzz("judge", 15, &seeds, |input, dice| {
        let Ok(changed) = serde_json::from_slice::<Value>(input) else { return };
        let other = dice.pick(&schemas);
        let _ = judge(other, &changed, Mode::Full, Options::default());
    });
}

#[test]
fn no_cloud_event_panics_and_what_is_read_comes_back() {
    let event = |text: &str| text.as_bytes().to_vec();
    let seeds = [
        event(
            r#"{"specversion":"1.0","id":"1","source":"/a","type":"order.placed","datacontenttype":"application/json","time":"2026-01-05T10:00:00.5Z","subject":"s","ext":1,"flag":true,"data":{"a":[1,"é",null]}}"#,
        ),
        event(
            r#"{"specversion":"1.0","id":"2","source":"urn:x:y","type":"t","dataschema":"https://example.org/s","datacontenttype":"text/plain","data":"text"}"#,
        ),
        event(r#"{"specversion":"1.0","id":"3","source":"/a?b#c","type":"t","data_base64":"AAEC/w=="}"#),
        event(
            r#"[{"specversion":"1.0","id":"1","source":"/a","type":"t"},{"specversion":"1.0","id":"2","source":"/a","type":"t","data":null}]"#,
        ),
    ];
    fuzz("cloud event", 15, &seeds, |input, dice| {
        if let Ok(event) = cloudevents::from_json(input) {
            comes_back(&event);
        }
        if let Ok(batch) = cloudevents::batch_from_json(input) {
            let written = cloudevents::batch_to_json(&batch);
            assert_eq!(cloudevents::batch_from_json(&written).unwrap(), batch);
        }
        // The same bytes, cut into headers and a body.
        let mut headers: Vec<(String, &[u8])> = Vec::new();
        for part in input.split(|byte| *byte == b',') {
            let mut halves = part.splitn(2, |byte| *byte == b':');
            let name =
                String::from_utf8_lossy(halves.next().unwrap_or_default()).replace(['"', '{', '}'], "");
            let prefix = *dice.pick(&["ce-", "ce_", "", "CE-"]);
            headers.push((format!("{prefix}{name}"), halves.next().unwrap_or_default()));
        }
        headers.push(("ce-specversion".into(), b"1.0"));
        headers.push(("content-type".into(), b"application/json"));
        let headers = || headers.iter().map(|(name, value)| (name.as_str(), *value));
        for read in [
            cloudevents::from_http(headers(), Bytes::copy_from_slice(input)),
            cloudevents::from_kafka(headers(), Bytes::copy_from_slice(input)),
        ] {
            read.into_iter().for_each(|event| comes_back(&event));
        }
    });
}

/// What is written is read again: all attributes, and the data byte by byte.
fn comes_back(event: &CloudEvent) {
    let mut again = cloudevents::from_json(&cloudevents::to_json(event)).unwrap();
    assert_eq!(bytes(&again), bytes(event));
    // What says that it is JSON and is not comes back as bytes.
    again.data = event.data.clone();
    assert_eq!(&again, event);
}

fn bytes(event: &CloudEvent) -> Option<Vec<u8>> {
    event.data.as_ref().map(|data| match data {
        Data::Json(bytes) | Data::Binary(bytes) => bytes.to_vec(),
        Data::Text(text) => text.as_bytes().to_vec(),
    })
}
