//! Reads files of a revision with the `git` program, in a repository of any language.
//!
//! Two processes whatever the number of files: one lists the tree, one prints the blobs. Nothing is checked out, and
//! the index and the work tree are never touched.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use factum_contract::Source;
use factum_contract::folder::{self, FILES_MAX};
use factum_contract::read::FILE_BYTES_MAX;

use crate::error::CliError;
use crate::suggest;

/// The repository around a folder.
pub(super) struct Repository {
    /// Where git is run.
    folder: PathBuf,
    /// The folder within the repository: empty, or `contracts/`.
    prefix: String,
}

/// What stands at a path of a revision.
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// Files, by their names below the path.
    Files(Vec<Source>),
}

impl Repository {
    /// The repository around a folder, or why there is none.
    pub(super) fn around(folder: &Path) -> Result<Self, CliError> {
        let output = git(folder, &["rev-parse", "--show-prefix"])?;
        if !output.status.success() {
            return Err(CliError::unreachable(format!(
                "{} is in no git repository: {}",
                folder.display(),
                told(&output)
            ))
            .hint("compare with a folder or a file instead: --against DIR"));
        }
        Ok(Self { folder: folder.to_owned(), prefix: line(&output) })
    }

    /// Says why a revision is not there, when it is not.
    pub(super) fn verify(&self, revision: &str) -> Result<(), CliError> {
        let commit = format!("{revision}^{{commit}}");
        if git(&self.folder, &["rev-parse", "--verify", "--quiet", &commit])?.status.success() {
            return Ok(());
        }
        let is_shallow = line(&git(&self.folder, &["rev-parse", "--is-shallow-repository"])?) == "true";
        let known = git(&self.folder, &["for-each-ref", "--format=%(refname:short)"])?;
        let known = String::from_utf8_lossy(&known.stdout).into_owned();
        let remote =
            known.lines().find(|name| name.split_once('/').is_some_and(|(_, branch)| branch == revision));
        let error = CliError::unreachable(format!(
            "{revision:?} is no file, no folder, and no revision of this repository"
        ));
        Err(match (remote, is_shallow) {
            (Some(remote), _) => error.hint(format!("did you mean `{remote}`?")),
            (None, true) => error.hint(format!(
                "this clone is shallow: `git fetch --depth=1 origin {revision}` and compare with FETCH_HEAD, or clone the whole history (`fetch-depth: 0`)"
            )),
            (None, false) => {
                error.hint(suggest::nearest(revision, known.lines()).unwrap_or_else(|| "make a commit first".to_owned()))
            }
        })
    }

    /// The catalog files of the folder, or of another path from the root, as they were in a revision.
    pub(super) fn read(&self, revision: &str, path: Option<&str>) -> Result<Found, CliError> {
        let path = path.unwrap_or(&self.prefix).trim_end_matches('/');
        if Path::new(path).is_absolute() || path.split('/').any(|part| part == "..") {
            return Err(CliError::usage(format!("{path:?} is outside of the repository"))
                .hint("name it from the repository's root: --against main:contracts"));
        }
        let place =
            if path.is_empty() { format!("{revision}^{{tree}}") } else { format!("{revision}:{path}") };
        match line(&git(&self.folder, &["cat-file", "-t", &place])?).as_str() {
            "tree" => Ok(Found::Files(self.tree(&place)?)),
            "blob" => {
                let name = path.rsplit('/').next().unwrap_or(path).to_owned();
                Ok(Found::Files(self.blobs(&[(place, name)])?))
            }
            _ => Ok(Found::Nothing),
        }
    }

    fn tree(&self, place: &str) -> Result<Vec<Source>, CliError> {
        let listed = git(&self.folder, &["ls-tree", "-r", "-z", "--full-tree", place])?;
        if !listed.status.success() {
            return Err(CliError::unreachable(format!("{place} cannot be listed: {}", told(&listed))));
        }
        let mut wanted = Vec::new();
        for entry in listed.stdout.split(|byte| *byte == 0) {
            let entry = String::from_utf8_lossy(entry);
            let Some((about, name)) = entry.split_once('\t') else { continue };
            let mut about = about.split(' ');
            // Links (120000) and other repositories (160000) are no files of ours.
            let is_file = about.next().is_some_and(|mode| mode.starts_with("100"));
            let Some(object) = about.nth(1) else { continue };
            if is_file && folder::is_catalog_file(name) {
                wanted.push((object.to_owned(), name.to_owned()));
            }
        }
        if wanted.len() > FILES_MAX {
            return Err(CliError::refused(format!("{place} holds more than {FILES_MAX} files")));
        }
        wanted.sort_by(|a, b| a.1.cmp(&b.1));
        self.blobs(&wanted)
    }

    /// The texts of objects, each with the name it is to have.
    fn blobs(&self, wanted: &[(String, String)]) -> Result<Vec<Source>, CliError> {
        let mut command = program(&self.folder, &["cat-file", "--batch"]);
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(|error| not_started(&error))?;
        let names: String = wanted.iter().map(|(object, _)| format!("{object}\n")).collect();
        let input = child.stdin.take();
        // Both pipes at once: either may fill.
        let writer = std::thread::spawn(move || input.map(|mut input| input.write_all(names.as_bytes())));
        let mut printed = Vec::new();
        let bytes_max = (wanted.len() as u64).saturating_mul(FILE_BYTES_MAX as u64 + 200);
        let read = child.stdout.take().map(|output| output.take(bytes_max).read_to_end(&mut printed));
        drop(writer.join());
        let ended = child.wait();
        match (read, ended) {
            (Some(Ok(_)), Ok(status)) if status.success() => parse(&printed, wanted),
            _ => Err(CliError::unreachable("git stopped while it printed files".to_owned())
                .hint("`git fsck` says whether the repository is whole")),
        }
    }
}

/// Cuts what `git cat-file --batch` prints: a line `<object> blob <size>`, then so many bytes and a line end.
fn parse(printed: &[u8], wanted: &[(String, String)]) -> Result<Vec<Source>, CliError> {
    let mut rest = printed;
    let mut sources = Vec::with_capacity(wanted.len());
    for (_, name) in wanted {
        let cut = || CliError::unreachable(format!("{name} cannot be read from the repository"));
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(cut)?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size: usize = head.rsplit(' ').next().and_then(|size| size.parse().ok()).ok_or_else(cut)?;
        let text = rest.get(end + 1..end + 1 + size).ok_or_else(cut)?;
        rest = rest.get(end + 2 + size..).unwrap_or_default();
        sources.push(Source::new(name.as_str(), String::from_utf8_lossy(text)));
    }
    Ok(sources)
}

fn git(folder: &Path, args: &[&str]) -> Result<Output, CliError> {
    program(folder, args).output().map_err(|error| not_started(&error))
}

fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Within a hook these speak of the hook's folder, and would mislead git here.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    command
}

fn not_started(error: &std::io::Error) -> CliError {
    let hint = "compare with a folder or a file instead: --against DIR";
    match error.kind() {
        ErrorKind::NotFound => CliError::unreachable("git is not installed, or not in PATH").hint(hint),
        _ => CliError::unreachable(format!("git cannot be started: {error}")).hint(hint),
    }
}

fn line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

/// What git said, on one line.
fn told(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it did not say why");
    said.strip_prefix("fatal: ").unwrap_or(said).to_owned()
}
