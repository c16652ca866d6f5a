//! Turns a schema into the checks that a walk makes.

use super::pattern::{self, Pattern, PatternError};
use crate::schema::{Format, IntegerShape, NumberShape, Personal, Role, Schema, Shape};

/// What one value is checked for.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) rule: Rule,
    pub(super) is_nullable: bool,
    /// Whether its value is kept out of errors.
    pub(super) is_personal: bool,
    /// Whether a sealed or forgotten value may stand for it.
    pub(super) is_sealable: bool,
    /// Whether it is an identifier: the bytes that a tag leaves for its value.
    pub(super) tag_bytes_max: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Rule {
    Object(Box<ObjectCheck>),
    Map(Box<Check>),
    List(Box<ListCheck>),
    Text(Box<TextCheck>),
    Integer(IntegerShape),
    Number(NumberShape),
    Boolean,
    Choice(Box<ChoiceCheck>),
}

#[derive(Debug, Clone)]
pub(super) struct ObjectCheck {
    pub(super) fields: Vec<FieldCheck>,
    pub(super) is_closed: bool,
    /// Bits of the fields that must be there.
    pub(super) required: FieldSet,
}

#[derive(Debug, Clone)]
pub(super) struct FieldCheck {
    pub(super) name: Box<str>,
    pub(super) is_key: bool,
    pub(super) check: Check,
}

#[derive(Debug, Clone)]
pub(super) struct ListCheck {
    pub(super) items: Check,
    pub(super) min: u64,
    pub(super) max: u64,
}

#[derive(Debug, Clone)]
pub(super) struct TextCheck {
    pub(super) format: Option<Format>,
    pub(super) pattern: Option<Pattern>,
    /// The pattern as the contract writes it.
    pub(super) pattern_source: Box<str>,
    pub(super) min: u64,
    pub(super) max: u64,
}

#[derive(Debug, Clone)]
pub(super) struct ChoiceCheck {
    pub(super) words: Vec<Box<str>>,
    pub(super) is_extensible: bool,
}

/// A set of an object's fields, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FieldSet([u64; FIELDS_MAX / 64]);

/// Most fields of one object.
pub(crate) const FIELDS_MAX: usize = 256;

impl FieldSet {
    /// Adds a field; false when it was there.
    pub(super) fn insert(&mut self, index: usize) -> bool {
        let bit = 1 << (index % 64);
        let word = &mut self.0[index / 64 % (FIELDS_MAX / 64)];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether a field is in it.
    pub(super) fn has(&self, index: usize) -> bool {
        self.0[index / 64 % (FIELDS_MAX / 64)] & 1 << (index % 64) != 0
    }

    /// The first of `self` that is not in `other`.
    pub(super) fn first_missing(&self, other: &Self) -> Option<usize> {
        let missing = |(index, (own, other)): (usize, (&u64, &u64))| match own & !other {
            0 => None,
            bits => Some(index * 64 + bits.trailing_zeros() as usize),
        };
        self.0.iter().zip(&other.0).enumerate().find_map(missing)
    }
}

/// Compiles a payload whose field `key` is the partition key.
pub(super) fn payload(schema: &Schema, key: &str) -> Result<Check, PatternError> {
    let mut check = compile(schema, "")?;
    if let Rule::Object(object) = &mut check.rule {
        for field in &mut object.fields {
            field.is_key = &*field.name == key;
        }
    }
    Ok(check)
}

/// Compiles one value by itself.
pub(super) fn value(schema: &Schema) -> Result<Check, PatternError> {
    compile(schema, "")
}

pub(crate) fn is_uuid(schema: &Schema) -> bool {
    matches!(&schema.shape, Shape::Text(text) if text.format == Some(Format::Uuid))
}

fn compile(schema: &Schema, name: &str) -> Result<Check, PatternError> {
    let rule = match &schema.shape {
        Shape::Object(object) => {
            let mut required = FieldSet::default();
            let mut fields = Vec::with_capacity(object.fields.len());
            for (index, field) in object.fields.iter().enumerate().take(FIELDS_MAX) {
                if field.is_required {
                    required.insert(index);
                }
                let check = compile(&field.schema, &field.name)?;
                fields.push(FieldCheck { name: field.name.as_str().into(), is_key: false, check });
            }
            Rule::Object(Box::new(ObjectCheck { fields, is_closed: object.is_closed, required }))
        }
        Shape::Map(values) => Rule::Map(Box::new(compile(values, "")?)),
        Shape::List(list) => Rule::List(Box::new(ListCheck {
            items: compile(&list.items, "")?,
            min: list.items_min,
            max: list.items_max.unwrap_or(u64::MAX),
        })),
        Shape::Text(text) => Rule::Text(Box::new(TextCheck {
            format: text.format,
            pattern: text.pattern.as_deref().map(pattern::compile).transpose()?,
            pattern_source: text.pattern.as_deref().unwrap_or_default().into(),
            min: text.length_min.unwrap_or(0),
            max: text.length_max.unwrap_or(u64::MAX),
        })),
        Shape::Integer(integer) => Rule::Integer(integer.clone()),
        Shape::Number(number) => Rule::Number(number.clone()),
        Shape::Boolean => Rule::Boolean,
        Shape::Choice(choice) => Rule::Choice(Box::new(ChoiceCheck {
            words: choice.words.iter().map(|word| word.as_str().into()).collect(),
            is_extensible: choice.is_extensible,
        })),
    };
    let is_sealable = matches!(schema.personal, Some(Personal::Of(_)));
    let mut rule = rule;
    if is_sealable {
        rule.each_inner(&mut hide);
    }
    Ok(Check {
        rule,
        is_nullable: schema.is_nullable,
        is_personal: schema.personal.is_some(),
        is_sealable,
        tag_bytes_max: tag_bytes_max(schema, name),
    })
}

impl Rule {
    fn each_inner(&mut self, change: &mut impl FnMut(&mut Check)) {
        match self {
            Self::Object(object) => object.fields.iter_mut().for_each(|field| change(&mut field.check)),
            Self::Map(values) => change(values),
            Self::List(list) => change(&mut list.items),
            Self::Text(_) | Self::Integer(_) | Self::Number(_) | Self::Boolean | Self::Choice(_) => {}
        }
    }
}

/// What is inside a personal value is personal.
fn hide(check: &mut Check) {
    check.is_personal = true;
    check.rule.each_inner(&mut hide);
}

/// The bytes that a tag leaves for the value of a field; `None` when it is no identifier.
pub(crate) fn tag_bytes_max(schema: &Schema, name: &str) -> Option<usize> {
    let is_identifier = schema.role == Role::Identifier;
    is_identifier.then(|| factum_core::Tag::BYTES_MAX.saturating_sub(name.len() + 1))
}
