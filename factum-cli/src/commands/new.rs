//! `factum new`: a project that builds, is tested, and runs.

use std::path::{Path, PathBuf};

use factum_architect::scaffold::{Project, project};
use factum_contract::Source;

use super::{Cx, Done, scaffold};
use crate::error::CliError;

/// A working project: contracts, a service, tests, a pipeline
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to make; its name is the project's
    dir: PathBuf,
    /// A checkout of Factum to build on; else the released version
    #[arg(long, value_name = "DIR")]
    factum: Option<PathBuf>,
    /// Print the files instead of writing them
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let name = args.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_empty = std::fs::read_dir(&args.dir).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty || args.dir.is_file() {
        return Err(CliError::refused(format!("{} is there already, and not empty", args.dir.display()))
            .hint("choose another name; nothing is overwritten"));
    }
    let factum = match &args.factum {
        Some(folder) => format!("path = {}", serde_json::Value::from(checkout(folder)?)),
        None => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
    };
    let files = project(&Project { name: &name, factum: &factum })
        .map_err(|error| CliError::usage(error.to_string()).hint("factum new shop"))?;
    let files: Vec<Source> = files
        .into_iter()
        .map(|file| Source::new(args.dir.join(&file.name).display().to_string(), file.text))
        .collect();
    if !args.dry_run {
        scaffold::write(&files)?;
    }
    let next = vec![format!("cd {}", args.dir.display()), "cargo test".to_owned(), "cargo run".to_owned()];
    scaffold::report(files, next, args.dry_run, cx)
}

/// The folder of the crate `factum` in a checkout.
fn checkout(folder: &Path) -> Result<String, CliError> {
    let whole = folder
        .canonicalize()
        .map_err(|error| CliError::unreachable(format!("{} cannot be read: {error}", folder.display())))?;
    let found = [whole.join("factum"), whole.clone()].into_iter().find(|folder| {
        std::fs::read_to_string(folder.join("Cargo.toml"))
            .is_ok_and(|text| text.contains("name = \"factum\""))
    });
    let Some(found) = found else {
        return Err(CliError::unreachable(format!(
            "{} is no checkout of Factum: it holds no crate factum",
            folder.display()
        ))
        .hint("pass the folder that `git clone` made"));
    };
    Ok(found.display().to_string())
}
