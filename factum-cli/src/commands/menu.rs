//! `factum` without a command: what there is, with an example of each.

use super::Done;
use crate::error::CliError;
use crate::output::{Output, Paint, Style};

type Mode = (&'static str, &'static str, &'static str);

const LOOK: [Mode; 7] = [
    ("tail", "follow events as they happen", "factum tail --category order"),
    ("log", "list events, newest last", "factum log --types order.placed --since 15m"),
    ("stream", "the history of one stream", "factum stream order-42"),
    ("event", "one event whole", "factum event 1200"),
    ("trace", "what caused what, as a tree", "factum trace order-42"),
    ("search", "events that hold a text", "factum search \"card declined\""),
    ("stats", "how many of which", "factum stats"),
];
const OPERATE: [Mode; 7] = [
    (
        "consumers",
        "state and lag; pause, resume, reset",
        "factum consumers pause payments --why \"bank is down\"",
    ),
    ("projections", "state; rebuild", "factum projections rebuild order-summary"),
    ("sagas", "state; show, resume, cancel", "factum sagas list --status stuck"),
    ("timers", "what sagas wait for; move, cancel", "factum timers list fulfilment"),
    ("dlq", "dead letters: list, show, requeue, discard", "factum dlq requeue --consumer payments --dry-run"),
    (
        "replay",
        "recorded events to a consumer again",
        "factum replay --consumer payments --from-time 2h --dry-run",
    ),
    ("audit", "who changed what, when", "factum audit --last 20"),
];
const BUILD: [Mode; 10] = [
    ("design", "from words on a wall to contracts", "factum design wall.txt"),
    ("new", "a project that runs", "factum new shop"),
    ("scaffold", "code to begin with", "factum scaffold consumer payments.charge order.placed"),
    ("plan", "one slice, test first", "factum plan docs/specs/orders.md --slice 2"),
    ("contract", "define, check, compare, show contracts", "factum contract check --against main"),
    ("review", "what is wrong with catalog and code", "factum review"),
    ("generate", "code and pages from contracts", "factum generate rust --contracts contracts --out src"),
    (
        "migration",
        "from a call to an event, and back",
        "factum migration plan email-sync --call send_email --event mail.due",
    ),
    (
        "reliability",
        "retries explained, proposed, simulated",
        "factum reliability payments --simulate outage=5m,rate=200/s",
    ),
    ("publish", "append contract-checked events", "factum publish events.jsonl --contracts contracts"),
];
const KEEP: [Mode; 11] = [
    ("forget", "a data subject, for good", "factum forget c-17"),
    ("keys", "the keys of personal data", "factum keys new master.key"),
    ("migrate", "make the tables; print the SQL", "factum migrate --print"),
    ("check", "prove the whole log sound", "factum check"),
    ("backup", "copy the store while in use", "factum backup orders-copy.db"),
    ("copy", "a store into another", "factum copy sqlite:orders.db postgres://db/orders"),
    ("archive", "the oldest events into a file", "factum archive orders-2025.db --before 400d"),
    ("doctor", "what is wrong or unusual", "factum doctor"),
    ("bench", "how fast is this machine", "factum bench"),
    ("mcp", "facts for an assistant in an editor", "factum mcp --store sqlite:data/orders.db"),
    ("completions", "for your shell", "factum completions bash"),
];

const GROUPS: [(&str, &[Mode]); 4] =
    [("Look at the log", &LOOK), ("Operate", &OPERATE), ("Build", &BUILD), ("Look after it", &KEEP)];

#[derive(serde::Serialize)]
struct MenuJson {
    modes: Vec<ModeJson>,
}

#[derive(serde::Serialize)]
struct ModeJson {
    name: &'static str,
    what: &'static str,
    example: &'static str,
}

pub(crate) fn run(out: &mut Output) -> Result<Done, CliError> {
    if out.is_json() {
        let modes = GROUPS.iter().flat_map(|(_, modes)| modes.iter());
        let modes = modes.map(|&(name, what, example)| ModeJson { name, what, example }).collect();
        out.json(&MenuJson { modes })?;
        return Ok(Done::Clean);
    }
    let paint = out.paint();
    out.line("factum: look at a store of events, operate it, build on it")?;
    for (head, modes) in GROUPS {
        out.line(format!("\n{}", paint.style(Style::Bold, head)))?;
        for mode in modes {
            out.line(line(mode, paint))?;
        }
    }
    out.line("\nThe store is named by --store URL, FACTUM_STORE, or `store` in factum.toml.")?;
    out.line("`factum COMMAND --help` says more; --json everywhere. Plain words find the mode: factum \"retry strategy for webhooks\"")?;
    Ok(Done::Clean)
}

/// The example of a mode.
pub(crate) fn example(name: &str) -> String {
    let mut modes = GROUPS.iter().flat_map(|(_, modes)| modes.iter());
    modes.find(|mode| mode.0 == name).map_or_else(|| format!("factum {name}"), |mode| mode.2.to_owned())
}

fn line((name, what, example): &Mode, paint: Paint) -> String {
    format!(
        "  {}  {what:<44}{}",
        paint.style(Style::Cyan, &format!("{name:<11}")),
        paint.style(Style::Dim, example)
    )
}
