//! One version, one meaning: two files of it are compared by what they mean.

use crate::sample::found;

const RULE: &str = "compat/version-skipped-or-reused";

/// The contract in one more file, with something put in another's place.
fn twice(from: &str, to: &str) -> String {
    let contract = "event: order.placed\nversion: 1\nowner: orders\nkey: orderId\npayload: { type: object, required: [orderId], properties: { orderId: { type: string }, note: { type: string, description: A word. } } }\n";
    let other = contract.replace(from, to);
    assert_ne!(contract, other);
    format!(
        "# a.yaml\n{contract}# b.yaml\n{other}# system.yaml\nsystem: shop\nservices: {{ orders: {{}} }}\n"
    )
}

#[test]
fn a_version_with_two_contents_is_found_with_both_hashes() {
    let all = found(&twice("note: { type: string", "note: { type: integer"), RULE);
    let [finding] = all.as_slice() else { panic!("{all:?}") };
    assert!(
        finding.starts_with("b.yaml:1:8 order.placed.v1 means two things: its content has the hash "),
        "{finding}"
    );
    assert!(finding.ends_with(" in a.yaml"), "{finding}");
}

#[test]
fn the_same_content_in_other_words_is_a_duplicate_and_no_other_meaning() {
    let same = twice("A word.", "Another word.");
    assert_eq!(found(&same, RULE), Vec::<String>::new());
    assert_eq!(found(&same, "name/duplicate-or-near"), ["b.yaml:1:8 order.placed.v1 is described twice"]);
}
