//! Finds a document that meets some rules and breaks others, or proves that there is none.
//!
//! One search answers both questions of a comparison: what it finds is the counterexample, and that nothing can be
//! found is the proof. Rules are taken apart kind by kind until only rules about one kind of value are left; those are
//! settled by number, text, list and object. A goal that comes up again inside itself counts as empty there: the
//! smallest document that met it would have to contain a smaller one.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use serde_json::Value;

use super::exact::Exact;
use super::graph::{Constant, Graph, Kind, Kinds, Rule, RuleId};
use super::number::{Bound, Range};
use super::pattern::Pattern;
use super::search::{Attempts, Search};

mod holds;
mod list;
mod object;
mod text;

/// Most cases that are looked at in one comparison; keeps the slowest answers within a second or so.
const STEPS_MAX: u32 = 60_000;

/// Most options of a choice that are tried without a look at which of them are possible.
const OPTIONS_PLAIN_MAX: usize = 8;

/// How deep documents are built.
const DEPTH_MAX: usize = 100;

/// A rule that must be met, or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal {
    pub(super) rule: RuleId,
    pub(super) is_met: bool,
}

impl Literal {
    pub(super) fn met(rule: RuleId) -> Self {
        Self { rule, is_met: true }
    }

    pub(super) fn broken(rule: RuleId) -> Self {
        Self { rule, is_met: false }
    }

    fn negated(self) -> Self {
        Self { is_met: !self.is_met, ..self }
    }
}

pub(super) struct Solver<'g> {
    pub(super) graph: &'g mut Graph,
    memo: HashMap<Vec<Literal>, Known>,
    /// Goals in the memo that lean on a goal further out, oldest first.
    leaning: Vec<Vec<Literal>>,
    active: HashMap<Vec<Literal>, usize>,
    patterns: HashMap<String, Rc<Pattern>>,
    /// The outermost goal that was assumed empty since somebody last looked.
    assumed: usize,
    steps: u32,
    /// Why the last value could not be checked.
    doubt: Option<String>,
}

/// An outcome, with the depth of the outermost goal that it takes to be empty; `usize::MAX` when it takes none.
#[derive(Debug, Clone)]
struct Known {
    found: Search<Value>,
    assumed: usize,
}

/// A literal with the recursive references that led to it.
#[derive(Debug, Clone)]
struct Item {
    literal: Literal,
    trail: Option<Rc<Trail>>,
}

#[derive(Debug)]
struct Trail {
    link: usize,
    is_met: bool,
    before: Option<Rc<Trail>>,
}

/// Alternatives of which one must be taken.
#[derive(Debug, Clone)]
struct Choice {
    from: Literal,
    options: Vec<Vec<Item>>,
    is_narrowed: bool,
}

/// What a literal comes down to for one kind of value.
enum Step {
    Settled(bool),
    Atom,
    All(Vec<Item>),
    Any(Vec<Vec<Item>>),
}

/// A set of literals on its way to being only atoms.
#[derive(Debug, Clone, Default)]
struct Branch {
    atoms: Vec<Literal>,
    todo: Vec<Item>,
    choices: Vec<Choice>,
}

impl<'g> Solver<'g> {
    pub(super) fn new(graph: &'g mut Graph) -> Self {
        Self {
            graph,
            memo: HashMap::new(),
            leaning: Vec::new(),
            active: HashMap::new(),
            patterns: HashMap::new(),
            assumed: usize::MAX,
            steps: 0,
            doubt: None,
        }
    }

    /// Finds a value for which every literal is true.
    pub(super) fn solve(&mut self, mut goal: Vec<Literal>) -> Search<Value> {
        goal.retain(|literal| !(literal.is_met && self.graph.is_anything(literal.rule)));
        goal.sort_unstable();
        goal.dedup();
        if goal.windows(2).any(|pair| pair[0].rule == pair[1].rule) {
            return Search::Empty;
        }
        if let Some(known) = self.memo.get(&goal) {
            self.assumed = self.assumed.min(known.assumed);
            return known.found.clone();
        }
        if let Some(depth) = self.active.get(&goal) {
            self.assumed = self.assumed.min(*depth);
            return Search::Empty;
        }
        let depth = self.active.len();
        if depth >= DEPTH_MAX {
            return Search::unknown("documents would be nested too deeply");
        }
        self.active.insert(goal.clone(), depth);
        let assumed_before = std::mem::replace(&mut self.assumed, usize::MAX);
        let leaning_before = self.leaning.len();
        let found = self.solve_kinds(&goal);
        self.active.remove(&goal);
        let assumed = if found == Search::Empty && self.assumed < depth { self.assumed } else { usize::MAX };
        self.settle_leaning(leaning_before, &found, assumed);
        if assumed < usize::MAX {
            self.leaning.push(goal.clone());
        }
        self.memo.insert(goal, Known { found: found.clone(), assumed });
        self.assumed = assumed_before.min(assumed);
        found
    }

    /// Decides about proofs that were found inside a goal and may lean on it: they stand when it is empty itself, for
    /// good or as long as what it leans on, and are forgotten when it is not.
    fn settle_leaning(&mut self, from: usize, found: &Search<Value>, assumed: usize) {
        for goal in &self.leaning[from..] {
            if *found != Search::Empty {
                self.memo.remove(goal);
            } else if let Some(known) = self.memo.get_mut(goal) {
                known.assumed = if assumed == usize::MAX { assumed } else { known.assumed.min(assumed) };
            }
        }
        if *found != Search::Empty || assumed == usize::MAX {
            self.leaning.truncate(from);
        }
    }

    fn solve_kinds(&mut self, goal: &[Literal]) -> Search<Value> {
        let mut attempts = Attempts::default();
        for kind in Kind::ALL {
            let is_excluded = |literal: &Literal| match self.graph.get(literal.rule) {
                Rule::Kinds(kinds) => kinds.has(kind) != literal.is_met,
                _ => false,
            };
            if goal.iter().any(is_excluded) {
                continue;
            }
            let todo = goal.iter().map(|literal| Item { literal: *literal, trail: None }).collect();
            let attempt = self.branch(kind, Branch { todo, ..Branch::default() });
            if let Some(found) = attempts.take(attempt) {
                return Search::Found(found);
            }
        }
        attempts.end()
    }

    fn branch(&mut self, kind: Kind, mut branch: Branch) -> Search<Value> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Search::unknown("there are too many cases");
        }
        loop {
            while let Some(item) = branch.todo.pop() {
                if !self.take(kind, item, &mut branch) {
                    return Search::Empty;
                }
            }
            if !self.settle(&mut branch) {
                return Search::Empty;
            }
            if branch.todo.is_empty() {
                break;
            }
        }
        let has_union = branch.choices.iter().any(|choice| choice.from.is_met);
        if !has_union && branch.choices.len() > 1 {
            self.drop_disjoint(kind, &mut branch);
        }
        if !has_union && self.narrow(kind, &mut branch) {
            return self.branch(kind, branch);
        }
        let met = branch.choices.iter().position(|choice| choice.from.is_met);
        let fewest = (0..branch.choices.len()).min_by_key(|index| branch.choices[*index].options.len());
        let Some(index) = met.or(fewest) else {
            return self.leaf(kind, branch.atoms);
        };
        let choice = branch.choices.swap_remove(index);
        let mut attempts = Attempts::default();
        for option in choice.options {
            let next = Branch { todo: option, ..branch.clone() };
            let attempt = self.branch(kind, next);
            if let Some(found) = attempts.take(attempt) {
                return Search::Found(found);
            }
        }
        attempts.end()
    }

    /// Takes one literal into the branch; false when the branch cannot hold any more.
    fn take(&mut self, kind: Kind, item: Item, branch: &mut Branch) -> bool {
        if branch.atoms.contains(&item.literal) {
            return true;
        }
        if branch.atoms.contains(&item.literal.negated()) {
            return false;
        }
        match self.step(kind, &item) {
            Step::Settled(holds) => return holds,
            Step::Atom => branch.atoms.push(item.literal),
            Step::All(items) => branch.todo.extend(items),
            Step::Any(options) => {
                branch.choices.push(Choice { from: item.literal, options, is_narrowed: false });
            }
        }
        true
    }

    /// Narrows the choices by what is already certain; false when one has nothing left.
    fn settle(&self, branch: &mut Branch) -> bool {
        let mut is_possible = true;
        let Branch { atoms, todo, choices } = branch;
        choices.retain_mut(|choice| {
            choice
                .options
                .retain(|option| option.iter().all(|item| !atoms.contains(&item.literal.negated())));
            let is_given = |option: &Vec<Item>| option.iter().all(|item| atoms.contains(&item.literal));
            if choice.options.iter().any(is_given) {
                return false;
            }
            is_possible &= !choice.options.is_empty();
            if choice.options.len() == 1 {
                todo.append(&mut choice.options[0]);
                return false;
            }
            true
        });
        is_possible
    }

    /// Drops what can be broken in any way because nothing could meet it anyhow: the other branches of a union.
    fn drop_disjoint(&mut self, kind: Kind, branch: &mut Branch) {
        let choices = std::mem::take(&mut branch.choices);
        for choice in choices {
            if !self.is_disjoint(kind, &branch.atoms, choice.from.negated()) {
                branch.choices.push(choice);
            }
        }
    }

    /// Takes out of long choices what cannot be met: pairs of a union's branches grow with the square of their count.
    fn narrow(&mut self, kind: Kind, branch: &mut Branch) -> bool {
        let mut has_changed = false;
        for index in 0..branch.choices.len() {
            let choice = &mut branch.choices[index];
            if choice.is_narrowed || choice.options.len() <= OPTIONS_PLAIN_MAX {
                continue;
            }
            choice.is_narrowed = true;
            let pairs = choice.options.iter().filter(|option| option.len() == 2).flatten();
            let literals: BTreeSet<Literal> =
                pairs.map(|item| item.literal).filter(|literal| literal.is_met).collect();
            for literal in literals {
                if self.is_disjoint(kind, &branch.atoms, literal) {
                    let options = &mut branch.choices[index].options;
                    options.retain(|option| option.iter().all(|item| item.literal != literal));
                    has_changed = true;
                }
            }
        }
        has_changed
    }

    /// Whether nothing meets the literal together with the atoms; proven without leaning on a goal further out, since
    /// what is looked at here is no smaller than the value that is looked for.
    fn is_disjoint(&mut self, kind: Kind, atoms: &[Literal], literal: Literal) -> bool {
        let only = self.graph.add(Rule::Kinds(Kinds::default().and(kind)));
        let mut goal = atoms.to_vec();
        goal.extend([Literal::met(only), literal]);
        let assumed = std::mem::replace(&mut self.assumed, usize::MAX);
        let is_disjoint = self.solve(goal) == Search::Empty && self.assumed == usize::MAX;
        self.assumed = assumed.min(self.assumed);
        is_disjoint
    }

    fn step(&mut self, kind: Kind, item: &Item) -> Step {
        let Literal { rule, is_met } = item.literal;
        let item_of = |rule: RuleId, is_met: bool| Item {
            literal: Literal { rule, is_met },
            trail: item.trail.clone(),
        };
        match self.graph.get(rule) {
            Rule::All(parts) | Rule::Any(parts) => {
                let is_all = matches!(self.graph.get(rule), Rule::All(_)) == is_met;
                let items = parts.iter().map(|part| item_of(*part, is_met));
                if is_all {
                    Step::All(items.collect())
                } else {
                    Step::Any(items.map(|item| vec![item]).collect())
                }
            }
            Rule::One(parts) if is_met => {
                let option = |only: usize| {
                    parts.iter().enumerate().map(|(index, part)| item_of(*part, index == only)).collect()
                };
                Step::Any((0..parts.len()).map(option).collect())
            }
            Rule::One(parts) => {
                let mut options = vec![parts.iter().map(|part| item_of(*part, false)).collect()];
                for (index, first) in parts.iter().enumerate() {
                    let pairs = parts[index + 1..].iter();
                    options.extend(pairs.map(|second| vec![item_of(*first, true), item_of(*second, true)]));
                }
                Step::Any(options)
            }
            Rule::Not(inner) => Step::All(vec![item_of(*inner, !is_met)]),
            Rule::Link(link) => self.follow(*link, item),
            Rule::Opaque { .. } => Step::Atom,
            Rule::Kinds(kinds) => Step::Settled(kinds.has(kind) == is_met),
            Rule::Values(values) => {
                let values: Vec<Constant> =
                    values.iter().filter(|value| value.kind() == kind).cloned().collect();
                self.step_values(kind, &values, item)
            }
            rule if Some(kind) == kind_of(rule) => Step::Atom,
            _ => Step::Settled(is_met),
        }
    }

    fn step_values(&mut self, kind: Kind, values: &[Constant], item: &Item) -> Step {
        if values.is_empty() {
            return Step::Settled(!item.literal.is_met);
        }
        if item.literal.is_met || !matches!(kind, Kind::List | Kind::Object) {
            return Step::Atom;
        }
        let other = |value: &Constant| {
            let literal = Literal::broken(self.graph.shape_of(&value.value));
            Item { literal, trail: item.trail.clone() }
        };
        Step::All(values.iter().map(other).collect())
    }

    /// A reference that leads back to itself at one place of a document says nothing more.
    fn follow(&mut self, link: usize, item: &Item) -> Step {
        let mut trail = item.trail.as_deref();
        while let Some(mark) = trail {
            if mark.link == link {
                let is_same = mark.is_met == item.literal.is_met;
                return if is_same { Step::Settled(item.literal.is_met) } else { Step::Atom };
            }
            trail = mark.before.as_deref();
        }
        let Some(rule) = self.graph.target(link) else { return Step::Atom };
        let trail = Trail { link, is_met: item.literal.is_met, before: item.trail.clone() };
        let literal = Literal { rule, is_met: item.literal.is_met };
        Step::All(vec![Item { literal, trail: Some(Rc::new(trail)) }])
    }

    /// Settles literals that are all about one kind of value.
    fn leaf(&mut self, kind: Kind, mut atoms: Vec<Literal>) -> Search<Value> {
        self.steps += 1;
        atoms.sort_unstable();
        if let Some(found) = self.leaf_of_values(kind, &atoms) {
            return found;
        }
        let opaque = atoms
            .iter()
            .position(|atom| matches!(self.graph.get(atom.rule), Rule::Opaque { .. } | Rule::Link(_)));
        if let Some(index) = opaque {
            let why = match self.graph.get(atoms[index].rule) {
                Rule::Opaque { why, .. } => why.clone(),
                _ => "a schema refers to its own negation".to_owned(),
            };
            atoms.retain(|atom| !matches!(self.graph.get(atom.rule), Rule::Opaque { .. } | Rule::Link(_)));
            return match self.leaf(kind, atoms) {
                Search::Empty => Search::Empty,
                _ => Search::Unknown(Cow::Owned(why)),
            };
        }
        match kind {
            Kind::Null => self.first_that_fits(&[Value::Null], &atoms),
            Kind::Bool => self.first_that_fits(&[Value::Bool(true), Value::Bool(false)], &atoms),
            Kind::Number => self.number(&atoms),
            Kind::Text => self.text(&atoms),
            Kind::List => self.list(&atoms),
            Kind::Object => self.object(&atoms),
        }
    }

    /// Where the values are counted out, each is tried.
    fn leaf_of_values(&mut self, kind: Kind, atoms: &[Literal]) -> Option<Search<Value>> {
        let lists =
            atoms.iter().filter(|atom| atom.is_met).filter_map(|atom| match self.graph.get(atom.rule) {
                Rule::Values(values) => Some(values),
                _ => None,
            });
        let shortest = lists.min_by_key(|values| values.len())?;
        let values: Vec<Value> =
            shortest.iter().filter(|value| value.kind() == kind).map(|value| value.value.clone()).collect();
        Some(self.first_that_fits(&values, atoms))
    }

    fn first_that_fits(&mut self, values: &[Value], atoms: &[Literal]) -> Search<Value> {
        let mut attempts = Attempts::default();
        for value in values {
            match self.fits(value, atoms) {
                Some(true) => return Search::Found(value.clone()),
                Some(false) => {}
                None => {
                    let doubt =
                        self.doubt.take().unwrap_or_else(|| "a number is too large to compare".to_owned());
                    attempts.take(Search::<Value>::Unknown(Cow::Owned(doubt)));
                }
            }
        }
        attempts.end()
    }

    fn number(&mut self, atoms: &[Literal]) -> Search<Value> {
        let mut range = Range::default();
        for atom in atoms {
            match (self.graph.get(atom.rule), atom.is_met) {
                (Rule::NumberMin { at, is_open }, true) => range.above(Bound { at: *at, is_open: *is_open }),
                (Rule::NumberMin { at, is_open }, false) => range.below(Bound { at: *at, is_open: !is_open }),
                (Rule::NumberMax { at, is_open }, true) => range.below(Bound { at: *at, is_open: *is_open }),
                (Rule::NumberMax { at, is_open }, false) => range.above(Bound { at: *at, is_open: !is_open }),
                (Rule::Multiple(step), true) => range.multiple(*step),
                (Rule::Multiple(step), false) => range.no_multiple(*step),
                (Rule::Values(values), false) => {
                    values
                        .iter()
                        .filter_map(|value| Exact::of(value.value.as_number()?))
                        .for_each(|number| range.except(number));
                }
                _ => {}
            }
        }
        match range.find() {
            Search::Found(number) => match number.to_value() {
                Some(value) => Search::Found(value),
                None => Search::unknown("a number cannot be written exactly"),
            },
            Search::Empty => Search::Empty,
            Search::Unknown(why) => Search::Unknown(why),
        }
    }

    fn pattern(&mut self, text: &str) -> Rc<Pattern> {
        if let Some(known) = self.patterns.get(text) {
            return Rc::clone(known);
        }
        let pattern = Rc::new(Pattern::new(text));
        self.patterns.insert(text.to_owned(), Rc::clone(&pattern));
        pattern
    }
}

/// The kind of value that a rule is about.
fn kind_of(rule: &Rule) -> Option<Kind> {
    match rule {
        Rule::NumberMin { .. } | Rule::NumberMax { .. } | Rule::Multiple(_) => Some(Kind::Number),
        Rule::LengthMin(_) | Rule::LengthMax(_) | Rule::Pattern(_) | Rule::Format(_) => Some(Kind::Text),
        Rule::Items(_) | Rule::Contains(_) | Rule::ItemsMin(_) | Rule::ItemsMax(_) | Rule::Distinct => {
            Some(Kind::List)
        }
        Rule::Fields(_) | Rule::Required(_) | Rule::FieldsMin(_) | Rule::FieldsMax(_) | Rule::Names(_) => {
            Some(Kind::Object)
        }
        _ => None,
    }
}
