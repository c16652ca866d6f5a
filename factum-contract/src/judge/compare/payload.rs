//! The changes inside a payload, each judged as if it were the only one.

use super::{Change, ChangeKind, Detail, Harm, Outcome, both_ways};
use crate::finding::Span;
use crate::judge::Side;
use crate::meaning;
use crate::schema::{Field, ObjectShape, Personal, Role, Schema, Shape};

/// Most changes that are judged one by one; more are listed without a verdict of their own.
const JUDGED_MAX: usize = 500;

/// Every change from one payload to the other.
pub(super) fn changes(old: &Schema, new: &Schema, detail: Detail) -> Vec<Change> {
    let mut walk = Walk { root: old, detail, span: None, changes: Vec::new() };
    walk.schema(old, new, "", &|schema| schema);
    walk.changes
}

struct Walk<'s> {
    root: &'s Schema,
    detail: Detail,
    /// Where the part that is compared stands in the new contract.
    span: Option<Span>,
    changes: Vec<Change>,
}

/// Puts a part back into its payload.
type Rebuild<'r> = &'r dyn Fn(Schema) -> Schema;

impl Walk<'_> {
    fn schema(&mut self, old: &Schema, new: &Schema, path: &str, rebuild: Rebuild<'_>) {
        self.span = Some(new.span);
        self.marks(old, new, path);
        if old.is_nullable != new.is_nullable {
            let words = |schema: &Schema| {
                Some(if schema.is_nullable { "may be null" } else { "never null" }.to_owned())
            };
            let changed = rebuild(Schema { is_nullable: new.is_nullable, ..old.clone() });
            self.judged(path, ChangeKind::Nullability, words(old), words(new), &changed);
        }
        self.shape(old, new, path, rebuild);
    }

    fn shape(&mut self, old: &Schema, new: &Schema, path: &str, rebuild: Rebuild<'_>) {
        let with = |shape: Shape| rebuild(Schema { shape, ..old.clone() });
        match (&old.shape, &new.shape) {
            (Shape::Object(from), Shape::Object(to)) => self.object(from, to, path, &with),
            (Shape::Map(from), Shape::Map(to)) => {
                self.schema(from, to, &format!("{path}{{}}"), &|part| with(Shape::Map(Box::new(part))));
            }
            (Shape::List(from), Shape::List(to)) => {
                let count = |list: &crate::schema::ListShape| {
                    let most = list.items_max.map_or_else(|| "any".to_owned(), |max| max.to_string());
                    format!("{} to {most} items", list.items_min)
                };
                if (from.items_min, from.items_max) != (to.items_min, to.items_max) {
                    let mut list = from.clone();
                    (list.items_min, list.items_max) = (to.items_min, to.items_max);
                    let changed = with(Shape::List(list));
                    self.judged(path, ChangeKind::Constraint, Some(count(from)), Some(count(to)), &changed);
                }
                self.schema(&from.items, &to.items, &format!("{path}[]"), &|part| {
                    with(Shape::List(crate::schema::ListShape { items: Box::new(part), ..from.clone() }))
                });
            }
            (from, to) if meaning::of_shape(from) != meaning::of_shape(to) => {
                let is_same_type = std::mem::discriminant(from) == std::mem::discriminant(to);
                let kind = match from {
                    _ if !is_same_type => ChangeKind::Type,
                    Shape::Choice(_) => ChangeKind::Words,
                    _ => ChangeKind::Constraint,
                };
                let summary = |shape: &Shape| {
                    let plain = Schema { shape: shape.clone(), is_nullable: false, ..old.clone() };
                    Some(plain.summary())
                };
                self.judged(path, kind, summary(from), summary(to), &with(to.clone()));
            }
            _ => {}
        }
    }

    fn object(
        &mut self,
        old: &ObjectShape,
        new: &ObjectShape,
        path: &str,
        rebuild: &dyn Fn(Shape) -> Schema,
    ) {
        let with = |change: &dyn Fn(&mut ObjectShape)| {
            let mut object = old.clone();
            change(&mut object);
            rebuild(Shape::Object(object))
        };
        if old.is_closed != new.is_closed {
            let words = |object: &ObjectShape| {
                Some(if object.is_closed { "refuses other fields" } else { "takes other fields" }.to_owned())
            };
            let changed = with(&|object| object.is_closed = new.is_closed);
            self.judged(path, ChangeKind::Openness, words(old), words(new), &changed);
        }
        for (index, from) in old.fields.iter().enumerate() {
            let at = below(path, &from.name);
            let found = new.field(&from.name);
            self.span = found.map(|field| field.name_span);
            let Some(to) = found else {
                let changed = with(&|object| {
                    object.fields.remove(index);
                });
                self.judged(&at, ChangeKind::FieldRemoved, Some(described(from)), None, &changed);
                continue;
            };
            if from.is_required != to.is_required {
                let words =
                    |field: &Field| Some(if field.is_required { "required" } else { "optional" }.to_owned());
                let changed = with(&|object| object.fields[index].is_required = to.is_required);
                self.judged(&at, ChangeKind::Required, words(from), words(to), &changed);
                self.note_default(to);
            }
            self.schema(&from.schema, &to.schema, &at, &|part| {
                with(&|object| object.fields[index].schema = part.clone())
            });
        }
        for to in new.fields.iter().filter(|field| old.field(&field.name).is_none()) {
            self.span = Some(to.name_span);
            let changed = with(&|object| object.fields.push(to.clone()));
            let at = below(path, &to.name);
            self.judged(&at, ChangeKind::FieldAdded, None, Some(described(to)), &changed);
            self.note_default(to);
        }
    }

    /// A required field with a default breaks only readers that do not apply it.
    fn note_default(&mut self, field: &Field) {
        if let Some(default) = field.schema.default.as_ref().filter(|_| field.is_required)
            && let Some(change) = self.changes.last_mut()
        {
            let note = format!("has the default {default}: compatible only for readers that apply defaults");
            change.note = Some(note);
        }
    }

    /// What no schema shows: roles, units, personal data, and words.
    fn marks(&mut self, old: &Schema, new: &Schema, path: &str) {
        if old.role != new.role {
            let (before, after) = (old.role.to_string(), new.role.to_string());
            let backward = match new.role {
                Role::Identifier => {
                    harm(ChangeKind::Role, Side::Consumer, "events of before carry no tag for it")
                }
                Role::Fact | Role::Metadata => Outcome::Compatible,
            };
            let forward = match old.role {
                Role::Identifier => {
                    harm(ChangeKind::Role, Side::Producer, "new events carry no tag for it any more")
                }
                Role::Fact | Role::Metadata => Outcome::Compatible,
            };
            self.push(path, ChangeKind::Role, Some(before), Some(after), backward, forward);
        }
        if old.unit != new.unit {
            let outcome = |side: Side| match (&old.unit, &new.unit) {
                (Some(_), Some(_)) => harm(ChangeKind::Unit, side, "the same number means something else"),
                _ => Outcome::Unknown {
                    why: "whether values of before have this unit is not written".to_owned(),
                },
            };
            let (backward, forward) = (outcome(Side::Consumer), outcome(Side::Producer));
            self.push(path, ChangeKind::Unit, old.unit.clone(), new.unit.clone(), backward, forward);
        }
        if old.personal != new.personal {
            self.personal(old, new, path);
        }
        if old.default != new.default {
            let text = |schema: &Schema| schema.default.as_ref().map(ToString::to_string);
            let (before, after) = (text(old), text(new));
            self.push(path, ChangeKind::Default, before, after, Outcome::Compatible, Outcome::Compatible);
        }
        if old.title != new.title {
            self.wording(path, "title", old.title.clone(), new.title.clone());
        }
        if old.description != new.description {
            self.wording(path, "description", old.description.clone(), new.description.clone());
        }
        if old.is_deprecated != new.is_deprecated {
            let word = |schema: &Schema| schema.is_deprecated.then(|| "deprecated".to_owned());
            self.wording(path, "deprecated", word(old), word(new));
        }
    }

    fn personal(&mut self, old: &Schema, new: &Schema, path: &str) {
        let text = |schema: &Schema| match &schema.personal {
            None => None,
            Some(Personal::Subject) => Some("self".to_owned()),
            Some(Personal::Of(subject)) => Some(subject.clone()),
        };
        let is_sealed = |schema: &Schema| matches!(schema.personal, Some(Personal::Of(_)));
        let (was, is) = (is_sealed(old), is_sealed(new));
        let kind = ChangeKind::Personal;
        let backward = match (was, is) {
            (true, false) => harm(kind, Side::Consumer, "sealed values of before may be forgotten"),
            (true, true) => harm(kind, Side::Consumer, "values of before are sealed for another subject"),
            _ => Outcome::Compatible,
        };
        let forward = match (was, is) {
            (false, true) => harm(kind, Side::Producer, "values that readers take as plain are sealed"),
            (true, true) => harm(kind, Side::Producer, "values are sealed for another subject"),
            _ => Outcome::Compatible,
        };
        self.push(path, kind, text(old), text(new), backward, forward);
        if !was
            && is
            && let Some(change) = self.changes.last_mut()
        {
            change.note = Some("values written before stay readable after `forget`".to_owned());
        }
    }

    fn wording(&mut self, path: &str, what: &str, before: Option<String>, after: Option<String>) {
        let named = |text: Option<String>| text.map(|text| format!("{what}: {text}"));
        let (fine, same) = (Outcome::Compatible, Outcome::Compatible);
        self.push(path, ChangeKind::Wording, named(before), named(after), fine, same);
    }

    fn judged(
        &mut self,
        path: &str,
        kind: ChangeKind,
        before: Option<String>,
        after: Option<String>,
        changed: &Schema,
    ) {
        let unjudged = |why: String| (Outcome::Unknown { why: why.clone() }, Outcome::Unknown { why });
        let (backward, forward) = match self.detail {
            Detail::Judged(policy) if self.changes.len() < JUDGED_MAX => {
                both_ways(self.root, changed, policy)
            }
            Detail::Judged(_) => {
                unjudged(format!("more than {JUDGED_MAX} changes are not judged one by one"))
            }
            #[cfg(feature = "tooling")]
            Detail::Listed => unjudged("it was not judged".to_owned()),
        };
        self.push(path, kind, before, after, backward, forward);
    }

    fn push(
        &mut self,
        path: &str,
        kind: ChangeKind,
        before: Option<String>,
        after: Option<String>,
        backward: Outcome,
        forward: Outcome,
    ) {
        let (path, span) = (path.to_owned(), self.span);
        self.changes.push(Change { path, kind, before, after, backward, forward, note: None, span });
    }
}

/// Harm that no payload shows.
pub(super) fn harm(kind: ChangeKind, side: Side, why: &str) -> Outcome {
    let rule = format!("contract/{kind}");
    Outcome::Breaking(Harm { rule, side, path: None, why: why.to_owned(), counterexample: None })
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn described(field: &Field) -> String {
    let summary = field.schema.summary();
    if field.is_required { format!("required {summary}") } else { format!("optional {summary}") }
}
