//! Writes types that hold one checked value: texts and numbers.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::docs;
use super::plan::TypePlan;
use crate::generate::ident::{token, words};
use crate::schema::{Format, IntegerShape, NumberShape, Shape, TextShape};

/// A type that is no object.
pub(super) fn bounded(plan: &TypePlan<'_>, root: &Root) -> Vec<TokenStream> {
    let name = token(&plan.name);
    let docs = docs(
        plan.schema.description.as_deref(),
        &format!("The {} of an event.", words(&plan.field).join(" ")),
    );
    let summary = format!(" Contract: {}.", plan.schema.summary());
    let docs = quote!(#docs #[doc = ""] #[doc = #summary]);
    match &plan.schema.shape {
        Shape::Text(text) if text.format == Some(Format::Decimal) => {
            decimal(&name, &docs, &text_rule(plan, text), root)
        }
        Shape::Text(text) => self::text(&name, &docs, &text_rule(plan, text), root),
        Shape::Integer(integer) => number(&name, &docs, &quote!(i64), &integer_rule(plan, integer), root),
        Shape::Number(number) => self::number(&name, &docs, &quote!(f64), &number_rule(plan, number), root),
        Shape::Choice(choice) => super::choice::choice(&name, &docs, choice),
        _ => Vec::new(),
    }
}

/// How generated code names what it stands on.
pub(super) struct Root {
    /// `factum::contract::rt::serde`, as `#[serde(crate = …)]` wants it.
    pub(super) serde: String,
}

fn rule_name(plan: &TypePlan<'_>) -> String {
    words(&plan.field).join(" ")
}

fn text_rule(plan: &TypePlan<'_>, text: &TextShape) -> TokenStream {
    let name = rule_name(plan);
    let mut rule = quote!(rt::TextRule::new(#name));
    if let Some(format) = text.format {
        let format = token(match format {
            Format::Uuid => "Uuid",
            Format::DateTime => "DateTime",
            Format::Date => "Date",
            Format::Email => "Email",
            Format::Uri => "Uri",
            Format::Decimal => "Decimal",
        });
        rule = quote!(#rule.format(rt::Format::#format));
    }
    if let Some(pattern) = &text.pattern {
        rule = quote!(#rule.pattern(#pattern));
    }
    if let Some(min) = text.length_min {
        let min = Literal::u64_unsuffixed(min);
        rule = quote!(#rule.length_min(#min));
    }
    if let Some(max) = text.length_max {
        let max = Literal::u64_unsuffixed(max);
        rule = quote!(#rule.length_max(#max));
    }
    if let Some(max) = plan.bytes_max {
        let max = Literal::usize_unsuffixed(max);
        rule = quote!(#rule.identifier(#max));
    }
    rule
}

fn integer_rule(plan: &TypePlan<'_>, integer: &IntegerShape) -> TokenStream {
    let name = rule_name(plan);
    let mut rule = quote!(rt::IntegerRule::new(#name));
    for (bound, value) in [("min", integer.min), ("max", integer.max), ("multiple_of", integer.multiple_of)] {
        if let Some(value) = value {
            let (bound, value) = (token(bound), Literal::i64_unsuffixed(value));
            rule = quote!(#rule.#bound(#value));
        }
    }
    rule
}

fn number_rule(plan: &TypePlan<'_>, number: &NumberShape) -> TokenStream {
    let name = rule_name(plan);
    let mut rule = quote!(rt::NumberRule::new(#name));
    let bounds = [("min", number.min), ("max", number.max), ("above", number.above), ("below", number.below)];
    for (bound, value) in bounds {
        if let Some(value) = value {
            let (bound, value) = (token(bound), Literal::f64_unsuffixed(value));
            rule = quote!(#rule.#bound(#value));
        }
    }
    rule
}

fn text(name: &proc_macro2::Ident, docs: &TokenStream, rule: &TokenStream, root: &Root) -> Vec<TokenStream> {
    let serde = &root.serde;
    vec![
        quote! {
            #docs
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[derive(rt::serde::Serialize, rt::serde::Deserialize)]
            #[serde(crate = #serde, try_from = "String")]
            pub struct #name(String);
        },
        quote! {
            impl #name {
                /// Borrows the text.
                #[must_use]
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }
        },
        quote! {
            impl TryFrom<String> for #name {
                type Error = rt::Invalid;
                fn try_from(text: String) -> Result<Self, rt::Invalid> {
                    static RULE: rt::TextRule = #rule;
                    RULE.check(&text)?;
                    Ok(Self(text))
                }
            }
        },
        quote! {
            impl TryFrom<&str> for #name {
                type Error = rt::Invalid;
                fn try_from(text: &str) -> Result<Self, rt::Invalid> {
                    Self::try_from(text.to_owned())
                }
            }
        },
        from_str(name),
        quote! {
            impl From<#name> for String {
                fn from(value: #name) -> Self {
                    value.0
                }
            }
        },
        display(name, &quote!(&self.0)),
    ]
}

pub(super) fn from_str(name: &proc_macro2::Ident) -> TokenStream {
    quote! {
        impl std::str::FromStr for #name {
            type Err = rt::Invalid;
            fn from_str(text: &str) -> Result<Self, rt::Invalid> {
                Self::try_from(text)
            }
        }
    }
}

pub(super) fn display(name: &proc_macro2::Ident, text: &TokenStream) -> TokenStream {
    quote! {
        impl std::fmt::Display for #name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(#text)
            }
        }
    }
}

/// A number type of one checked number; `inner` is `i64`, `f64` or a decimal.
fn number(
    name: &proc_macro2::Ident,
    docs: &TokenStream,
    inner: &TokenStream,
    rule: &TokenStream,
    root: &Root,
) -> Vec<TokenStream> {
    let is_double = inner.to_string() == "f64";
    let rule_type = if is_double { quote!(rt::NumberRule) } else { quote!(rt::IntegerRule) };
    let check = quote! {
        static RULE: #rule_type = #rule;
        RULE.check(value)?;
    };
    copied(name, docs, inner, is_double, &check, root)
}

fn decimal(
    name: &proc_macro2::Ident,
    docs: &TokenStream,
    rule: &TokenStream,
    root: &Root,
) -> Vec<TokenStream> {
    let check = quote! {
        static RULE: rt::TextRule = #rule;
        RULE.check_decimal(value)?;
    };
    let mut items = copied(name, docs, &quote!(rt::Decimal), false, &check, root);
    items.push(quote! {
        impl TryFrom<rt::Exactly<rt::Decimal>> for #name {
            type Error = rt::Invalid;
            fn try_from(read: rt::Exactly<rt::Decimal>) -> Result<Self, rt::Invalid> {
                Self::try_from(read.0)
            }
        }
    });
    items
}

fn copied(
    name: &proc_macro2::Ident,
    docs: &TokenStream,
    inner: &TokenStream,
    is_double: bool,
    check: &TokenStream,
    root: &Root,
) -> Vec<TokenStream> {
    let serde = &root.serde;
    let inner_text = match inner.to_string().replace(' ', "") {
        decimal if decimal == "rt::Decimal" => format!("rt::Exactly<{decimal}>"),
        other => other,
    };
    let derives = if is_double {
        quote!(#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)])
    } else {
        quote!(#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)])
    };
    vec![
        quote! {
            #docs
            #derives
            #[derive(rt::serde::Serialize, rt::serde::Deserialize)]
            #[serde(crate = #serde, try_from = #inner_text)]
            pub struct #name(#inner);
        },
        quote! {
            impl #name {
                /// The number.
                #[must_use]
                pub fn get(self) -> #inner {
                    self.0
                }
            }
        },
        quote! {
            impl TryFrom<#inner> for #name {
                type Error = rt::Invalid;
                fn try_from(value: #inner) -> Result<Self, rt::Invalid> {
                    #check
                    Ok(Self(value))
                }
            }
        },
        quote! {
            impl From<#name> for #inner {
                fn from(value: #name) -> Self {
                    value.0
                }
            }
        },
        quote! {
            impl std::fmt::Display for #name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    std::fmt::Display::fmt(&self.0, f)
                }
            }
        },
    ]
}
