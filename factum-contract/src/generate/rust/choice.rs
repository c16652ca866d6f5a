//! Writes enums: closed ones refuse other words, extensible ones keep them.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::bounded::{display, from_str};
use crate::generate::ident::{pascal, token};
use crate::schema::ChoiceShape;

/// An enum with what converts to and from it.
pub(super) fn choice(name: &Ident, docs: &TokenStream, choice: &ChoiceShape) -> Vec<TokenStream> {
    let variants: Vec<Ident> = variants(choice).iter().map(|variant| token(variant)).collect();
    let words = choice.words.as_slice();
    let mut items = vec![definition(name, docs, choice, &variants), as_str(name, choice, &variants)];
    items.extend(if choice.is_extensible {
        open(name, words, &variants)
    } else {
        closed(name, words, &variants)
    });
    items.push(quote! {
        impl rt::serde::Serialize for #name {
            fn serialize<S: rt::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    });
    let read = if choice.is_extensible { quote!(Ok(Self::from(word))) } else { quote!(Self::try_from(word)) };
    items.push(quote! {
        impl<'de> rt::serde::Deserialize<'de> for #name {
            fn deserialize<D: rt::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                rt::parsed(deserializer, |word| #read)
            }
        }
    });
    items.push(display(name, &quote!(self.as_str())));
    items
}

/// Variant names of words: distinct, whatever the words are.
fn variants(choice: &ChoiceShape) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    if choice.is_extensible {
        taken.push("Unknown".to_owned());
    }
    let reserved = taken.len();
    for word in &choice.words {
        let stem = pascal(word);
        let mut name = stem.clone();
        let mut number = 2;
        while taken.contains(&name) {
            name = format!("{stem}{number}");
            number += 1;
        }
        taken.push(name);
    }
    taken.split_off(reserved)
}

fn definition(name: &Ident, docs: &TokenStream, choice: &ChoiceShape, variants: &[Ident]) -> TokenStream {
    let variant_docs = choice.words.iter().map(|word| format!(" `{}`.", word.replace('`', "'")));
    let (derives, unknown) = if choice.is_extensible {
        let unknown = quote! {
            /// A word that the contract did not have when this was generated.
            Unknown(String)
        };
        (quote!(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash), unknown)
    } else {
        (quote!(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash), quote!())
    };
    quote! {
        #docs
        #[derive(#derives)]
        pub enum #name {
            #(#[doc = #variant_docs] #variants,)*
            #unknown
        }
    }
}

fn as_str(name: &Ident, choice: &ChoiceShape, variants: &[Ident]) -> TokenStream {
    let words = &choice.words;
    let (answer, unknown) = if choice.is_extensible {
        (quote!(&str), quote!(Self::Unknown(word) => word,))
    } else {
        (quote!(&'static str), quote!())
    };
    quote! {
        impl #name {
            /// The word as it is sent.
            #[must_use]
            pub fn as_str(&self) -> #answer {
                match self {
                    #(Self::#variants => #words,)*
                    #unknown
                }
            }
        }
    }
}

/// Any word becomes one.
fn open(name: &Ident, words: &[String], variants: &[Ident]) -> Vec<TokenStream> {
    vec![
        quote! {
            impl From<&str> for #name {
                fn from(word: &str) -> Self {
                    match word {
                        #(#words => Self::#variants,)*
                        _ => Self::Unknown(word.to_owned()),
                    }
                }
            }
        },
        quote! {
            impl From<String> for #name {
                fn from(word: String) -> Self {
                    Self::from(word.as_str())
                }
            }
        },
    ]
}

/// Only the contract's words become one.
fn closed(name: &Ident, words: &[String], variants: &[Ident]) -> Vec<TokenStream> {
    let expected = words.join(" | ");
    vec![
        quote! {
            impl #name {
                /// All of them, in the order of the contract.
                pub const ALL: &'static [Self] = &[#(Self::#variants),*];
            }
        },
        quote! {
            impl TryFrom<&str> for #name {
                type Error = rt::Invalid;
                fn try_from(word: &str) -> Result<Self, rt::Invalid> {
                    match word {
                        #(#words => Ok(Self::#variants),)*
                        _ => Err(rt::Invalid::unknown_word(#expected, word)),
                    }
                }
            }
        },
        quote! {
            impl TryFrom<String> for #name {
                type Error = rt::Invalid;
                fn try_from(word: String) -> Result<Self, rt::Invalid> {
                    Self::try_from(word.as_str())
                }
            }
        },
        from_str(name),
    ]
}
