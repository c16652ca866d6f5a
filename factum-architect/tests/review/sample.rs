//! Files in one text: a line `# PATH` begins each.

use factum_architect::review::view::Documents;
use factum_architect::review::{Options, Profile, Report, review};
use factum_architect::sources::Code;
use factum_contract::Source;

/// The files of a text.
pub(crate) fn files(text: &str) -> Vec<Source> {
    let mut files: Vec<Source> = Vec::new();
    for line in text.lines() {
        let path = line.strip_prefix("# ").filter(|path| !path.contains(' ') && path.contains('.'));
        match (path, files.last_mut()) {
            (Some(path), _) => files.push(Source::new(path, "")),
            (None, Some(file)) => {
                file.text.push_str(line);
                file.text.push('\n');
            }
            (None, None) => panic!("the text begins with no file: {line}"),
        }
    }
    files
}

pub(crate) fn options() -> Options {
    Options { profile: Profile::All, only: Vec::new(), today: "2026-03-01".parse().unwrap() }
}

/// Reviews the files of a text.
pub(crate) fn reviewed(text: &str, options: &Options) -> Report {
    let is_catalogs = |file: &Source| file.name.ends_with(".yaml");
    let (catalog, code): (Vec<Source>, Vec<Source>) = files(text).into_iter().partition(is_catalogs);
    let documents = Documents::read(catalog);
    let count = code.len();
    let code = Code::of(code, documents.sources.len(), count);
    review(&documents, &code, options)
}

/// The findings of one rule alone, each as `file:line:column message`.
pub(crate) fn found(text: &str, rule: &str) -> Vec<String> {
    let report = reviewed(text, &Options { only: vec![rule.to_owned()], ..options() });
    report
        .findings
        .iter()
        .filter(|finding| finding.rule == rule)
        .map(|finding| format!("{}:{}:{} {}", finding.file, finding.line, finding.column, finding.message))
        .collect()
}
