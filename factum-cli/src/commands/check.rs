//! `factum check`: proves the whole log sound, or says what is not.

use factum_core::Finding;
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Output, Style, counted, printable};
use crate::reach;

/// Prove the whole log sound: dense positions and versions, checksums, checkpoints within the log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[derive(Debug, Serialize)]
struct Json<'a> {
    events: u64,
    streams: u64,
    records: u64,
    head: u64,
    findings: Vec<FindingJson<'a>>,
}

/// Something wrong or unusual.
#[derive(Debug, Serialize)]
pub(crate) struct FindingJson<'a> {
    severity: &'static str,
    what: &'a str,
    hint: &'a str,
}

impl<'a> FindingJson<'a> {
    pub(crate) fn of(finding: &'a Finding) -> Self {
        let severity = if finding.is_error { "error" } else { "warning" };
        Self { severity, what: &finding.what, hint: &finding.hint }
    }
}

pub(crate) async fn run(_: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let opened = reach::open(&cx.settings)?;
    let report = cx.out.bar("checking the log").during(opened.maintenance.check()).await?;
    let done = if report.findings.is_empty() { Done::Clean } else { Done::Findings };
    if cx.out.is_json() {
        cx.out.json(&Json {
            events: report.events,
            streams: report.streams,
            records: report.records,
            head: report.head.number(),
            findings: report.findings.iter().map(FindingJson::of).collect(),
        })?;
        return Ok(done);
    }
    print(cx.out, &report.findings)?;
    let looked_at = format!(
        "{}, {}, {}",
        counted(report.events, "event"),
        counted(report.streams, "stream"),
        counted(report.records, "record"),
    );
    let paint = cx.out.paint();
    let verdict = match done {
        Done::Clean => paint.style(Style::Green, "the log is whole"),
        Done::Findings => paint.style(Style::Red, &counted(report.findings.len() as u64, "finding")),
    };
    cx.out.line(format!("{verdict}: {looked_at}"))?;
    Ok(done)
}

/// Findings with what to do about them.
pub(crate) fn print(out: &mut Output, findings: &[Finding]) -> Result<(), CliError> {
    let paint = out.paint();
    for finding in findings {
        let (style, word) = if finding.is_error { (Style::Red, "error") } else { (Style::Yellow, "warning") };
        out.line(format!("{}: {}", paint.style(style, word), printable(&finding.what)))?;
        if !finding.hint.is_empty() {
            out.line(format!("{}: {}", paint.style(Style::Bold, "   hint"), printable(&finding.hint)))?;
        }
    }
    Ok(())
}
