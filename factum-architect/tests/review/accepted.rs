//! What is accepted, what is known, and what is mended.

use factum_architect::review::baseline::Baseline;
use factum_architect::review::view::Documents;
use factum_architect::review::{Options, Profile, answering, fix, review};
use factum_architect::sources::Code;

use crate::sample::{files, options, reviewed};

const COMMAND: &str = "# email.send.v1.yaml\nevent: email.send\nversion: 1\n";

fn rules(text: &str) -> Vec<String> {
    let only = vec!["name".to_owned(), "allow".to_owned()];
    reviewed(text, &Options { only, ..options() }).findings.iter().map(|one| one.rule.to_string()).collect()
}

#[test]
fn an_accepted_finding_is_counted_and_not_told() {
    let text = format!("{COMMAND}allow: [{{ rule: name/command, reason: it has always been called so }}]\n");
    assert_eq!(rules(&text), Vec::<String>::new());
    assert_eq!(reviewed(&text, &options()).accepted, 1);
}

#[test]
fn an_acceptance_ends_with_its_day() {
    let text = |day: &str| format!("{COMMAND}allow: [{{ rule: name/command, reason: why, until: {day} }}]\n");
    assert_eq!(rules(&text("2026-03-01")), Vec::<String>::new());
    assert_eq!(rules(&text("2026-02-28")), ["name/command", "allow/expired"]);
}

#[test]
fn an_acceptance_covers_its_own_contract_alone() {
    let other = "# order.place.v1.yaml\nevent: order.place\nversion: 1\nallow: [{ rule: name/command, reason: why }]\n";
    assert_eq!(rules(&format!("{COMMAND}{other}")), ["name/command"]);
    let system = "# system.yaml\nsystem: shop\nallow: [{ rule: name/command, reason: why }]\n";
    assert_eq!(rules(&format!("{COMMAND}{system}")), Vec::<String>::new());
}

#[test]
fn an_acceptance_of_a_rule_that_does_not_exist_is_told_with_the_nearest() {
    let text = format!("{COMMAND}allow: [{{ rule: name/comand, reason: why }}]\n");
    let report = reviewed(&text, &options());
    let told = report.findings.iter().find(|one| one.rule == "allow/unused").unwrap();
    assert_eq!(told.message, "there is no rule `name/comand`: did you mean `name/command`?");
    assert_eq!((told.line, told.column), (3, 17));
}

#[test]
fn a_baseline_hides_what_it_knows_and_nothing_else() {
    let before = reviewed(COMMAND, &options());
    let baseline = Baseline::read(&Baseline::of(&before).to_text()).unwrap();
    // A line more above moves everything, and is no news.
    let moved = COMMAND.replace("event:", "# a comment of people\nevent:");
    let mut report = reviewed(&moved, &options());
    baseline.hide(&mut report);
    assert_eq!((report.findings.len(), report.known), (0, before.findings.len()));
    let mut report =
        reviewed(&format!("{COMMAND}# order.place.v1.yaml\nevent: order.place\nversion: 1\n"), &options());
    baseline.hide(&mut report);
    assert!(report.findings.iter().all(|one| one.file == "order.place.v1.yaml"), "{:?}", report.findings);
    assert!(!report.findings.is_empty());
}

#[test]
fn a_baseline_of_another_kind_is_refused() {
    assert!(Baseline::read("{}").unwrap_err().to_string().starts_with("expected a baseline"));
    let later = Baseline::read("{\"revision\":9,\"findings\":[]}").unwrap_err();
    assert_eq!(later.to_string(), "the baseline has revision 9, and this release reads revision 1");
}

#[test]
fn what_is_mended_is_found_no_more_and_nothing_else_changes() {
    let text = "# a.v1.yaml\nevent: order.placed # a fact\nversion: 1\npayload:\n  type: object\n  properties:\n    placedAt: { type: string } # when\n    dueDate:\n      type: string\n# system.yaml\nsystem: shop\nservices: { mail: {} }\nconsumers:\n  mail.letters:\n    service: mail\n    on: [order.placed]\n";
    let documents = Documents::read(files(text));
    let options = Options { profile: Profile::Recommended, ..options() };
    let report = review(&documents, &Code::default(), &options);
    let mended = fix::apply(&documents.sources, &report.fixes);
    let shown: Vec<String> =
        mended.iter().map(|source| format!("# {}\n{}", source.name, source.text)).collect();
    insta::assert_snapshot!(shown.join(""));
    let again = review(&Documents::read(mended), &Code::default(), &options);
    assert_eq!(again.fixable, 0, "{:?}", again.findings);
    assert!(again.findings.len() + report.fixable == report.findings.len());
}

#[test]
fn words_find_the_rules_that_speak_of_them() {
    let first = |question: &str| answering(question).first().map(|rule| rule.id);
    assert_eq!(first("is my consumer idempotent when handling twice"), Some("idem/undeclared"));
    assert!(
        answering("dead letters without an owner").iter().any(|rule| rule.id == "dlq/no-owner-or-runbook")
    );
    assert!(answering("xyzzy").is_empty());
}
