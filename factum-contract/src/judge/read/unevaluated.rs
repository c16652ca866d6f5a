//! `unevaluatedProperties` and `unevaluatedItems`, rewritten into rules that need no memory of what was evaluated.
//!
//! What is evaluated depends on which branches hold. Every combination of branches becomes an alternative of its own,
//! with the names and places that it evaluates written out. Too many combinations are opaque.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Dialect, FieldRules, ItemRules, Keywords, Reader, Rule, RuleId, below};

/// Most combinations of branches that are written out.
const CASES_MAX: usize = 64;

/// How deep references are followed when looking for what they evaluate.
const DEPTH_MAX: usize = 16;

/// What a combination of branches evaluates.
#[derive(Debug, Clone, Default)]
struct Evaluated {
    names: BTreeSet<String>,
    patterns: BTreeSet<String>,
    has_all_fields: bool,
    items: usize,
    has_all_items: bool,
    has_contains: bool,
}

impl Evaluated {
    fn join(&self, other: &Self) -> Self {
        Self {
            names: self.names.union(&other.names).cloned().collect(),
            patterns: self.patterns.union(&other.patterns).cloned().collect(),
            has_all_fields: self.has_all_fields || other.has_all_fields,
            items: self.items.max(other.items),
            has_all_items: self.has_all_items || other.has_all_items,
            has_contains: self.has_contains || other.has_contains,
        }
    }
}

/// One combination: the branches that hold and those that do not, and what they evaluate.
#[derive(Debug, Clone, Default)]
struct Case {
    given: Vec<RuleId>,
    evaluated: Evaluated,
}

impl Case {
    fn join(&self, other: &Self) -> Self {
        let given = self.given.iter().chain(&other.given).copied().collect();
        Self { given, evaluated: self.evaluated.join(&other.evaluated) }
    }
}

impl<'d> Reader<'d> {
    /// The whole schema with its two keywords about what is left over.
    pub(super) fn unevaluated(&mut self, keywords: &'d Keywords, at: &str, whole: RuleId) -> RuleId {
        let fields = keywords.get("unevaluatedProperties").filter(|rest| **rest != Value::Bool(true));
        let items = keywords.get("unevaluatedItems").filter(|rest| **rest != Value::Bool(true));
        if fields.is_none() && items.is_none() {
            return whole;
        }
        let rest_of_fields = fields.map(|rest| self.child(rest, at, &["unevaluatedProperties"]));
        let rest_of_items = items.map(|rest| self.child(rest, at, &["unevaluatedItems"]));
        let cases = self
            .own_cases(keywords, at, 0)
            .filter(|cases| rest_of_items.is_none() || cases.iter().all(|case| !case.evaluated.has_contains));
        let Some(cases) = cases else {
            let opaque = self.opaque("what is left unevaluated depends on too many branches");
            return self.graph.add(Rule::All(vec![whole, opaque]));
        };
        let cases = cases.into_iter().map(|case| {
            let mut parts = case.given;
            let evaluated = case.evaluated;
            if let Some(rest) = rest_of_fields
                && !evaluated.has_all_fields
            {
                let anything = self.graph.anything();
                let named: BTreeMap<_, _> =
                    evaluated.names.into_iter().map(|name| (name, anything)).collect();
                let patterns = evaluated.patterns.into_iter().map(|pattern| (pattern, anything)).collect();
                parts.push(self.graph.add(Rule::Fields(FieldRules { named, patterns, rest })));
            }
            if let Some(rest) = rest_of_items
                && !evaluated.has_all_items
            {
                let first = vec![self.graph.anything(); evaluated.items];
                parts.push(self.graph.add(Rule::Items(ItemRules { first, rest })));
            }
            self.graph.add(Rule::All(parts))
        });
        let cases = cases.collect();
        let any = self.graph.add(Rule::Any(cases));
        self.graph.add(Rule::All(vec![whole, any]))
    }

    fn cases(&mut self, schema: &'d Value, at: &str, depth: usize) -> Option<Vec<Case>> {
        let Value::Object(keywords) = schema else { return Some(vec![Case::default()]) };
        if depth >= DEPTH_MAX {
            return None;
        }
        let mut cases = self.own_cases(keywords, at, depth)?;
        for case in &mut cases {
            case.evaluated.has_all_fields |= keywords.contains_key("unevaluatedProperties");
            case.evaluated.has_all_items |= keywords.contains_key("unevaluatedItems");
        }
        Some(cases)
    }

    fn own_cases(&mut self, keywords: &'d Keywords, at: &str, depth: usize) -> Option<Vec<Case>> {
        let evaluated = evaluated_by(keywords, self.dialect);
        let mut cases = vec![Case { given: Vec::new(), evaluated }];
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let Some(schemas) = keywords.get(keyword).and_then(Value::as_array) else { continue };
            for (index, schema) in schemas.iter().enumerate() {
                let steps = [keyword, &index.to_string()];
                let mut more = self.cases(schema, &below(at, &steps), depth + 1)?;
                if keyword != "allOf" {
                    self.may_fail(schema, at, &steps, &mut more);
                }
                cases = product(&cases, &more)?;
            }
        }
        if let Some(reference) = keywords.get("$ref") {
            let pointer = self.pointer(reference)?;
            let target = self.document.pointer(&pointer)?;
            let more = self.cases(target, &pointer, depth + 1)?;
            cases = product(&cases, &more)?;
        }
        if let Some(schema) = keywords.get("if") {
            let more = self.condition_cases(keywords, schema, at, depth)?;
            cases = product(&cases, &more)?;
        }
        if let Some(Value::Object(dependent)) = keywords.get("dependentSchemas") {
            for (name, schema) in dependent {
                let present = self.present(name);
                let absent = self.graph.add(Rule::Not(present));
                let mut more = self.cases(schema, &below(at, &["dependentSchemas", name]), depth + 1)?;
                more.iter_mut().for_each(|case| case.given.push(present));
                more.push(Case { given: vec![absent], ..Case::default() });
                cases = product(&cases, &more)?;
            }
        }
        Some(cases)
    }

    /// A branch that need not hold: its cases given that it does, and one more given that it does not.
    fn may_fail(&mut self, schema: &'d Value, at: &str, steps: &[&str], cases: &mut Vec<Case>) {
        let holds = self.child(schema, at, steps);
        let fails = self.graph.add(Rule::Not(holds));
        cases.iter_mut().for_each(|case| case.given.push(holds));
        cases.push(Case { given: vec![fails], ..Case::default() });
    }

    fn condition_cases(
        &mut self,
        keywords: &'d Keywords,
        schema: &'d Value,
        at: &str,
        depth: usize,
    ) -> Option<Vec<Case>> {
        let holds = self.child(schema, at, &["if"]);
        let fails = self.graph.add(Rule::Not(holds));
        let branch = |reader: &mut Self, keyword: &str| match keywords.get(keyword) {
            Some(schema) => reader.cases(schema, &below(at, &[keyword]), depth + 1),
            None => Some(vec![Case::default()]),
        };
        let tested = self.cases(schema, &below(at, &["if"]), depth + 1)?;
        let mut then = product(&tested, &branch(self, "then")?)?;
        then.iter_mut().for_each(|case| case.given.push(holds));
        let mut other = branch(self, "else")?;
        other.iter_mut().for_each(|case| case.given.push(fails));
        then.extend(other);
        Some(then)
    }
}

fn evaluated_by(keywords: &Keywords, dialect: Dialect) -> Evaluated {
    let keys = |keyword: &str| match keywords.get(keyword) {
        Some(Value::Object(fields)) => fields.keys().cloned().collect(),
        _ => BTreeSet::new(),
    };
    let tuple = if dialect.has_prefix_items() { "prefixItems" } else { "items" };
    let rest = match keywords.get("items") {
        Some(Value::Array(_)) => "additionalItems",
        _ => "items",
    };
    Evaluated {
        names: keys("properties"),
        patterns: keys("patternProperties"),
        has_all_fields: keywords.contains_key("additionalProperties"),
        items: keywords.get(tuple).and_then(Value::as_array).map_or(0, Vec::len),
        has_all_items: keywords.contains_key(rest),
        has_contains: keywords.contains_key("contains"),
    }
}

fn product(left: &[Case], right: &[Case]) -> Option<Vec<Case>> {
    let is_small = left.len() * right.len() <= CASES_MAX;
    is_small.then(|| left.iter().flat_map(|a| right.iter().map(|b| a.join(b))).collect())
}
