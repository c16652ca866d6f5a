//! Schemas as a graph of rules in which equal rules are one node.
//!
//! Both schemas of a comparison live in one graph: what they have in common is then the same node, and a rule together
//! with its own negation is a contradiction without any reasoning. Rules are typed: a rule about numbers says nothing
//! of texts. A document enters the graph only through `read`.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::exact::Exact;

/// A rule in a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RuleId(u32);

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
}

impl Kind {
    /// All kinds, those with the simplest values first.
    pub(super) const ALL: [Self; 6] =
        [Self::Number, Self::Text, Self::Bool, Self::Null, Self::Object, Self::List];

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const ALL: Self = Self(0b11_1111);

    pub(super) fn and(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

/// A value that is compared as JSON Schema compares: `1` is `1.0`, and keys have no order.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    text: String,
    pub(super) value: Value,
}

impl Constant {
    pub(super) fn new(value: &Value) -> Self {
        let mut text = String::new();
        write_canonical(value, &mut text);
        Self { text, value: value.clone() }
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::of(&self.value)
    }
}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Constant {}
impl std::hash::Hash for Constant {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// Rules about the items of a list by place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ItemRules {
    pub(super) first: Vec<RuleId>,
    pub(super) rest: RuleId,
}

impl ItemRules {
    pub(super) fn at(&self, index: usize) -> RuleId {
        self.first.get(index).copied().unwrap_or(self.rest)
    }
}

/// How many items of a kind a list holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Contains {
    pub(super) item: RuleId,
    pub(super) min: u64,
    pub(super) max: Option<u64>,
}

/// Rules about the fields of an object by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FieldRules {
    pub(super) named: BTreeMap<String, RuleId>,
    pub(super) patterns: Vec<(String, RuleId)>,
    pub(super) rest: RuleId,
}

/// What makes an opaque rule the same as another: nothing, or the address of what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Unique(usize),
    Address(String),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    All(Vec<RuleId>),
    Any(Vec<RuleId>),
    One(Vec<RuleId>),
    Not(RuleId),
    /// A reference that leads back to a rule it stands in.
    Link(usize),
    /// Something that cannot be reasoned about, and why. Two of them are the same only with the same identity.
    Opaque {
        why: String,
        identity: Identity,
    },
    Kinds(Kinds),
    Values(Vec<Constant>),
    NumberMin {
        at: Exact,
        is_open: bool,
    },
    NumberMax {
        at: Exact,
        is_open: bool,
    },
    Multiple(Exact),
    LengthMin(u64),
    LengthMax(u64),
    Pattern(String),
    Format(String),
    Items(ItemRules),
    Contains(Contains),
    ItemsMin(u64),
    ItemsMax(u64),
    Distinct,
    Fields(FieldRules),
    Required(String),
    FieldsMin(u64),
    FieldsMax(u64),
    Names(RuleId),
}

/// All rules of a comparison.
#[derive(Debug, Default)]
pub(super) struct Graph {
    rules: Vec<Rule>,
    index: HashMap<Rule, RuleId>,
    links: Vec<Option<RuleId>>,
}

impl Graph {
    pub(super) fn get(&self, id: RuleId) -> &Rule {
        &self.rules[id.0 as usize]
    }

    pub(super) fn anything(&mut self) -> RuleId {
        self.intern(Rule::All(Vec::new()))
    }

    pub(super) fn nothing(&mut self) -> RuleId {
        self.intern(Rule::Any(Vec::new()))
    }

    pub(super) fn is_anything(&self, id: RuleId) -> bool {
        matches!(self.get(id), Rule::All(parts) if parts.is_empty())
    }

    pub(super) fn is_nothing(&self, id: RuleId) -> bool {
        matches!(self.get(id), Rule::Any(parts) if parts.is_empty())
    }

    /// A rule that cannot be reasoned about, like no other.
    pub(super) fn opaque(&mut self, why: String) -> RuleId {
        let identity = Identity::Unique(self.rules.len());
        self.intern(Rule::Opaque { why, identity })
    }

    pub(super) fn link(&mut self) -> usize {
        self.links.push(None);
        self.links.len() - 1
    }

    pub(super) fn tie(&mut self, link: usize, target: RuleId) {
        if let Some(slot) = self.links.get_mut(link) {
            *slot = Some(target);
        }
    }

    pub(super) fn target(&self, link: usize) -> Option<RuleId> {
        self.links.get(link).copied().flatten()
    }

    /// Adds a rule in its simplest form, or finds it.
    pub(super) fn add(&mut self, rule: Rule) -> RuleId {
        match rule {
            Rule::All(parts) => self.all(parts),
            Rule::Any(parts) => self.any(parts),
            Rule::One(parts) if parts.len() == 1 => parts[0],
            Rule::One(parts) if parts.is_empty() => self.nothing(),
            Rule::Not(inner) => match self.get(inner) {
                Rule::Not(twice) => *twice,
                _ if self.is_anything(inner) => self.nothing(),
                _ if self.is_nothing(inner) => self.anything(),
                _ => self.intern(Rule::Not(inner)),
            },
            Rule::Kinds(kinds) if kinds == Kinds::ALL => self.anything(),
            Rule::Kinds(Kinds(0)) => self.nothing(),
            Rule::Values(values) if values.is_empty() => self.nothing(),
            Rule::LengthMin(0) | Rule::ItemsMin(0) | Rule::FieldsMin(0) => self.anything(),
            Rule::Contains(Contains { min: 0, max: None, .. }) => self.anything(),
            Rule::Names(names) if self.is_anything(names) => names,
            Rule::Items(mut items) => {
                while items.first.last() == Some(&items.rest) {
                    items.first.pop();
                }
                let is_free = items.first.is_empty() && self.is_anything(items.rest);
                if is_free { items.rest } else { self.intern(Rule::Items(items)) }
            }
            Rule::Fields(fields) => self.fields(fields),
            rule => self.intern(rule),
        }
    }

    fn fields(&mut self, mut fields: FieldRules) -> RuleId {
        if self.is_anything(fields.rest) {
            fields.named.retain(|_, rule| !self.is_anything(*rule));
            fields.patterns.retain(|(_, rule)| !self.is_anything(*rule));
            if fields.named.is_empty() && fields.patterns.is_empty() {
                return fields.rest;
            }
        }
        fields.patterns.sort();
        self.intern(Rule::Fields(fields))
    }

    fn all(&mut self, parts: Vec<RuleId>) -> RuleId {
        let mut flat = Vec::new();
        for part in parts {
            match self.get(part) {
                Rule::All(inner) => flat.extend(inner),
                _ if self.is_nothing(part) => return part,
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        if let [one] = flat[..] { one } else { self.intern(Rule::All(flat)) }
    }

    fn any(&mut self, parts: Vec<RuleId>) -> RuleId {
        let mut flat = Vec::new();
        for part in parts {
            match self.get(part) {
                Rule::Any(inner) => flat.extend(inner),
                _ if self.is_anything(part) => return part,
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        if let [one] = flat[..] { one } else { self.intern(Rule::Any(flat)) }
    }

    /// The rule that only this list or object meets, written out in rules about its parts.
    pub(super) fn shape_of(&mut self, value: &Value) -> RuleId {
        let nothing = self.nothing();
        let mut parts = vec![self.add(Rule::Kinds(Kinds::default().and(Kind::of(value))))];
        match value {
            Value::Array(items) => {
                let first: Vec<RuleId> = items.iter().map(|item| self.shape_of(item)).collect();
                parts.push(self.add(Rule::ItemsMin(first.len() as u64)));
                parts.push(self.add(Rule::ItemsMax(first.len() as u64)));
                let rest = self.anything();
                parts.push(self.add(Rule::Items(ItemRules { first, rest })));
            }
            Value::Object(fields) => {
                let mut named = BTreeMap::new();
                for (name, value) in fields {
                    parts.push(self.add(Rule::Required(name.clone())));
                    named.insert(name.clone(), self.shape_of(value));
                }
                parts.push(self.add(Rule::Fields(FieldRules { named, patterns: Vec::new(), rest: nothing })));
            }
            scalar => return self.add(Rule::Values(vec![Constant::new(scalar)])),
        }
        self.add(Rule::All(parts))
    }

    fn intern(&mut self, rule: Rule) -> RuleId {
        if let Some(id) = self.index.get(&rule) {
            return *id;
        }
        let id = RuleId(self.rules.len() as u32);
        self.rules.push(rule.clone());
        self.index.insert(rule, id);
        id
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => match Exact::of(number) {
            Some(exact) => out.push_str(&exact.to_string()),
            None => out.push_str(&number.to_string()),
        },
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            for name in names {
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write_canonical(&fields[name], out);
                out.push(',');
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
