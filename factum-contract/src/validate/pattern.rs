//! Regular expressions of contracts: written as JSON Schema has them, matched in linear time.
//!
//! The two dialects differ where it hurts quietly: `\d` is ASCII in one and all of Unicode in the other, a dot stops at
//! more line ends in one, and a bracket inside a class means itself in one and a nested class in the other. Those are
//! translated; look-around and back-references are refused, because they cannot be matched in linear time.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

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

/// Longest text that a row matches.
const ROW_BYTES_MAX: u32 = 256;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    Row(Row),
    Any(Regex),
}

impl Pattern {
    /// Whether a text has a match.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Row(row) => row.is_match(text.as_bytes()),
            Self::Any(regex) => regex.is_match(text),
        }
    }
}

/// ASCII characters of given sets, one after the other, from the start of a text to its end: what most patterns of
/// codes and identifiers say, such as `^[A-Z]{3}$` or `^INV-[0-9]{1,12}$`. Read without an engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// The set of each place, a bit for each character.
    sets: Vec<u128>,
    /// How many of the last places may be missing.
    optional: usize,
}

impl Row {
    fn of(hir: &Hir) -> Option<Self> {
        let HirKind::Concat(parts) = hir.kind() else { return None };
        let [first, parts @ .., last] = parts.as_slice() else { return None };
        let is_anchored = matches!(first.kind(), HirKind::Look(Look::Start))
            && matches!(last.kind(), HirKind::Look(Look::End));
        if !is_anchored {
            return None;
        }
        let mut row = Self::default();
        for part in parts {
            // Behind places that may be missing, it is open where the next one stands.
            if row.optional > 0 {
                return None;
            }
            row.push(part)?;
        }
        (row.sets.len() <= ROW_BYTES_MAX as usize).then_some(row)
    }

    fn push(&mut self, part: &Hir) -> Option<()> {
        match part.kind() {
            HirKind::Literal(literal) if literal.0.is_ascii() => {
                self.sets.extend(literal.0.iter().map(|byte| 1 << byte));
            }
            HirKind::Class(class) => self.sets.push(set_of(class)?),
            HirKind::Repetition(repetition) => {
                let max = repetition.max.filter(|max| *max <= ROW_BYTES_MAX)?;
                let set = match repetition.sub.kind() {
                    HirKind::Class(class) => set_of(class)?,
                    HirKind::Literal(literal) if literal.0.len() == 1 && literal.0.is_ascii() => {
                        1 << literal.0[0]
                    }
                    _ => return None,
                };
                self.sets.extend((0..max).map(|_| set));
                self.optional = (max - repetition.min) as usize;
            }
            _ => return None,
        }
        Some(())
    }

    fn is_match(&self, text: &[u8]) -> bool {
        let has_length = (self.sets.len() - self.optional..=self.sets.len()).contains(&text.len());
        has_length && text.iter().zip(&self.sets).all(|(byte, set)| byte.is_ascii() && set >> byte & 1 == 1)
    }
}

/// The characters of a class, when all of them are ASCII.
fn set_of(class: &Class) -> Option<u128> {
    let Class::Unicode(class) = class else { return None };
    class.ranges().iter().try_fold(0, |set, range| {
        let (first, last) = (u8::try_from(range.start()).ok()?, u8::try_from(range.end()).ok()?);
        let is_ascii = last.is_ascii();
        is_ascii.then(|| (first..=last).fold(set, |set: u128, byte| set | 1 << byte))
    })
}

/// Compiles a pattern; it matches anywhere in a text unless anchored.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, PatternError> {
    let regex = build(pattern)?;
    let row = parts(pattern).as_ref().and_then(Row::of);
    Ok(row.map_or(Pattern::Any(regex), Pattern::Row))
}

fn build(pattern: &str) -> Result<Regex, PatternError> {
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
pub(crate) fn parse(pattern: &str) -> Result<Hir, PatternError> {
    build(pattern)?;
    regex_syntax::parse(&translate(pattern)).map_err(|error| PatternError {
        pattern: pattern.chars().take(80).collect(),
        reason: error.to_string(),
    })
}

/// A pattern taken apart, to make texts from; `None` when it cannot be.
pub(crate) fn parts(pattern: &str) -> Option<Hir> {
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
    fn a_row_matches_what_the_engine_does() {
        let rows =
            ["^[A-Z]{3}$", "^INV-[0-9]{1,12}$", "^[a-c]?$", "^a$", "^x{0,3}$", "^[a-z]{2}-\\d$", "^-[.]{2}$"];
        let others =
            ["[A-Z]{3}", "^[A-Z]+$", "^a{1,2}b$", "^é$", "^[^a]$", "^(a|bc)$", "^[a-z]{300}$", "^a|b$", ""];
        let texts = [
            "",
            "a",
            "b",
            "d",
            "ab",
            "aab",
            "EUR",
            "EURO",
            "eur",
            "ÉUR",
            "INV-1",
            "INV-123456789012",
            "INV-1234567890123",
            "INV-",
            "x",
            "xxx",
            "xxxx",
            "ab-1",
            "ab-é",
            "-..",
            "é",
            "EUR\n",
        ];
        for (pattern, is_row) in
            rows.map(|row| (row, true)).into_iter().chain(others.map(|other| (other, false)))
        {
            let (compiled, engine) = (compile(pattern).unwrap(), build(pattern).unwrap());
            assert_eq!(matches!(compiled, Pattern::Row(_)), is_row, "{pattern}");
            for text in texts {
                assert_eq!(compiled.is_match(text), engine.is_match(text), "{pattern} {text:?}");
            }
        }
    }

    #[test]
    fn what_is_not_linear_is_refused() {
        for pattern in ["(?=a)", r"(a)\1", "(", "((((a{99}){99}){99}){99})", &"a".repeat(3000)] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
