//! What becomes of specifications: slices of every form, plans in the words of the code base, boxes that can be trusted.

#![allow(clippy::unwrap_used, reason = "in a test, what cannot go on stops")]

use std::path::Path;

use factum_architect::codebase::{self, Codebase, SourceFile};
use factum_architect::plan::{self, PlanError, Request, Risk, Spec, SpecError};
use factum_contract::Source;
use insta::assert_snapshot;
use regex::Regex;

fn spec(text: &str) -> Spec {
    plan::read("docs/specs/orders.md", text.as_bytes()).unwrap()
}

/// The flagship's contracts.
fn contracts() -> Vec<Source> {
    factum_contract::folder::read(&flagship().join("contracts")).unwrap()
}

fn flagship() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/orders")
}

fn code(files: &[(&str, &str)]) -> Codebase {
    let files: Vec<SourceFile> =
        files.iter().map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() }).collect();
    codebase::of_files(&files, false)
}

fn planned(spec: &Spec, slice: &str, code: &Codebase, risk: Option<Risk>) -> String {
    let contracts = contracts();
    plan::plan(request(spec, slice, code, risk, &contracts)).unwrap().document()
}

fn request<'r>(
    spec: &'r Spec,
    slice: &str,
    code: &'r Codebase,
    risk: Option<Risk>,
    contracts: &'r [Source],
) -> Request<'r> {
    let slice = spec.slice(slice).unwrap();
    Request { spec, slice, contracts, contracts_folder: "contracts", code, risk, is_teaching: false }
}

const SHAPES: &str = include_str!("shapes.txt");

fn shapes() -> impl Iterator<Item = (&'static str, String)> {
    SHAPES.split("=== ").skip(1).map(|shape| {
        let (name, text) = shape.split_once('\n').unwrap();
        let text = if name.contains("windows") { text.replace('\n', "\r\n") } else { text.to_owned() };
        (name, text)
    })
}

#[test]
fn fifty_shapes_of_specifications_are_read() {
    let mut out = String::new();
    let mut count = 0;
    for (name, text) in shapes() {
        count += 1;
        let path = if name.contains("feature file") { "orders.feature" } else { "orders.md" };
        let spec = plan::read(path, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        out.push_str(&format!("{name}: {:?}, {:?}\n", spec.form, spec.title));
        for slice in &spec.slices {
            out.push_str(&format!(
                "  {} {:?} at {}{}\n",
                slice.id,
                slice.name,
                slice.line,
                slice.risk.map_or(String::new(), |(risk, _)| format!(", {} risk", risk.as_str()))
            ));
            for criterion in &slice.criteria {
                let mark = if criterion.is_done { "x" } else { " " };
                let vague = if criterion.vague.is_empty() {
                    String::new()
                } else {
                    format!(" vague {:?}", criterion.vague)
                };
                let group =
                    criterion.group.as_ref().map(|group| format!(" in {group:?}")).unwrap_or_default();
                out.push_str(&format!(
                    "    [{mark}] {}: {:?}{group}{vague}\n",
                    criterion.line,
                    criterion.name()
                ));
            }
        }
        for requirement in &spec.requirements {
            out.push_str(&format!("  {:?}: {:?}\n", requirement.id, requirement.text));
        }
        for skipped in &spec.skipped {
            out.push_str(&format!("  - {}: {:?}: {}\n", skipped.line, skipped.text, skipped.reason));
        }
    }
    assert_eq!(count, 50);
    assert_snapshot!(out);
}

#[test]
fn no_box_is_skipped_in_silence() {
    for (name, text) in shapes() {
        let spec = plan::read("orders.md", text.as_bytes()).unwrap();
        let mut known: Vec<usize> = spec.skipped.iter().map(|skipped| skipped.line).collect();
        known.extend(
            spec.slices.iter().flat_map(|slice| slice.criteria.iter().map(|criterion| criterion.line)),
        );
        for (index, line) in text.lines().enumerate() {
            let is_box = line.trim_start_matches(['>', ' ', '\t']).starts_with("- [") && !line.contains("](");
            assert!(!is_box || known.contains(&(index + 1)), "{name}: line {}: {line}", index + 1);
        }
    }
}

#[test]
fn a_slice_is_found_by_number_id_or_name() {
    let spec = spec(
        "# Orders\n## Slice 1: place\n- [ ] a\n## Slice 2: pay with card\n- [ ] b\n## Slice 3: pay by invoice\n- [ ] c\n",
    );
    for (wanted, expected) in [
        ("2", Some("2")),
        ("slice 2", Some("2")),
        ("pay with card", Some("2")),
        ("CARD", Some("2")),
        ("pay", None),
        ("9", None),
    ] {
        assert_eq!(spec.slice(wanted).map(|slice| slice.id.as_str()), expected, "{wanted}");
    }
    let kit = plan::read(
        "specs/001-order-flow/spec.md",
        b"# F\n### User Story 2 - pay\n1. Given a, When b, Then `order.paid` is published\n",
    )
    .unwrap();
    assert_eq!(kit.slice("US2").unwrap().name, "pay");
    assert_eq!(kit.slice("us2").unwrap().ordinal, "2");
    assert_eq!(kit.feature(), "order-flow");
}

#[test]
fn what_cannot_be_planned_says_why() {
    let told = |bytes: &[u8]| {
        let error = plan::read("spec.md", bytes).unwrap_err();
        format!("{error}\nhint: {}\n", error.hint())
    };
    let long = vec![b'a'; 2 * 1024 * 1024 + 1];
    assert!(matches!(plan::read("spec.md", b"\xff").unwrap_err(), SpecError::Binary { .. }));
    let mut all =
        [told(b""), told(b"# Orders\n## Slice 1: place\nTo be written.\n"), told(b"a\0b"), told(&long)]
            .concat();
    let spec = spec("# Orders\n## Slice 1: place\n- [ ] it is nice\n## Slice 2: later\n");
    let code = code(&[]);
    for slice in ["1", "2"] {
        let contracts = contracts();
        let error = plan::plan(request(&spec, slice, &code, None, &contracts)).unwrap_err();
        assert!(matches!(error, PlanError::NoEvents { .. } | PlanError::NoCriteria { .. }));
        all.push_str(&format!("{error}\nhint: {}\n", error.hint()));
    }
    assert_snapshot!(all);
}

const LOYALTY: &str = "# Loyalty\n\nRisk: high\n\n## Slice 2: points for paid orders\n\n\
    - [ ] when `order.paid` arrives, publishes `loyalty.earned` with `orderId` and `points`\n\
    - [ ] the same `order.paid` twice earns points once\n\
    - [ ] handles a failing store correctly\n\n```\n- [ ] not this\n```\n";

#[test]
fn a_plan_is_written_for_the_flagship() {
    let code = codebase::scan(&flagship()).unwrap();
    let planned = planned(&spec(LOYALTY), "2", &code, None);
    // The flagship grows.
    let files = Regex::new(r"Rust \(\d+ files\)").unwrap();
    assert!(files.is_match(&planned), "{planned}");
    assert_snapshot!(files.replace(&planned, "Rust (<some> files)"));
}

#[test]
fn a_plan_is_written_in_the_words_of_the_code_base() {
    let bases: [(&str, &[(&str, &str)]); 6] = [
        (
            "vitest",
            &[
                (
                    "package.json",
                    "{\"name\":\"shop\",\"devDependencies\":{\"vitest\":\"3\"},\"dependencies\":{\"kafkajs\":\"2\"}}",
                ),
                ("src/orders/place.ts", "await producer.publish('order.placed', data);\n"),
                ("src/payments/charge.ts", "consumer.subscribe('order.placed', charge);\n"),
                ("src/orders/place.test.ts", "await vi.waitFor(() => done);\n"),
            ],
        ),
        (
            "jest",
            &[
                (
                    "package.json",
                    "{\"name\":\"shop\",\"devDependencies\":{\"jest\":\"29\"},\"dependencies\":{\"amqplib\":\"1\"}}",
                ),
                ("services/orders/emit.js", "bus.emit('OrderPlaced', data);\n"),
                ("services/orders/__tests__/emit.test.js", "const bus = new FakeBus();\n"),
            ],
        ),
        (
            "pytest",
            &[
                ("pyproject.toml", "[project]\nname = \"shop\"\ndependencies = [\"aiokafka\"]\n"),
                ("shop/orders.py", "await bus.publish(\"order_placed\", data)\n"),
                ("shop/retry.py", "from tenacity import retry\n"),
                ("tests/test_orders.py", "bus = InMemoryBus()\n"),
            ],
        ),
        (
            "maven",
            &[
                ("pom.xml", "<project><artifactId>shop</artifactId><a>spring-kafka</a></project>"),
                (
                    "src/main/java/com/shop/orders/Orders.java",
                    "kafkaTemplate.send(\"order.placed\", event);\n",
                ),
                ("src/test/java/com/shop/orders/OrdersTest.java", "Awaitility.await().until(done);\n"),
            ],
        ),
        (
            "go",
            &[
                ("go.mod", "module example.com/shop\nrequire github.com/nats-io/nats.go v1\n"),
                ("internal/orders/place.go", "js.Publish(\"order.placed\", data)\n"),
                ("internal/orders/place_test.go", "require.Eventually(t, done)\n"),
            ],
        ),
        (
            "bounded",
            &[
                ("Cargo.toml", "[package]\nname = \"shop\"\n[dependencies]\nfactum = \"0.1\"\n"),
                ("src/lib.rs", "pub mod orders;\n"),
                ("src/orders/place.rs", "cx.emit(&OrderPlaced::new(id));\n"),
                (
                    ".claude/BOUNDARIES.md",
                    "# Boundaries\n- `src/orders` may import `src/shared` only\n- `src/payments` imports nothing\n",
                ),
            ],
        ),
    ];
    let spec =
        spec("# Orders\n## Slice 1: pay\n- [ ] when `order.placed` arrives, publishes `payment.approved`\n");
    let mut out = String::new();
    for (name, files) in bases {
        let code = code(files);
        let plan = planned(&spec, "1", &code, Some(Risk::Low));
        let base = plan.split("## Code base").nth(1).unwrap().split("\n## ").next().unwrap();
        let runs: Vec<&str> = plan
            .lines()
            .filter(|line| line.contains("**RUN**") && line.contains("it passes"))
            .take(2)
            .collect();
        let codes: String = plan.split("```").skip(1).step_by(2).collect::<Vec<_>>().join("---\n");
        let last =
            plan.split("## Final architecture verification").nth(1).unwrap().split("\n## ").next().unwrap();
        out.push_str(&format!(
            "=== {name}\n{}\n{}\n{codes}\n{}\n",
            base.trim(),
            runs.join("\n"),
            last.trim()
        ));
    }
    assert_snapshot!(out);
}

#[test]
fn a_plan_has_its_parts_in_order_and_no_placeholder() {
    let code = codebase::scan(&flagship()).unwrap();
    let plan = planned(&spec(LOYALTY), "2", &code, None);
    let headings: Vec<&str> = plan.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let heads: Vec<&str> = headings.iter().map(|heading| heading.split(':').next().unwrap()).collect();
    let expected = [
        "Execution",
        "Context",
        "Code base",
        "Outer test",
        "Contract",
        "Producer",
        "Consumer",
        "Wiring",
        "Edge cases",
        "Final architecture verification",
        "Test summary",
    ];
    assert_eq!(heads, expected);
    for line in plan.lines() {
        for open in ["[TODO", "[NAME", "[name", "[path", "<path", "TBD", "{{", "[event"] {
            assert!(!line.contains(open), "{line}");
        }
    }
    let behaviours = plan.matches("\n### ").count();
    assert_eq!(plan.matches("- [ ] **RED**").count(), behaviours + 1);
    assert_eq!(plan.matches("- [ ] **REFACTOR**").count(), behaviours);
    assert_eq!(plan::tests(&plan).iter().filter(|test| test.says != "outer test").count(), behaviours);
}

/// Code bases of every language and test runner that plans are written for.
fn bases() -> Vec<(&'static str, Codebase, &'static str)> {
    let package = |runner: &str| format!("{{\"devDependencies\":{{\"{runner}\":\"3\"}}}}");
    vec![
        (
            "rust",
            code(&[("Cargo.toml", "[package]\nname = \"shop\"\n"), ("src/lib.rs", "pub mod a;\n")]),
            "cargo test",
        ),
        (
            "vitest",
            code(&[("package.json", &package("vitest")), ("src/a.ts", "export {};\n")]),
            "npx vitest run",
        ),
        ("jest", code(&[("package.json", &package("jest")), ("src/a.ts", "export {};\n")]), "npx jest"),
        (
            "pytest",
            code(&[("pyproject.toml", "[project]\nname = \"shop\"\n"), ("shop/a.py", "a = 1\n")]),
            "pytest",
        ),
        ("maven", code(&[("pom.xml", "<project/>"), ("src/main/java/shop/A.java", "class A {}\n")]), "mvn"),
        (
            "go",
            code(&[("go.mod", "module example.com/shop\n"), ("internal/a/a.go", "package a\n")]),
            "go test",
        ),
    ]
}

/// What stands in brackets and is neither a box, nor a link, nor code: a place that somebody was to fill in.
fn placeholders(plan: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_code = false;
    for line in plan.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        // The pattern of a currency is the contract's own.
        let bare: String = line.split('`').step_by(2).collect::<String>().replace("^[A-Z]{3}$", "");
        let words = [
            "TODO:", "TBD", "FIXME", "{{", "<path", "<name", "<event", "<topic", "[NAME]", "[EVENT]",
            "[path]",
        ];
        let is_word = words.iter().any(|word| bare.contains(word));
        let is_bracket = !is_code
            && bare.match_indices('[').any(|(at, _)| {
                let (inside, after) = bare[at + 1..].split_once(']').unwrap_or_default();
                !matches!(inside, " " | "x" | "X" | "⚠️") && !after.starts_with('(')
            });
        if is_word || is_bracket {
            found.push(line.to_owned());
        }
    }
    found
}

#[test]
fn every_plan_of_every_shape_is_specific_in_every_language() {
    let contracts = contracts();
    let (mut plans, mut unplanned) = (0, 0);
    for (name, text) in shapes() {
        let path = if name.contains("feature file") { "orders.feature" } else { "orders.md" };
        let spec = plan::read(path, text.as_bytes()).unwrap();
        for slice in &spec.slices {
            for (base, code, runner) in bases() {
                let asked = Request {
                    spec: &spec,
                    slice,
                    contracts: &contracts,
                    contracts_folder: "contracts",
                    code: &code,
                    risk: Some(Risk::High),
                    is_teaching: true,
                };
                let plan = match plan::plan(asked) {
                    Ok(plan) => plan,
                    // A slice that names no event is told so, with what to write.
                    Err(error) => {
                        assert!(!error.hint().is_empty(), "{name}: {error}");
                        unplanned += 1;
                        continue;
                    }
                };
                plans += 1;
                let place = format!("{name}, slice {}, {base}", slice.id);
                let document = plan.document();
                assert_eq!(placeholders(&document), Vec::<String>::new(), "{place}");
                assert!(document.contains(runner), "{place} is not run by {runner}");
                let tests = plan::tests(&document);
                assert!(!tests.is_empty(), "{place} names no tests");
                for (event, _) in plan.events() {
                    assert!(document.contains(event.as_str()), "{place}: {event}");
                }
                for red in document.lines().filter(|line| line.contains("**RED**")) {
                    assert!(red.matches('`').count() >= 4, "{place}: no path, or no name of a test: {red}");
                }
                for file in plan.scaffold() {
                    assert!(
                        !file.text.contains("[NAME]") && !file.text.contains("<event>"),
                        "{place}: {}",
                        file.name
                    );
                }
            }
        }
    }
    assert!(plans >= 300, "{plans} plans, {unplanned} slices without an event");
}

#[test]
fn a_placeholder_would_be_seen() {
    for line in ["- [ ] write [NAME] here", "publishes <event>", "the topic [to be chosen]", "TBD"] {
        assert_eq!(placeholders(line).len(), 1, "{line}");
    }
    for line in ["- [ ] a box", "- [x] done", "see [the spec](spec.md#L3)", "`orders[0]` is first"] {
        assert_eq!(placeholders(line).len(), 0, "{line}");
    }
}

#[test]
fn more_risk_means_more_edges() {
    let code = code(&[]);
    let count = |risk| {
        let plan = planned(&spec(LOYALTY), "2", &code, Some(risk));
        plan.split("## Edge cases").nth(1).unwrap().split("\n## ").next().unwrap().matches("\n### ").count()
    };
    assert_eq!(Risk::ALL.map(count), [2, 5, 9]);
    assert!(
        planned(&spec(LOYALTY), "2", &code, None)
            .contains("Risk: high, from the specification, docs/specs/orders.md:3")
    );
    assert!(planned(&spec(LOYALTY), "2", &code, Some(Risk::Low)).contains("Risk: low, from `--risk`"));
}

#[test]
fn failing_tests_are_scaffolded_in_every_language() {
    let spec = spec(LOYALTY);
    let contracts = contracts();
    let rust = codebase::scan(&flagship()).unwrap();
    let vitest =
        code(&[("package.json", "{\"devDependencies\":{\"vitest\":\"3\"}}"), ("src/a.ts", "export {};\n")]);
    let shown = |code: &Codebase, most: usize| -> String {
        let plan = plan::plan(request(&spec, "2", code, Some(Risk::Low), &contracts)).unwrap();
        plan.scaffold()
            .iter()
            .map(|file| {
                let text: String = file.text.lines().take(most).map(|line| format!("{line}\n")).collect();
                format!("=== {}\n{text}", file.name)
            })
            .collect()
    };
    assert_snapshot!("scaffold-rust", shown(&rust, 400));
    assert_snapshot!("scaffold-vitest", shown(&vitest, 12));
}
