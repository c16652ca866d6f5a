//! Which mode somebody means who types plain words: "retry strategy for webhook ingestion" is `reliability`.
//!
//! Each mode has the vocabulary of its field. The mode with the most of it wins, and the words that made it win are the
//! reason that is shown. What Factum does not do is said to be so, with who does it.

use serde::Serialize;

mod vocabulary;

use vocabulary::{ELSEWHERE, MODES};

/// Longest wish that is weighed.
pub const WISH_CHARS_MAX: usize = 2_000;

/// What plain words mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Choice {
    /// A mode.
    Mode {
        /// Its name: a command.
        name: &'static str,
        /// The words that say so, as they were typed.
        because: Vec<String>,
        /// The mode that came second, where one did.
        otherwise: Option<&'static str>,
    },
    /// Something that Factum does not do.
    Elsewhere {
        /// The words that say so.
        because: Vec<String>,
        /// Why not.
        why: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// No word of any field.
    Unclear,
}

/// Chooses among the modes that there are.
#[must_use]
pub fn choose(wish: &str, has: impl Fn(&str) -> bool) -> Choice {
    let wish: String = wish.chars().take(WISH_CHARS_MAX).collect();
    // Names keep their capitals together: GraphQL is one word.
    let folded = wish.to_lowercase();
    let said = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let said: Vec<String> = said.map(str::to_owned).collect();
    // Facts in the form of a wall are what `design` reads.
    let is_wall = ["->", "=>", "→"].iter().any(|arrow| wish.contains(arrow));
    if is_wall && has("design") {
        return Choice::Mode {
            name: "design",
            because: vec!["an arrow between facts".to_owned()],
            otherwise: None,
        };
    }
    let mut found: Vec<(usize, &'static str, Vec<String>)> = Vec::new();
    for mode in MODES.iter().filter(|mode| has(mode.name)) {
        let because = matched(&said, mode.words);
        let weight = because.iter().map(|phrase| weight(phrase)).sum();
        if weight > 0 {
            found.push((weight, mode.name, because));
        }
    }
    // A stable sort keeps the order of preference among equals.
    found.sort_by_key(|(weight, _, _)| std::cmp::Reverse(*weight));
    let best = found.first().map_or(0, |(weight, _, _)| *weight);
    for (words, why, instead) in ELSEWHERE {
        let because = matched(&said, words);
        let weight: usize = because.iter().map(|phrase| self::weight(phrase)).sum();
        let is_change = found.iter().any(|(_, name, _)| *name == "migration");
        if weight >= best.max(1) && !is_change {
            return Choice::Elsewhere { because, why, instead };
        }
    }
    let mut found = found.into_iter();
    match found.next() {
        None => Choice::Unclear,
        Some((_, name, because)) => {
            Choice::Mode { name, because, otherwise: found.next().map(|(_, name, _)| name) }
        }
    }
}

/// Two words that belong together say more than two that do not.
fn weight(phrase: &str) -> usize {
    match phrase.split(' ').count() {
        1 => 2,
        count => count * 2 + 1,
    }
}

/// The phrases of a vocabulary that stand in what was said, as they were said.
fn matched(said: &[String], words: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for phrase in words {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        let hit = said
            .windows(phrase.len())
            .find(|window| window.iter().zip(&phrase).all(|(word, wanted)| fits(word, wanted)));
        if let Some(hit) = hit {
            let hit = hit.join(" ");
            // "retry strategy" says all that "retry" says.
            found.retain(|known| !hit.contains(known.as_str()));
            if !found.iter().any(|known| known.contains(&hit)) {
                found.push(hit);
            }
        }
    }
    found
}

fn fits(word: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => word.starts_with(start),
        None => word == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(wish: &str) -> String {
        match choose(wish, |_| true) {
            Choice::Mode { name, .. } => name.to_owned(),
            Choice::Elsewhere { .. } => "elsewhere".to_owned(),
            Choice::Unclear => "unclear".to_owned(),
        }
    }

    #[test]
    fn plain_words_find_the_mode_of_their_field() {
        for (wish, expected) in [
            ("retry strategy for webhook ingestion", "reliability"),
            ("how do I make the payment consumer idempotent?", "reliability"),
            ("what if a message is delivered twice", "reliability"),
            ("move our user sync from HTTP to events", "migration"),
            ("replace the synchronous call to billing", "migration"),
            ("review my event names", "review"),
            ("is adding a field to the order schema a breaking change", "contract"),
            ("version the invoice payload", "contract"),
            ("plan slice 2 of the order spec test first", "plan"),
            ("scaffold a listener for order.placed", "scaffold"),
            ("start a project", "new"),
            ("typescript types for my events", "generate"),
            ("draw a mermaid diagram", "generate"),
            ("design the checkout with a saga", "design"),
            ("choreography or orchestration for refunds", "design"),
            ("kafka or rabbitmq for notifications", "design"),
            ("requeue the dead letters of payments", "dlq"),
            ("reprocess yesterday's orders", "replay"),
            ("what happened to order 42", "trace"),
            ("why is my consumer lagging", "consumers"),
            ("rebuild the order summary read model", "projections"),
            ("operate my stuck sagas", "sagas"),
            ("resume a stuck saga", "sagas"),
            ("cancel the saga of order 42", "sagas"),
            ("which sagas are stuck", "sagas"),
            ("list all sagas", "sagas"),
            ("a compensation failed", "sagas"),
            ("design a saga for refunds", "design"),
            ("write a new saga", "scaffold"),
            ("postpone the timer of order 42", "timers"),
            ("who changed the consumer yesterday", "audit"),
            ("archive old events", "archive"),
            ("let my coding assistant ask", "mcp"),
            ("history of one order", "stream"),
            ("erase a customer under GDPR", "forget"),
            ("how many events are there", "stats"),
            ("is my store corrupt", "check"),
            ("Orders: place order -> order.placed", "design"),
        ] {
            assert_eq!(mode(wish), expected, "{wish}: {:?}", choose(wish, |_| true));
        }
    }

    #[test]
    fn what_is_done_elsewhere_is_said_to_be() {
        for wish in [
            "design a REST API for orders",
            "we need a GraphQL schema",
            "build a nightly batch pipeline",
            "an ETL job with airflow",
            "install Kafka on kubernetes",
            "set up RabbitMQ with terraform",
        ] {
            assert_eq!(mode(wish), "elsewhere", "{wish}: {:?}", choose(wish, |_| true));
        }
        assert_eq!(mode("migrate our REST API calls to events"), "migration");
        assert_eq!(mode("lorem ipsum"), "unclear");
    }

    #[test]
    fn a_mode_that_is_not_there_is_not_chosen() {
        assert_eq!(choose("retry strategy", |name| name != "reliability"), Choice::Unclear);
    }
}
