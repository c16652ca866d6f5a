//! How one value looks in Rust: its type, its accessor, its setter.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::plan::{Module, Plan, item_field};
use crate::generate::ident::{accessors, token};
use crate::schema::{Field, Format, Personal, Schema, Shape};
use crate::validate::{KEY_BYTES_MAX, tag_bytes_max};

/// A value's type.
#[derive(Debug, Clone)]
pub(super) enum Ty {
    Text,
    Plain(Plain),
    /// A generated type.
    Named(String, Named),
    List(Box<Ty>, usize, Option<usize>),
    Map(Box<Ty>),
    Nullable(Box<Ty>),
    /// A value that may be forgotten.
    Personal(Box<Ty>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Uuid,
    Timestamp,
    Date,
    Email,
    Uri,
    Decimal,
    Integer,
    Number,
    Boolean,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Object,
    Text,
    /// A number, or a closed enum.
    Copy,
    Choice,
}

/// One field of a struct.
#[derive(Debug, Clone)]
pub(super) struct FieldValue<'c> {
    pub(super) wire: &'c str,
    pub(super) ident: Ident,
    pub(super) field: &'c Field,
    pub(super) schema: &'c Schema,
    pub(super) ty: Ty,
    pub(super) is_required: bool,
}

impl FieldValue<'_> {
    /// Whether the struct holds an `Option`.
    pub(super) fn is_optional(&self) -> bool {
        is_optional(self.field)
    }

    /// The value that it has when it is absent, as JSON.
    pub(super) fn default(&self) -> Option<String> {
        self.schema.default.as_ref().filter(|_| has_default(self.field)).map(ToString::to_string)
    }
}

/// Whether a field has a value even when it is absent. One that may be null has no default in Rust: a builder could
/// not say null.
fn has_default(field: &Field) -> bool {
    !field.is_required && !field.schema.is_nullable && field.schema.default.is_some()
}

/// Whether a field may have no value.
pub(super) fn is_optional(field: &Field) -> bool {
    field.schema.is_nullable || (!field.is_required && !has_default(field))
}

/// The bytes that a tag or key leaves for a field's text; `None` when it is neither.
pub(super) fn bytes_max(field: &Field, key: &str) -> Option<usize> {
    tag_bytes_max(&field.schema, &field.name).or((field.name == key).then_some(KEY_BYTES_MAX))
}

/// The names that an object's fields have in Rust.
pub(super) fn idents(fields: &[Field]) -> Vec<Ident> {
    accessors(fields.iter().map(|field| field.name.as_str())).iter().map(|name| token(name)).collect()
}

/// The fields of an object; `key` is the partition key's when the object is a payload.
pub(super) fn fields<'c>(
    plan: &Plan<'_>,
    owner: &str,
    module: &Module,
    schema: &'c Schema,
    key: &str,
) -> Vec<FieldValue<'c>> {
    let read = |(field, ident): (&'c Field, Ident)| FieldValue {
        wire: &field.name,
        ident,
        field,
        schema: &field.schema,
        ty: ty(plan, owner, module, &field.name, &field.schema, bytes_max(field, key)),
        is_required: field.is_required,
    };
    schema.fields().iter().zip(idents(schema.fields())).map(read).collect()
}

/// The type of a value, nullability aside.
pub(super) fn ty(
    plan: &Plan<'_>,
    owner: &str,
    module: &Module,
    field: &str,
    schema: &Schema,
    bytes_max: Option<usize>,
) -> Ty {
    let plain = plain(plan, owner, module, field, schema, bytes_max);
    match &schema.personal {
        Some(Personal::Of(_)) => Ty::Personal(Box::new(plain)),
        Some(Personal::Subject) | None => plain,
    }
}

fn plain(
    plan: &Plan<'_>,
    owner: &str,
    module: &Module,
    field: &str,
    schema: &Schema,
    bytes_max: Option<usize>,
) -> Ty {
    if let Some(name) = plan.type_name(owner, module, field, schema, bytes_max) {
        let kind = match &schema.shape {
            Shape::Object(_) => Named::Object,
            Shape::Choice(choice) if choice.is_extensible => Named::Choice,
            Shape::Text(text) if text.format != Some(Format::Decimal) => Named::Text,
            _ => Named::Copy,
        };
        return Ty::Named(name.to_owned(), kind);
    }
    let inner = |schema: &Schema| {
        let inner = ty(plan, owner, module, &item_field(field), schema, None);
        Box::new(if schema.is_nullable { Ty::Nullable(Box::new(inner)) } else { inner })
    };
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    match &schema.shape {
        Shape::List(list) => Ty::List(inner(&list.items), size(list.items_min), list.items_max.map(size)),
        Shape::Map(values) => Ty::Map(inner(values)),
        Shape::Integer(_) => Ty::Plain(Plain::Integer),
        Shape::Number(_) => Ty::Plain(Plain::Number),
        Shape::Boolean => Ty::Plain(Plain::Boolean),
        Shape::Text(text) => match text.format {
            None => Ty::Text,
            Some(Format::Uuid) => Ty::Plain(Plain::Uuid),
            Some(Format::DateTime) => Ty::Plain(Plain::Timestamp),
            Some(Format::Date) => Ty::Plain(Plain::Date),
            Some(Format::Email) => Ty::Plain(Plain::Email),
            Some(Format::Uri) => Ty::Plain(Plain::Uri),
            Some(Format::Decimal) => Ty::Plain(Plain::Decimal),
        },
        // Objects and choices always have a name; this keeps the match total.
        Shape::Object(_) | Shape::Choice(_) => Ty::Text,
    }
}

impl Ty {
    /// The type as the struct holds it.
    pub(super) fn owned(&self) -> TokenStream {
        match self {
            Self::Text => quote!(String),
            Self::Plain(plain) => plain.tokens(),
            Self::Named(name, _) => {
                let name = token(name);
                quote!(#name)
            }
            Self::List(items, 0, None) => {
                let items = items.owned();
                quote!(Vec<#items>)
            }
            Self::List(items, min, max) => {
                let items = items.owned();
                let min = proc_macro2::Literal::usize_unsuffixed(*min);
                match max.map(proc_macro2::Literal::usize_unsuffixed) {
                    Some(max) => quote!(rt::List<#items, #min, #max>),
                    None => quote!(rt::List<#items, #min>),
                }
            }
            Self::Map(values) => {
                let values = values.owned();
                quote!(rt::BTreeMap<String, #values>)
            }
            Self::Nullable(inner) => {
                let inner = inner.owned();
                quote!(Option<#inner>)
            }
            Self::Personal(inner) => {
                let inner = inner.owned();
                quote!(rt::Personal<#inner>)
            }
        }
    }

    /// Whether the type itself reads exactly what contracts allow; the others are read by `rt::exact`.
    pub(super) fn reads_exactly(&self) -> bool {
        match self {
            Self::Plain(plain) => !matches!(plain, Plain::Uuid | Plain::Timestamp | Plain::Decimal),
            Self::Text | Self::Named(..) => true,
            Self::List(inner, ..) | Self::Map(inner) | Self::Nullable(inner) | Self::Personal(inner) => {
                inner.reads_exactly()
            }
        }
    }

    pub(super) fn is_copy(&self) -> bool {
        match self {
            Self::Plain(plain) => !matches!(plain, Plain::Email | Plain::Uri),
            Self::Named(_, kind) => *kind == Named::Copy,
            Self::Nullable(inner) => inner.is_copy(),
            Self::Text | Self::List(..) | Self::Map(_) | Self::Personal(_) => false,
        }
    }

    /// Whether a second one is made without `clone`; accessors still lend what is personal.
    pub(super) fn is_copied(&self) -> bool {
        match self {
            Self::Personal(inner) | Self::Nullable(inner) => inner.is_copied(),
            _ => self.is_copy(),
        }
    }

    /// The type that an accessor answers.
    pub(super) fn borrowed(&self) -> TokenStream {
        if self.is_copy() {
            return self.owned();
        }
        match self {
            Self::Text => quote!(&str),
            Self::List(items, ..) => {
                let items = items.owned();
                quote!(&[#items])
            }
            _ => {
                let owned = self.owned();
                quote!(&#owned)
            }
        }
    }

    /// Whether a setter takes anything that can become the type.
    pub(super) fn is_converted(&self) -> bool {
        match self {
            Self::Named(_, kind) => *kind != Named::Object,
            Self::Plain(plain) => matches!(plain, Plain::Email | Plain::Uri),
            Self::List(_, min, max) => *min > 0 || max.is_some(),
            Self::Text | Self::Map(_) | Self::Nullable(_) | Self::Personal(_) => false,
        }
    }
}

impl Plain {
    fn tokens(self) -> TokenStream {
        match self {
            Self::Uuid => quote!(rt::Uuid),
            Self::Timestamp => quote!(rt::Timestamp),
            Self::Date => quote!(rt::Date),
            Self::Email => quote!(rt::Email),
            Self::Uri => quote!(rt::Uri),
            Self::Decimal => quote!(rt::Decimal),
            Self::Integer => quote!(i64),
            Self::Number => quote!(f64),
            Self::Boolean => quote!(bool),
        }
    }
}

/// Whether a value holds a double somewhere, and so has no total equality.
pub(super) fn has_double(schema: &Schema) -> bool {
    let mut found = false;
    schema.walk(&mut |_, schema| found |= matches!(schema.shape, Shape::Number(_)));
    found
}
