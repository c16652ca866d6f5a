//! Regular expressions of contracts: written as JSON Schema has them, matched in linear time.
//!
//! The two dialects differ where it hurts quietly: `\d` is ASCII in one and all of Unicode in the other, a dot stops at
//! more line ends in one, and a bracket inside a class means itself in one and a nested class in the other. Those are
//! translated; look-around and back-references are refused, because they cannot be matched in linear time.

use regex::{Regex, RegexBuilder};

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?} cannot be used: {reason}")]
pub struct PatternError {
    /// The pattern, cut to 80 characters.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 2_000;

/// Largest compiled pattern: bounds memory and compile time.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// What ECMA 262 takes for white space, inside a class.
const SPACES: &str = r"\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}";

/// Compiles a pattern; it matches anywhere in a text unless anchored.
pub(crate) fn compile(pattern: &str) -> Result<Regex, PatternError> {
    let error = |reason: String| PatternError { pattern: pattern.chars().take(80).collect(), reason };
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(error(format!("it has more than {PATTERN_BYTES_MAX} bytes")));
    }
    let built = RegexBuilder::new(&translate(pattern)).size_limit(COMPILED_BYTES_MAX).nest_limit(50).build();
    built.map_err(|source| {
        let text = source.to_string();
        let last = text.lines().last().unwrap_or_default();
        error(last.strip_prefix("error: ").unwrap_or(last).to_owned())
    })
}

/// What the engine understood of a pattern.
#[cfg(feature = "tooling")]
pub(crate) fn parse(pattern: &str) -> Result<regex_syntax::hir::Hir, PatternError> {
    compile(pattern)?;
    regex_syntax::parse(&translate(pattern)).map_err(|error| PatternError {
        pattern: pattern.chars().take(80).collect(),
        reason: error.to_string(),
    })
}

/// A pattern taken apart, to make texts from; `None` when it cannot be.
pub(crate) fn parts(pattern: &str) -> Option<regex_syntax::hir::Hir> {
    regex_syntax::parse(&translate(pattern)).ok()
}

/// Writes an ECMA 262 pattern in the syntax of the `regex` crate.
pub(crate) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut is_in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[A-Za-z0-9_]"),
                Some('W') => out.push_str("[^A-Za-z0-9_]"),
                Some('s') => out.extend(["[", SPACES, "]"]),
                Some('S') => out.extend(["[^", SPACES, "]"]),
                Some('b') if is_in_class => out.push_str("\\x08"),
                Some('b') => out.push_str("(?-u:\\b)"),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            '[' if is_in_class => out.push_str("\\["),
            '[' => {
                is_in_class = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
            }
            ']' => {
                is_in_class = false;
                out.push(']');
            }
            '.' if !is_in_class => out.push_str("[^\\n\\r\\x{2028}\\x{2029}]"),
            '&' | '~' if is_in_class => out.extend(['\\', c]),
            '-' if is_in_class && chars.peek() == Some(&'-') => out.push_str("\\-"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_json_schema_says() {
        let cases = [
            (r"^\d+$", "123", "٣"),
            (r"^[\w-]+$", "a-b_1", "é"),
            (r"^[[a]+$", "[a", "b"),
            (r"^[a&&b]+$", "a&b", "c"),
            ("^[A-Z]{3}$", "EUR", "EURO"),
            (r"^a\.b$", "a.b", "axb"),
            ("b", "abc", "xyz"),
            ("^.$", "é", "\r"),
            (r"^\s$", "\u{feff}", "\u{85}"),
            (r"^\S+$", "\u{85}a", "a b"),
            (r"\bé", "aé", "éa"),
            (r"^[\b]$", "\u{8}", "b"),
        ];
        for (pattern, good, bad) in cases {
            let regex = compile(pattern).unwrap();
            assert!(regex.is_match(good), "{pattern} {good}");
            assert!(!regex.is_match(bad), "{pattern} {bad}");
        }
    }

    #[test]
    fn what_is_not_linear_is_refused() {
        for pattern in ["(?=a)", r"(a)\1", "(", "((((a{99}){99}){99}){99})", &"a".repeat(3000)] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
