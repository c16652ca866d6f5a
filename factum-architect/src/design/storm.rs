//! An event-storming text, read line by line: what is written on the wall with sticky notes.
//!
//! Tolerant of how people write: bullets, numbers, tick boxes, arrows of many kinds, prose around. Every line ends up
//! somewhere: as a rule, as something else that is understood, as prose, or among what could not be read, with the reason.
//! Never guesses a service, a key or a consumer.

use std::sync::LazyLock;

use factum_contract::template::FieldOutline;
use regex::Regex;
use serde::Serialize;

use super::phrase;
use super::rule;

/// Largest text that is read.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Most lines of one text.
pub const LINES_MAX: usize = 5_000;

/// What a text says.
#[derive(Debug, Clone, Default)]
pub struct Storm {
    /// The name of the system, where it is said.
    pub system: Option<String>,
    /// Who does what, because of what.
    pub rules: Vec<Rule>,
    /// Events that are described on a line of their own.
    pub events: Vec<(usize, Outcome)>,
    /// Read models.
    pub views: Vec<View>,
    /// Questions that need their answer at once.
    pub asks: Vec<Said>,
    /// Teams with their services.
    pub teams: Vec<(String, Vec<String>)>,
    /// What the people at the wall left open.
    pub questions: Vec<Said>,
    /// Lines that say something to people alone.
    pub prose: Vec<Said>,
    /// Lines that look like facts, and could not be read.
    pub unread: Vec<Unread>,
}

/// A line as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Its number, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its number, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
    /// Why, and what was expected.
    pub reason: String,
}

/// One fact of the wall: a service, what makes it act, and what has happened then.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its line, from 1.
    pub line: usize,
    /// Who acts.
    pub service: Option<String>,
    /// The consumer's name, where the text gives one: `Payments.charge: …`.
    pub consumer: Option<String>,
    /// What makes it act.
    pub trigger: Trigger,
    /// What has happened then.
    pub outcomes: Vec<Outcome>,
    /// Whether one of the outcomes happens, or all.
    pub is_choice: bool,
    /// What it does, in people's words.
    pub action: Option<String>,
    /// What it calls outside.
    pub calls: Vec<String>,
    /// What it undoes.
    pub undoes: Vec<Undo>,
    /// How long it waits.
    pub wait: Option<Wait>,
    /// What is said of failures.
    pub failure: Failure,
    /// What else is said.
    pub notes: Vec<String>,
}

/// What makes a service act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody asks it to.
    Command {
        /// The command's name.
        name: String,
        /// As it is written.
        said: String,
    },
    /// Something has happened.
    Events {
        /// What.
        names: Vec<String>,
        /// Whether all of it must have happened.
        is_all: bool,
    },
    /// Time has passed.
    Timer(String),
}

/// What has happened, with all that is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The event's name, or a command's.
    pub name: String,
    /// Whether it is something to be done, not something that happened.
    pub is_command: bool,
    /// The field that keeps order.
    pub key: Option<String>,
    /// What it carries.
    pub fields: Vec<FieldOutline>,
    /// Where it is published.
    pub topic: Option<String>,
}

/// What is undone, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The event whose effects are undone, where it is said.
    pub of: Option<String>,
    /// The command that undoes.
    pub with: String,
}

/// How long a service waits, and what it says when the wait is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// How long, as contracts write it: `15m`.
    pub within: String,
    /// What it says then.
    pub otherwise: Vec<Outcome>,
}

/// What is said of failures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Attempts in all.
    pub attempts: Option<u32>,
    /// Who looks after dead letters.
    pub owner: Option<String>,
    /// `hold` or `skip`.
    pub on_dead: Option<String>,
    /// The field that makes handling twice harmless.
    pub idempotent_by: Option<String>,
    /// `safe`, `effects-held` or `refuse`.
    pub replay: Option<String>,
}

/// A read model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its line, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Who shows it.
    pub service: Option<String>,
    /// What it is made of.
    pub on: Vec<String>,
}

static ARROW: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\s*(?:-+>+|=+>|~+>|[–—]+>|→|⇒|⟶|➜|➔|➡️?|↦|>>)\s*"));
static BULLET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(?:[-*+•‣◦▪–—]\s+|\d{1,3}[.)]\s+|>\s+|\[[ xX]?\]\s*|[\u{1F7E0}-\u{1F7EB}🔵🟠🟣🟡]\s*)+")
});
static DIRECTIVE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(system|domain|team|event|fact|read model|readmodel|projection|view|query|hot ?spot|question|open question|todo)\b\s*:?\s*(.*)$",
    )
});
static ASK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(asks?\s+\w+\s+(for|whether|if)|quer(y|ies)\s+\w+|looks? up|fetch(es)?\b|get\s+/|synchronous(ly)?|request[ /-]?response|waits? for (an?|the) (answer|response|reply)|needs? (an?|the) (answer|response|reply)|(answer|respond|repl(y|ies))s? (at once|immediately|right away|directly|synchronously))",
    )
});
static HEADING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(#{1,6})\s+(.*?)\s*#*$"));

/// A pattern that is written in this crate.
pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant that tests compile")
}

impl Storm {
    /// Reads a text; every line is accounted for.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut storm = Self::default();
        let mut heading: Option<String> = None;
        for (index, line) in text.lines().take(LINES_MAX).enumerate() {
            storm.line(index + 1, line, &mut heading);
        }
        if let Some(line) = text.lines().nth(LINES_MAX) {
            let reason = format!("a text has at most {LINES_MAX} lines; this and what follows was not read");
            storm.unread.push(Unread { line: LINES_MAX + 1, text: line.to_owned(), reason });
        }
        storm
    }

    /// Whether there is nothing that a design could be made of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.events.is_empty() && self.asks.is_empty()
    }

    fn line(&mut self, number: usize, raw: &str, heading: &mut Option<String>) {
        let trimmed = raw.trim();
        if trimmed.is_empty() || trimmed.starts_with("```") || trimmed.chars().all(|c| "-=_*~ ".contains(c)) {
            return;
        }
        if let Some(found) = HEADING.captures(trimmed) {
            self.heading(number, found[1].len(), &found[2], heading);
            return;
        }
        let text = tidied(trimmed);
        let said = |text: &str| Said { line: number, text: text.to_owned() };
        if let Some(found) = DIRECTIVE.captures(&text)
            && self.directive(number, &found[1].to_lowercase(), found[2].trim(), heading.as_deref())
        {
            return;
        }
        if text.ends_with('?') || text.starts_with('?') {
            self.questions.push(said(text.trim_matches(['?', ' '])));
            return;
        }
        if ASK.is_match(&text) {
            self.asks.push(said(&text));
            return;
        }
        match rule::read(number, &text, heading.as_deref()) {
            Ok(rules) if rules.is_empty() => self.prose.push(said(&text)),
            Ok(rules) => self.rules.extend(rules),
            Err(reason) => self.unread.push(Unread { line: number, text: text.clone(), reason }),
        }
    }

    /// The first heading names the system; a short one below it, the service that its lines speak of.
    fn heading(&mut self, number: usize, level: usize, text: &str, current: &mut Option<String>) {
        let text = text.trim_matches(['*', '`', ' ']);
        let (_, name) = text.rsplit_once(':').unwrap_or(("", text));
        let named = phrase::service_name(name);
        match (level, named) {
            (1, Some(name)) if self.system.is_none() => self.system = Some(name),
            (2.., Some(name)) if phrase::words(&name).len() <= 2 => *current = Some(name),
            _ => {
                *current = None;
                self.prose.push(Said { line: number, text: text.to_owned() });
            }
        }
    }

    /// Takes a line that begins with a word of its own; says whether it did.
    fn directive(&mut self, number: usize, word: &str, rest: &str, heading: Option<&str>) -> bool {
        let said = |text: &str| Said { line: number, text: text.to_owned() };
        match word {
            "system" | "domain" => match phrase::service_name(rest) {
                Some(name) => self.system = Some(name),
                None => return false,
            },
            "team" => match rest.split_once([':', '-', '=']) {
                Some((team, services)) => {
                    let Some(team) = phrase::service_name(team) else { return false };
                    self.teams.push((team, services.split(',').filter_map(phrase::service_name).collect()));
                }
                None => return false,
            },
            "event" | "fact" => match rule::outcome(rest) {
                Ok(outcome) if !outcome.is_command => self.events.push((number, outcome)),
                _ => return false,
            },
            "read model" | "readmodel" | "projection" | "view" => match view(number, rest, heading) {
                Some(view) => self.views.push(view),
                None => {
                    let reason = "expected `view NAME (Service): on order.placed, order.paid`".to_owned();
                    self.unread.push(Unread { line: number, text: rest.to_owned(), reason });
                }
            },
            "query" => self.asks.push(said(rest)),
            _ if rest.is_empty() => return false,
            _ => self.questions.push(said(rest.trim_matches(['?', ' ']))),
        }
        true
    }

    /// All names of services that are said, in the order of the text.
    pub(crate) fn services(&self) -> Vec<String> {
        let mut services = Vec::new();
        let said = self.rules.iter().filter_map(|rule| rule.service.as_ref());
        let said = said.chain(self.views.iter().filter_map(|view| view.service.as_ref()));
        for service in said.chain(self.teams.iter().flat_map(|(_, services)| services)) {
            if !services.contains(service) {
                services.push(service.clone());
            }
        }
        services
    }
}

/// A line without the marks of lists and emphasis, with one kind of arrow.
fn tidied(line: &str) -> String {
    let text = BULLET.replace(line, "");
    let text = text.replace(['`', '\u{200b}'], "").replace("**", "");
    ARROW.replace_all(text.trim(), " -> ").trim().to_owned()
}

fn view(line: usize, rest: &str, heading: Option<&str>) -> Option<View> {
    let (head, on) =
        rest.split_once(':').or_else(|| rest.split_once(" on ")).or_else(|| rest.split_once(" <- "))?;
    let (name, service) = match head.split_once('(') {
        Some((name, service)) => (name, phrase::service_name(service.trim_end_matches([')', ' ']))),
        None => (head, heading.map(str::to_owned)),
    };
    let name = phrase::words(name).join("_");
    let on = on.trim().strip_prefix("on ").unwrap_or(on);
    let on: Vec<String> = on.split([',', '|', '+', '&']).filter_map(phrase::event_name).collect();
    let is_name = name.len() <= 41 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.is_ascii();
    (is_name && !on.is_empty()).then_some(View { line, name, service, on })
}
