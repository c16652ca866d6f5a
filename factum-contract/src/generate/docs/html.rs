//! Text that may stand in a page as it is.
//!
//! There is no way from a text of a contract to [`Html`] that does not escape it, and templates escape what is no
//! [`Html`]. So a contract can say anything, and nothing of it is ever markup.

use std::fmt;

use serde_json::Value;

use crate::node::{Content, Node};

/// Markup, with every foreign text in it escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Html(String);

impl askama::filters::HtmlSafe for Html {}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Html {
    /// Markup of our own, in which everything foreign went through the other functions here.
    pub(super) fn trusted(markup: impl Into<String>) -> Self {
        Self(markup.into())
    }

    /// A text, escaped.
    pub(super) fn text(text: &str) -> Self {
        let mut html = Self::default();
        html.escape(text);
        html
    }

    /// A name, which may break behind its separators.
    pub(super) fn name(text: &str) -> Self {
        let mut html = Self::default();
        for (index, part) in text.split_inclusive(['.', '-', '_', '/', ' ']).enumerate() {
            if index > 0 {
                html.0.push_str("<wbr>");
            }
            html.escape(part);
        }
        html
    }

    /// A name or value as it is written.
    pub(super) fn code(text: &str) -> Self {
        Self(format!("<code>{}</code>", Self::name(text)))
    }

    /// A text beside the main thing.
    pub(super) fn small(text: &str) -> Self {
        Self(format!("<span class=\"small\">{}</span>", Self::text(text)))
    }

    /// A link; `href` is a path of ours.
    pub(super) fn link(href: &str, label: &Self) -> Self {
        Self(format!("<a href=\"{}\">{label}</a>", Self::text(href)))
    }

    /// A small label with a colour.
    pub(super) fn badge(class: &'static str, text: &str) -> Self {
        Self(format!("<span class=\"badge {class}\">{}</span>", Self::text(text)))
    }

    /// One after the other, with something between.
    pub(super) fn join(parts: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let parts: Vec<String> = parts.into_iter().map(|part| part.0).collect();
        Self(parts.join(between))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn escape(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                letter => self.0.push(letter),
            }
        }
    }
}

/// A page in which nothing that a reader cannot see changes what a reader sees.
pub(super) fn visible(page: &str) -> String {
    let is_hidden =
        |letter: char| (letter.is_control() && !matches!(letter, '\n' | '\t')) || is_direction(letter);
    page.chars().map(|letter| if is_hidden(letter) { '\u{FFFD}' } else { letter }).collect()
}

/// Letters that turn the direction of those behind them; text finds its direction without.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Paragraphs, lists and `code` of a description; `link` knows where a name in code leads.
pub(super) fn prose(text: &str, link: &dyn Fn(&str) -> Option<String>) -> Html {
    let mut html = String::new();
    let mut list: Vec<String> = Vec::new();
    for block in text.replace("\r\n", "\n").split("\n\n") {
        let lines: Vec<&str> = block.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let mut words = String::new();
        for line in lines {
            if let Some(item) = line.strip_prefix("- ") {
                close_paragraph(&mut html, &mut words, link);
                list.push(item.to_owned());
            } else if let Some(item) = list.last_mut() {
                item.push(' ');
                item.push_str(line);
            } else {
                if !words.is_empty() {
                    words.push(' ');
                }
                words.push_str(line);
            }
        }
        close_paragraph(&mut html, &mut words, link);
        if !list.is_empty() {
            html.push_str("<ul>");
            for item in list.drain(..) {
                html.push_str(&format!("<li dir=\"auto\">{}</li>", inline(&item, link)));
            }
            html.push_str("</ul>");
        }
    }
    Html(html)
}

fn close_paragraph(html: &mut String, words: &mut String, link: &dyn Fn(&str) -> Option<String>) {
    if !words.is_empty() {
        html.push_str(&format!("<p dir=\"auto\">{}</p>", inline(words, link)));
        words.clear();
    }
}

/// A line of text with `code` in it.
pub(super) fn inline(text: &str, link: &dyn Fn(&str) -> Option<String>) -> Html {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd mark at the end is a mark, not code.
    let is_paired = parts.len() % 2 == 1;
    let mut html = Html::default();
    for (index, part) in parts.iter().enumerate() {
        let is_code = index % 2 == 1 && (is_paired || index + 1 < parts.len());
        if !is_code {
            if index % 2 == 1 {
                html.0.push('`');
            }
            html.escape(part);
            continue;
        }
        let code = Html::code(part);
        html.0.push_str(&link(part).map_or(code.clone(), |href| Html::link(&href, &code)).0);
    }
    html
}

/// A JSON document over several lines, with its kinds of values marked; keys keep their order.
pub(super) fn json(node: &Node) -> Html {
    let mut html = Html::default();
    write_node(node, 0, &mut html);
    html
}

/// The same of a plain value.
pub(super) fn json_value(value: &Value) -> Html {
    let mut html = Html::default();
    write_value(value, 0, &mut html);
    html
}

fn write_node(node: &Node, depth: usize, html: &mut Html) {
    match &node.content {
        Content::Null => marked('w', "null", html),
        Content::Bool(value) => marked('w', &value.to_string(), html),
        Content::Number(number) => marked('n', &number.to_string(), html),
        Content::Text(text) => marked('s', &quoted(text), html),
        Content::List(nodes) => brackets(('[', ']'), nodes, depth, html, |node, html| {
            write_node(node, depth + 1, html);
        }),
        Content::Map(entries) => brackets(('{', '}'), entries, depth, html, |entry, html| {
            marked('k', &quoted(&entry.key), html);
            html.0.push_str(": ");
            write_node(&entry.value, depth + 1, html);
        }),
    }
}

fn write_value(value: &Value, depth: usize, html: &mut Html) {
    match value {
        Value::Null => marked('w', "null", html),
        Value::Bool(value) => marked('w', &value.to_string(), html),
        Value::Number(number) => marked('n', &number.to_string(), html),
        Value::String(text) => marked('s', &quoted(text), html),
        Value::Array(values) => brackets(('[', ']'), values, depth, html, |value, html| {
            write_value(value, depth + 1, html);
        }),
        Value::Object(object) => {
            let entries: Vec<_> = object.iter().collect();
            brackets(('{', '}'), &entries, depth, html, |(key, value), html| {
                marked('k', &quoted(key), html);
                html.0.push_str(": ");
                write_value(value, depth + 1, html);
            });
        }
    }
}

fn brackets<T>(
    (open, close): (char, char),
    items: &[T],
    depth: usize,
    html: &mut Html,
    write: impl Fn(&T, &mut Html),
) {
    html.0.push(open);
    for (index, item) in items.iter().enumerate() {
        html.0.push_str(if index == 0 { "\n" } else { ",\n" });
        html.0.push_str(&"  ".repeat(depth + 1));
        write(item, html);
    }
    if !items.is_empty() {
        html.0.push('\n');
        html.0.push_str(&"  ".repeat(depth));
    }
    html.0.push(close);
}

fn marked(class: char, text: &str, html: &mut Html) {
    html.0.push_str(&format!("<span class=\"{class}\">"));
    html.escape(text);
    html.0.push_str("</span>");
}

/// A text as JSON writes it; what a reader cannot see is written by its number.
fn quoted(text: &str) -> String {
    let plain = Value::from(text).to_string();
    let mut shown = String::with_capacity(plain.len());
    for letter in plain.chars() {
        if letter.is_control() || is_direction(letter) {
            shown.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn nothing_of_a_text_is_markup() {
        let bad = "<script>alert('1')</script> & \"x\" ]]> \u{202E}evil";
        for html in
            [Html::text(bad), Html::name(bad), Html::code(bad), prose(bad, &nowhere), inline(bad, &nowhere)]
        {
            let shown = visible(&html.into_string());
            assert!(
                !shown.contains("<script") && !shown.contains("'1'") && !shown.contains('\u{202E}'),
                "{shown}"
            );
        }
        let link = Html::link("a\"onclick=\"b", &Html::text("<i>")).into_string();
        assert_eq!(link, "<a href=\"a&quot;onclick=&quot;b\">&lt;i&gt;</a>");
    }

    #[test]
    fn descriptions_have_paragraphs_lists_and_code() {
        let link = |name: &str| (name == "a.b").then(|| "a.b.html".to_owned());
        let shown = prose("One\nline, `a.b`.\n\nTwo:\n- x `y`\n- z\n  more\n\nA lonely ` mark.", &link);
        assert_eq!(
            shown.into_string(),
            "<p dir=\"auto\">One line, <a href=\"a.b.html\"><code>a.<wbr>b</code></a>.</p>\
             <p dir=\"auto\">Two:</p><ul><li dir=\"auto\">x <code>y</code></li><li dir=\"auto\">z more</li></ul>\
             <p dir=\"auto\">A lonely ` mark.</p>"
        );
    }

    #[test]
    fn documents_are_indented_and_marked() {
        let value = serde_json::json!({ "a": [1, true, null], "b": {}, "c": "\u{202E}<" });
        let plain = json_value(&value).into_string();
        assert!(plain.starts_with(
            "{\n  <span class=\"k\">&quot;a&quot;</span>: [\n    <span class=\"n\">1</span>,\n"
        ));
        assert!(plain.contains("<span class=\"s\">&quot;\\u202e&lt;&quot;</span>"), "{plain}");
        assert!(plain.contains(": {}"), "{plain}");
    }
}
