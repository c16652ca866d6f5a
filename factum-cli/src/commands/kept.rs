//! Writes what was designed or planned into a tree that people edit: their edits stay, conflicts are shown.
//!
//! What was written last is kept under `.factum/written`, as the common ancestor of the next time. Nothing is written
//! when one file has a conflict, unless the command line says whose side wins.

use std::path::{Path, PathBuf};

use factum_architect::design::merge::{Conflict, merge};
use factum_architect::plan;
use factum_contract::Source;
use serde::Serialize;

use crate::error::CliError;
use crate::output::{Output, Style, printable_line};

/// Where the last written texts are, below the output folder.
const KEPT: &str = ".factum/written";

/// Longest texts of a dry run as JSON, all together, and one of them: an assistant reads no more.
const SHOWN_BYTES_MAX: usize = 128 * 1024;
const SHOWN_FILE_BYTES_MAX: usize = 64 * 1024;

/// Whose side wins where both changed the same lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum OnConflict {
    // Write nothing, and show them. No doc comments here: they would make the help long.
    #[default]
    Stop,
    // Keep what people wrote, and take the rest.
    Mine,
    // Take what was designed.
    Theirs,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    Written,
    Unchanged,
    Merged,
    Kept,
    Conflict,
}

/// A file, and what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Kept {
    pub(crate) path: String,
    pub(crate) fate: Fate,
    pub(crate) conflicts: Vec<Conflict>,
    /// On a dry run, what would stand in it: nothing was written that could be read instead.
    #[serde(rename = "text", skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
    /// Whether the text ends before the file would.
    #[serde(rename = "isCut", skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
    #[serde(skip)]
    designed: String,
    #[serde(skip)]
    text: Option<String>,
}

/// Merges files with what is there; writes when there is no conflict left and it is no dry run.
pub(crate) fn write(
    out: &Path,
    files: &[Source],
    on_conflict: OnConflict,
    is_dry: bool,
) -> Result<Vec<Kept>, CliError> {
    let mut all = Vec::new();
    for file in files {
        all.push(settle(out, file, on_conflict)?);
    }
    let stops = all.iter().any(|kept| kept.fate == Fate::Conflict);
    if is_dry {
        show(&mut all);
    }
    if stops || is_dry {
        return Ok(all);
    }
    for kept in &all {
        if let Some(text) = &kept.text {
            put(&out.join(&kept.path), text)?;
        }
        put(&out.join(KEPT).join(&kept.path), &kept.designed)?;
    }
    Ok(all)
}

/// Gives each file of a dry run its text, documents for people first, until there is enough to read.
fn show(all: &mut [Kept]) {
    let mut left = SHOWN_BYTES_MAX;
    let is_document = |kept: &Kept| kept.path.ends_with(".md");
    let (documents, others): (Vec<&mut Kept>, Vec<&mut Kept>) =
        all.iter_mut().partition(|kept| is_document(kept));
    for kept in documents.into_iter().chain(others) {
        let text = kept.text.as_deref().unwrap_or(&kept.designed);
        let mut end = text.len().min(SHOWN_FILE_BYTES_MAX).min(left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        left -= end;
        kept.is_cut = end < text.len();
        kept.shown = Some(text[..end].to_owned());
    }
}

fn settle(out: &Path, file: &Source, on_conflict: OnConflict) -> Result<Kept, CliError> {
    let there = text(&out.join(&file.name))?;
    let base = text(&out.join(KEPT).join(&file.name))?;
    let kept = |fate, text: Option<String>, conflicts| Kept {
        path: file.name.clone(),
        fate,
        conflicts,
        shown: None,
        is_cut: false,
        designed: file.text.clone(),
        text,
    };
    let Some(there) = there else { return Ok(kept(Fate::Written, Some(file.text.clone()), Vec::new())) };
    if there == file.text {
        return Ok(kept(Fate::Unchanged, None, Vec::new()));
    }
    // A file that was there before the first time has no common ancestor: all of it is people's.
    let base = base.as_deref().unwrap_or("");
    let is_plan = file.name.ends_with("-tdd-plan.md");
    let merged =
        if is_plan { plan::merge(base, &there, &file.text) } else { merge(base, &there, &file.text) };
    Ok(match (merged.conflicts.is_empty(), on_conflict) {
        (true, _) if merged.text == there => kept(Fate::Kept, None, Vec::new()),
        (true, _) => kept(Fate::Merged, Some(merged.text), Vec::new()),
        (false, OnConflict::Stop) => kept(Fate::Conflict, None, merged.conflicts),
        (false, OnConflict::Mine) => kept(Fate::Merged, Some(merged.text), merged.conflicts),
        (false, OnConflict::Theirs) => kept(Fate::Written, Some(file.text.clone()), merged.conflicts),
    })
}

fn text(path: &Path) -> Result<Option<String>, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::unreachable(format!("{} cannot be read: {error}", path.display()))),
    }
}

fn put(path: &PathBuf, text: &str) -> Result<(), CliError> {
    let cannot = |error| CliError::unreachable(format!("{} cannot be written: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    std::fs::write(path, text).map_err(cannot)
}

/// Says what became of each file, and shows conflicts; answers whether there were any that stopped it.
pub(crate) fn report(all: &[Kept], is_dry: bool, out: &mut Output) -> Result<bool, CliError> {
    let paint = out.paint();
    for kept in all {
        let (word, style) = match (kept.fate, is_dry) {
            (Fate::Written, false) => ("wrote", Style::Green),
            (Fate::Written, true) => ("would write", Style::Green),
            (Fate::Merged, false) => ("merged", Style::Green),
            (Fate::Merged, true) => ("would merge", Style::Green),
            (Fate::Kept, _) => ("kept yours", Style::Cyan),
            (Fate::Unchanged, _) => continue,
            (Fate::Conflict, _) => ("conflict", Style::Red),
        };
        out.line(format!("{} {}", paint.style(style, word), kept.path))?;
        if kept.fate == Fate::Conflict {
            for conflict in &kept.conflicts {
                out.line(format!("  at line {}:", conflict.line))?;
                for line in &conflict.yours {
                    out.line(format!("    yours     {}", printable_line(line)))?;
                }
                for line in &conflict.designed {
                    out.line(format!("    designed  {}", printable_line(line)))?;
                }
            }
        }
    }
    let stops = all.iter().any(|kept| kept.fate == Fate::Conflict);
    if stops {
        out.line("nothing was written: change the lines, or pass --on-conflict mine or theirs")?;
    }
    Ok(stops)
}
