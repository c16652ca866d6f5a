//! Dependencies are guests: their licences, their names and where they come from, judged by `deny.toml`.
//!
//! Reads the same file as cargo-deny, and judges by it without a network, so that the check runs everywhere. What
//! needs a database, known vulnerabilities, is left to cargo-deny itself.

use anyhow::{Context as _, bail};
use serde_json::Value;
use toml::Table;

use crate::licence;
use crate::workspace::{self, Workspace};

/// The part of `deny.toml` that is judged here.
#[derive(Debug, Default)]
struct Rules {
    licences: Vec<String>,
    /// A crate, and licences that it alone may have.
    exceptions: Vec<(String, Vec<String>)>,
    banned: Vec<String>,
}

/// A dependency as the lock file and cargo describe it.
#[derive(Debug, Clone)]
struct Guest {
    name: String,
    version: String,
    licence: Option<String>,
    source: Option<String>,
}

/// Judges every dependency.
///
/// # Errors
/// When one is against the rules, or they cannot be read.
pub fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let rules = Rules::read(&workspace.file("deny.toml")?.text)?;
    // The lock file names the guests of every platform; licences are known of those that are on this machine.
    let locked = locked(&workspace.file("Cargo.lock")?.text)?;
    let host = host()?;
    let metadata = workspace::metadata(&workspace.root, &["--all-features", "--filter-platform", &host])?;
    let here: Vec<Guest> =
        workspace::list(&metadata, "packages")?.iter().map(described).collect::<anyhow::Result<_>>()?;
    let findings: Vec<String> =
        locked.iter().flat_map(|guest| rules.judge_name(guest)).chain(rules.judge_licences(&here)).collect();
    if findings.is_empty() {
        println!("{} crates are within the rules", locked.len());
        return Ok(());
    }
    bail!("\n{}", findings.join("\n"))
}

impl Rules {
    fn read(text: &str) -> anyhow::Result<Self> {
        let table: Table = text.parse().context("deny.toml is no TOML")?;
        let licences = strings(&table["licenses"], "allow")?;
        let exceptions = tables(&table["licenses"], "exceptions")
            .map(|one| Ok((crate_name(one)?, strings(&toml::Value::Table(one.clone()), "allow")?)))
            .collect::<anyhow::Result<_>>()?;
        let banned = tables(&table["bans"], "deny").map(crate_name).collect::<anyhow::Result<_>>()?;
        Ok(Self { licences, exceptions, banned })
    }

    /// Judges a guest by its name and source.
    fn judge_name(&self, guest: &Guest) -> Vec<String> {
        let mut findings = Vec::new();
        if self.banned.contains(&guest.name) {
            findings.push(format!("{} {} is banned; deny.toml says why", guest.name, guest.version));
        }
        // Paths have no source; everything else comes from the registry.
        if guest.source.as_ref().is_some_and(|source| !source.starts_with("registry+")) {
            let source = guest.source.as_deref().unwrap_or_default();
            findings
                .push(format!("{} {} does not come from the registry: {source}", guest.name, guest.version));
        }
        findings
    }

    fn judge_licences(&self, guests: &[Guest]) -> Vec<String> {
        let refused = guests.iter().filter(|guest| !self.allows(guest));
        let found = |guest: &Guest| guest.licence.clone().unwrap_or_else(|| "none".to_owned());
        refused
            .map(|guest| {
                format!(
                    "{} {} has a licence that is not allowed: {}",
                    guest.name,
                    guest.version,
                    found(guest)
                )
            })
            .collect()
    }

    fn allows(&self, guest: &Guest) -> bool {
        let own = self.exceptions.iter().filter(|(name, _)| *name == guest.name).flat_map(|(_, own)| own);
        let allowed: Vec<String> = self.licences.iter().chain(own).cloned().collect();
        guest.licence.as_ref().is_some_and(|licence| licence::is_allowed(licence, &allowed))
    }
}

fn locked(text: &str) -> anyhow::Result<Vec<Guest>> {
    let table: Table = text.parse().context("Cargo.lock is no TOML")?;
    let packages = tables(&toml::Value::Table(table), "package").cloned().collect::<Vec<_>>();
    let word = |package: &Table, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    packages
        .iter()
        .map(|package| {
            Ok(Guest {
                name: word(package, "name").context("a package in Cargo.lock has no name")?,
                version: word(package, "version").unwrap_or_default(),
                licence: None,
                source: word(package, "source"),
            })
        })
        .collect()
}

fn described(package: &Value) -> anyhow::Result<Guest> {
    Ok(Guest {
        name: workspace::text(package, "name")?.to_owned(),
        version: workspace::text(package, "version")?.to_owned(),
        licence: package["license"].as_str().map(str::to_owned),
        source: package["source"].as_str().map(str::to_owned),
    })
}

fn tables<'a>(value: &'a toml::Value, key: &str) -> impl Iterator<Item = &'a Table> + use<'a> {
    value.get(key).and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_table)
}

fn strings(value: &toml::Value, key: &str) -> anyhow::Result<Vec<String>> {
    let list = value.get(key).and_then(toml::Value::as_array).with_context(|| format!("no list {key:?}"))?;
    let text =
        |one: &toml::Value| one.as_str().map(str::to_owned).with_context(|| format!("{one:?} is no text"));
    list.iter().map(text).collect()
}

fn crate_name(table: &Table) -> anyhow::Result<String> {
    table.get("crate").and_then(toml::Value::as_str).map(str::to_owned).context("an entry names no crate")
}

fn host() -> anyhow::Result<String> {
    let output = std::process::Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what machine this is")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let text = r#"
            licenses = { allow = ["MIT"], exceptions = [{ crate = "odd", allow = ["Odd-1.0"] }] }
            bans = { deny = [{ crate = "bad", reason = "a test" }] }
        "#;
        Rules::read(text).unwrap()
    }

    fn guest(name: &str, licence: Option<&str>, source: &str) -> Guest {
        let source = Some(source.to_owned());
        Guest {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            source,
        }
    }

    #[test]
    fn a_licence_is_allowed_for_all_or_for_one() {
        let good = [guest("a", Some("MIT"), ""), guest("odd", Some("Odd-1.0"), "")];
        assert!(rules().judge_licences(&good).is_empty());
        let bad = [guest("a", Some("Odd-1.0"), ""), guest("b", None, "")];
        assert_eq!(
            rules().judge_licences(&bad),
            [
                "a 1.0.0 has a licence that is not allowed: Odd-1.0",
                "b 1.0.0 has a licence that is not allowed: none"
            ]
        );
    }

    #[test]
    fn a_banned_name_and_a_foreign_source_are_found() {
        assert!(rules().judge_name(&guest("a", None, "registry+https://example.org")).is_empty());
        assert_eq!(rules().judge_name(&guest("bad", None, "git+https://example.org")).len(), 2);
    }

    #[test]
    fn the_lock_file_names_every_guest() {
        let text = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n";
        let guests = locked(text).unwrap();
        assert_eq!((guests[0].name.as_str(), guests[0].source.as_deref()), ("a", Some("registry+x")));
    }
}
