//! A design from code that exists: every place that says or takes an event becomes a line of a storm text.
//!
//! The text is kept, so that people see what was found and can put it right; then it goes the way of any other text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Design, DesignError, Storm, from_storm, phrase};
use crate::codebase::{Codebase, EventUse, Role};

/// Something that code says about an event.
pub type CodeFact = EventUse;

/// Designs from what was found in a code base; answers the text, too.
///
/// # Errors
/// When no event was found, or nothing sound can be made of what was.
pub fn from_code(name: &str, code: &Codebase) -> Result<(String, Design), DesignError> {
    let text = text(name, code);
    let mut design = from_storm(name, Storm::read(&text))?;
    if code.is_cut {
        let files = crate::codebase::FILES_MAX;
        let note = format!(
            "{name} has more than {files} files, and the rest was not read: name a folder inside of it"
        );
        design.notes.push(note);
    }
    Ok((text, design))
}

/// A storm text: for each service what it says, and what it does on what it takes.
fn text(name: &str, code: &Codebase) -> String {
    let usual = phrase::service_name(name.trim_end_matches('/').rsplit('/').next().unwrap_or(name))
        .unwrap_or_else(|| "system".to_owned());
    let mut out =
        format!("# {usual}\n\nFound in the code of {name}; put right what is wrong, and read it again.\n\n");
    let mut by_service: BTreeMap<&str, (Vec<&EventUse>, Vec<&EventUse>)> = BTreeMap::new();
    for found in code.uses.iter().filter(|found| !found.is_test) {
        let (says, takes) = by_service.entry(found.service.as_deref().unwrap_or(&usual)).or_default();
        let list = if found.role == Role::Says { says } else { takes };
        if list.iter().all(|known| known.event != found.event) {
            list.push(found);
        }
    }
    for (service, (says, takes)) in by_service {
        let taken: Vec<&str> = takes.iter().map(|found| found.event.as_str()).collect();
        for found in &takes {
            // A file that takes one event and says another says it because of it.
            let follows: Vec<&str> = says
                .iter()
                .filter(|said| said.path == found.path && said.event != found.event)
                .map(|said| said.event.as_str())
                .collect();
            let then =
                if follows.is_empty() { String::new() } else { format!(" -> {}", follows.join(" | ")) };
            let _ = writeln!(out, "{service}: on {}{then}   # {}:{}", found.event, found.path, found.line);
        }
        for found in &says {
            let is_told = takes.iter().any(|taken| taken.path == found.path);
            if !is_told && !taken.contains(&found.event.as_str()) {
                let _ = writeln!(
                    out,
                    "{service}: some request -> {}   # {}:{}",
                    found.event, found.path, found.line
                );
            }
        }
    }
    out
}
