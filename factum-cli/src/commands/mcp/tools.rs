//! What an assistant may call: each tool is a command of this very program, with its arguments named and typed.
//!
//! A table, so that a tool is a few lines; what it answers is the command's JSON, as docs/cli.md has it.

use serde_json::{Map, Value, json};

/// A command as a tool.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The command, as typed.
    pub(super) command: &'static [&'static str],
    pub(super) arguments: &'static [Argument],
    /// Whether it changes anything; such tools are offered only with --allow-write.
    pub(super) writes: bool,
}

/// An argument of a tool.
pub(super) struct Argument {
    name: &'static str,
    what: &'static str,
    kind: Kind,
    is_required: bool,
}

/// How an argument is typed, and where it goes on the command line.
#[derive(Clone, Copy)]
enum Kind {
    /// A text after the command.
    Text,
    /// Words after the command.
    Words,
    /// A text behind its flag.
    Flag(&'static str),
    /// A whole number behind its flag.
    Number(&'static str),
    /// A flag that is there or not.
    Switch(&'static str),
}

const fn required(name: &'static str, kind: Kind, what: &'static str) -> Argument {
    Argument { name, what, kind, is_required: true }
}

const fn optional(name: &'static str, kind: Kind, what: &'static str) -> Argument {
    Argument { name, what, kind, is_required: false }
}

const fn reads(
    name: &'static str,
    command: &'static [&'static str],
    arguments: &'static [Argument],
    what: &'static str,
) -> Tool {
    Tool { name, what, command, arguments, writes: false }
}

const fn writes(
    name: &'static str,
    command: &'static [&'static str],
    arguments: &'static [Argument],
    what: &'static str,
) -> Tool {
    Tool { name, what, command, arguments, writes: true }
}

const CONTRACTS: Argument = optional(
    "contracts",
    Kind::Flag("--contracts"),
    "folder of contracts; else the one of factum.toml, else contracts",
);
const LAST: Argument = optional("last", Kind::Number("--last"), "at most so many, the newest of them");
const SINCE: Argument = optional(
    "since",
    Kind::Flag("--since"),
    "from here on: a time, a length of time ago such as 15m, or a position",
);
const TYPES: Argument = optional("types", Kind::Flag("--types"), "names of events, separated by commas");
const CONSUMER: Argument = optional("consumer", Kind::Flag("--consumer"), "only of this consumer");
const DRY_RUN: Argument = optional("dryRun", Kind::Switch("--dry-run"), "only say what would happen");
const WHY: Argument = optional("why", Kind::Flag("--why"), "why, for those who look later");

const DESCRIBED: Argument = required(
    "text",
    Kind::Text,
    "the file, or the text itself, one fact a line: `Orders: place order -> order.placed [orderId]`",
);
const SPEC: Argument = required("spec", Kind::Text, "the specification's file");
const SLICE: Argument = optional(
    "slice",
    Kind::Flag("--slice"),
    "its number, name or story; without it the slices are listed as an error",
);
const RISK: Argument = optional("risk", Kind::Flag("--risk"), "low, moderate or high; else as the text says");
const KIND: Argument =
    required("kind", Kind::Text, "consumer, producer, projection, saga, decider, service or contract");
const NAME: Argument = required("name", Kind::Text, "its name, such as payments.charge");
const EVENT: Argument = optional("event", Kind::Text, "the event that it is about, such as order.placed");
const LANG: Argument =
    optional("lang", Kind::Flag("--lang"), "rust, ts or python; else that of the code base");

/// Every tool, those that only look first.
pub(super) const TOOLS: &[Tool] = &[
    reads(
        "design",
        &["design", "--dry-run"],
        &[DESCRIBED],
        "Turns an event-storming text into contracts and an architecture document, choreography or saga with the reason, and numbered open questions. Writes nothing.",
    ),
    reads(
        "review",
        &["review"],
        &[
            optional(
                "what",
                Kind::Text,
                "a folder or file: catalog, source code, event-storming text, AsyncAPI, Mermaid; else all that is here",
            ),
            CONTRACTS,
            optional(
                "only",
                Kind::Flag("--only"),
                "rules or families, separated by commas: name, idem, code/raw-publish",
            ),
            optional("profile", Kind::Flag("--profile"), "recommended, strict or all"),
        ],
        "Says what is wrong with a system of events: its catalog and its code, each finding with file, line, and what to do. Ask after changing either.",
    ),
    reads(
        "review_rule",
        &["review"],
        &[required("rule", Kind::Flag("--explain"), "its id, such as idem/undeclared")],
        "Explains a rule of the review: what, why, a bad and a good example.",
    ),
    reads(
        "plan",
        &["plan", "--dry-run"],
        &[SPEC, SLICE, RISK],
        "Plans one slice of a specification test-first: the outer test, then contract, producer and consumer of each event, with real names and paths. Writes nothing.",
    ),
    reads("plan_status", &["plan", "status"], &[], "Counts done and open steps of all plans."),
    reads(
        "scaffold",
        &["scaffold", "--dry-run"],
        &[KIND, NAME, EVENT, LANG, CONTRACTS],
        "Shows code to begin with: a consumer, producer, projection, saga, decider or service, with failing tests. Writes nothing.",
    ),
    reads(
        "contract_list",
        &["contract", "list"],
        &[CONTRACTS],
        "Lists every event and command of the catalog with owner, topic, producers and consumers.",
    ),
    reads(
        "contract_show",
        &["contract", "show"],
        &[
            required("contract", Kind::Text, "name, or name and version: order.placed, order.placed.v2"),
            CONTRACTS,
        ],
        "Shows one contract: rules, every field, examples, who reads which version. Ask before writing code that sends or takes the event.",
    ),
    reads(
        "contract_check",
        &["contract", "check"],
        &[
            CONTRACTS,
            optional(
                "against",
                Kind::Flag("--against"),
                "what it is compared with: a git revision, a folder, a file or a store",
            ),
        ],
        "Says what is wrong with the catalog, and which versions break a promise.",
    ),
    reads(
        "contract_diff",
        &["contract", "diff"],
        &[
            required("old", Kind::Text, "a contract version or a file"),
            required("new", Kind::Text, "a contract version or a file"),
            CONTRACTS,
        ],
        "Compares two contracts or JSON Schemas, change by change, with the side that breaks and a document that shows it.",
    ),
    reads(
        "contract_history",
        &["contract", "history"],
        &[required("contract", Kind::Text, "its name"), CONTRACTS],
        "Shows a contract's versions and what changed between them.",
    ),
    reads(
        "reliability",
        &["reliability"],
        &[
            optional(
                "about",
                Kind::Words,
                "a consumer of the catalog, or what one does in plain words; without it all are listed",
            ),
            CONTRACTS,
            optional(
                "simulate",
                Kind::Flag("--simulate"),
                "a load to play in virtual time: outage=5m,rate=200/s,consumers=4",
            ),
        ],
        "Explains how a consumer deals with failure (attempts, dead letters, idempotency, order, operator controls), proposes what is missing with reasons, and simulates outages.",
    ),
    reads(
        "migration_plan",
        &["migration", "plan", "--dry-run"],
        &[
            required("name", Kind::Text, "the migration's name"),
            optional("what", Kind::Words, "what is to be moved, in plain words"),
            optional(
                "kind",
                Kind::Flag("--kind"),
                "call (a side effect in the request) or flow (legacy events)",
            ),
            optional(
                "call",
                Kind::Flag("--call"),
                "the function that makes the call today; the sources are searched for it",
            ),
            optional("event", Kind::Flag("--event"), "the event of the new path"),
            optional("source", Kind::Flag("--source"), "where the sources are"),
            CONTRACTS,
        ],
        "Plans the way from a call or a legacy flow to an event: where the call stands, checkpoints, a way back from each, what is still to be answered.",
    ),
    reads(
        "migration_status",
        &["migration", "status"],
        &[optional("name", Kind::Text, "the migration; all without it")],
        "Shows where migrations stand, and what speaks against the next stage.",
    ),
    reads(
        "migration_differences",
        &["migration", "differences"],
        &[required("name", Kind::Text, "the migration")],
        "Shows what the old and the new side did differently.",
    ),
    reads("log", &["log"], &[TYPES, SINCE, LAST], "Lists recorded events, newest last."),
    reads(
        "stream",
        &["stream"],
        &[required("stream", Kind::Text, "such as order-42")],
        "Shows the history of one stream.",
    ),
    reads(
        "event",
        &["event"],
        &[required("event", Kind::Text, "an id or a position")],
        "Shows one event whole, and who had trouble with it.",
    ),
    reads(
        "trace",
        &["trace"],
        &[required("id", Kind::Text, "an event's id or position, or a correlation")],
        "Shows what caused what, as a tree.",
    ),
    reads(
        "search",
        &["search"],
        &[required("text", Kind::Text, "what to look for"), SINCE],
        "Finds events that hold a text.",
    ),
    reads("stats", &["stats"], &[], "Counts events by type and streams by category."),
    reads("consumers", &["consumers"], &[], "Lists consumers with state, lag, parked and dead events."),
    reads("projections", &["projections"], &[], "Lists projections with their progress."),
    reads("dead_letters", &["dlq", "list"], &[CONSUMER], "Lists dead letters by what went wrong."),
    reads(
        "dead_letter",
        &["dlq", "show"],
        &[required("letter", Kind::Text, "its id")],
        "Shows one dead letter whole.",
    ),
    reads("doctor", &["doctor"], &[], "Says what is wrong or unusual with the store."),
    reads("audit", &["audit"], &[LAST], "Shows who changed what, when and why."),
    reads("check", &["check"], &[], "Proves the integrity of the whole log."),
    writes(
        "design_write",
        &["design"],
        &[DESCRIBED, optional("out", Kind::Flag("--out"), "where contracts/ and docs/ go; else here")],
        "Writes the contracts and the architecture document of a design; what people edited stays.",
    ),
    writes(
        "plan_write",
        &["plan", "--yes"],
        &[
            SPEC,
            SLICE,
            RISK,
            optional(
                "scaffold",
                Kind::Switch("--scaffold"),
                "also the contract's draft and the failing tests",
            ),
        ],
        "Writes the plan of one slice; ticks and edits stay.",
    ),
    writes(
        "scaffold_write",
        &["scaffold"],
        &[KIND, NAME, EVENT, LANG, CONTRACTS],
        "Writes code to begin with; nothing is overwritten.",
    ),
    writes(
        "dead_letters_requeue",
        &["dlq", "requeue"],
        &[optional("letter", Kind::Text, "one letter"), CONSUMER, DRY_RUN],
        "Hands dead letters to their consumer again.",
    ),
    writes(
        "consumer_pause",
        &["consumers", "pause"],
        &[required("consumer", Kind::Text, "its name"), WHY],
        "Lets a consumer rest.",
    ),
    writes(
        "consumer_resume",
        &["consumers", "resume"],
        &[required("consumer", Kind::Text, "its name")],
        "Lets a paused consumer go on.",
    ),
    writes(
        "migration_advance",
        &["migration", "advance"],
        &[
            required("name", Kind::Text, "the migration"),
            optional("canary", Kind::Number("--canary"), "percent of the keys"),
            WHY,
            DRY_RUN,
        ],
        "Moves a migration one stage forward, where nothing speaks against it.",
    ),
    writes(
        "migration_rollback",
        &["migration", "rollback"],
        &[
            required("name", Kind::Text, "the migration"),
            optional("to", Kind::Flag("--to"), "off, shadow or canary"),
            WHY,
        ],
        "Moves a migration back.",
    ),
    writes(
        "publish",
        &["publish"],
        &[required("file", Kind::Text, "a file of events, as JSON or JSON lines"), CONTRACTS, DRY_RUN],
        "Appends events from a file, each checked against its contract.",
    ),
];

/// Longest text of an argument: what a command line carries everywhere.
const TEXT_BYTES_MAX: usize = 16 * 1024;

impl Tool {
    /// What it takes, as JSON Schema.
    pub(super) fn schema(&self) -> Map<String, Value> {
        let properties: Map<String, Value> = self
            .arguments
            .iter()
            .map(|argument| {
                let kind = match argument.kind {
                    Kind::Number(_) => "integer",
                    Kind::Switch(_) => "boolean",
                    Kind::Text | Kind::Words | Kind::Flag(_) => "string",
                };
                (argument.name.to_owned(), json!({ "type": kind, "description": argument.what }))
            })
            .collect();
        let required: Vec<&str> = self
            .arguments
            .iter()
            .filter(|argument| argument.is_required)
            .map(|argument| argument.name)
            .collect();
        let schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    /// The command line that the arguments make. A text can never become a flag.
    pub(super) fn command_line(&self, given: &Map<String, Value>) -> Result<Vec<String>, String> {
        if let Some(name) =
            given.keys().find(|name| self.arguments.iter().all(|argument| argument.name != *name))
        {
            let known: Vec<&str> = self.arguments.iter().map(|argument| argument.name).collect();
            return Err(format!("{} takes no {name:?}; it takes: {}", self.name, known.join(", ")));
        }
        let mut line: Vec<String> = self.command.iter().map(|word| (*word).to_owned()).collect();
        line.push("--json".to_owned());
        let mut after = Vec::new();
        for argument in self.arguments {
            let value = match given.get(argument.name) {
                None | Some(Value::Null) if argument.is_required => {
                    return Err(format!("{} needs {:?}: {}", self.name, argument.name, argument.what));
                }
                None | Some(Value::Null) => continue,
                Some(value) => value,
            };
            let wrong = |expected: &str| format!("{:?} must be {expected}, found {value}", argument.name);
            let text = || {
                let text = value.as_str().ok_or_else(|| wrong("text"))?;
                let is_plain = text.len() <= TEXT_BYTES_MAX && !text.contains('\0');
                is_plain.then(|| text.to_owned()).ok_or_else(|| wrong("shorter, and without null characters"))
            };
            match argument.kind {
                Kind::Text => after.push(text()?),
                Kind::Words => after.extend(text()?.split_whitespace().map(str::to_owned)),
                Kind::Flag(flag) => line.push(format!("{flag}={}", text()?)),
                Kind::Number(flag) => {
                    let number = value.as_u64().ok_or_else(|| wrong("a whole number"))?;
                    line.push(format!("{flag}={number}"));
                }
                Kind::Switch(flag) => {
                    if value.as_bool().ok_or_else(|| wrong("true or false"))? {
                        line.push(flag.to_owned());
                    }
                }
            }
        }
        if !after.is_empty() {
            line.push("--".to_owned());
            line.extend(after);
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> &'static Tool {
        TOOLS.iter().find(|tool| tool.name == name).unwrap()
    }

    fn line(name: &str, given: Value) -> Result<String, String> {
        tool(name).command_line(given.as_object().unwrap()).map(|line| line.join(" "))
    }

    #[test]
    fn arguments_become_a_command_line_and_texts_never_flags() {
        assert_eq!(
            line("reliability", json!({"about": "webhook ingestion", "simulate": "outage=5m"})).unwrap(),
            "reliability --json --simulate=outage=5m -- webhook ingestion"
        );
        assert_eq!(line("stream", json!({"stream": "--store=x"})).unwrap(), "stream --json -- --store=x");
        assert_eq!(line("log", json!({"last": 3, "types": null})).unwrap(), "log --json --last=3");
    }

    #[test]
    fn wrong_arguments_are_named() {
        assert!(line("stream", json!({})).unwrap_err().starts_with("stream needs \"stream\""));
        assert!(line("log", json!({"last": "3"})).unwrap_err().contains("must be a whole number"));
        assert!(
            line("log", json!({"lats": 3}))
                .unwrap_err()
                .contains("takes no \"lats\"; it takes: types, since, last")
        );
    }

    /// A flag that was renamed would be found by an assistant only.
    #[test]
    fn every_tool_is_a_command_with_these_arguments() {
        use clap::Parser as _;
        use clap::error::ErrorKind;
        for tool in TOOLS {
            let given = tool.arguments.iter().map(|argument| {
                let value = match argument.kind {
                    Kind::Number(_) => json!(1),
                    Kind::Switch(_) => json!(true),
                    Kind::Text | Kind::Words | Kind::Flag(_) => json!("order.placed"),
                };
                (argument.name.to_owned(), value)
            });
            let line = tool.command_line(&given.collect()).unwrap();
            let typed = ["factum".to_owned()].into_iter().chain(line.clone());
            let answer = crate::cli::Cli::try_parse_from(typed).map(|_| ()).map_err(|error| error.kind());
            // What a value may be, and what goes together, is the command's business.
            let is_known = matches!(
                answer,
                Ok(())
                    | Err(ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::ArgumentConflict)
            );
            assert!(is_known, "{}: {line:?}: {answer:?}", tool.name);
        }
    }

    #[test]
    fn every_tool_has_a_name_of_its_own_and_says_what_it_does() {
        let mut names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TOOLS.len());
        assert!(TOOLS.iter().all(|tool| tool.what.ends_with('.')));
    }
}
