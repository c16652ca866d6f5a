//! Prints the patterns of contracts for other engines: from what the gate's own engine understood, never from the source.
//!
//! So `\d`, `.` and `$` mean the same everywhere, although each dialect reads them differently. Matching in the other
//! engines may backtrack, which the gate's never does; what their dialect cannot say is refused.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use crate::validate::pattern;

/// A pattern as the inside of a JavaScript regular expression with the flag `u`; the reason when it has none.
pub(super) fn java_script(source: &str) -> Result<String, String> {
    let hir = pattern::parse(source).map_err(|error| error.to_string())?;
    let mut out = String::new();
    print(&hir, &mut out)?;
    if out.is_empty() {
        out.push_str("(?:)");
    }
    Ok(out)
}

fn print(hir: &Hir, out: &mut String) -> Result<(), String> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0)
                .map_err(|_| "it matches bytes that are no text".to_owned())?;
            text.chars().for_each(|c| push(c, false, out));
        }
        HirKind::Class(class) => print_class(class, out)?,
        HirKind::Look(look) => out.push_str(print_look(*look)?),
        HirKind::Repetition(repetition) => print_repetition(repetition, out)?,
        HirKind::Capture(capture) => print_group(&capture.sub, out)?,
        HirKind::Concat(parts) => {
            for part in parts {
                match part.kind() {
                    HirKind::Alternation(_) => print_group(part, out)?,
                    _ => print(part, out)?,
                }
            }
        }
        HirKind::Alternation(parts) => {
            for (index, part) in parts.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "|" });
                print(part, out)?;
            }
        }
    }
    Ok(())
}

fn print_group(hir: &Hir, out: &mut String) -> Result<(), String> {
    out.push_str("(?:");
    print(hir, out)?;
    out.push(')');
    Ok(())
}

fn print_repetition(repetition: &Repetition, out: &mut String) -> Result<(), String> {
    let is_one = match repetition.sub.kind() {
        HirKind::Class(_) | HirKind::Capture(_) => true,
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).is_ok_and(|text| text.chars().count() == 1)
        }
        _ => false,
    };
    if is_one {
        print(&repetition.sub, out)?
    } else {
        print_group(&repetition.sub, out)?
    }
    match (repetition.min, repetition.max) {
        (0, None) => out.push('*'),
        (1, None) => out.push('+'),
        (0, Some(1)) => out.push('?'),
        (min, None) => out.push_str(&format!("{{{min},}}")),
        (min, Some(max)) if min == max => out.push_str(&format!("{{{min}}}")),
        (min, Some(max)) => out.push_str(&format!("{{{min},{max}}}")),
    }
    if !repetition.greedy {
        out.push('?');
    }
    Ok(())
}

fn print_class(class: &Class, out: &mut String) -> Result<(), String> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) if class.is_ascii() => {
            class.iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect()
        }
        Class::Bytes(_) => return Err("it matches bytes that are no text".to_owned()),
    };
    if ranges.is_empty() {
        out.push_str("[]");
        return Ok(());
    }
    let others = others(&ranges);
    // The shorter of the two ways to say it: half of a surrogate pair is in no text, so both mean the same.
    let is_negated = others.len() < ranges.len() || ranges.last().is_some_and(|(_, end)| *end == char::MAX);
    out.push_str(if is_negated { "[^" } else { "[" });
    for (start, end) in if is_negated { others } else { ranges } {
        push(start, true, out);
        if end > start {
            if u32::from(end) > u32::from(start) + 1 {
                out.push('-');
            }
            push(end, true, out);
        }
    }
    out.push(']');
    Ok(())
}

/// The characters between sorted ranges.
fn others(ranges: &[(char, char)]) -> Vec<(char, char)> {
    let mut others = Vec::new();
    let mut next = Some('\0');
    for (start, end) in ranges {
        if let (Some(from), Some(to)) = (next, before(*start))
            && from <= to
        {
            others.push((from, to));
        }
        next = after(*end);
    }
    others.extend(next.map(|from| (from, char::MAX)));
    others
}

fn before(c: char) -> Option<char> {
    ('\0'..c).next_back()
}

fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

fn print_look(look: Look) -> Result<&'static str, String> {
    Ok(match look {
        Look::Start => "^",
        Look::End => "$",
        Look::StartLF => "(?<![^\\n])",
        Look::EndLF => "(?![^\\n])",
        Look::WordAscii => "\\b",
        Look::WordAsciiNegate => "\\B",
        _ => return Err("it looks for a kind of boundary that JavaScript does not know".to_owned()),
    })
}

fn push(c: char, is_in_class: bool, out: &mut String) {
    match c {
        '\\' | ']' | '[' | '/' | '^' => out.extend(['\\', c]),
        '-' if is_in_class => out.push_str("\\-"),
        '$' | '.' | '*' | '+' | '?' | '(' | ')' | '{' | '}' | '|' if !is_in_class => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        ' '..='~' => out.push(c),
        c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_keep_their_meaning_in_java_script() {
        let cases = [
            ("^[A-Z]{3}$", "^[A-Z]{3}$"),
            (r"^\d+$", "^[0-9]+$"),
            (r"^[^\n]*$", r"^[^\n]*$"),
            (r"a/b\.c", r"a\/b\.c"),
            ("^(ab|cd)?x{2,3}$", "^(?:ab|cd)?x{2,3}$"),
            ("^é+$", r"^\u{e9}+$"),
            ("", "(?:)"),
            ("^(?:a|bc)(d|ef)$", "^(?:a|bc)(?:d|ef)$"),
            (r"^[\w.-]+$", r"^[\-.0-9A-Z_a-z]+$"),
        ];
        for (source, expected) in cases {
            assert_eq!(java_script(source).unwrap(), expected, "{source}");
        }
        assert!(java_script("(?=a)").is_err());
    }
}
