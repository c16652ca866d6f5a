//! Lays generated items out as a file that people read.

use proc_macro2::TokenStream;

use crate::generate::MARK;

/// Lints that generated code is excused from, and why.
const EXCUSED: &str = "\
// An application uses only what it needs of this.
#![allow(dead_code, unreachable_pub, unused_imports)]
// Names, words and nesting are the contract's.
#![allow(clippy::collapsible_if, clippy::disallowed_names, clippy::enum_variant_names)]
#![allow(clippy::len_without_is_empty, clippy::module_inception, clippy::should_implement_trait)]
#![allow(clippy::wrong_self_convention)]
#![allow(clippy::doc_lazy_continuation, clippy::doc_overindented_list_items, rustdoc::all)]
#![allow(clippy::pedantic, clippy::nursery)]
";

/// A whole file: mark, docs, items with blank lines between.
pub(super) fn file(docs: &str, items: impl IntoIterator<Item = TokenStream>) -> Result<String, syn::Error> {
    let mut out = format!(
        "// {MARK} rust`. Change the contracts, not this file.\n//! {docs}\n\n#![cfg_attr(rustfmt, rustfmt_skip)]\n\
         {EXCUSED}"
    );
    for item in items {
        let file: syn::File = syn::parse2(item)?;
        if file.items.is_empty() {
            continue;
        }
        out.push('\n');
        out.push_str(&spaced(&prettyplease::unparse(&file)));
    }
    Ok(out)
}

/// Puts a blank line between functions, as people do.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let next = lines.peek().copied().unwrap_or_default();
        let closes = matches!(line, "}" | "    }") && !next.is_empty() && !next.trim_start().starts_with('}');
        let is_associated =
            line == "    );" || line.starts_with("    const ") || line.starts_with("    type ");
        if closes || (is_associated && next.starts_with("    fn ")) {
            out.push('\n');
        }
    }
    out
}
