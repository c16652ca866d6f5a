//! Signs by which buses, tests and habits are known.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::facts::{self, EventUse};
use super::{Found, Language, Naming, SourceFile, Tests};
use crate::design::pattern;

type Sign = LazyLock<Regex>;

static BUSES: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    [
        ("Factum", r#"(?m)^\s*factum\s*=|^use factum::"#),
        ("Kafka", r"kafkajs|\brdkafka\b|kafka-python|confluent[-_]kafka|aiokafka|spring-kafka|org\.apache\.kafka|segmentio/kafka-go|IBM/sarama|KafkaTemplate"),
        ("RabbitMQ", r#"amqplib|\blapin\b|\bpika\b|aio[-_]pika|spring-rabbit|amqp091-go|streadway/amqp|RabbitTemplate"#),
        ("SQS", r"client-sqs|aws[-_]sdk[-_]sqs|service/sqs|SqsClient|\.client\(.sqs.\)"),
        ("SNS", r"client-sns|aws[-_]sdk[-_]sns|service/sns|SnsClient|\.client\(.sns.\)"),
        ("Supabase Realtime", r"@supabase/supabase-js|@supabase/realtime|supabase[-_]py"),
        ("Redis", r#"\bioredis\b|"redis"\s*:|go-redis|^redis\s*[=>]|import redis|redis::"#),
        ("NATS", r#"async[-_]nats|"nats"\s*:|nats[-_]py|nats-io/nats\.go|io\.nats|import nats"#),
        ("in process", r"\bEventEmitter\b|eventemitter3|\bmitt\b|InMemory(?:Event)?Bus|ApplicationEventPublisher|\bblinker\b"),
    ]
    .into_iter()
    .map(|(name, words)| (name, pattern(&format!("(?m){words}"))))
    .collect()
});

pub(super) static RETRY: Sign = LazyLock::new(|| {
    pattern(r"(?i)\bretry(?:policy|able|ing)?\b|\bbackoff\b|max_?attempts|\btenacity\b|p-retry")
});
pub(super) static DEAD_LETTERS: Sign = LazyLock::new(|| pattern(r"(?i)dead[-_ ]?letter|\bdlq\b|\.dlt\b"));
pub(super) static IDEMPOTENCY: Sign = LazyLock::new(|| {
    pattern(
        r"(?i)idempoten|processed_?events|already_?(?:processed|handled)|first_time\(|on conflict do nothing|deduplicat",
    )
});
static TEST_BUS: Sign = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:in_?memory|fake|mock|stub|test|spy)_?(?:event_?)?(?:bus|broker|producer|publisher|store)\b|testcontainers|EmbeddedKafka|[\x22'\x60]memory:|MockProducer",
    )
});
static WAITS: Sign = LazyLock::new(|| {
    pattern(
        r"\.settled\(|\bwaitFor\(|vi\.waitFor|\beventually\b|\bawait_?until\b|Awaitility|assert\.Eventually|require\.Eventually|\bwait_for\(|\bpoll_until\b|flushPromises",
    )
});
static SLEEPS: Sign = LazyLock::new(|| pattern(r"time\.sleep|thread::sleep|setTimeout\("));

/// What carries events, each with one place.
pub(super) fn buses(files: &[SourceFile]) -> Vec<Found> {
    let manifests = files.iter().filter(|file| is_manifest(&file.path));
    let sources = files.iter().filter(|file| Language::of_path(&file.path).is_some());
    let files: Vec<&SourceFile> = manifests.chain(sources).collect();
    BUSES.iter().filter_map(|(name, words)| files.iter().find_map(|file| place(file, words, name))).collect()
}

fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(
        name,
        "Cargo.toml"
            | "package.json"
            | "pyproject.toml"
            | "requirements.txt"
            | "pom.xml"
            | "build.gradle"
            | "build.gradle.kts"
            | "go.mod"
            | "setup.cfg"
    )
}

/// The first place of a habit in code that is no test.
pub(super) fn pattern_of(files: &[SourceFile], sign: &Regex) -> Option<Found> {
    let sources =
        files.iter().filter(|file| Language::of_path(&file.path).is_some() && !facts::is_test(&file.path));
    sources.clone().find_map(|file| {
        let (line, text) =
            file.text.lines().enumerate().find(|(_, line)| is_code(line) && sign.is_match(line))?;
        Some(Found { what: cut(text), path: file.path.clone(), line: line + 1 })
    })
}

/// Neither a comment nor an import.
fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !["//", "use ", "import ", "from ", "*", "/*"].iter().any(|mark| line.starts_with(mark))
}

fn place(file: &SourceFile, words: &Regex, what: &str) -> Option<Found> {
    let at = words.find(&file.text)?.start();
    let line = file.text[..at].matches('\n').count() + 1;
    Some(Found { what: what.to_owned(), path: file.path.clone(), line })
}

fn cut(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= 80 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(79).collect::<String>())
    }
}

/// How most events are written.
pub(super) fn naming(uses: &[EventUse]) -> Option<(Naming, Found)> {
    let style = |written: &str| {
        if written.contains(['.', ':', '/']) {
            Naming::Dotted
        } else if written.contains('_') {
            Naming::Snake
        } else {
            Naming::Pascal
        }
    };
    let mut counts: BTreeMap<Naming, usize> = BTreeMap::new();
    uses.iter().for_each(|found| *counts.entry(style(&found.written)).or_default() += 1);
    let (most, _) = counts.into_iter().max_by_key(|(naming, count)| (*count, std::cmp::Reverse(*naming)))?;
    let example = uses.iter().find(|found| style(&found.written) == most)?;
    Some((most, Found { what: example.written.clone(), path: example.path.clone(), line: example.line }))
}

/// The folder of contracts, and whether it is a catalog.
pub(super) fn contracts(files: &[SourceFile]) -> (Option<String>, bool) {
    let folder_of = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let catalog = files.iter().find(|file| {
        file.path.ends_with("system.yaml") && file.text.lines().any(|line| line.starts_with("system:"))
    });
    if let Some(file) = catalog {
        return (Some(folder_of(&file.path)), true);
    }
    const NAMES: [&str; 6] = ["contracts", "schemas", "schema", "events", "event-schemas", "asyncapi"];
    for name in NAMES {
        let found = files.iter().find_map(|file| {
            let parts: Vec<&str> = file.path.split('/').collect();
            let at = parts[..parts.len() - 1].iter().position(|part| *part == name)?;
            (!facts::is_test(&file.path)).then(|| parts[..=at].join("/"))
        });
        if found.is_some() {
            return (found, false);
        }
    }
    (None, false)
}

/// The name that a manifest gives.
pub(super) fn package(files: &[SourceFile], language: Option<Language>) -> Option<String> {
    static TOML: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"(?ms)^\[(?:package|project)\].*?^name\s*=\s*"([^"]+)""#));
    static JSON: LazyLock<Regex> = LazyLock::new(|| pattern(r#""name"\s*:\s*"([^"]+)""#));
    static GO: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^module\s+(\S+)"));
    static POM: LazyLock<Regex> = LazyLock::new(|| pattern(r"<artifactId>([^<]+)</artifactId>"));
    let (name, words): (&str, &Regex) = match language? {
        Language::Rust => ("Cargo.toml", &TOML),
        Language::Python => ("pyproject.toml", &TOML),
        Language::TypeScript | Language::JavaScript => ("package.json", &JSON),
        Language::Go => ("go.mod", &GO),
        Language::Java => ("pom.xml", &POM),
    };
    let mut manifests: Vec<&SourceFile> =
        files.iter().filter(|file| file.path == name || file.path.ends_with(&format!("/{name}"))).collect();
    manifests.sort_by_key(|file| file.path.matches('/').count());
    manifests.iter().find_map(|file| words.captures(&file.text).map(|found| found[1].to_owned()))
}

/// The tests of a code base, by its manifests and files.
pub(super) fn tests(files: &[SourceFile], language: Option<Language>) -> Tests {
    let says = |name: &str, word: &str| {
        files.iter().any(|file| file.path.ends_with(name) && file.text.contains(word))
    };
    let framework = match language {
        None | Some(Language::Rust) => "cargo",
        Some(Language::Go) => "go test",
        Some(Language::Python) => "pytest",
        Some(Language::Java) if says("build.gradle", "") || says("build.gradle.kts", "") => "JUnit (Gradle)",
        Some(Language::Java) => "JUnit (Maven)",
        Some(Language::TypeScript | Language::JavaScript) => {
            if says("package.json", "\"vitest\"") {
                "Vitest"
            } else if says("package.json", "\"jest\"") || says("package.json", "ts-jest") {
                "Jest"
            } else if says("package.json", "\"mocha\"") {
                "Mocha"
            } else {
                "Vitest"
            }
        }
    };
    let tests: Vec<&SourceFile> = files
        .iter()
        .filter(|file| facts::is_test(&file.path) && Language::of_path(&file.path).is_some())
        .collect();
    let find = |sign: &Regex| {
        tests.iter().find_map(|file| {
            let (line, _) = file.text.lines().enumerate().find(|(_, line)| sign.is_match(line))?;
            let text = file.text.lines().nth(line)?;
            Some(Found {
                what: sign.find(text).map_or("", |found| found.as_str()).to_owned(),
                path: file.path.clone(),
                line: line + 1,
            })
        })
    };
    Tests {
        framework,
        folder: folder(&tests, language),
        bus: find(&TEST_BUS),
        waits: find(&WAITS).or_else(|| find(&SLEEPS)),
    }
}

/// The folder that holds most tests, else the one that its language usually has.
fn folder(tests: &[&SourceFile], language: Option<Language>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in tests {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        *counts.entry(folder).or_default() += 1;
    }
    // Cargo takes tests from one place; elsewhere they stand where most of them do.
    if language == Some(Language::Rust) {
        return "tests".to_owned();
    }
    let most = counts.into_iter().max_by_key(|(folder, count)| (*count, std::cmp::Reverse(folder.len())));
    let usual = match language {
        Some(Language::Java) => "src/test/java",
        Some(Language::Go) => "internal",
        _ => "tests",
    };
    most.map_or_else(|| usual.to_owned(), |(folder, _)| folder.to_owned())
}
