//! Which mode somebody means who types plain words: "retry strategy for webhook ingestion" is `reliability`.
//!
//! Each mode has the vocabulary of its field. The mode with the most of it wins, and the words that made it win are the
//! reason that is shown. What Factum does not do is said to be so, with who does it.

use serde::Serialize;

/// Longest wish that is weighed.
pub const WISH_CHARS_MAX: usize = 2_000;

/// A mode, and the words of its field. A `*` at the end of a word stands for any ending.
#[derive(Debug, Clone, Copy)]
struct Mode {
    name: &'static str,
    words: &'static [&'static str],
}

/// In the order of preference where two have as much.
const MODES: [Mode; 24] = [
    Mode {
        name: "reliability",
        words: &[
            "retr*",
            "retry strategy",
            "retry policy",
            "backoff",
            "back off",
            "idempoten*",
            "exactly once",
            "at least once",
            "duplicate*",
            "poison*",
            "dead letter strategy",
            "dead letter policy",
            "circuit breaker",
            "outage*",
            "resilien*",
            "reliab*",
            "jitter",
            "time out*",
            "timeout*",
            "webhook*",
            "fault toleran*",
            "failure handling",
            "delivered twice",
            "flaky",
        ],
    },
    Mode {
        name: "migration",
        words: &[
            "migrat*",
            "legacy",
            "strangler",
            "from http",
            "from rest",
            "instead of calling",
            "replace * call",
            "synchronous call*",
            "to events",
            "move away",
            "cut over",
            "canary",
            "shadow",
            "dual write",
            "decouple*",
        ],
    },
    Mode {
        name: "review",
        words: &[
            "review*",
            "lint*",
            "smell*",
            "anti pattern*",
            "antipattern*",
            "critique",
            "audit my",
            "what is wrong with my",
            "naming of",
            "bad practice*",
            "best practice*",
            "quality of",
        ],
    },
    Mode {
        name: "contract",
        words: &[
            "contract*",
            "schema*",
            "compatib*",
            "breaking change*",
            "evolve*",
            "evolution",
            "version*",
            "payload*",
            "add a field",
            "rename a field",
            "remove a field",
            "json schema",
            "avro",
            "protobuf",
            "deprecat*",
            "upcast*",
        ],
    },
    Mode {
        name: "plan",
        words: &[
            "plan*",
            "slice*",
            "tdd",
            "test first",
            "tests first",
            "spec",
            "specification*",
            "user stor*",
            "acceptance criteria",
            "test driven",
            "step by step",
            "implement*",
        ],
    },
    Mode {
        name: "scaffold",
        words: &[
            "scaffold*",
            "boilerplate",
            "skeleton",
            "listener",
            "new consumer",
            "new producer",
            "new projection",
            "new saga",
            "new service",
            "write a consumer",
            "add a consumer",
            "create a consumer",
            "create a producer",
            "handler for",
            "stub*",
            "decider",
        ],
    },
    Mode {
        name: "new",
        words: &[
            "new project",
            "start a project",
            "starter",
            "hello world",
            "getting started",
            "get started",
            "empty project",
            "from scratch",
            "set up a project",
            "bootstrap*",
        ],
    },
    Mode {
        name: "generate",
        words: &[
            "generate*",
            "code generation",
            "codegen",
            "typescript types",
            "python models",
            "pydantic",
            "rust types",
            "asyncapi",
            "cloudevents",
            "mermaid",
            "diagram*",
            "web site of",
            "catalog page*",
        ],
    },
    Mode {
        name: "design",
        words: &[
            "design*",
            "event storm*",
            "architect*",
            "choreograph*",
            "orchestrat*",
            "saga",
            "which broker",
            "kafka or",
            "rabbitmq or",
            "should we use",
            "bounded context*",
            "domain event*",
            "model*",
            "sticky note*",
            "event driven",
            "pub sub",
            "publish subscribe",
            "workflow",
            "decouple services",
            "event sourcing",
            "cqrs",
            "partition key",
        ],
    },
    Mode {
        name: "dlq",
        words: &[
            "dead letter*",
            "dlq",
            "requeue*",
            "failed event*",
            "failed message*",
            "stuck event*",
            "stuck message*",
            "discard*",
            "parked",
            "poisoned queue",
        ],
    },
    Mode {
        name: "replay",
        words: &[
            "replay*",
            "reprocess*",
            "backfill*",
            "run again",
            "process again",
            "re run",
            "rerun",
            "from the beginning",
            "from offset",
        ],
    },
    Mode {
        name: "trace",
        words: &[
            "trace*",
            "tracing",
            "correlation*",
            "causation",
            "caused",
            "why did",
            "what happened to",
            "follow an order",
            "distributed trace",
        ],
    },
    Mode {
        name: "consumers",
        words: &[
            "consumer lag",
            "lag",
            "lagging",
            "behind",
            "pause*",
            "resume*",
            "consumer group*",
            "offset*",
            "checkpoint*",
            "holes",
            "slow consumer*",
            "rescale*",
        ],
    },
    Mode {
        name: "projections",
        words: &[
            "projection*",
            "read model*",
            "rebuild*",
            "materialized",
            "materialised",
            "view is wrong",
            "stale view",
        ],
    },
    Mode {
        name: "forget",
        words: &[
            "forget*",
            "gdpr",
            "erase*",
            "erasure",
            "right to be forgotten",
            "personal data",
            "delete a customer",
            "privacy",
            "data subject",
        ],
    },
    Mode {
        name: "tail",
        words: &["tail", "follow", "live events", "watch events", "stream events", "as they happen"],
    },
    Mode { name: "search", words: &["search*", "find events", "grep", "which events contain", "look for"] },
    Mode {
        name: "log",
        words: &[
            "list events",
            "last events",
            "recent events",
            "history of everything",
            "show events",
            "event log",
        ],
    },
    Mode { name: "stats", words: &["count*", "how many", "statistic*", "stats", "volume of"] },
    Mode {
        name: "publish",
        words: &["publish*", "append*", "send an event", "emit an event", "inject*", "import events"],
    },
    Mode {
        name: "check",
        words: &["integrity", "corrupt*", "prove the log", "verify the log", "is the store sound", "damaged"],
    },
    Mode {
        name: "backup",
        words: &["backup*", "back up", "restore*", "copy the store", "snapshot of the store"],
    },
    Mode {
        name: "doctor",
        words: &["doctor", "diagnos*", "health*", "what is wrong", "not working", "trouble*", "unusual"],
    },
    Mode {
        name: "bench",
        words: &["bench*", "throughput", "how fast", "events per second", "performance of this machine"],
    },
];

/// A wish that nothing here fulfils: its words, why, and what to do instead.
const ELSEWHERE: [(&[&str], &str, &str); 3] = [
    (
        &[
            "rest api",
            "http api",
            "graphql",
            "grpc",
            "openapi",
            "swagger",
            "synchronous api",
            "request response api",
            "crud api",
            "endpoint design",
            "api gateway",
        ],
        "the design of synchronous interfaces is none of Factum's work: somebody waits for the answer of a call, and an event has none",
        "use OpenAPI or gRPC for it; to turn an existing call into events, `factum migration`",
    ),
    (
        &[
            "batch pipeline*",
            "batch job*",
            "batch process*",
            "etl",
            "elt",
            "airflow",
            "data warehouse",
            "nightly batch",
            "spark",
            "dbt",
            "data lake",
        ],
        "batch pipelines are none of Factum's work: they move tables by the clock, not facts as they happen",
        "use a scheduler with a pipeline tool; to feed one from events, read a projection",
    ),
    (
        &[
            "install kafka",
            "install rabbitmq",
            "install nats",
            "install redis",
            "install a broker",
            "set up kafka",
            "set up rabbitmq",
            "set up a broker",
            "setup kafka",
            "setup rabbitmq",
            "provision*",
            "deploy kafka",
            "deploy rabbitmq",
            "kafka cluster",
            "helm chart",
            "terraform",
            "docker compose",
            "upgrade kafka",
            "configure kafka",
            "broker installation",
            "zookeeper",
        ],
        "Factum installs and runs no brokers: it speaks to those that are there, and needs none to begin with",
        "begin on the embedded store (`factum new shop`), or ask your platform team for a broker's URL; `factum design` says which one fits",
    ),
];

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
