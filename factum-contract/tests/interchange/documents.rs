//! What is written.

use std::collections::BTreeSet;

use factum_contract::generate::asyncapi::{self, Format, Options, Server};
use factum_contract::generate::{cloudevents, json_schema, mermaid};
use factum_contract::{Catalog, Source, check};
use factum_core::cloudevents::from_json;
use serde_json::Value;

use crate::catalogs::{all, document, flagship, rich};

#[test]
fn the_documents_of_the_flagship_are_known() {
    let shop = flagship();
    insta::assert_snapshot!("asyncapi", document(&shop, Format::Yaml));
    insta::assert_snapshot!("json-schema", all(&json_schema::generate(&shop).unwrap()));
    insta::assert_snapshot!("cloudevents", all(&cloudevents::generate(&shop).unwrap()));
    insta::assert_snapshot!("mermaid", all(&mermaid::generate(&shop)));
}

#[test]
fn the_documents_of_a_rich_catalog_are_known() {
    let hotel = rich();
    insta::assert_snapshot!("asyncapi-rich", document(&hotel, Format::Yaml));
    insta::assert_snapshot!("mermaid-rich", all(&mermaid::generate(&hotel)));
}

#[test]
fn the_same_catalog_gives_the_same_bytes() {
    for make in [flagship, rich] {
        assert_eq!(document(&make(), Format::Json), document(&make(), Format::Json));
        assert_eq!(cloudevents::generate(&make()).unwrap(), cloudevents::generate(&make()).unwrap());
    }
}

#[test]
fn yaml_and_json_say_the_same() {
    for catalog in [flagship(), rich()] {
        let yaml = document(&catalog, Format::Yaml);
        let json: Value = serde_json::from_str(&document(&catalog, Format::Json)).unwrap();
        // The reader of contracts reads YAML as well: it finds the same keys in both.
        let report = check(&[Source::new("a.yaml", yaml)]);
        let unknown: BTreeSet<String> =
            report.findings.iter().map(|finding| finding.message.clone()).collect();
        for key in json.as_object().unwrap().keys().filter(|key| *key != "x-generated") {
            assert!(unknown.contains(&format!("a contract has no key `{key}`")), "{key}: {unknown:?}");
        }
    }
}

#[test]
fn examples_keep_the_payloads_that_are_written() {
    for catalog in [flagship(), rich()] {
        let json: Value = serde_json::from_str(&document(&catalog, Format::Json)).unwrap();
        let mut count = 0;
        for (name, message) in json["components"]["messages"].as_object().unwrap() {
            for draft in [jsonschema::Draft::Draft7, jsonschema::Draft::Draft202012] {
                let schema = jsonschema::options().with_draft(draft).build(&message["payload"]).unwrap();
                for example in message["examples"].as_array().into_iter().flatten() {
                    count += 1;
                    let errors: Vec<String> =
                        schema.iter_errors(&example["payload"]).map(|error| error.to_string()).collect();
                    assert!(errors.is_empty(), "{name}: {errors:?}");
                }
            }
        }
        assert!(count > 8);
    }
}

#[test]
fn every_json_schema_is_whole_and_takes_its_examples() {
    for catalog in [flagship(), rich()] {
        let generated = json_schema::generate(&catalog).unwrap();
        assert_eq!(generated.files.len(), catalog.contracts().count());
        for file in &generated.files {
            let json: Value = serde_json::from_str(&file.text).unwrap();
            jsonschema::meta::validate(&json).unwrap();
            assert!(!file.text.contains("$ref"), "{} refers elsewhere", file.path);
            let schema = jsonschema::validator_for(&json).unwrap();
            for example in json["examples"].as_array().unwrap() {
                assert!(schema.is_valid(example), "{}: {example}", file.path);
            }
        }
    }
}

#[test]
fn every_event_written_is_a_cloud_event() {
    for catalog in [flagship(), rich()] {
        for file in cloudevents::generate(&catalog).unwrap().files {
            let event =
                from_json(file.text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", file.path));
            let version = event.contract_version().unwrap();
            let contract = catalog.contract(&event.event_type, version).unwrap();
            let envelope = event.into_envelope(contract.event_type()).unwrap();
            let payload: Value = serde_json::from_slice(&envelope.data).unwrap();
            assert!(contract.examples.iter().any(|example| example.to_json() == payload), "{}", file.path);
        }
    }
}

#[test]
fn an_example_that_breaks_its_contract_stops_every_document() {
    let system = Source::new("system.yaml", "system: shop\nservices: { orders: {} }\n");
    let contract = Source::new(
        "a.yaml",
        "event: a.b\nversion: 1\nowner: orders\nkey: id\npayload: { type: object, required: [id], properties: { id: \
         { type: string } } }\nexamples: [{ id: a }, { id: 7 }]\n",
    );
    let catalog = Catalog::read(&[system, contract]).unwrap();
    let said = [
        asyncapi::generate(&catalog, &Options::default()).unwrap_err().to_string(),
        json_schema::generate(&catalog).unwrap_err().to_string(),
        cloudevents::generate(&catalog).unwrap_err().to_string(),
    ];
    for message in said {
        assert_eq!(message, "example 2 of a.b.v1 breaks its contract at /id: expected text, found a number");
    }
}

#[test]
fn brokers_that_are_named_are_the_only_ones_with_bindings() {
    let servers: Vec<Server> = ["nats://n1:4222", "nats://n2:4222", "amqps://mq.example/shop"]
        .map(|url| url.parse().unwrap())
        .into();
    let options = Options { servers, format: Format::Json, ..Options::default() };
    let text = asyncapi::generate(&flagship(), &options).unwrap().files.remove(0).text;
    let json: Value = serde_json::from_str(&text).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
    assert_eq!(keys(&json["servers"]), ["amqps", "nats", "nats-2"]);
    assert_eq!(json["servers"]["amqps"]["pathname"], "/shop");
    assert_eq!(keys(&json["channels"]["order.paid"]["bindings"]), ["amqp", "nats"]);
}
