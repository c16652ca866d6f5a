//! The repository as the checks see it: its crates from `cargo metadata`, its files as text.
//!
//! Reads, never writes, and asks no network: only what is declared and what lies on the disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// Folders that hold nothing written by people.
const FOLDERS_SKIPPED: [&str; 4] = ["target", ".git", "data", "node_modules"];

/// Most files that are read: past it something that does not belong lies in the tree.
const FILES_MAX: usize = 20_000;

/// The repository's root, crates and target folder.
#[derive(Debug)]
pub struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    /// The workspace's own crates.
    pub members: Vec<Member>,
}

/// One crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its folder, from the root.
    pub folder: String,
    /// Its dependencies at run time and at build time; those of tests are left out.
    pub dependencies: Vec<String>,
}

/// A file of the repository that holds text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// Its path from the root, with forward slashes.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl Workspace {
    /// Asks cargo for the workspace that this crate belongs to.
    ///
    /// # Errors
    /// When cargo cannot read it.
    pub fn find() -> anyhow::Result<Self> {
        // Set by cargo at run time too, so that a binary that was moved finds the tree it is run in.
        let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let metadata = metadata(&own, &["--no-deps"])?;
        let root = PathBuf::from(text(&metadata, "workspace_root")?);
        let target = PathBuf::from(text(&metadata, "target_directory")?);
        let packages = list(&metadata, "packages")?.iter();
        let members = packages.map(|package| Member::read(package, &root)).collect::<anyhow::Result<_>>()?;
        Ok(Self { root, target, members })
    }

    /// All files whose name ends in one of `endings`, sorted by path.
    ///
    /// # Errors
    /// When a folder or file cannot be read, or there are far too many.
    pub fn files(&self, endings: &[&str]) -> anyhow::Result<Vec<TextFile>> {
        let mut files = Vec::new();
        collect(&self.root, &self.root, endings, &mut files)?;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    /// One file of the repository.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(&self, path: &str) -> anyhow::Result<TextFile> {
        let text =
            std::fs::read_to_string(self.root.join(path)).with_context(|| format!("cannot read {path}"))?;
        Ok(TextFile { path: path.to_owned(), text })
    }

    /// What is built with a crate of the workspace and its default features, tests left out: a crate a line.
    ///
    /// # Errors
    /// When cargo cannot say.
    pub fn guests(&self, member: &str) -> anyhow::Result<String> {
        let options = ["tree", "-p", member, "-e", "normal", "--prefix", "none", "--locked"];
        let output = cargo(&self.root, &options)?;
        String::from_utf8(output).context("cargo tree answered something else than text")
    }
}

impl Member {
    fn read(package: &Value, root: &Path) -> anyhow::Result<Self> {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let folder = manifest.parent().context("a manifest lies in a folder")?;
        let lasting = |dependency: &&Value| dependency["kind"].as_str() != Some("dev");
        let dependencies = list(package, "dependencies")?.iter().filter(lasting);
        Ok(Self {
            name: text(package, "name")?.to_owned(),
            folder: slashed(folder.strip_prefix(root)?),
            dependencies: dependencies
                .map(|dependency| text(dependency, "name").map(str::to_owned))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

/// What `cargo metadata` answers in a folder.
///
/// # Errors
/// When cargo cannot be run or answers with an error.
pub fn metadata(folder: &Path, options: &[&str]) -> anyhow::Result<Value> {
    let asked = [&["metadata", "--format-version", "1", "--locked"], options].concat();
    serde_json::from_slice(&cargo(folder, &asked)?)
        .context("cargo metadata answered something else than JSON")
}

/// What cargo answers in a folder.
fn cargo(folder: &Path, options: &[&str]) -> anyhow::Result<Vec<u8>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let asked = options[0];
    let output = Command::new(cargo).args(options).current_dir(folder).output();
    let output = output.with_context(|| format!("cannot start cargo {asked}"))?;
    if !output.status.success() {
        bail!("cargo {asked} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// The text under a key.
///
/// # Errors
/// When there is none.
pub fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata has no text {key:?}"))
}

/// The list under a key.
///
/// # Errors
/// When there is none.
pub fn list<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a [Value]> {
    value[key].as_array().map(Vec::as_slice).with_context(|| format!("cargo metadata has no list {key:?}"))
}

fn collect(root: &Path, folder: &Path, endings: &[&str], files: &mut Vec<TextFile>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() && !FOLDERS_SKIPPED.contains(&name.as_str()) {
            collect(root, &entry.path(), endings, files)?;
        }
        if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            let path = slashed(entry.path().strip_prefix(root)?);
            let text =
                std::fs::read_to_string(entry.path()).with_context(|| format!("cannot read {path}"))?;
            files.push(TextFile { path, text });
            ensure!(files.len() < FILES_MAX, "over {FILES_MAX} files: something big lies in the tree");
        }
    }
    Ok(())
}

fn slashed(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_knows_its_crates_and_files() {
        let workspace = Workspace::find().unwrap();
        let own = workspace.members.iter().find(|member| member.name == "xtask").unwrap();
        assert_eq!(own.folder, "xtask");
        assert!(own.dependencies.contains(&"anyhow".to_owned()));
        assert!(!own.dependencies.contains(&"tempfile".to_owned()), "those of tests are left out");
        let files = workspace.files(&["workspace.rs"]).unwrap();
        assert_eq!(files[0].path, "xtask/src/workspace.rs");
    }
}
