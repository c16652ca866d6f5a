//! The lines of a specification, with what each one is: text, a heading, or hidden in a fence, a quote, a comment.

/// A line.
#[derive(Debug)]
pub(super) struct Line<'t> {
    /// From 1.
    pub(super) number: usize,
    /// Without the marks of its heading.
    pub(super) text: &'t str,
    /// Columns before its first word.
    pub(super) indent: usize,
    pub(super) kind: Kind,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Text,
    Heading(u8),
    /// A line of a feature file, or of a fence that holds one.
    Gherkin,
    /// It is shown, not said; why.
    Hidden(&'static str),
}

const IN_FENCE: &str = "it stands in a code block";
const IN_QUOTE: &str = "it stands in a quote";
const IN_COMMENT: &str = "it stands in a comment";
const IN_HEAD: &str = "it stands in the head of the file";

/// All lines of a text.
pub(super) fn read<'t>(text: &'t str, path: &str) -> Vec<Line<'t>> {
    let is_feature = path.ends_with(".feature")
        || text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with(['#', '@']))
            .is_some_and(|line| line.starts_with("Feature:"));
    let mut state = State { fence: None, in_comment: false, in_head: false, doc_string: None };
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::with_capacity(lines.len());
    for (index, raw) in lines.iter().enumerate() {
        let indent =
            raw.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum();
        let (kind, text) = if is_feature {
            (state.feature(raw), raw.trim())
        } else {
            state.markdown(index, raw, lines.get(index + 1).copied())
        };
        out.push(Line { number: index + 1, text, indent, kind });
    }
    out
}

struct State {
    /// The mark that opened a fence, and whether it holds Gherkin.
    fence: Option<(char, usize, bool)>,
    in_comment: bool,
    in_head: bool,
    doc_string: Option<&'static str>,
}

impl State {
    fn feature(&mut self, raw: &str) -> Kind {
        let text = raw.trim();
        if let Some(mark) = self.doc_string {
            if text.starts_with(mark) {
                self.doc_string = None;
            }
            return Kind::Hidden(IN_QUOTE);
        }
        if let Some(mark) = ["\"\"\"", "```"].into_iter().find(|mark| text.starts_with(mark)) {
            self.doc_string = Some(mark);
            return Kind::Hidden(IN_QUOTE);
        }
        match text {
            "" => Kind::Blank,
            _ if text.starts_with('#') => Kind::Hidden(IN_COMMENT),
            _ => Kind::Gherkin,
        }
    }

    fn markdown<'t>(&mut self, index: usize, raw: &'t str, next: Option<&str>) -> (Kind, &'t str) {
        let text = raw.trim();
        if index == 0 && text == "---" {
            self.in_head = true;
            return (Kind::Hidden(IN_HEAD), text);
        }
        if self.in_head {
            self.in_head = text != "---" && text != "...";
            // What the head says of the risk counts.
            let is_risk = text.to_lowercase().starts_with("risk");
            return (if is_risk { Kind::Text } else { Kind::Hidden(IN_HEAD) }, text);
        }
        if let Some((mark, count, is_gherkin)) = self.fence {
            let closes = text.chars().take_while(|c| *c == mark).count() >= count
                && text.trim_matches(mark).is_empty();
            if closes {
                self.fence = None;
                return (Kind::Blank, text);
            }
            return (
                if is_gherkin && !text.is_empty() { Kind::Gherkin } else { Kind::Hidden(IN_FENCE) },
                text,
            );
        }
        if self.in_comment {
            self.in_comment = !text.contains("-->");
            return (Kind::Hidden(IN_COMMENT), text);
        }
        if let Some(mark) =
            ['`', '~'].into_iter().find(|mark| text.chars().take_while(|c| c == mark).count() >= 3)
        {
            let count = text.chars().take_while(|c| *c == mark).count();
            let info = text[count..].trim().to_lowercase();
            let is_gherkin = ["gherkin", "feature", "cucumber"].iter().any(|word| info.starts_with(word));
            self.fence = Some((mark, count, is_gherkin));
            return (Kind::Blank, text);
        }
        if text.starts_with("<!--") {
            self.in_comment = !text.contains("-->");
            return (
                Kind::Hidden(IN_COMMENT),
                text.trim_start_matches("<!--").trim_end_matches("-->").trim(),
            );
        }
        if text.starts_with('>') {
            return (Kind::Hidden(IN_QUOTE), text.trim_start_matches(['>', ' ']));
        }
        if text.is_empty() {
            return (Kind::Blank, text);
        }
        let level = text.chars().take_while(|c| *c == '#').count();
        if (1..=6).contains(&level) && text[level..].starts_with([' ', '\t']) {
            return (
                Kind::Heading(u8::try_from(level).unwrap_or(6)),
                text[level..].trim().trim_end_matches('#').trim(),
            );
        }
        // A heading that is underlined.
        let underline = next.map(str::trim).unwrap_or_default();
        let is_list = text.starts_with(['-', '*', '+', '|']);
        if underline.len() >= 3
            && !is_list
            && (underline.bytes().all(|b| b == b'=') || underline.bytes().all(|b| b == b'-'))
        {
            return (Kind::Heading(if underline.starts_with('=') { 1 } else { 2 }), text);
        }
        let is_rule = text.len() >= 3
            && (text.bytes().all(|b| b == b'-')
                || text.bytes().all(|b| b == b'=')
                || text.bytes().all(|b| b == b'*'));
        (if is_rule { Kind::Blank } else { Kind::Text }, text)
    }
}
