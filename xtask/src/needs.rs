//! What tests need beside Rust: found, or installed where that is allowed, or named with what to type.
//!
//! Installs only from the system's own packages, only as root, only on Debian and its kin. Servers are started by the
//! tests that use them; here they are only made to exist.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// A program that tests call.
#[derive(Debug)]
pub struct Need {
    /// The program, as it is called.
    pub program: &'static str,
    /// The package that holds it.
    pub package: &'static str,
    /// An environment variable that names something to use instead; set, nothing is needed.
    pub instead: Option<&'static str>,
    /// What it is for.
    pub why: &'static str,
}

/// Everything that tests call and Rust does not bring.
pub const NEEDS: [Need; 4] = [
    Need { program: "curl", package: "curl", instead: None, why: "the quickstart, run as it is written" },
    Need {
        program: "pg_lsclusters",
        package: "postgresql",
        instead: Some("FACTUM_TEST_POSTGRES_URL"),
        why: "tests of the PostgreSQL store, on a server that they start",
    },
    Need {
        program: "nats-server",
        package: "nats-server",
        instead: None,
        why: "tests of the NATS broker, on servers that they start and kill",
    },
    Need {
        program: "chromium",
        package: "chromium",
        instead: Some(CHROMIUM),
        why: "pages, looked at as people do",
    },
];

/// Names a browser to use instead of the system's.
const CHROMIUM: &str = "FACTUM_TEST_CHROMIUM";

/// The browser that tests look at pages with.
#[must_use]
pub fn chromium() -> PathBuf {
    std::env::var_os(CHROMIUM)
        .map(PathBuf::from)
        .or_else(|| found("chromium"))
        .unwrap_or_else(|| "chromium".into())
}

/// Makes sure that every need is met.
///
/// # Errors
/// When one is not, and it may not be installed from here.
pub fn meet() -> anyhow::Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !is_met(need)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !may_install() {
        missing.iter().for_each(|need| println!("missing: {} ({})", need.program, need.why));
        bail!("install what is missing, on Debian or Ubuntu: apt-get install {}", packages.join(" "));
    }
    println!("installing {}", packages.join(", "));
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], &packages[..]].concat())
}

/// Makes sure of one program that not every machine must have: `arguments` are what it must run without an error.
///
/// # Errors
/// When it is not there, and it may not be installed from here.
pub(crate) fn obtain(program: &str, package: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let works = || {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        is_on_path(program) && (arguments.is_empty() || command.status().is_ok_and(|status| status.success()))
    };
    if works() {
        return Ok(());
    }
    if !may_install() {
        bail!("{program} is not usable; on Debian or Ubuntu: apt-get install {package}");
    }
    println!("installing {package}");
    apt(&["update"])?;
    apt(&["install", "--yes", "--no-install-recommends", package])?;
    if works() { Ok(()) } else { bail!("{program} is not usable after installing {package}") }
}

fn is_met(need: &Need) -> bool {
    need.instead.is_some_and(|variable| std::env::var_os(variable).is_some()) || is_on_path(need.program)
}

fn is_on_path(program: &str) -> bool {
    found(program).is_some()
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers live where only root's shell looks.
    let system = ["/usr/sbin", "/usr/local/sbin"].map(Into::into);
    let all = std::env::split_paths(&path).chain(system);
    all.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn may_install() -> bool {
    let identity = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    let is_root = identity.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    is_root && Path::new("/etc/debian_version").exists()
}

fn apt(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["--quiet", "--quiet"]).args(arguments).stdin(Stdio::null());
    let status = command.env("DEBIAN_FRONTEND", "noninteractive").status().context("cannot start apt-get")?;
    if status.success() { Ok(()) } else { bail!("apt-get {} answered {status}", arguments.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_met_by_its_program_or_by_what_stands_for_it() {
        let need = |program, instead| Need { program, package: "none", instead, why: "a test" };
        assert!(is_met(&need("no-such-program", Some("PATH"))));
        assert!(!is_met(&need("no-such-program", Some("FACTUM_NOT_SET"))));
        assert!(!is_met(&need("no-such-program", None)));
    }
}
