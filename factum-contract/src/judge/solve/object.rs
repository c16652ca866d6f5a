//! Finds an object whose fields meet rules by name, by presence and by count.
//!
//! Names that no rule spells out fall into classes by the patterns they match; names of a class are all alike. What an
//! object must break becomes a demand on one field, tried at every name and class that can make a difference.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::graph::{Constant, FieldRules, Kind, Kinds, Rule, RuleId};
use super::super::search::{Attempts, Search};
use super::{Literal, Solver};

/// Most patterns by which unnamed fields are told apart.
const MARKS_MAX: usize = 6;

/// Most fields of an object that is built.
const FIELDS_MAX: u64 = 300;

/// Names that are tried first where any will do.
const NAMES_PREFERRED: [&str; 4] = ["extra", "other", "more", "a"];

/// What the rules come to.
#[derive(Debug, Clone, Default)]
struct Plan {
    rules: Vec<FieldRules>,
    broken: Vec<FieldRules>,
    required: BTreeSet<String>,
    absent: BTreeSet<String>,
    min: u64,
    max: u64,
    names: Vec<RuleId>,
    names_broken: Vec<RuleId>,
    /// Every name that a rule spells out.
    known: BTreeSet<String>,
    /// What tells names apart that no rule spells out: patterns, and rules about names.
    marks: Vec<RuleId>,
}

/// A field: of a name, or one of a class of names that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Slot {
    Known(String),
    Fresh { class: u32, number: usize },
}

type Fields = BTreeMap<Slot, Vec<Literal>>;

impl Solver<'_> {
    pub(super) fn object(&mut self, atoms: &[Literal]) -> Search<Value> {
        let mut plan = self.object_plan(atoms);
        if plan.min > plan.max || !plan.required.is_disjoint(&plan.absent) {
            return Search::Empty;
        }
        let mut attempts = Attempts::default();
        self.object_marks(&mut plan);
        if plan.marks.len() > MARKS_MAX {
            attempts.skip("fields are told apart by too many patterns");
            plan.marks.truncate(MARKS_MAX);
        }
        let mut fields = Fields::new();
        for name in &plan.required {
            match self.may_have(&plan, name) {
                Some(true) => {}
                Some(false) => return Search::Empty,
                None => return Search::unknown("it is not known whether a name is allowed"),
            }
            fields.insert(Slot::Known(name.clone()), Vec::new());
        }
        let attempt = self.demand(&plan, 0, fields);
        match attempts.take(attempt) {
            Some(found) => Search::Found(found),
            None => attempts.end(),
        }
    }

    /// The rules that apply to a field of this name; not known when a pattern is broken.
    pub(super) fn rules_for(&mut self, rules: &FieldRules, name: &str) -> Option<Vec<RuleId>> {
        let mut applying: Vec<RuleId> = rules.named.get(name).copied().into_iter().collect();
        for (pattern, rule) in &rules.patterns {
            if self.pattern(pattern).is_match(name)? {
                applying.push(*rule);
            }
        }
        if applying.is_empty() {
            applying.push(rules.rest);
        }
        Some(applying)
    }

    fn object_plan(&self, atoms: &[Literal]) -> Plan {
        let mut plan = Plan { max: u64::MAX, ..Plan::default() };
        for atom in atoms {
            match (self.graph.get(atom.rule), atom.is_met) {
                (Rule::Fields(rules), true) => plan.rules.push(rules.clone()),
                (Rule::Fields(rules), false) => plan.broken.push(rules.clone()),
                (Rule::Required(name), true) => {
                    plan.required.insert(name.clone());
                }
                (Rule::Required(name), false) => {
                    plan.absent.insert(name.clone());
                }
                (Rule::FieldsMin(min), true) => plan.min = plan.min.max(*min),
                (Rule::FieldsMin(min), false) => plan.max = plan.max.min(min.saturating_sub(1)),
                (Rule::FieldsMax(max), true) => plan.max = plan.max.min(*max),
                (Rule::FieldsMax(max), false) => plan.min = plan.min.max(max.saturating_add(1)),
                (Rule::Names(names), true) => plan.names.push(*names),
                (Rule::Names(names), false) => plan.names_broken.push(*names),
                _ => {}
            }
        }
        plan
    }

    fn object_marks(&mut self, plan: &mut Plan) {
        let mut marks = BTreeSet::new();
        for rules in plan.rules.iter().chain(&plan.broken) {
            plan.known.extend(rules.named.keys().cloned());
            marks.extend(
                rules.patterns.iter().map(|(pattern, _)| self.graph.add(Rule::Pattern(pattern.clone()))),
            );
        }
        plan.known.extend(plan.required.iter().chain(&plan.absent).cloned());
        marks.extend(&plan.names_broken);
        plan.marks = marks.into_iter().filter(|mark| !self.graph.is_anything(*mark)).collect();
    }

    fn may_have(&mut self, plan: &Plan, name: &str) -> Option<bool> {
        if plan.absent.contains(name) {
            return Some(false);
        }
        let name = Value::String(name.to_owned());
        let names: Vec<Literal> = plan.names.iter().copied().map(Literal::met).collect();
        self.fits(&name, &names)
    }

    /// The rules of one set that apply to a field.
    fn applying(&mut self, plan: &Plan, rules: &FieldRules, slot: &Slot) -> Option<Vec<RuleId>> {
        let class = match slot {
            Slot::Known(name) => return self.rules_for(rules, name),
            Slot::Fresh { class, .. } => *class,
        };
        let mut applying = Vec::new();
        for (pattern, rule) in &rules.patterns {
            let mark = self.graph.add(Rule::Pattern(pattern.clone()));
            let index = plan.marks.iter().position(|known| *known == mark)?;
            if class & 1 << index != 0 {
                applying.push(*rule);
            }
        }
        if applying.is_empty() {
            applying.push(rules.rest);
        }
        Some(applying)
    }

    fn field_goal(&mut self, plan: &Plan, slot: &Slot, extra: &[Literal]) -> Option<Vec<Literal>> {
        let mut goal = extra.to_vec();
        for rules in &plan.rules {
            goal.extend(self.applying(plan, rules, slot)?.into_iter().map(Literal::met));
        }
        Some(goal)
    }

    /// Settles what must be broken, one after the other.
    fn demand(&mut self, plan: &Plan, index: usize, fields: Fields) -> Search<Value> {
        self.steps += 1;
        if self.steps > super::STEPS_MAX {
            return Search::unknown("there are too many cases");
        }
        if index >= plan.broken.len() + plan.names_broken.len() {
            return self.build_object(plan, fields);
        }
        let mut attempts = Attempts::default();
        for slot in self.slots(plan, index) {
            let options = match plan.broken.get(index) {
                Some(rules) => {
                    let applying = self.applying(plan, rules, &slot);
                    applying.map(|rules| rules.into_iter().map(|rule| Some(Literal::broken(rule))).collect())
                }
                None => self.breaks_name(plan, plan.names_broken[index - plan.broken.len()], &slot),
            };
            let Some(options) = options else {
                attempts.skip("it is not known which patterns a name matches");
                continue;
            };
            for literal in options {
                let attempt = self.demand_at(plan, index, &fields, &slot, literal);
                if let Some(found) = attempts.take(attempt) {
                    return Search::Found(found);
                }
            }
        }
        attempts.end()
    }

    fn demand_at(
        &mut self,
        plan: &Plan,
        index: usize,
        fields: &Fields,
        slot: &Slot,
        literal: Option<Literal>,
    ) -> Search<Value> {
        if literal.is_some_and(|literal| self.graph.is_anything(literal.rule)) {
            return Search::Empty;
        }
        if let Slot::Known(name) = slot
            && self.may_have(plan, name) == Some(false)
        {
            return Search::Empty;
        }
        let mut fields = fields.clone();
        let extra = fields.entry(slot.clone()).or_default();
        extra.extend(literal);
        let extra = extra.clone();
        if fields.len() as u64 > plan.max {
            return Search::Empty;
        }
        let Some(goal) = self.field_goal(plan, slot, &extra) else {
            return Search::unknown("it is not known which patterns a name matches");
        };
        if self.solve(goal) == Search::Empty {
            return Search::Empty;
        }
        self.demand(plan, index + 1, fields)
    }

    /// Every field where a demand could go, names before classes.
    fn slots(&mut self, plan: &Plan, index: usize) -> Vec<Slot> {
        let known = plan.known.iter().cloned().map(Slot::Known);
        let classes = 0..1_u32 << plan.marks.len();
        let fresh = classes.flat_map(|class| (0..=index).map(move |number| Slot::Fresh { class, number }));
        known.chain(fresh).collect()
    }

    fn breaks_name(&mut self, plan: &Plan, names: RuleId, slot: &Slot) -> Option<Vec<Option<Literal>>> {
        let holds = match slot {
            Slot::Known(name) => self.holds(names, &Value::String(name.clone()))?,
            Slot::Fresh { class, .. } => {
                let index = plan.marks.iter().position(|mark| *mark == names)?;
                class & 1 << index != 0
            }
        };
        Some(if holds { Vec::new() } else { vec![None] })
    }

    fn build_object(&mut self, plan: &Plan, fields: Fields) -> Search<Value> {
        if fields.len() as u64 > plan.max {
            return Search::Empty;
        }
        if plan.min > FIELDS_MAX {
            return Search::unknown("objects would have to have very many fields");
        }
        let mut object = Map::new();
        let mut attempts = Attempts::default();
        for (slot, extra) in &fields {
            match self.field(plan, slot, extra, &object) {
                Search::Found((name, value)) => {
                    object.insert(name, value);
                }
                Search::Empty => return Search::Empty,
                Search::Unknown(why) => {
                    attempts.take(Search::<Value>::Unknown(why));
                }
            }
        }
        if object.len() < fields.len() {
            return attempts.end();
        }
        self.fill(plan, &fields, object)
    }

    /// Adds fields until there are enough.
    fn fill(&mut self, plan: &Plan, fields: &Fields, mut object: Map<String, Value>) -> Search<Value> {
        let mut attempts = Attempts::default();
        let known: Vec<Slot> = plan.known.iter().cloned().map(Slot::Known).collect();
        for slot in known.into_iter().filter(|slot| !fields.contains_key(slot)) {
            if object.len() as u64 >= plan.min {
                break;
            }
            let attempt = self.field(plan, &slot, &[], &object);
            if let Some((name, value)) = attempts.take(attempt) {
                object.insert(name, value);
            }
        }
        for class in 0..1_u32 << plan.marks.len() {
            while (object.len() as u64) < plan.min {
                let attempt = self.field(plan, &Slot::Fresh { class, number: 0 }, &[], &object);
                let Some((name, value)) = attempts.take(attempt) else { break };
                object.insert(name, value);
            }
        }
        if object.len() as u64 >= plan.min { Search::Found(Value::Object(object)) } else { attempts.end() }
    }

    /// A field for a slot, with a name that is still free.
    fn field(
        &mut self,
        plan: &Plan,
        slot: &Slot,
        extra: &[Literal],
        object: &Map<String, Value>,
    ) -> Search<(String, Value)> {
        let name = match slot {
            Slot::Known(name) => match self.may_have(plan, name) {
                Some(true) => Search::Found(name.clone()),
                Some(false) => Search::Empty,
                None => Search::unknown("it is not known whether a name is allowed"),
            },
            Slot::Fresh { class, .. } => self.fresh_name(plan, *class, object),
        };
        let Some(goal) = self.field_goal(plan, slot, extra) else {
            return Search::unknown("it is not known which patterns a name matches");
        };
        match (name, self.solve(goal)) {
            (Search::Empty, _) | (_, Search::Empty) => Search::Empty,
            (Search::Unknown(why), _) | (_, Search::Unknown(why)) => Search::Unknown(why),
            (Search::Found(name), Search::Found(value)) => Search::Found((name, value)),
        }
    }

    fn fresh_name(&mut self, plan: &Plan, class: u32, object: &Map<String, Value>) -> Search<String> {
        let text = self.graph.add(Rule::Kinds(Kinds::default().and(Kind::Text)));
        let taken: BTreeSet<&String> = plan.known.iter().chain(object.keys()).collect();
        let taken = taken.into_iter().map(|name| Constant::new(&Value::String(name.clone()))).collect();
        let taken = self.graph.add(Rule::Values(taken));
        let mut goal = vec![Literal::met(text), Literal::broken(taken)];
        goal.extend(plan.names.iter().copied().map(Literal::met));
        let marks = plan.marks.iter().enumerate();
        goal.extend(marks.map(|(index, mark)| Literal { rule: *mark, is_met: class & 1 << index != 0 }));
        for name in NAMES_PREFERRED {
            if self.fits(&Value::String(name.to_owned()), &goal) == Some(true) {
                return Search::Found(name.to_owned());
            }
        }
        match self.solve(goal) {
            Search::Found(Value::String(name)) => Search::Found(name),
            Search::Found(_) => Search::unknown("a name is not a text"),
            Search::Empty => Search::Empty,
            Search::Unknown(why) => Search::Unknown(why),
        }
    }
}
