//! Rust code in documents is a quotation of code that is compiled and run.
//!
//! A block of Rust stands under `<!-- from: PATH -->`, and is what that file holds between the lines `// quote: begin`
//! and `// quote: end`, moved to the left. So no page shows code that does not work. A file with several passages names
//! them: `<!-- from: PATH#NAME -->` is what stands below `// quote: begin NAME`.

use crate::workspace::TextFile;

use super::finding;

const BEGIN: &str = "// quote: begin";
const END: &str = "// quote: end";

/// Blocks of Rust that quote nothing, or quote it wrongly.
///
/// `read` answers the text of a file by its path from the root.
#[must_use]
pub fn misquoted(documents: &[TextFile], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for document in documents {
        for block in blocks(&document.text) {
            let Some(path) = block.from else {
                let text = "Rust in documents is quoted: put `<!-- from: PATH -->` above it";
                findings.push(finding(&document.path, block.line, text));
                continue;
            };
            let (path, name) = path.split_once('#').unwrap_or((path, ""));
            let quoted = read(path).and_then(|text| passage(&text, name));
            if quoted.as_deref() != Some(block.code.as_str()) {
                let text = format!("is not what {path} holds between `{BEGIN}` and `{END}`");
                findings.push(finding(&document.path, block.line, &text));
            }
        }
    }
    findings
}

struct Block<'a> {
    line: usize,
    from: Option<&'a str>,
    code: String,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut above = "";
    while let Some((number, line)) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let code: Vec<&str> = inside.collect();
            if info.split(',').next() == Some("rust") {
                let from = above.strip_prefix("<!-- from: ").and_then(|rest| rest.strip_suffix(" -->"));
                found.push(Block { line: number + 1, from, code: code.join("\n") });
            }
        }
        if !line.trim().is_empty() {
            above = line.trim();
        }
    }
    found
}

/// The lines between the marks of that name, without the indentation that they share.
fn passage(text: &str, name: &str) -> Option<String> {
    let is_begin =
        |line: &&str| line.trim().strip_prefix(BEGIN).is_some_and(|rest| rest.trim_start() == name);
    let mut lines = text.lines().skip_while(|line| !is_begin(line));
    lines.next()?;
    let inside: Vec<&str> = lines.take_while(|line| line.trim() != END).collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let shared = inside.iter().filter(|line| !line.trim().is_empty()).map(indent).min()?;
    let moved: Vec<&str> = inside.iter().map(|line| line.get(shared..).unwrap_or("").trim_end()).collect();
    Some(moved.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str) -> Vec<String> {
        let document = TextFile { path: "a.md".to_owned(), text: document.to_owned() };
        misquoted(&[document], |path| {
            (path == "a.rs").then(|| {
                "fn a() {\n    // quote: begin\n    b();\n\n    c();\n    // quote: end\n}\n\
                 // quote: begin last\nd();\n// quote: end\n"
                    .to_owned()
            })
        })
    }

    #[test]
    fn a_true_quotation_is_fine() {
        assert!(found("<!-- from: a.rs -->\n\n```rust\nb();\n\nc();\n```\n").is_empty());
        assert!(found("<!-- from: a.rs#last -->\n```rust\nd();\n```\n").is_empty());
        assert!(found("```sh\nls\n```\n```text\nuse a;\n```\n").is_empty());
    }

    #[test]
    fn a_wrong_or_missing_quotation_is_found() {
        assert_eq!(found("```rust\nb();\n```\n").len(), 1);
        assert_eq!(found("<!-- from: a.rs -->\n```rust\nb();\n```\n").len(), 1);
        assert_eq!(found("<!-- from: a.rs#last -->\n```rust\nb();\n```\n").len(), 1);
        assert_eq!(found("<!-- from: gone.rs -->\n```rust,no_run\nb();\n```\n").len(), 1);
    }
}
