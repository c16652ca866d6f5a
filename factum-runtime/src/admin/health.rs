//! What deserves an operator's attention, as the records tell it.
//!
//! Looks only at the store: whether an instance lives is read from its lease. Never changes anything.

use std::collections::HashSet;

use factum_core::{Finding, RecordKind, RecordQuery};

use super::{Admin, AdminError, all_of};
use crate::state::{SlotState, read};

/// A consumer so far behind the head deserves a look.
pub const LAG_MAX: u64 = 10_000;

impl Admin {
    /// What is wrong or unusual with consumers and projections, errors first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn health(&self) -> Result<Vec<Finding>, AdminError> {
        let mut findings = Vec::new();
        let mut say = |is_error: bool, what: String, hint: String| {
            findings.push(Finding { is_error, what, hint });
        };
        let head = self.store.head().await?;
        let gone = self.consumers_of_the_gone().await?;
        for info in self.consumers().await? {
            let name = &info.name;
            if info.position > head {
                let what = format!(
                    "consumer {name} is at position {}, beyond the log's end at {head}",
                    info.position
                );
                say(
                    true,
                    what,
                    format!("was the store restored from a copy? `factum consumers reset {name} --to end`"),
                );
            }
            if let Some(why) = &info.paused {
                say(
                    false,
                    format!("consumer {name} is paused: {why}"),
                    format!("`factum consumers resume {name}`"),
                );
            }
            if let Some(up_to) = info.lacks {
                say(
                    false,
                    format!("consumer {name} began without positions up to {up_to}, which were archived"),
                    format!(
                        "`factum archive` lists the files; restore them, then `factum consumers reset {name} --to 1 --effects`"
                    ),
                );
            }
            for (needs, slots) in &info.needs {
                let what = format!(
                    "consumer {name} waits with {} for an instance that reads {needs}",
                    counted(*slots as u64, "slot")
                );
                say(false, what, format!("start a release whose code handles {needs}"));
            }
            if info.dead > 0 {
                let what = format!("consumer {name} has {}", counted(info.dead, "dead letter"));
                say(false, what, format!("`factum dlq list --consumer {name}`"));
            }
            if info.parked > 0 {
                let what = format!(
                    "consumer {name} has {} waiting for another attempt",
                    counted(info.parked, "parked event")
                );
                say(false, what, format!("`factum dlq list --parked --consumer {name}`"));
            }
            if info.lag > LAG_MAX {
                let what = format!("consumer {name} is {} positions behind", info.lag);
                say(false, what, "does its app run? more lanes may help when it does".to_owned());
            }
            if gone.contains(name) {
                let what = format!("consumer {name} has slots held by an instance whose lease has ended");
                say(false, what, "start its app: it takes them over".to_owned());
            }
        }
        for info in self.projections().await? {
            if let Some(up_to) = info.state.lacks {
                let what = format!(
                    "projection {} was filled without positions up to {up_to}, which were archived",
                    info.name
                );
                say(
                    false,
                    what,
                    format!(
                        "`factum archive` lists the files; restore them, then `factum projections rebuild {}`",
                        info.name
                    ),
                );
            }
            if let Some(at) = info.building_position {
                let what = format!("projection {} is being rebuilt: {at} of {head}", info.name);
                say(false, what, "it goes live by itself while its app runs".to_owned());
            }
        }
        for range in self.archives().await?.into_iter().filter(|range| range.moving) {
            let what = format!("moving positions up to {} to {} was not finished", range.up_to, range.to);
            let (file, next) = (&range.to, range.up_to.number() + 1);
            let hint = format!("`factum archive {file} --before {next}`, or `factum archive restore {file}`");
            say(false, what, hint);
        }
        findings.sort_by_key(|finding| !finding.is_error);
        Ok(findings)
    }

    /// Consumers with slots whose holder's lease has run out or was never written.
    async fn consumers_of_the_gone(&self) -> Result<HashSet<String>, AdminError> {
        let store = self.store.as_ref();
        let now = store.now().await?;
        let instances = all_of(store, RecordKind::INSTANCE, RecordQuery::default()).await?;
        let living: HashSet<&str> = instances
            .iter()
            .filter(|record| record.due.is_some_and(|due| due > now))
            .map(|record| record.id.as_str())
            .collect();
        let mut gone = HashSet::new();
        for record in all_of(store, RecordKind::SLOT, RecordQuery::default()).await? {
            let state = read::<SlotState>(&record)?;
            if state.owner.is_some_and(|owner| !living.contains(owner.as_str())) {
                gone.insert(record.group);
            }
        }
        Ok(gone)
    }
}

fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}
