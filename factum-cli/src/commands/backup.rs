//! `factum backup`: a copy of the store, made while it is in use.

use std::path::PathBuf;

use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Style, grouped};
use crate::reach;

/// Copy the store while it is in use
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to; must not exist
    file: PathBuf,
}

#[derive(Debug, Serialize)]
struct Json {
    file: String,
    bytes: u64,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let opened = reach::open(&cx.settings)?;
    let shown = args.file.display().to_string();
    if args.file.symlink_metadata().is_ok() {
        return Err(CliError::refused(format!("{shown} exists")).hint("name a file that does not exist"));
    }
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(CliError::unreachable(format!("the folder of {shown} does not exist")).hint("create it"));
    }
    cx.out.bar("copying the store").during(opened.maintenance.backup(&args.file)).await?;
    let size = std::fs::metadata(&args.file).map(|data| data.len());
    let bytes = size.map_err(|error| CliError::unreachable(format!("{shown} cannot be read: {error}")))?;
    if cx.out.is_json() {
        cx.out.json(&Json { file: shown, bytes })?;
    } else {
        let head = cx.out.paint().style(Style::Green, "copied");
        cx.out.line(format!(
            "{head} to {shown}, {} bytes; `factum check --store {shown}` proves it",
            grouped(bytes)
        ))?;
    }
    Ok(Done::Clean)
}
