//! Test tools of npm and PyPI: pinned by lock files in `xtask/tools`, installed under `target/tools`.
//!
//! A group of tools is a folder with a lock file, so that groups never meet in one file. It is installed once for each
//! content of that file. What cannot be installed is said; tests that need it skip themselves by name where the list of
//! skips hears it, in `cargo xtask test`, and fail everywhere else: a runner keeps what a passing test prints to itself.
//! Nothing is ever written into the source tree.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::needs;
use crate::run;
use crate::workspace::Workspace;

/// The folder of the lock files.
pub const FOLDER: &str = "xtask/tools";

/// Longest that installing one group may take.
const INSTALL_MAX: Duration = Duration::from_secs(10 * 60);

/// Set by `cargo xtask test` for the tests that it runs: it hears what they skip, and compares it with the list.
pub const SKIPS_ARE_HEARD: &str = "FACTUM_SKIPS_ARE_HEARD";

/// Written last: the lock file that was installed.
const INSTALLED: &str = "installed.lock";

/// A group of tools that are installed together.
#[derive(Debug)]
pub struct Group {
    /// Its name, that of its folder.
    pub name: String,
    /// The folder of its lock file.
    pub source: PathBuf,
    /// Where it is installed.
    pub installed: PathBuf,
    from: Registry,
    lock: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registry {
    Npm,
    PyPi,
}

/// All groups, by name.
///
/// # Errors
/// When a folder has no lock file, or one that cannot be used.
pub fn groups(workspace: &Workspace) -> anyhow::Result<Vec<Group>> {
    let folder = workspace.root.join(FOLDER);
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut groups = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            groups.push(Group::read(&path, &workspace.target)?);
        }
    }
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(groups)
}

/// Installs the groups of these names, or all; answers what could not be installed, a line each.
///
/// # Errors
/// When a name is not known, or a group's lock file cannot be used.
pub fn install(workspace: &Workspace, names: &[String]) -> anyhow::Result<Vec<String>> {
    let groups = groups(workspace)?;
    for name in names {
        let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        ensure!(
            known.contains(&name.as_str()),
            "unknown tools {name:?}: expected one of {}",
            known.join(", ")
        );
    }
    let mut missing = Vec::new();
    for group in groups.iter().filter(|group| names.is_empty() || names.contains(&group.name)) {
        if group.is_installed() {
            continue;
        }
        println!("installing the test tools {}", group.name);
        if let Err(error) = group.install() {
            missing.push(format!("the test tools {} are missing: {error:#}", group.name));
        }
    }
    Ok(missing)
}

/// Where a group is installed, for a test that calls its tools; else says that the test is skipped, where that is heard.
///
/// # Panics
/// When the tools are missing and nobody would hear of it; when there is no such group, or its lock file cannot be used.
#[must_use]
pub fn or_skip(test: &str, name: &str) -> Option<PathBuf> {
    let workspace = Workspace::find().expect("tests run in the workspace");
    let groups = groups(&workspace).expect("the lock files of test tools can be read");
    let group = groups.into_iter().find(|group| group.name == name).expect("the group has a folder");
    if group.is_installed() {
        return Some(group.installed);
    }
    println!("skipped: {}", why_skipped(test, name, std::env::var_os(SKIPS_ARE_HEARD).is_some()));
    None
}

/// Why a test is skipped; fails it where its runner would keep that to itself.
fn why_skipped(test: &str, name: &str, is_heard: bool) -> String {
    let reason = format!("{test}: the test tools {name} are missing (cargo xtask tools {name})");
    assert!(is_heard, "not run: {reason}");
    reason
}

impl Group {
    fn read(source: &Path, target: &Path) -> anyhow::Result<Self> {
        let name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let files = [("package-lock.json", Registry::Npm), ("requirements.txt", Registry::PyPi)];
        for (file, from) in files {
            let path = source.join(file);
            if !path.is_file() {
                continue;
            }
            let lock =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            check_lock(from, &lock).with_context(|| format!("{FOLDER}/{name}/{file}"))?;
            let installed = target.join("tools").join(&name);
            return Ok(Self { name, source: source.to_owned(), installed, from, lock });
        }
        bail!("{FOLDER}/{name} has no lock file: expected package-lock.json or requirements.txt")
    }

    /// Whether what the lock file names is installed.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        std::fs::read_to_string(self.installed.join(INSTALLED)).is_ok_and(|lock| lock == self.lock)
    }

    fn install(&self) -> anyhow::Result<()> {
        if self.installed.exists() {
            std::fs::remove_dir_all(&self.installed).context("cannot remove what was installed before")?;
        }
        std::fs::create_dir_all(&self.installed).context("cannot make the folder")?;
        match self.from {
            Registry::Npm => self.install_npm()?,
            Registry::PyPi => self.install_pypi()?,
        }
        std::fs::write(self.installed.join(INSTALLED), &self.lock)
            .context("cannot write down what was installed")
    }

    fn install_npm(&self) -> anyhow::Result<()> {
        needs::obtain("npm", "npm", &[])?;
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(self.source.join(file), self.installed.join(file))
                .with_context(|| format!("cannot copy {file}"))?;
        }
        // No script of a package runs: only what is called by name does.
        let quiet = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        self.call(Path::new(npm), &quiet)
    }

    fn install_pypi(&self) -> anyhow::Result<()> {
        needs::obtain("python3", "python3-venv", &["-c", "import ensurepip, venv"])?;
        self.call(Path::new("python3"), &["-m", "venv", "venv"])?;
        std::fs::copy(self.source.join("requirements.txt"), self.installed.join("requirements.txt"))
            .context("cannot copy requirements.txt")?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
        let exact = ["--require-hashes", "--only-binary=:all:", "-r", "requirements.txt"];
        self.call(&python(&self.installed), &[&pip[..], &exact[..]].concat())
    }

    fn call(&self, program: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.installed).stdin(Stdio::null());
        let ended = run::capture(command, INSTALL_MAX)?;
        if ended.code == Some(0) {
            return Ok(());
        }
        let said: Vec<&str> = ended.lines.iter().map(String::as_str).collect();
        let tail = &said[said.len().saturating_sub(5)..];
        bail!("{} {} failed: {}", program.display(), arguments.join(" "), tail.join("; "))
    }
}

/// The Python of an installed group.
#[must_use]
pub fn python(installed: &Path) -> PathBuf {
    installed.join(if cfg!(windows) { "venv/Scripts/python.exe" } else { "venv/bin/python" })
}

/// A lock file pins contents, and names no host.
fn check_lock(from: Registry, lock: &str) -> anyhow::Result<()> {
    ensure!(!lock.contains("://"), "it names a host; write it anew as CONTRIBUTING.md says");
    match from {
        Registry::Npm => {
            let lock: serde_json::Value = serde_json::from_str(lock).context("it is no JSON")?;
            let packages = lock["packages"].as_object().context("it has no packages")?;
            for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
                ensure!(package["integrity"].is_string(), "{name} has no integrity");
                ensure!(package.get("resolved").is_none(), "{name} has an address");
            }
        }
        Registry::PyPi => {
            let lines = lock.replace("\\\n", " ");
            for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                ensure!(
                    line.contains("==") && line.contains("--hash=sha256:"),
                    "not pinned with a hash: {line}"
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_is_pinned_and_names_no_host() {
        let groups = groups(&Workspace::find().unwrap()).unwrap();
        assert!(groups.iter().any(|group| group.name == "typescript"));
        assert!(groups.iter().any(|group| group.name == "python"));
    }

    #[test]
    fn a_lock_file_without_contents_or_with_an_address_is_refused() {
        let npm = |package: &str| {
            check_lock(Registry::Npm, &format!(r#"{{"packages":{{"":{{}},"node_modules/a":{package}}}}}"#))
        };
        assert!(npm(r#"{"integrity":"sha512-x"}"#).is_ok());
        assert!(npm("{}").is_err());
        assert!(npm(r#"{"integrity":"sha512-x","resolved":"a.tgz"}"#).is_err());
        assert!(check_lock(Registry::PyPi, "a==1 \\\n    --hash=sha256:00\n# note\n").is_ok());
        assert!(check_lock(Registry::PyPi, "a>=1\n").is_err());
    }

    #[test]
    fn a_test_without_its_tools_is_skipped_where_that_is_heard() {
        let why = why_skipped("languages::agree", "typescript", true);
        assert_eq!(
            why,
            "languages::agree: the test tools typescript are missing (cargo xtask tools typescript)"
        );
    }

    #[test]
    #[should_panic(
        expected = "not run: languages::agree: the test tools typescript are missing (cargo xtask tools"
    )]
    fn a_test_without_its_tools_fails_where_nobody_would_hear_that_it_was_skipped() {
        why_skipped("languages::agree", "typescript", false);
    }

    #[test]
    fn tools_are_installed_once_for_each_lock_file() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("none");
        std::fs::create_dir(&source).unwrap();
        assert!(Group::read(&source, folder.path()).is_err(), "no lock file");
        std::fs::write(source.join("requirements.txt"), "").unwrap();
        let group = Group::read(&source, folder.path()).unwrap();
        assert!(!group.is_installed());
        std::fs::create_dir_all(&group.installed).unwrap();
        std::fs::write(group.installed.join(INSTALLED), "").unwrap();
        assert!(group.is_installed());
        std::fs::write(source.join("requirements.txt"), "# newer\n").unwrap();
        assert!(!Group::read(&source, folder.path()).unwrap().is_installed());
    }
}
