//! Regular expressions: matching one text, and finding a text that several expressions agree on.
//!
//! Expressions are those of ECMA-262, translated the way the validator translates them. The ones that a finite
//! automaton can hold are reasoned about exactly, character by character; the others only match.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::search::Search;

/// Largest automaton that is built, in bytes.
const AUTOMATON_BYTES_MAX: usize = 1 << 20;

/// Most states that are visited in search of a text.
const STATES_MAX: usize = 20_000;

/// Most steps the matcher of last resort may go back.
#[cfg(feature = "tooling")]
const BACKTRACK_MAX: usize = 20_000;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Pattern {
    matcher: Matcher,
    automaton: Option<Automata>,
}

#[derive(Debug)]
enum Matcher {
    Linear(regex::Regex),
    #[cfg(feature = "tooling")]
    Backtracking(Box<jsonschema::Validator>),
    Broken,
}

#[derive(Debug)]
struct Automata {
    dense: dense::DFA<Vec<u32>>,
    classes: Vec<Vec<(u32, u32)>>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let translated = jsonschema_regex::to_rust_regex(text).ok();
        let linear = translated.as_deref().and_then(|text| regex::Regex::new(text).ok());
        let Some(linear) = linear else {
            return Self { matcher: beyond_linear(text), automaton: None };
        };
        let automaton = translated.as_deref().and_then(automaton);
        Self { matcher: Matcher::Linear(linear), automaton }
    }

    pub(super) fn is_match(&self, text: &str) -> Option<bool> {
        match &self.matcher {
            Matcher::Linear(regex) => Some(regex.is_match(text)),
            #[cfg(feature = "tooling")]
            Matcher::Backtracking(validator) => {
                Some(validator.is_valid(&serde_json::Value::String(text.to_owned())))
            }
            Matcher::Broken => None,
        }
    }
}

#[cfg(feature = "tooling")]
fn beyond_linear(text: &str) -> Matcher {
    let options = jsonschema::PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_MAX);
    let schema = serde_json::json!({ "pattern": text });
    let built = jsonschema::options().with_pattern_options(options).build(&schema);
    built.map_or(Matcher::Broken, |built| Matcher::Backtracking(Box::new(built)))
}

/// Contracts have no such patterns.
#[cfg(not(feature = "tooling"))]
fn beyond_linear(_: &str) -> Matcher {
    Matcher::Broken
}

fn automaton(text: &str) -> Option<Automata> {
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Unanchored)
        .determinize_size_limit(Some(AUTOMATON_BYTES_MAX))
        .dfa_size_limit(Some(AUTOMATON_BYTES_MAX));
    let dense = dense::Builder::new().configure(config).syntax(syntax::Config::new()).build(text).ok()?;
    let hir = regex_syntax::parse(text).ok()?;
    let mut classes = Vec::new();
    collect_classes(&hir, &mut classes);
    Some(Automata { dense, classes })
}

/// The sets of characters that an expression tells apart.
fn collect_classes(hir: &Hir, classes: &mut Vec<Vec<(u32, u32)>>) {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Look(look) => {
            use regex_syntax::hir::Look;
            match look {
                Look::Start | Look::End => {}
                Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF => {
                    classes.extend([vec![(10, 10)], vec![(13, 13)]]);
                }
                _ => classes.push(vec![(48, 57), (65, 90), (95, 95), (97, 122)]),
            }
        }
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0).into_owned();
            classes.extend(text.chars().map(|c| vec![(u32::from(c), u32::from(c))]));
        }
        HirKind::Class(Class::Unicode(class)) => {
            classes.push(class.iter().map(|range| (range.start().into(), range.end().into())).collect());
        }
        HirKind::Class(Class::Bytes(class)) => {
            classes.push(class.iter().map(|range| (range.start().into(), range.end().into())).collect());
        }
        HirKind::Repetition(repetition) => collect_classes(&repetition.sub, classes),
        HirKind::Capture(capture) => collect_classes(&capture.sub, classes),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| collect_classes(part, classes));
        }
    }
}

/// What a text must be.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Expressions with whether they must match.
    pub(super) patterns: Vec<(Rc<Pattern>, bool)>,
    pub(super) length_min: usize,
    pub(super) length_max: Option<usize>,
    pub(super) except: HashSet<String>,
}

/// One expression on its way through a text; `Matched` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Walk {
    At(StateID),
    Matched,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    walks: Vec<Walk>,
    length: usize,
    /// The text so far, as long as it may still become one of the exceptions.
    prefix: Option<String>,
}

/// Finds a shortest text, or proves that there is none.
pub(super) fn find(wanted: &Wanted) -> Search<String> {
    let mut automata = Vec::new();
    for (pattern, is_wanted) in &wanted.patterns {
        match &pattern.automaton {
            Some(automaton) => automata.push((automaton, *is_wanted)),
            None => return Search::unknown("a pattern is beyond what automata can hold"),
        }
    }
    let alphabet = alphabet(&automata, &wanted.except);
    let is_counted = wanted.length_min > 0 || wanted.length_max.is_some();
    let length_top = wanted.length_max.map_or(wanted.length_min, |max| max.saturating_add(1));
    let Some(walks) = automata.iter().map(|(automaton, _)| start(automaton)).collect::<Option<Vec<_>>>()
    else {
        return Search::unknown("a pattern is beyond what automata can hold");
    };
    let first = State { walks, length: 0, prefix: Some(String::new()).filter(|_| !wanted.except.is_empty()) };
    let mut origin: HashMap<State, Option<(State, char)>> = HashMap::from([(first.clone(), None)]);
    let mut queue = VecDeque::from([first]);
    while let Some(state) = queue.pop_front() {
        if ends(&state, &automata, wanted) {
            return Search::Found(spell(&origin, state));
        }
        if wanted.length_max.is_some_and(|max| state.length >= max) {
            continue;
        }
        for c in &alphabet {
            let Some(walks) = advance(&state.walks, &automata, *c) else { continue };
            let length = if is_counted { (state.length + 1).min(length_top) } else { 0 };
            let prefix = state.prefix.as_ref().map(|prefix| format!("{prefix}{c}"));
            let prefix = prefix.filter(|prefix| wanted.except.iter().any(|text| text.starts_with(prefix)));
            let next = State { walks, length, prefix };
            if !origin.contains_key(&next) {
                origin.insert(next.clone(), Some((state.clone(), *c)));
                queue.push_back(next);
            }
        }
        if origin.len() > STATES_MAX {
            return Search::unknown("the patterns have too many states together");
        }
    }
    Search::Empty
}

fn start(automaton: &Automata) -> Option<Walk> {
    let input = Input::new("").anchored(Anchored::No);
    automaton.dense.start_state_forward(&input).ok().map(Walk::At)
}

/// The states after a character; none when an expression that must match no longer can, or one that must not did.
fn advance(walks: &[Walk], automata: &[(&Automata, bool)], c: char) -> Option<Vec<Walk>> {
    let mut buffer = [0; 4];
    let bytes = c.encode_utf8(&mut buffer).as_bytes();
    let mut next = Vec::with_capacity(walks.len());
    for (walk, (automaton, is_wanted)) in walks.iter().zip(automata) {
        let Walk::At(mut state) = *walk else {
            next.push(Walk::Matched);
            continue;
        };
        let mut walk = None;
        for byte in bytes {
            state = automaton.dense.next_state(state, *byte);
            // A match is reported one byte late, so this one ended before the byte.
            if automaton.dense.is_match_state(state) {
                walk = Some(Walk::Matched);
                break;
            }
        }
        let walk = walk.unwrap_or(Walk::At(state));
        let is_lost = match walk {
            Walk::Matched => !is_wanted,
            Walk::At(state) => *is_wanted && automaton.dense.is_dead_state(state),
        };
        if is_lost || matches!(walk, Walk::At(state) if automaton.dense.is_quit_state(state)) {
            return None;
        }
        next.push(walk);
    }
    Some(next)
}

fn ends(state: &State, automata: &[(&Automata, bool)], wanted: &Wanted) -> bool {
    let has_length =
        state.length >= wanted.length_min && wanted.length_max.is_none_or(|max| state.length <= max);
    let is_excepted = state.prefix.as_ref().is_some_and(|prefix| wanted.except.contains(prefix));
    has_length
        && !is_excepted
        && state.walks.iter().zip(automata).all(|(walk, (automaton, is_wanted))| {
            let is_match = match walk {
                Walk::Matched => true,
                Walk::At(state) => {
                    let end = automaton.dense.next_eoi_state(*state);
                    automaton.dense.is_match_state(end)
                }
            };
            is_match == *is_wanted
        })
}

fn spell(origin: &HashMap<State, Option<(State, char)>>, state: State) -> String {
    let mut text = Vec::new();
    let mut state = &state;
    while let Some(Some((before, c))) = origin.get(state) {
        text.push(*c);
        state = before;
    }
    text.into_iter().rev().collect()
}

/// One character for every way the expressions and exceptions can tell characters apart, plain ones first.
fn alphabet(automata: &[(&Automata, bool)], except: &HashSet<String>) -> Vec<char> {
    let mut classes: Vec<&[(u32, u32)]> = Vec::new();
    let mut seen = HashSet::new();
    for (automaton, _) in automata {
        classes.extend(automaton.classes.iter().map(Vec::as_slice).filter(|class| seen.insert(*class)));
    }
    let letters: HashSet<char> = except.iter().flat_map(|text| text.chars()).collect();
    let mut starts: Vec<u32> = vec![0, 0xE000];
    for (low, high) in classes.iter().copied().flatten() {
        starts.extend([*low, high.saturating_add(1)]);
    }
    starts.extend(letters.iter().flat_map(|c| [u32::from(*c), u32::from(*c) + 1]));
    // Plain characters stand for their cell where they are in it.
    starts.extend(('a'..='z').chain('0'..='9').map(u32::from));
    starts.sort_unstable();
    starts.dedup();
    let mut cells: Vec<char> = starts.into_iter().filter_map(char::from_u32).collect();
    cells.sort_by_key(|c| (!c.is_ascii_lowercase(), !c.is_ascii_alphanumeric(), !c.is_ascii_graphic(), *c));
    let mut signatures = HashSet::new();
    cells.retain(|c| {
        let code = u32::from(*c);
        let member: Vec<bool> = classes
            .iter()
            .map(|class| class.iter().any(|(low, high)| (*low..=*high).contains(&code)))
            .collect();
        signatures.insert((member, letters.contains(c).then_some(*c)))
    });
    cells
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All texts of up to four characters that patterns may tell apart.
    fn texts() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..4 {
            last = last.iter().flat_map(|text| ['a', 'b', 'é', '\n'].map(|c| format!("{text}{c}"))).collect();
            all.extend(last.clone());
        }
        all
    }

    fn expression() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec!["a", "b", ".", "[^a]", "\\w", "é", "^", "$", "\\n", "[ab]"]);
        atom.prop_map(str::to_owned).prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                (inner.clone(), prop::sample::select(vec!["*", "+", "?", "{2}", "{1,2}"]))
                    .prop_map(|(part, times)| format!("(?:{part}){times}")),
                (inner.clone(), inner).prop_map(|(one, other)| format!("(?:{one}|{other})")),
            ]
        })
    }

    proptest! {
        #[test]
        fn judge_finds_a_text_between_patterns_whenever_there_is_one(
            one in expression(),
            other in expression(),
            min in 0_usize..3,
            except in prop::collection::hash_set("[ab]{0,2}", 0..3),
        ) {
            let (one, other) = (Rc::new(Pattern::new(&one)), Rc::new(Pattern::new(&other)));
            let wanted = Wanted {
                patterns: vec![(Rc::clone(&one), true), (Rc::clone(&other), false)],
                length_min: min,
                length_max: Some(4),
                except,
            };
            let is_wanted = |text: &str| {
                let length = text.chars().count();
                (min..=4).contains(&length)
                    && !wanted.except.contains(text)
                    && one.is_match(text) == Some(true)
                    && other.is_match(text) == Some(false)
            };
            match find(&wanted) {
                Search::Found(text) => prop_assert!(is_wanted(&text), "{text:?}"),
                Search::Empty => prop_assert_eq!(texts().into_iter().find(|text| is_wanted(text)), None),
                Search::Unknown(why) => prop_assert!(false, "{}", why),
            }
        }
    }
}
