//! From names of contracts to identifiers of generated code: a strict map, the same everywhere.
//!
//! Only ASCII letters, digits and underscores come out, never a keyword, never an empty name.

use proc_macro2::{Ident, Span};

/// The words of a name: `orderId`, `order_id`, `order-id` and `OrderID` all are `order`, `id`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (index, c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            if !c.is_ascii() {
                // Other scripts keep their difference by number.
                words.push(format!("u{:x}", u32::from(*c)));
            }
            continue;
        }
        let before = index.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(index + 1);
        let starts_word = c.is_ascii_uppercase()
            && (before.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
                || before.is_some_and(|c| c.is_ascii_uppercase())
                    && after.is_some_and(char::is_ascii_lowercase));
        if starts_word && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(c.to_ascii_lowercase());
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// `OrderId`.
pub(crate) fn pascal(name: &str) -> String {
    let joined: String = words(name)
        .iter()
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect();
    match joined.as_str() {
        "" => "Empty".to_owned(),
        // Words of the language and of the prelude keep their meaning in generated files.
        "Self" | "Option" | "Some" | "None" | "Result" | "Ok" | "Err" | "String" | "Vec" | "Box" | "Into"
        | "From" | "TryFrom" | "TryInto" | "Default" | "Clone" | "Copy" | "Debug" | "Eq" | "Ord"
        | "PartialEq" | "PartialOrd" | "Hash" | "Send" | "Sync" | "Sized" | "Drop" | "Fn" | "FnMut"
        | "FnOnce" | "Iterator" | "IntoIterator" | "Extend" | "ToString" | "ToOwned" | "AsRef" | "AsMut"
        | "Unpin" => joined + "Value",
        _ if joined.starts_with(|c: char| c.is_ascii_digit()) => format!("N{joined}"),
        _ => joined,
    }
}

/// `order_id`; keywords stay readable as raw identifiers.
pub(crate) fn snake(name: &str) -> String {
    let joined = words(name).join("_");
    match joined.as_str() {
        "" => "empty".to_owned(),
        "self" | "super" | "crate" => joined + "_",
        _ if joined.starts_with(|c: char| c.is_ascii_digit()) => format!("n{joined}"),
        _ if is_keyword(&joined) => format!("r#{joined}"),
        _ => joined,
    }
}

/// An accessor's name: as `snake`, but never one of the functions that generated types have.
fn accessor(name: &str) -> String {
    let name = snake(name);
    match name.as_str() {
        "new" | "builder" | "to_builder" | "build" | "example" | "invalid" | "from_json"
        | "arbitrary_valid" | "invalid_json" => name + "_",
        // Generated code calls these on values of its own types.
        "clone" | "default" | "serialize" | "deserialize" | "as_str" | "get" | "into" | "try_into"
        | "try_from" | "from" => name + "_",
        _ if name.starts_with("upcast_v") => name + "_",
        _ => name,
    }
}

/// Accessors of an object's fields, each different, in the order of the fields.
pub(crate) fn accessors<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for name in names {
        let stem = accessor(name);
        let mut ident = stem.clone();
        let mut number = 2;
        while taken.contains(&ident) {
            ident = format!("{}_{number}", stem.strip_prefix("r#").unwrap_or(&stem));
            number += 1;
        }
        taken.push(ident);
    }
    taken
}

/// A category's module: as `snake`, but never a name that generated files use.
pub(crate) fn module_name(category: &str) -> String {
    let name = snake(category);
    match name.as_str() {
        "rt" | "std" | "core" | "alloc" => name + "_",
        _ => name,
    }
}

/// A token of an identifier made here.
pub(crate) fn token(name: &str) -> Ident {
    match name.strip_prefix("r#") {
        Some(raw) => Ident::new_raw(raw, Span::call_site()),
        None => Ident::new(name, Span::call_site()),
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "abstract"
            | "as"
            | "async"
            | "await"
            | "become"
            | "box"
            | "break"
            | "const"
            | "continue"
            | "do"
            | "dyn"
            | "else"
            | "enum"
            | "extern"
            | "false"
            | "final"
            | "fn"
            | "for"
            | "gen"
            | "if"
            | "impl"
            | "in"
            | "let"
            | "loop"
            | "macro"
            | "match"
            | "mod"
            | "move"
            | "mut"
            | "override"
            | "priv"
            | "pub"
            | "ref"
            | "return"
            | "static"
            | "struct"
            | "trait"
            | "true"
            | "try"
            | "type"
            | "typeof"
            | "unsafe"
            | "unsized"
            | "use"
            | "virtual"
            | "where"
            | "while"
            | "yield"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_identifiers() {
        let cases = [
            ("orderId", "OrderId", "order_id"),
            ("order-placed", "OrderPlaced", "order_placed"),
            ("HTTPServer2Go", "HttpServer2Go", "http_server2_go"),
            ("type", "Type", "r#type"),
            ("self", "SelfValue", "self_"),
            ("3d", "N3d", "n3d"),
            ("größe", "GrUf6UdfE", "gr_uf6_udf_e"),
            ("", "Empty", "empty"),
            ("__", "Empty", "empty"),
            ("option", "OptionValue", "option"),
        ];
        for (name, type_name, field) in cases {
            assert_eq!((pascal(name).as_str(), snake(name).as_str()), (type_name, field), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_becomes_a_token(name in "\\PC{0,40}") {
            for ident in [pascal(&name), snake(&name), accessor(&name)] {
                prop_assert!(syn::parse_str::<Ident>(&token(&ident).to_string()).is_ok(), "{}", ident);
                prop_assert!(ident.is_ascii());
            }
        }
    }
}
