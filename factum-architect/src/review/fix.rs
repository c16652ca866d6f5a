//! Mechanical fixes: written into the text where it stands, comments and layout kept.
//!
//! Only what needs no decision is here: a format that a name tells, a default that the language has anyway.

use std::collections::BTreeMap;

use factum_contract::{Source, Span};

use super::rule::Fix;

/// The files that change, with their new text.
#[must_use]
pub fn apply(sources: &[Source], fixes: &[(Span, Fix)]) -> Vec<Source> {
    let mut by_file: BTreeMap<u32, Vec<&(Span, Fix)>> = BTreeMap::new();
    for fix in fixes {
        by_file.entry(fix.0.file).or_default().push(fix);
    }
    let mut changed = Vec::new();
    for (file, mut fixes) in by_file {
        let Some(source) = sources.get(file as usize) else { continue };
        let mut lines: Vec<String> = source.text.lines().map(str::to_owned).collect();
        // From the end, so that places above stay true.
        fixes.sort_by_key(|(span, _)| std::cmp::Reverse((span.line, span.column)));
        for (span, fix) in fixes {
            match fix {
                Fix::LineBelow(text) => below(&mut lines, *span, text, ""),
                Fix::Keyword(text) => keyword(&mut lines, *span, text),
            }
        }
        let end = if source.text.ends_with('\n') { "\n" } else { "" };
        let text = format!("{}{end}", lines.join("\n"));
        if text != source.text {
            changed.push(Source { name: source.name.clone(), text });
        }
    }
    changed
}

fn below(lines: &mut Vec<String>, span: Span, text: &str, deeper: &str) {
    let at = span.line as usize;
    let Some(line) = lines.get(at.wrapping_sub(1)) else { return };
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    lines.insert(at, format!("{indent}{deeper}{text}"));
}

/// Puts a keyword into the map of the key at the place: into its braces, or below it.
fn keyword(lines: &mut Vec<String>, span: Span, text: &str) {
    let Some(line) = lines.get_mut((span.line as usize).wrapping_sub(1)) else { return };
    let start: usize = line.chars().take(span.column.saturating_sub(1) as usize).map(char::len_utf8).sum();
    let Some(colon) = line[start..].find(':').map(|at| start + at + 1) else { return };
    let rest = line[colon..].trim_start();
    if !rest.starts_with('{') {
        // A block begins below; a value of another form is left alone.
        if rest.is_empty() || rest.starts_with('#') {
            below(lines, span, text, "  ");
        }
        return;
    }
    let open = colon + (line[colon..].len() - rest.len());
    let mut depth = 0_usize;
    let close = line[open..].char_indices().find(|(_, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    // Braces that end on another line are left to people.
    let Some(close) = close.map(|(at, _)| open + at) else { return };
    let inside = line[open + 1..close].trim().to_owned();
    let new = if inside.is_empty() { format!("{{ {text} }}") } else { format!("{{ {inside}, {text} }}") };
    line.replace_range(open..=close, &new);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str, line: u32, column: u32, fix: Fix) -> String {
        let sources = [Source::new("a.yaml", text)];
        let span = Span { file: 0, line, column, length: 1 };
        apply(&sources, &[(span, fix)]).pop().map_or_else(|| text.to_owned(), |source| source.text)
    }

    #[test]
    fn a_keyword_goes_into_braces_or_below() {
        let keyword = || Fix::Keyword("format: date".to_owned());
        assert_eq!(
            fixed("a: { type: string } # why\n", 1, 1, keyword()),
            "a: { type: string, format: date } # why\n"
        );
        assert_eq!(
            fixed("p: { a: {}, b: { c: 1 } }", 1, 6, keyword()),
            "p: { a: { format: date }, b: { c: 1 } }"
        );
        assert_eq!(fixed("a:\n  type: string\n", 1, 1, keyword()), "a:\n  format: date\n  type: string\n");
        assert_eq!(fixed("a: [1]\n", 1, 1, keyword()), "a: [1]\n");
    }

    #[test]
    fn a_line_goes_below_with_the_same_indent() {
        let fix = Fix::LineBelow("b: 2".to_owned());
        assert_eq!(fixed("x:\n  a: 1\n", 2, 3, fix), "x:\n  a: 1\n  b: 2\n");
    }
}
