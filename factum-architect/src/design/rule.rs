//! One line of a storm text as a rule: `Payments: on order.placed -> payment.approved | payment.declined`.

use std::sync::LazyLock;

use factum_contract::template::FieldOutline;
use regex::Regex;

use super::phrase;
use super::storm::{Failure, Outcome, Rule, Trigger, Undo, Wait, pattern};

/// What one rule looks like, for those whose line did not.
pub(crate) const FORM: &str =
    "`Service: on event.happened -> other.happened` or `Service: do something -> thing.happened`";

static SERVICE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^([A-Za-z][\w.&/ -]{0,40}?)\s*(?::|\|)\s+(.*)$"));
static SENTENCE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?i:when(?:ever)?|on|after|once|upon|if|as soon as)\s+(.+?),\s*(?:(?i:then|the)\s+)?([A-Z][\w-]*)\s+(.+)$",
    )
});
static ON: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^(?:on|when(?:ever)?|after|once|upon|if|as soon as)\s+(.+)$"));
static TIMER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(?:every\b|each (?:day|night|hour|minute|week|month)\b|nightly\b|daily\b|hourly\b|at \d)")
});
static WITHIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:within|timeout(?: after)?|waits?(?: up to)?)\s+(\d{1,6})\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)\b\s*,?\s*(?:(?:otherwise|else|or|->|then)\s+(.+))?$",
    )
});
static UNDO: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:compensat\w+|undo(?:es|ing)?|revers\w+|roll(?:s|ing)? back)\s*(.*?)\s*(?:\b(?:with|by|via|using)\s+|->\s*)(.+)$",
    )
});
static CALLS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\bcalls?:?\s+(?:the\s+)?([\w./ ,&-]+)$"));
static TIMES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:retr(?:y|ies)|attempts?|tries)\D{0,12}(\d{1,3})|(\d{1,3})\s*(?:x|times|attempts|tries)",
    )
});
static DEAD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\bdead[ -]?letters?\s*(?:to|go to|owner|owned by|:|->)?\s*([A-Za-z][\w-]*)")
});
static IDEMPOTENT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\bidempoten\w*\s+(?:by|on|key)?:?\s*([A-Za-z]\w*)"));
static REPLAY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^replay:?\s+(safe|effects-held|refuse)"));

/// The rules of one line; none where it is prose.
///
/// # Errors
/// Why a line that looks like a rule is none.
pub(crate) fn read(line: usize, text: &str, heading: Option<&str>) -> Result<Vec<Rule>, String> {
    let (text, note) = split_note(text);
    let mut clauses = split_outside(text, &[';']).into_iter();
    let Some(first) = clauses.next() else { return Ok(Vec::new()) };
    let (service, consumer, first) = service(first.trim(), heading);
    let looks_like = first.contains(" -> ") || ON.is_match(&first);
    if !looks_like {
        return Ok(Vec::new());
    }
    let is_sure = first.contains(" -> ");
    let mut rules = match chain(line, service, consumer, &first) {
        Ok(rules) => rules,
        // "On Monday we met" begins like a rule, and is none.
        Err(_) if !is_sure => return Ok(Vec::new()),
        Err(reason) => return Err(reason),
    };
    let Some(last) = rules.last_mut() else { return Ok(rules) };
    for clause in clauses {
        apply(last, clause.trim())?;
    }
    if let Some(note) = note {
        apply_note(last, note.trim());
    }
    Ok(rules)
}

/// Who acts: before a colon, inside a sentence, or by the heading above.
fn service(text: &str, heading: Option<&str>) -> (Option<String>, Option<String>, String) {
    if let Some(found) = SERVICE.captures(text) {
        let (name, rest) = (&found[1], found[2].to_owned());
        if let Some((service, part)) = name.split_once('.')
            && let (Some(service), Some(part)) = (phrase::service_name(service), phrase::service_name(part))
        {
            return (Some(service.clone()), Some(format!("{service}.{part}")), rest);
        }
        if let Some(service) = phrase::service_name(name) {
            return (Some(service), None, rest);
        }
    }
    if let Some(found) = SENTENCE.captures(text)
        && phrase::event_name(&found[1]).is_some()
        && let Some(service) = phrase::service_name(&found[2])
    {
        return (
            Some(service),
            None,
            format!("on {} {}", phrase::event_name(&found[1]).unwrap_or_default(), &found[3]),
        );
    }
    (heading.map(str::to_owned), None, text.to_owned())
}

/// `a -> b -> c` is two rules; a service may stand between.
fn chain(
    line: usize,
    service: Option<String>,
    consumer: Option<String>,
    text: &str,
) -> Result<Vec<Rule>, String> {
    let (text, wait) = waiting(text)?;
    let segments: Vec<&str> =
        text.split(" -> ").map(str::trim).filter(|segment| !segment.is_empty()).collect();
    let mut who = service;
    let mut rules: Vec<Rule> = Vec::new();
    let mut from: Option<Trigger> = None;
    let mut action = None;
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 && is_service(segment) {
            who = phrase::service_name(segment);
            continue;
        }
        let Some(trigger) = from.take() else {
            let (trigger, does) = self::trigger(segment)?;
            (from, action) = (Some(trigger), does);
            continue;
        };
        let (outcomes, is_choice) = outcomes(segment)?;
        let names = outcomes
            .iter()
            .filter(|outcome| !outcome.is_command)
            .map(|outcome| outcome.name.clone())
            .collect();
        from = Some(Trigger::Events { names, is_all: false });
        rules.push(rule(line, who.clone(), trigger, outcomes, is_choice, action.take()));
        if index + 1 < segments.len()
            && !is_service(segments[index + 1])
            && rules.len() == 1
            && segments.len() > 2
        {
            // Whoever goes on is not said.
            who = None;
        }
    }
    if rules.is_empty() {
        match from {
            Some(trigger @ Trigger::Events { .. }) => {
                rules.push(rule(line, who, trigger, Vec::new(), false, action))
            }
            _ => return Err(format!("nothing has happened after it: expected {FORM}")),
        }
    }
    if let Some(first) = rules.first_mut() {
        first.consumer = consumer;
    }
    if let (Some(last), Some(wait)) = (rules.last_mut(), wait) {
        last.wait = Some(wait);
    }
    Ok(rules)
}

fn rule(
    line: usize,
    service: Option<String>,
    trigger: Trigger,
    outcomes: Vec<Outcome>,
    is_choice: bool,
    action: Option<String>,
) -> Rule {
    Rule {
        line,
        service,
        consumer: None,
        trigger,
        outcomes,
        is_choice,
        action,
        calls: Vec::new(),
        undoes: Vec::new(),
        wait: None,
        failure: Failure::default(),
        notes: Vec::new(),
    }
}

/// One capitalised word that is no event: `Payments`.
fn is_service(text: &str) -> bool {
    let text = text.trim_matches(['(', ')', '[', ']']);
    let is_word = !text.contains(char::is_whitespace) && !text.contains('.');
    is_word && text.starts_with(|c: char| c.is_ascii_uppercase()) && phrase::event_name(text).is_none()
}

/// What stands before the arrow.
fn trigger(text: &str) -> Result<(Trigger, Option<String>), String> {
    if TIMER.is_match(text) {
        return Ok((Trigger::Timer(text.to_owned()), None));
    }
    let named = ON.captures(text).map(|found| found[1].to_owned());
    let is_on = named.is_some();
    let rest = named.unwrap_or_else(|| text.to_owned());
    if let Some((names, is_all, action)) = events(&rest, is_on) {
        return Ok((Trigger::Events { names, is_all }, action));
    }
    if is_on {
        return Err(format!(
            "`{rest}` is no event: expected what has happened, such as order.placed; a rule is {FORM}"
        ));
    }
    let name = phrase::command_name(text).ok_or_else(|| {
        format!("`{text}` is neither an event nor a command of a few words: expected {FORM}")
    })?;
    Ok((Trigger::Command { name, said: text.to_owned() }, None))
}

/// The events that a trigger names, and what is done then: `order.placed and stock.counted charge the card`.
fn events(text: &str, may_act: bool) -> Option<(Vec<String>, bool, Option<String>)> {
    let is_all =
        [" and ", " & ", " + ", " plus "].iter().any(|word| text.contains(word)) || text.starts_with("both ");
    let text = text.strip_prefix("both ").or_else(|| text.strip_prefix("either ")).unwrap_or(text);
    let parts = split_words(text, &[" and ", " & ", " + ", " plus ", " or ", " | ", "|", ", ", ","]);
    let mut names = Vec::new();
    let mut action = None;
    for (index, part) in parts.iter().enumerate() {
        if let Some(name) = phrase::event_name(part) {
            names.push(name);
            continue;
        }
        let rest = parts[index + 1..].join(", ");
        let joined = |does: &str| if rest.is_empty() { does.to_owned() } else { format!("{does}, {rest}") };
        match may_act.then(|| leading_event(part)).flatten() {
            Some((name, does)) => {
                names.push(name);
                action = Some(joined(&does));
            }
            // "On order.placed, charge the card": what is done stands behind the comma.
            None if may_act && !names.is_empty() => action = Some(joined(part)),
            None => return None,
        }
        break;
    }
    let is_all = is_all && names.len() > 1;
    (!names.is_empty()).then_some((names, is_all, action))
}

/// `order.placed charge the card`: the event at its front, and the rest.
fn leading_event(text: &str) -> Option<(String, String)> {
    let said: Vec<&str> = text.split_whitespace().collect();
    (1..said.len().min(7)).find_map(|count| {
        let name = phrase::event_name(&said[..count].join(" "))?;
        Some((name, said[count..].join(" ")))
    })
}

/// What stands behind the arrow: alternatives, or several at once.
fn outcomes(text: &str) -> Result<(Vec<Outcome>, bool), String> {
    let text = text.trim_start_matches("either ");
    let by_choice = split_words_outside(text, &["|", " or ", " / "]);
    let is_choice = by_choice.len() > 1;
    let mut found = Vec::new();
    for part in by_choice {
        for one in split_words_outside(&part, &[" and ", " & ", " + ", ","]) {
            if !one.trim().is_empty() {
                found.push(outcome(&one)?);
            }
        }
    }
    if found.is_empty() {
        return Err(format!("nothing stands behind the arrow: expected {FORM}"));
    }
    Ok((found, is_choice))
}

/// `order.placed [orderId, total:decimal!] (orders)`.
pub(crate) fn outcome(text: &str) -> Result<Outcome, String> {
    let (text, inside) = take_between(text, &[('[', ']'), ('{', '}')]);
    let (text, topic) = take_between(&text, &[('(', ')')]);
    let said = text.trim().trim_end_matches(['.', ',']);
    let said = said.strip_prefix("event ").or_else(|| said.strip_prefix("command ")).unwrap_or(said);
    let event = phrase::event_name(said);
    let name = event.clone().or_else(|| phrase::command_name(said));
    let Some(name) = name else {
        return Err(format!(
            "`{said}` is no name of an event: expected what has happened, such as order.placed"
        ));
    };
    let last = phrase::words(&name).pop().unwrap_or_default();
    let is_command = !phrase::is_participle(&last) && (event.is_none() || !is_noun_first(&name));
    let (key, fields) = fields(inside.as_deref().unwrap_or_default())?;
    let topic = match topic {
        None => None,
        Some(topic) => Some(self::topic(&topic)?),
    };
    Ok(Outcome { name, is_command, key, fields, topic })
}

/// A dotted name whose last word is no participle may be a command (`refund.payment`) or an event with a noun of its
/// own (`balance.low`); a first word that is a verb of everyday commands decides.
fn is_noun_first(name: &str) -> bool {
    const VERBS: [&str; 44] = [
        "accept", "activate", "add", "allocate", "approve", "assign", "book", "cancel", "capture", "charge",
        "check", "close", "compute", "confirm", "create", "credit", "debit", "delete", "deliver", "dispatch",
        "do", "issue", "notify", "open", "pay", "pick", "place", "prepare", "publish", "refund", "register",
        "reject", "release", "remove", "request", "reserve", "restock", "return", "schedule", "send", "ship",
        "start", "stop", "void",
    ];
    let first = name.split(['.', '-', '_']).next().unwrap_or_default();
    VERBS.binary_search(&first).is_err()
}

fn topic(text: &str) -> Result<String, String> {
    let text = text.trim();
    let text = text.strip_prefix("topic").unwrap_or(text).trim_matches([':', ' ', '=']);
    match text.parse::<factum_core::Topic>() {
        Ok(topic) => Ok(topic.as_str().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The key is the first field without a type, or the one that is marked `key`.
fn fields(text: &str) -> Result<(Option<String>, Vec<FieldOutline>), String> {
    let mut key = None;
    let mut fields = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (part, is_marked) = match part.strip_prefix("key") {
            Some(rest) if rest.starts_with([':', '=', ' ']) => (rest.trim_matches([':', '=', ' ']), true),
            _ => (part, false),
        };
        let typed = if part.contains(':') { part.replace(": ", ":") } else { format!("{part}:text") };
        let mut field: FieldOutline = typed.parse().map_err(|error| format!("{error}"))?;
        let is_key = is_marked || (key.is_none() && fields.is_empty() && !part.contains(':'));
        if is_key {
            key = Some(field.name.clone());
            let typed = typed.trim_end_matches('!');
            field = format!("{typed}!:identifier").parse().map_err(|error| format!("{error}"))?;
        }
        fields.push(field);
    }
    Ok((key, fields))
}

/// Takes "within 15m otherwise order.cancelled" off the end.
fn waiting(text: &str) -> Result<(String, Option<Wait>), String> {
    let Some(found) = WITHIN.captures(text) else { return Ok((text.to_owned(), None)) };
    let unit = match found[2].to_lowercase().as_str() {
        "ms" => "ms",
        unit if unit.starts_with('s') => "s",
        unit if unit.starts_with('m') => "m",
        unit if unit.starts_with('h') => "h",
        _ => "d",
    };
    let otherwise = match found.get(3) {
        Some(rest) => outcomes(rest.as_str())?.0,
        None => Vec::new(),
    };
    let before = found.get(0).map_or(text, |whole| &text[..whole.start()]);
    let before = before.trim().trim_end_matches(['(', ',']).trim();
    Ok((before.to_owned(), Some(Wait { within: format!("{}{unit}", &found[1]), otherwise })))
}

/// A clause behind a semicolon.
fn apply(rule: &mut Rule, clause: &str) -> Result<(), String> {
    if let Some(found) = UNDO.captures(clause) {
        let of = phrase::event_name(&found[1]);
        for with in split_words_outside(&found[2], &[" and ", ",", " & ", " + "]) {
            let name = phrase::command_name(&with).ok_or_else(|| {
                format!("`{}` is no command that undoes: expected a name such as refund.payment", with.trim())
            })?;
            rule.undoes.push(Undo { of: of.clone(), with: name });
        }
        return Ok(());
    }
    let (rest, wait) = waiting(clause)?;
    if wait.is_some() {
        rule.wait = wait;
        if rest.is_empty() {
            return Ok(());
        }
    }
    apply_note(rule, clause);
    Ok(())
}

/// What is said in a remark: calls, failures; the rest is kept as it is.
fn apply_note(rule: &mut Rule, note: &str) {
    let mut is_known = false;
    if let Some(found) = CALLS.captures(note) {
        let names = found[1].split([',', '&']).flat_map(|part| part.split(" and "));
        let names = names.map(|name| phrase::words(name).join("-")).filter(|name| !name.is_empty());
        rule.calls.extend(names);
        is_known = true;
    }
    if let Some(found) = DEAD.captures(note) {
        rule.failure.owner = phrase::service_name(&found[1]);
        is_known = true;
    }
    if let Some(found) = IDEMPOTENT.captures(note) {
        rule.failure.idempotent_by = Some(found[1].to_owned());
        is_known = true;
    }
    if let Some(found) = REPLAY.captures(note) {
        rule.failure.replay = Some(found[1].to_lowercase());
        is_known = true;
    }
    let says_retry =
        ["retry", "retries", "attempt", "tries"].iter().any(|word| note.to_lowercase().contains(word));
    if says_retry && let Some(found) = TIMES.captures(note) {
        rule.failure.attempts = found.get(1).or(found.get(2)).and_then(|count| count.as_str().parse().ok());
        is_known = rule.failure.attempts.is_some();
    }
    for word in ["hold", "skip"] {
        if note.to_lowercase().split_whitespace().any(|said| said == word) {
            rule.failure.on_dead = Some(word.to_owned());
            is_known = true;
        }
    }
    if !is_known && !note.is_empty() {
        rule.notes.push(note.to_owned());
    }
}

/// A remark behind `#` or `//`.
fn split_note(text: &str) -> (&str, Option<&str>) {
    let at =
        [" # ", " // ", "\t#"].iter().filter_map(|mark| text.find(mark).map(|at| (at, mark.len()))).min();
    match at {
        Some((at, length)) => (&text[..at], Some(&text[at + length..])),
        None => (text, None),
    }
}

/// Splits at single characters that stand outside brackets.
fn split_outside<'t>(text: &'t str, marks: &[char]) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            c if depth <= 0 && marks.contains(&c) => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn split_words(text: &str, marks: &[&str]) -> Vec<String> {
    let mut parts = vec![text.to_owned()];
    for mark in marks {
        parts =
            parts.iter().flat_map(|part| part.split(mark).map(str::to_owned).collect::<Vec<_>>()).collect();
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// The same, where what stands in brackets stays together.
fn split_words_outside(text: &str, marks: &[&str]) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0_i32, 0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if depth <= 0
            && let Some(mark) = marks.iter().find(|mark| rest.starts_with(**mark))
        {
            parts.push(text[start..at].to_owned());
            at += mark.len();
            start = at;
            continue;
        }
        let c = rest.chars().next().unwrap_or(' ');
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += c.len_utf8();
    }
    parts.push(text[start..].to_owned());
    parts
}

/// Takes what stands between brackets out of a text.
fn take_between(text: &str, pairs: &[(char, char)]) -> (String, Option<String>) {
    for &(open, close) in pairs {
        if let (Some(from), Some(to)) = (text.find(open), text.rfind(close))
            && from < to
        {
            let outside = format!("{}{}", &text[..from], &text[to + close.len_utf8()..]);
            return (outside, Some(text[from + open.len_utf8()..to].to_owned()));
        }
    }
    (text.to_owned(), None)
}
