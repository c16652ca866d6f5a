//! Documents of others: what comes of the official examples, of hostile ones, and of any change to them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use factum_contract::generate::asyncapi::Format;
use factum_contract::import::{Imported, NoteKind, asyncapi};
use factum_contract::{Catalog, Source, check};
use proptest::prelude::*;

use crate::catalogs::document;

const TABLE: &str = include_str!("import.table");

/// The official examples: not part of the project; where they are absent the tests say that they were skipped.
fn vectors(test: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/asyncapi");
    if !folder.exists() {
        println!("skipped: interchange::{test}: ../shared/vectors is absent");
        return None;
    }
    let mut found = Vec::new();
    collect(&folder, "", &mut found);
    found.sort();
    Some(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), found);
        } else if name.ends_with(".yml") || name.ends_with(".yaml") {
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
}

fn count(imported: &Imported, kind: NoteKind) -> usize {
    imported.notes.iter().filter(|note| note.kind == kind).count()
}

/// What came of a document is sound: it passes `check`, and comes back the same from the document written of it.
fn is_sound(name: &str, imported: &Imported) {
    let report = check(&imported.files);
    assert!(report.findings.is_empty(), "{name}: {report}");
    let catalog = Catalog::read(&imported.files).unwrap();
    for format in [Format::Yaml, Format::Json] {
        let again = asyncapi(name, document(&catalog, format).as_bytes()).unwrap();
        assert_eq!(again.files, imported.files, "{name}");
        assert!(again.notes.is_empty(), "{name}: {:?}", again.notes);
    }
}

#[test]
fn the_official_documents_are_read_as_far_as_the_table_says() {
    let Some(documents) = vectors("the_official_documents_are_read_as_far_as_the_table_says") else { return };
    let mut table = "document | contracts | lost | changed\n".to_owned();
    for (name, bytes) in &documents {
        match asyncapi(name, bytes) {
            Ok(imported) => {
                let (lost, changed) = (count(&imported, NoteKind::Lost), count(&imported, NoteKind::Changed));
                writeln!(table, "{name} | {} | {lost} | {changed}", imported.contracts.len()).unwrap();
                assert!(imported.notes.iter().all(|note| note.line > 0 && !note.reason.is_empty()));
                assert!(lost > 0 || !imported.contracts.is_empty(), "{name}: nothing, and no word why");
                if !imported.files.is_empty() {
                    is_sound(name, &imported);
                }
            }
            Err(error) => writeln!(table, "{name} | refused: {error}").unwrap(),
        }
    }
    assert_eq!(table, TABLE, "the table is factum-contract/tests/interchange/import.table");
}

#[test]
fn what_becomes_of_two_official_documents_is_known() {
    let Some(documents) = vectors("what_becomes_of_two_official_documents_is_known") else { return };
    for name in ["streetlights-kafka-asyncapi.yml", "oneof-asyncapi.yml"] {
        let (_, bytes) = documents.iter().find(|(other, _)| other == name).unwrap();
        let imported = asyncapi(name, bytes).unwrap();
        insta::assert_snapshot!(name, shown(&imported));
    }
}

fn shown(imported: &Imported) -> String {
    let mut text = String::new();
    for note in &imported.notes {
        let kind = if note.kind == NoteKind::Lost { "lost" } else { "changed" };
        writeln!(text, "{kind} {}:{} {}: {}", note.line, note.column, note.path, note.reason).unwrap();
    }
    for file in &imported.files {
        write!(text, "==== {}\n{}", file.name, file.text).unwrap();
    }
    text
}

/// Version 2.6, where the words of operations are those of the other side.
const SECOND: &str = r##"
asyncapi: 2.6.0
info: { title: Account Service, version: "1" }
channels:
  user/signedup:
    subscribe:
      operationId: tellOfSignUp
      message: { $ref: "#/components/messages/UserSignedUp" }
  user/commands:
    publish:
      operationId: onCommand
      message:
        oneOf:
          - { $ref: "#/components/messages/CloseAccount" }
          - { $ref: "#/components/messages/CloseAccountV2" }
components:
  messages:
    UserSignedUp:
      payload:
        allOf:
          - { $ref: "#/components/schemas/Base" }
          - type: object
            required: [email]
            properties:
              email: { type: string, format: email }
              plan: { enum: [free, paid] }
              limit: { type: integer, format: int32, exclusiveMinimum: true, minimum: 0 }
              score: { anyOf: [{ type: number, exclusiveMaximum: 1 }, { type: "null" }] }
              odd: { type: string, pattern: "^(?!x)" }
              code: { type: string, pattern: "^[A-Z]{3}-[0-9]+$", minLength: 8 }
              pair: { type: array, items: [{ type: string }, { type: string }] }
              tree: { $ref: "#/components/schemas/Tree" }
              extra: { type: object }
              labels: { type: object, additionalProperties: { type: string } }
    CloseAccount:
      payload: { type: object, required: [userId], properties: { userId: { type: string } } }
    CloseAccountV2:
      payload:
        type: object
        required: [userId, why]
        properties: { userId: { type: string }, why: { type: string } }
  schemas:
    Base: { type: object, required: [userId], properties: { userId: { type: string, minLength: 1 } } }
    Tree: { type: object, properties: { children: { type: array, items: { $ref: "#/components/schemas/Tree" } } } }
"##;

#[test]
fn version_2_6_is_read_by_its_own_meaning_of_publish() {
    let imported = asyncapi("account.yaml", SECOND.as_bytes()).unwrap();
    is_sound("account.yaml", &imported);
    insta::assert_snapshot!(shown(&imported));
}

/// A document of version 3 with one message, whose payload is given.
fn with(payload: &str) -> String {
    format!(
        "asyncapi: 3.0.0\ninfo: {{ title: x, version: '1' }}\nchannels:\n  a:\n    messages:\n      thingDone:\n        \
         payload: {payload}\n"
    )
}

fn reasons(text: &str) -> Vec<String> {
    let imported = asyncapi("a.yaml", text.as_bytes()).unwrap();
    assert!(imported.contracts.is_empty(), "{:?}", imported.contracts);
    imported.notes.into_iter().map(|note| note.reason).collect()
}

#[test]
fn a_message_without_an_example_gets_one_that_fits_also_where_no_plain_value_does() {
    let field = |schema: &str| {
        let payload = format!(
            "{{ type: object, required: [id, odd], properties: {{ id: {{ type: string }}, odd: {schema} }} }}"
        );
        let imported = asyncapi("a.yaml", with(&payload).as_bytes()).unwrap();
        is_sound("a.yaml", &imported);
        let catalog = Catalog::read(&imported.files).unwrap();
        catalog.contracts().next().unwrap().examples[0].to_json()["odd"].as_str().unwrap().to_owned()
    };
    assert_eq!(field("{ type: string }"), "text");
    // The first way to match is too short.
    assert_eq!(field("{ type: string, pattern: '^(a|bcd)$', minLength: 2 }"), "bcd");
}

#[test]
fn references_stay_inside_the_document() {
    let there = |payload: &str| reasons(&with(payload)).join("\n");
    let remote = there("{ $ref: 'https://example.org/schema.json#/a' }");
    assert!(remote.contains("\"https://example.org/schema.json#/a\" leads out of this document"), "{remote}");
    assert!(there("{ $ref: 'common.yaml#/a' }").contains("\"common.yaml#/a\" leads out"));
    assert!(there("{ $ref: '#/nowhere' }").contains("\"#/nowhere\" leads to nothing"));
    let own = "{ $ref: '#/channels/a/messages/thingDone/payload' }";
    assert!(there(own).contains("leads in a circle"), "{}", there(own));
    let inside =
        "{ type: object, properties: { self: { $ref: '#/channels/a/messages/thingDone/payload' } } }";
    assert!(there(inside).contains("it contains itself"), "{}", there(inside));
    let all = "{ allOf: [{ $ref: '#/channels/a/messages/thingDone/payload' }] }";
    assert!(there(all).contains("it contains itself"), "{}", there(all));
}

#[test]
fn what_is_too_much_is_refused_with_the_limit() {
    let error = |bytes: &[u8]| asyncapi("a.yaml", bytes).unwrap_err().to_string();
    assert!(error(&vec![b'a'; 5 * 1024 * 1024]).contains("over 4194304"));
    let deep = with(&format!("{}1{}", "[".repeat(70), "]".repeat(70)));
    assert!(error(deep.as_bytes()).contains("nested deeper than 64 levels"), "{}", error(deep.as_bytes()));
    let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{before}]").unwrap();
    }
    assert!(error(bomb.as_bytes()).contains("50000 values"));
    // References can grow a payload as aliases do: each level refers to the one before twice.
    let mut text = with("{ $ref: '#/components/schemas/s20' }");
    text.push_str(
        "components:\n  schemas:\n    s0: { type: object, properties: { id: { type: string } } }\n",
    );
    for level in 1..=20 {
        let before = format!("{{ $ref: '#/components/schemas/s{}' }}", level - 1);
        writeln!(text, "    s{level}: {{ type: object, properties: {{ a: {before}, b: {before} }} }}")
            .unwrap();
    }
    let started = std::time::Instant::now();
    let imported = asyncapi("a.yaml", text.as_bytes()).unwrap();
    assert!(imported.notes.iter().any(|note| note.reason.contains("4000 schemas")), "{:?}", imported.notes);
    // And a large payload may be that of every message.
    let before = "channels:\n  a:\n    messages:\n";
    let many: String = (0..3000)
        .map(|n| format!("      thing{n}Done: {{ payload: {{ $ref: '#/components/schemas/s11' }} }}\n"))
        .collect();
    let imported = asyncapi("a.yaml", text.replace(before, &format!("{before}{many}")).as_bytes()).unwrap();
    assert!(imported.notes.iter().any(|note| note.reason.contains("too many schemas")));
    assert!(started.elapsed().as_secs() < 120);
}

#[test]
fn what_a_hand_has_changed_in_our_own_document_is_read_like_any_other() {
    let catalog = crate::catalogs::flagship();
    let text = document(&catalog, Format::Yaml).replace("correlate", "corelate");
    let text =
        text.replace("      defaults:\n", "      defualts:\n").replace("    defaults:\n", "    defualts:\n");
    let imported = asyncapi("a.yaml", text.as_bytes()).unwrap();
    assert!(
        imported.notes.iter().any(|note| note.reason.contains("does not describe this document any more"))
    );
    let report = check(&imported.files);
    assert!(report.findings.is_empty(), "{report}");
    assert_eq!(imported.contracts.len(), catalog.contracts().count());
}

/// A change to a document: bytes written over, lines taken out, lines doubled, lines changed for one another.
#[derive(Debug, Clone)]
enum Change {
    Byte(usize, u8),
    Without(usize),
    Twice(usize),
    Swap(usize, usize),
    Word(usize, &'static str),
}

fn changed(text: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for change in changes {
        let at = |index: &usize| index % lines.len();
        match change {
            Change::Byte(index, byte) => {
                let (line, rest) = (at(index), index / lines.len());
                let length = lines[line].len();
                if length > 0 {
                    lines[line][rest % length] = *byte;
                }
            }
            Change::Without(index) => {
                let index = at(index);
                lines.remove(index);
            }
            Change::Twice(index) => {
                let index = at(index);
                lines.insert(index, lines[index].clone());
            }
            Change::Swap(one, other) => {
                let (one, other) = (at(one), at(other));
                lines.swap(one, other);
            }
            Change::Word(index, word) => {
                let line = at(index);
                let key = lines[line].iter().position(|byte| *byte == b':');
                if let Some(key) = key {
                    lines[line].truncate(key + 1);
                    lines[line].extend_from_slice(format!(" {word}").as_bytes());
                }
            }
        }
        if lines.is_empty() {
            lines.push(Vec::new());
        }
    }
    lines.join(&b'\n')
}

fn change() -> impl Strategy<Value = Change> {
    let words = prop::sample::select(vec![
        "null",
        "[]",
        "{}",
        "true",
        "-1",
        "1e300",
        "18446744073709551615",
        "''",
        "'\\u0000'",
        "{ type: object }",
        "{ $ref: '#' }",
        "{ $ref: '#/channels' }",
        "[{ $ref: '#/components' }]",
        "{ oneOf: [] }",
        "{ allOf: [1] }",
        "{ type: [string, 'null', integer] }",
        "{ enum: [] }",
        "{ enum: [1, a, null] }",
        "{ const: {} }",
        "&a [*a]",
        "{ type: string, pattern: '(' }",
        "{ type: integer, minimum: 9e99, maximum: -9e99 }",
        "😀",
        "a.b/c~1%2F",
        "{ type: array, items: true, minItems: -1 }",
        "{ type: object, properties: { 'a.b': {}, 'A': {}, 'a': {} } }",
    ]);
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(index, byte)| Change::Byte(index, byte)),
        any::<usize>().prop_map(Change::Without),
        any::<usize>().prop_map(Change::Twice),
        (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Change::Swap(one, other)),
        (any::<usize>(), words).prop_map(|(index, word)| Change::Word(index, word)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_changed_document_panics_or_makes_a_broken_catalog(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        let mut documents = vec![("account.yaml".to_owned(), SECOND.as_bytes().to_vec())];
        documents.push(("shop.yaml".to_owned(), document(&crate::catalogs::flagship(), Format::Yaml).into_bytes()));
        documents.extend(vectors("no_changed_document_panics_or_makes_a_broken_catalog").unwrap_or_default());
        let (name, bytes) = which.get(&documents);
        if let Ok(imported) = asyncapi(name, &changed(bytes, &changes)) {
            let report = check(&imported.files);
            prop_assert!(imported.files.is_empty() || report.catalog.is_some(), "{report}");
            if !imported.files.is_empty() {
                let catalog = Catalog::read(&imported.files).unwrap();
                let again = asyncapi("again.yaml", document(&catalog, Format::Yaml).as_bytes()).unwrap();
                prop_assert_eq!(again.files, imported.files);
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = asyncapi("a.yaml", &bytes);
    }
}

#[test]
fn every_note_names_a_place_of_the_document() {
    let imported = asyncapi("account.yaml", SECOND.as_bytes()).unwrap();
    let sources = [Source::new("account.yaml", SECOND)];
    let lines = sources[0].text.lines().count();
    assert!(imported.notes.iter().all(|note| (1..=lines).contains(&(note.line as usize))));
    let cyclic = imported.notes.iter().find(|note| note.reason.contains("contains itself")).unwrap();
    assert_eq!(cyclic.path, "/components/schemas/Tree/properties/children/items");
}
