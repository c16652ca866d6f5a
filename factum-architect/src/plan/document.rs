//! A plan as a document to work through: every step a box, every box a thing to do or a command to run.

use std::fmt::Write as _;

use super::behaviour::{Behaviour, Part, PartKind};
use super::{Plan, indicative, steps};
use crate::codebase::{Found, Naming};

/// Writes the plan.
pub(super) fn write(plan: &Plan<'_>) -> String {
    let parts = steps::all(plan);
    let mut page = Page { plan, out: String::new() };
    page.head();
    page.execution();
    page.context();
    page.code_base();
    for part in &parts {
        page.part(part, &parts);
    }
    page.architecture(&parts);
    page.summary(&parts);
    page.out
}

struct Page<'p, 'r> {
    plan: &'p Plan<'r>,
    out: String,
}

impl Page<'_, '_> {
    // Writing to a String cannot fail.
    fn say(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.out, "{}", text.as_ref());
    }

    fn head(&mut self) {
        let (spec, slice) = (self.plan.request.spec, self.plan.request.slice);
        self.say(format!("# {}, slice {}: {}\n", spec.title, slice.ordinal, slice.name));
        self.say("Tests first, from the outside in. Code on this page shows the shape, not the answer.");
    }

    fn execution(&mut self) {
        self.say("\n## Execution\n");
        self.say("1. Work from top to bottom, one box at a time; tick it when it is done.");
        self.say("2. A RED step ends with a test that fails for the reason that it states. Another reason means: look before you go on.");
        self.say("3. After three attempts that failed, put ⚠️ before the box's text, write what was tried below it, and go on with the next step that does not need it.");
        self.say("4. Run the outer test again after each producer, each consumer, and the wiring: it fails for the next reason of its table.");
        self.say(format!("5. All tests of the slice: `{}`. `factum plan status` counts the boxes, `factum plan verify` runs the tests of the ticked ones.", self.plan.dialect.command_all()));
        self.teach("A plan that can be ticked can be handed over in the middle, and shows where it stands without anybody being asked.");
    }

    fn context(&mut self) {
        let plan = self.plan;
        let (spec, slice) = (plan.request.spec, plan.request.slice);
        self.say("\n## Context\n");
        self.say(format!("- Source: {}", self.link(slice.line)));
        self.say(format!("- Slice: {} ({})", slice.name, slice.id));
        self.say(format!("- Risk: {}, from {}", plan.risk.0.as_str(), plan.risk.1));
        let events: Vec<String> = plan
            .events
            .iter()
            .map(|event| format!("`{}`{}", event.name, if event.is_new { " (new)" } else { "" }))
            .collect();
        self.say(format!("- Events: {}", events.join(", ")));
        self.say(format!("- Pattern: {}", self.pattern()));
        self.say("\nWhat must be true:\n");
        for criterion in &slice.criteria {
            let id = criterion.id.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
            let group =
                criterion.group.as_ref().map(|group| format!("*{}*: ", inline(group))).unwrap_or_default();
            let vague: Vec<String> = criterion.vague.iter().map(|word| format!("\"{word}\"")).collect();
            let vague = if vague.is_empty() {
                String::new()
            } else {
                format!(" — **{}**: say what a test can see, one thing at a time", vague.join(", "))
            };
            self.say(format!(
                "- {group}{id}{} ({}){vague}",
                inline(&criterion.name()),
                self.link(criterion.line)
            ));
        }
        if !spec.requirements.is_empty() {
            self.say("\nOf the whole specification:\n");
            for requirement in &spec.requirements {
                let id = requirement.id.as_deref().unwrap_or("requirement");
                self.say(format!("- {id}: {} ({})", inline(&requirement.text), self.link(requirement.line)));
            }
        }
        if !spec.skipped.is_empty() {
            self.say("\nRead, and not taken:\n");
            for skipped in &spec.skipped {
                self.say(format!(
                    "- {}: {} ({})",
                    self.link(skipped.line),
                    inline(&skipped.text),
                    skipped.reason
                ));
            }
        }
        self.teach("Everything below goes back to a line of the specification. If a line is missing here, say so now: it is cheapest before the first test.");
    }

    fn pattern(&self) -> &'static str {
        let events = &self.plan.events;
        let catalog = &self.plan.catalog;
        let is_saga = events.iter().any(|event| {
            catalog.system.sagas.iter().any(|(name, _)| {
                event.producer_part.as_deref() == Some(name.as_str())
                    || event.takers.iter().any(|taker| taker.name == name.as_str())
            })
        });
        let is_view = events.iter().any(|event| {
            event
                .takers
                .iter()
                .any(|taker| catalog.system.projections.keys().any(|name| name.as_str() == taker.name))
        });
        if is_saga {
            "saga: its pure state machine first, then each handler, then the compensations"
        } else if events.len() > 1 || events.iter().any(|event| event.cause.is_some()) {
            "chain of events: one contract for each, each role tested apart"
        } else if is_view {
            "command → event → read model"
        } else {
            "command → event → reaction"
        }
    }

    fn code_base(&mut self) {
        let plan = self.plan;
        let code = plan.request.code;
        self.say("\n## Code base\n");
        let languages: Vec<String> = code
            .languages
            .iter()
            .take(3)
            .map(|(language, count)| format!("{} ({count} files)", language.as_str()))
            .collect();
        let languages = if languages.is_empty() {
            "none yet; the plan is written for Rust".to_owned()
        } else {
            languages.join(", ")
        };
        self.say(format!("- Language: {languages}"));
        if code.is_cut {
            self.say(format!(
                "- Read: the first {} files alone; there are more, and `--code` names a smaller folder",
                crate::codebase::FILES_MAX
            ));
        }
        let buses: Vec<String> =
            code.buses.iter().map(|bus| format!("{} ({}:{})", bus.what, bus.path, bus.line)).collect();
        self.say(format!(
            "- Bus: {}",
            if buses.is_empty() { "none found".to_owned() } else { buses.join(", ") }
        ));
        let naming = code.naming.as_ref().map(|(naming, found)| {
            let style = match naming {
                Naming::Dotted => "dotted",
                Naming::Pascal => "types in capitals",
                Naming::Snake => "underscores",
            };
            format!("{style}, such as `{}` ({}:{})", found.what, found.path, found.line)
        });
        self.say(format!("- Names of events: {}", naming.unwrap_or_else(|| "none found".to_owned())));
        let contracts = code
            .contracts
            .clone()
            .unwrap_or_else(|| format!("none found; they go to {}", plan.request.contracts_folder));
        self.say(format!(
            "- Contracts: {contracts}{}",
            if code.is_catalog { " (a catalog of Factum)" } else { "" }
        ));
        for event in &plan.events {
            let part = event.producer_part.as_deref().unwrap_or(event.name.as_str());
            self.say(format!(
                "- `{}` is said in {}, by {}",
                event.name,
                plan.dialect.producer_path(part, &event.producer),
                event.producer
            ));
            for taker in &event.takers {
                self.say(format!(
                    "- `{}` is taken in {}, by `{}`",
                    event.name,
                    plan.dialect.consumer_path(&taker.name, &taker.service),
                    taker.name
                ));
            }
        }
        self.say(format!(
            "- Tests: {}, in {}",
            code.tests.framework,
            plan.dialect.test_path(PartKind::Outer).rsplit_once('/').map_or("tests", |(folder, _)| folder)
        ));
        self.say(format!("- Bus in tests: {}", shown(code.tests.bus.as_ref())));
        self.say(format!(
            "- Waiting in tests: {}; here {}",
            shown(code.tests.waits.as_ref()),
            plan.dialect.waiting()
        ));
        self.say(format!("- Retry: {}", shown(code.retry.as_ref())));
        self.say(format!("- Dead letters: {}", shown(code.dead_letters.as_ref())));
        self.say(format!("- Idempotency: {}", shown(code.idempotency.as_ref())));
        match &code.boundaries {
            None => self.say("- Boundaries: none written down"),
            Some(page) => {
                let modules: Vec<String> = page
                    .modules
                    .iter()
                    .take(12)
                    .map(|(name, line)| format!("`{name}` ({}:{line})", page.path))
                    .collect();
                self.say(format!("- Boundaries: {}: {}", page.path, modules.join(", ")));
            }
        }
        self.teach("A plan in other words than the code's would be followed by nobody. What was found has its place: disagree with it there.");
    }

    fn part(&mut self, part: &Part, parts: &[Part]) {
        let title = match part.kind {
            PartKind::Outer => "Outer test".to_owned(),
            PartKind::Contract => format!("Contract: {}", part.of),
            PartKind::Producer => format!("Producer: {}", part.of),
            PartKind::Consumer => format!("Consumer: {}", part.of),
            PartKind::Wiring => "Wiring".to_owned(),
            PartKind::Edges => "Edge cases".to_owned(),
        };
        self.say(format!("\n## {title}\n"));
        part.intro.iter().for_each(|line| self.say(format!("{line}\n")));
        self.teach(part.why);
        if part.kind == PartKind::Outer {
            self.outer(part, parts);
            return;
        }
        if let Some(code) = indicative::code(self.plan, part) {
            self.say(format!("```{}\n{}\n```\n", self.plan.dialect.language.fence(), code.trim_end()));
        }
        for behaviour in &part.behaviours {
            self.behaviour(part.kind, behaviour);
        }
        if matches!(part.kind, PartKind::Producer | PartKind::Consumer | PartKind::Wiring)
            && !part.behaviours.is_empty()
        {
            self.say(format!("- [ ] **OUTER** run the outer test again: {}", self.after(part, parts)));
        }
        part.checks.iter().for_each(|check| self.say(format!("- [ ] **CHECK** {check}")));
        if let Some(commit) = &part.commit {
            self.say(format!("- [ ] **COMMIT** `{commit}`"));
        }
    }

    fn outer(&mut self, part: &Part, parts: &[Part]) {
        let dialect = &self.plan.dialect;
        let Some(behaviour) = part.behaviours.first() else { return };
        let command = dialect.command(PartKind::Outer, &behaviour.says);
        let scenario: Vec<String> = self
            .plan
            .request
            .slice
            .criteria
            .iter()
            .take(1)
            .map(|criterion| inline(&criterion.name()))
            .collect();
        let (path, name) = (dialect.test_path(PartKind::Outer), dialect.test_name(&behaviour.says));
        self.say(format!("- Scenario: {}", scenario.join("; ")));
        self.say(format!("- Test: `{path}` › `{name}`"));
        self.say("- Mocks: external services only; store, bus and handlers are real");
        self.say(format!(
            "- Given: an empty store, the program with all its consumers; {}\n",
            behaviour.input
        ));
        if let Some(code) = indicative::code(self.plan, part) {
            self.say(format!("```{}\n{}\n```\n", self.plan.dialect.language.fence(), code.trim_end()));
        }
        self.say(format!("- [ ] **RED** write `{path}` › `{name}`"));
        for event in &self.plan.events {
            self.say(format!("- [ ] **ASSERT** one `{}` is in the log", event.name));
            for taker in &event.takers {
                self.say(format!("- [ ] **ASSERT** `{}` has handled `{}`", taker.name, event.name));
            }
        }
        self.say("- [ ] **ASSERT** there is no dead letter");
        self.say(format!("- [ ] **RUN** `{command}`: it fails, {}\n", behaviour.fails));
        self.say("| after | it fails, because |\n|---|---|");
        for (after, because) in failures(self.plan, parts) {
            self.say(format!("| {after} | {because} |"));
        }
    }

    /// What the outer test says after a part.
    fn after(&self, part: &Part, parts: &[Part]) -> String {
        let title = format!("{} {}", part.kind.as_str(), part.of);
        let next = failures(self.plan, parts).into_iter().find(|(after, _)| *after == title.trim());
        match next {
            Some((_, because)) if because != GREEN => format!("it fails, {because}"),
            _ => "it passes".to_owned(),
        }
    }

    fn behaviour(&mut self, kind: PartKind, behaviour: &Behaviour) {
        let dialect = &self.plan.dialect;
        let (path, name, command) = (
            dialect.test_path(kind),
            dialect.test_name(&behaviour.says),
            dialect.command(kind, &behaviour.says),
        );
        self.say(format!("### {}\n", capital(&behaviour.says)));
        self.say(format!(
            "- [ ] **RED** `{path}` › `{name}`: given {}; asserts {}",
            behaviour.input, behaviour.asserts
        ));
        self.say(format!("- [ ] **RUN** `{command}`: it fails, {}", behaviour.fails));
        self.say(format!("- [ ] **GREEN** in `{}`: {}", behaviour.place, behaviour.build));
        self.say(format!("- [ ] **RUN** `{command}`: it passes"));
        self.say(format!("- [ ] **REFACTOR** {}\n", behaviour.refactor));
    }

    fn architecture(&mut self, parts: &[Part]) {
        self.say("\n## Final architecture verification\n");
        let folder = self.plan.request.contracts_folder;
        self.say(format!("- [ ] `factum contract check {folder}`: no findings"));
        self.say(format!("- [ ] `{}`: all tests of the slice pass", self.plan.dialect.command_all()));
        for event in &self.plan.events {
            self.say(format!(
                "- [ ] `{}` is said by {} alone, and its name stands in no other service as text",
                event.name, event.producer
            ));
        }
        match &self.plan.request.code.boundaries {
            Some(page) => {
                for (module, line) in &page.modules {
                    self.say(format!(
                        "- [ ] `{module}` imports only what {}:{line} allows; a test says so",
                        page.path
                    ));
                }
                self.say("- [ ] new files stand in a module that is declared");
            }
            None => self.say("- [ ] no service imports another one: they share contracts alone"),
        }
        let tests: usize = parts.iter().map(|part| part.behaviours.len()).sum();
        self.say(format!("- [ ] `factum plan verify`: {tests} ticked, {tests} pass"));
        self.teach(
            "What nobody checks erodes. These boxes are few because each of them is a command or one look.",
        );
    }

    fn summary(&mut self, parts: &[Part]) {
        self.say("\n## Test summary\n");
        self.say("| component | kind | count | mocks | status |\n|---|---|---|---|---|");
        let mut total = 0;
        for part in parts {
            let kind = match part.kind {
                PartKind::Outer => "integration",
                PartKind::Contract => "contract",
                PartKind::Producer | PartKind::Consumer | PartKind::Edges => "component",
                PartKind::Wiring => "wiring",
            };
            let name = format!("{} {}", part.kind.as_str(), part.of);
            total += part.behaviours.len();
            self.say(format!(
                "| {} | {kind} | {} | {} | open |",
                name.trim(),
                part.behaviours.len(),
                part.mocks
            ));
        }
        self.say(format!("| **total** | | **{total}** | | |"));
    }

    fn teach(&mut self, why: &str) {
        if self.plan.request.is_teaching && !why.is_empty() {
            self.say(format!("\n> Why: {why}\n"));
        }
    }

    /// A line of the specification, as editors open it.
    fn link(&self, line: usize) -> String {
        let path = &self.plan.request.spec.path;
        format!("`{path}:{line}`")
    }
}

const GREEN: &str = "green";

/// What the outer test says after each part, in order.
fn failures(plan: &Plan<'_>, parts: &[Part]) -> Vec<(String, String)> {
    // Each part takes one reason away; what is left first is what the test says.
    let mut reasons: Vec<(String, String)> = Vec::new();
    for event in &plan.events {
        let name = &event.name;
        if event.is_new {
            reasons.push((format!("contract {name}"), format!("there is no contract `{name}`")));
        }
        reasons.push((format!("producer {name} by {}", event.producer), format!("`{name}` is not emitted")));
        let takers: Vec<&str> = event.takers.iter().map(|taker| taker.name.as_str()).collect();
        if let Some(first) = takers.first() {
            reasons.push((
                format!("consumer {name} by {}", takers.join(", ")),
                format!("`{first}` does not handle `{name}`"),
            ));
        }
    }
    let routed = plan.events.iter().find_map(|event| Some((event, event.takers.first()?)));
    let last = routed.map(|(event, taker)| format!("`{}` is not routed to `{}`", event.name, taker.name));
    let last = last.or_else(|| {
        plan.events
            .last()
            .map(|event| format!("`{}` is emitted by the component, not yet by the program", event.name))
    });
    reasons.extend(last.map(|last| ("wiring".to_owned(), last)));
    let mut out =
        vec![("nothing".to_owned(), reasons.first().map(|(_, because)| because.clone()).unwrap_or_default())];
    for part in parts {
        let title = format!("{} {}", part.kind.as_str(), part.of);
        let title = title.trim();
        let before = reasons.len();
        reasons.retain(|(takes_away, _)| takes_away != title);
        if reasons.len() < before {
            let because = reasons.first().map_or_else(|| GREEN.to_owned(), |(_, because)| because.clone());
            out.push((title.to_owned(), because));
        }
    }
    out
}

fn shown(found: Option<&Found>) -> String {
    found.map_or_else(
        || "none found".to_owned(),
        |found| format!("`{}` ({}:{})", found.what.replace('`', "'"), found.path, found.line),
    )
}

/// A specification's words inside a list.
fn inline(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;")
}

fn capital(text: &str) -> String {
    if text.starts_with('`') {
        return text.to_owned();
    }
    let first = text.split_whitespace().next().unwrap_or_default();
    if first.contains('.') {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
