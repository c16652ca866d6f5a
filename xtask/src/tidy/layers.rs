//! The layers of the flagship: `examples/orders/src/{orders,payments,stock}/{domain,application,infrastructure}`.
//!
//! The domain knows nothing but itself; the application knows the domain; only the infrastructure knows the world.
//! Checked by the paths that code names, `use` or not, so that no import is hidden in an expression.

use crate::source::Source;
use crate::workspace::TextFile;

use super::finding;

/// Where the flagship's services lie.
const SERVICES: [&str; 3] =
    ["examples/orders/src/orders/", "examples/orders/src/payments/", "examples/orders/src/stock/"];

/// A layer and the paths that its code may not name.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    ("domain", &["application", "infrastructure", "axum", "factum_runtime", "factum::runtime", "tokio"]),
    ("application", &["infrastructure", "axum"]),
];

/// Code that names a layer above its own.
#[must_use]
pub fn upward_imports(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let Some((layer, forbidden)) = layer_of(&file.path) else { continue };
        let code = Source::read(&file.text).code;
        for (line, text) in code.lines().enumerate() {
            for name in forbidden.iter().filter(|name| names_path(text, name)) {
                findings.push(finding(&file.path, line + 1, &format!("the {layer} may not know {name}")));
            }
        }
    }
    findings
}

fn layer_of(path: &str) -> Option<(&'static str, &'static [&'static str])> {
    let inside = SERVICES.iter().find_map(|service| path.strip_prefix(service))?;
    let first = inside.split('/').next()?;
    let layer = first.strip_suffix(".rs").unwrap_or(first);
    FORBIDDEN.into_iter().find(|(name, _)| *name == layer)
}

/// Whether a line names the path as a segment: `super::application`, `axum::Router`, `use crate::{application}`.
fn names_path(line: &str, name: &str) -> bool {
    let compact: String = if line.trim_start().starts_with("use ") || line.contains("::") {
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        return false;
    };
    compact.match_indices(name).any(|(at, _)| {
        let is_edge =
            |letter: Option<char>| letter.is_none_or(|letter| !(letter.is_alphanumeric() || letter == '_'));
        let (before, after) = (&compact[..at], &compact[at + name.len()..]);
        let is_word = is_edge(before.chars().next_back()) && is_edge(after.chars().next());
        let in_use = compact.starts_with("use ") || compact.contains(" use ");
        is_word && (in_use || before.ends_with("::") || after.starts_with("::"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        upward_imports(&[TextFile { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn a_layer_that_looks_up_is_found() {
        let domain = "examples/orders/src/orders/domain/order.rs";
        for text in [
            "use super::super::application::place;",
            "fn a() { axum::serve() }",
            "use crate::{a, infrastructure};",
        ] {
            assert_eq!(found(domain, text).len(), 1, "{text}");
        }
        let application = "examples/orders/src/stock/application.rs";
        assert_eq!(
            found(application, "use super::infrastructure::Table;"),
            ["examples/orders/src/stock/application.rs:1: the application may not know infrastructure"]
        );
    }

    #[test]
    fn looking_down_is_fine() {
        let application = "examples/orders/src/payments/application/charge.rs";
        assert!(found(application, "use crate::payments::domain::Payment;\nlet application = 1;").is_empty());
        let infrastructure = "examples/orders/src/orders/infrastructure/http.rs";
        assert!(found(infrastructure, "use axum::Router;\nuse super::super::application;").is_empty());
        assert!(found("examples/orders/src/main.rs", "use crate::orders::infrastructure;").is_empty());
        assert!(found("examples/orders/src/orders/domain.rs", "// see super::application").is_empty());
    }
}
