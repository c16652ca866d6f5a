//! Whether one value meets a rule.
//!
//! Used where values are few and known; the answer may be "not known", never wrong.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::exact::Exact;
use super::super::format;
use super::super::graph::{Constant, Kind, Rule, RuleId};
use super::{Literal, Solver};

/// References that were followed at this place, each with how many negations were passed before.
type Followed = Vec<(usize, u32)>;

impl Solver<'_> {
    /// Whether every literal is true of the value.
    pub(super) fn fits(&mut self, value: &Value, literals: &[Literal]) -> Option<bool> {
        let holds = literals
            .iter()
            .map(|literal| self.holds(literal.rule, value).map(|holds| holds == literal.is_met));
        all(holds)
    }

    pub(super) fn holds(&mut self, rule: RuleId, value: &Value) -> Option<bool> {
        self.check(rule, value, &mut Vec::new(), 0)
    }

    fn check(&mut self, id: RuleId, value: &Value, followed: &mut Followed, negations: u32) -> Option<bool> {
        let rule = self.graph.get(id).clone();
        match &rule {
            Rule::All(parts) => all(parts.iter().map(|part| self.check(*part, value, followed, negations))),
            Rule::Any(parts) => {
                let fails = parts
                    .iter()
                    .map(|part| self.check(*part, value, followed, negations).map(|holds| !holds));
                all(fails).map(|all_fail| !all_fail)
            }
            Rule::One(parts) => {
                let mut count = 0;
                for part in parts {
                    count += u32::from(self.check(*part, value, followed, negations + 1)?);
                }
                Some(count == 1)
            }
            Rule::Not(inner) => self.check(*inner, value, followed, negations + 1).map(|holds| !holds),
            Rule::Link(link) => {
                if let Some((_, before)) = followed.iter().find(|(known, _)| known == link) {
                    return (*before == negations).then_some(true);
                }
                let target = self.graph.target(*link)?;
                followed.push((*link, negations));
                let holds = self.check(target, value, followed, negations);
                followed.pop();
                holds
            }
            Rule::Opaque { why, .. } => {
                self.doubt = Some(why.clone());
                None
            }
            Rule::Kinds(kinds) => Some(kinds.has(Kind::of(value))),
            Rule::Values(values) => Some(values.contains(&Constant::new(value))),
            rule => match value {
                Value::Number(number) => check_number(rule, Exact::of(number)?),
                Value::String(text) => self.check_text(rule, text),
                Value::Array(items) => self.check_list(rule, items),
                Value::Object(fields) => self.check_object(rule, fields),
                Value::Null | Value::Bool(_) => Some(true),
            },
        }
    }

    fn check_text(&mut self, rule: &Rule, text: &str) -> Option<bool> {
        let length = || text.chars().count() as u64;
        match rule {
            Rule::LengthMin(min) => Some(length() >= *min),
            Rule::LengthMax(max) => Some(length() <= *max),
            Rule::Pattern(pattern) => {
                let is_match = self.pattern(pattern).is_match(text);
                self.doubt =
                    is_match.is_none().then(|| format!("the pattern {pattern:?} cannot be compiled"));
                is_match
            }
            Rule::Format(name) => {
                let is_format = format::is(name, text);
                self.doubt = is_format.is_none().then(|| format!("the format {name:?} is not known"));
                is_format
            }
            _ => Some(true),
        }
    }

    fn check_list(&mut self, rule: &Rule, items: &[Value]) -> Option<bool> {
        let count = items.len() as u64;
        match rule {
            Rule::ItemsMin(min) => Some(count >= *min),
            Rule::ItemsMax(max) => Some(count <= *max),
            Rule::Distinct => {
                let mut seen = HashSet::new();
                Some(items.iter().all(|item| seen.insert(Constant::new(item))))
            }
            Rule::Items(rules) => {
                all(items.iter().enumerate().map(|(index, item)| self.holds(rules.at(index), item)))
            }
            Rule::Contains(contains) => {
                let mut count = 0;
                for item in items {
                    count += u64::from(self.holds(contains.item, item)?);
                }
                Some(count >= contains.min && contains.max.is_none_or(|max| count <= max))
            }
            _ => Some(true),
        }
    }

    fn check_object(&mut self, rule: &Rule, fields: &Map<String, Value>) -> Option<bool> {
        let count = fields.len() as u64;
        match rule {
            Rule::Required(name) => Some(fields.contains_key(name)),
            Rule::FieldsMin(min) => Some(count >= *min),
            Rule::FieldsMax(max) => Some(count <= *max),
            Rule::Names(names) => {
                all(fields.keys().map(|name| self.holds(*names, &Value::String(name.clone()))))
            }
            Rule::Fields(rules) => all(fields.iter().map(|(name, value)| {
                let applying = self.rules_for(rules, name)?;
                all(applying.into_iter().map(|rule| self.holds(rule, value)))
            })),
            _ => Some(true),
        }
    }
}

fn check_number(rule: &Rule, number: Exact) -> Option<bool> {
    match rule {
        Rule::NumberMin { at, is_open } => Some(match number.compare(*at) {
            Ordering::Greater => true,
            Ordering::Equal => !is_open,
            Ordering::Less => false,
        }),
        Rule::NumberMax { at, is_open } => Some(match number.compare(*at) {
            Ordering::Less => true,
            Ordering::Equal => !is_open,
            Ordering::Greater => false,
        }),
        Rule::Multiple(step) => Some(number.over(*step)?.1),
        _ => Some(true),
    }
}

/// Whether all hold; one that does not outweighs any that are not known.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut is_known = true;
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => is_known = false,
        }
    }
    is_known.then_some(true)
}
