//! Migrations as operators see and move them: one stage forward where nothing speaks against it, back at any time.

use factum_core::{Commit, Guard, MigrationName, RecordKind, RecordQuery, Timestamp};
use serde_json::Value;

use super::{Admin, AdminError, all_of};
use crate::instance::as_store_error;
use crate::state::{MigrationState, Moved, Stage, ThingState, read};

/// A migration as the store knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct MigrationInfo {
    /// Its name.
    pub name: String,
    /// Its switch.
    pub state: MigrationState,
    /// Things whose old call is under way, or was cut off.
    pub old_open: u64,
    /// Things whose event is not handled.
    pub new_open: u64,
    /// Things of this shadow whose new side has not spoken.
    pub waiting: u64,
    /// Things of this shadow whose sides say the same, within the window.
    pub equal: u64,
    /// Things of this shadow whose sides differ.
    pub differing: u64,
    /// Dead letters of its consumer.
    pub dead: u64,
    /// The stage that comes next.
    pub next: Option<Stage>,
    /// What speaks against it.
    pub against: Vec<String>,
}

/// A thing whose two sides say different things.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The thing.
    pub thing: String,
    /// Its key.
    pub key: String,
    /// What the old call says it did.
    pub old: Value,
    /// What the new path says it would have done.
    pub new: Value,
    /// When it was decided.
    pub at: Timestamp,
}

impl Admin {
    /// Every migration that the store knows, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn migrations(&self) -> Result<Vec<MigrationInfo>, AdminError> {
        let query = RecordQuery::group(MigrationState::GROUP);
        let mut infos = Vec::new();
        for record in all_of(self.store().as_ref(), RecordKind::MIGRATION, query).await? {
            let Ok(name) = record.id.parse::<MigrationName>() else { continue };
            infos.push(self.migration_info(&name, read::<MigrationState>(&record)?, None).await?);
        }
        Ok(infos)
    }

    /// One migration.
    ///
    /// # Errors
    /// When the store does not know it, or fails.
    pub async fn migration(&self, name: &MigrationName) -> Result<MigrationInfo, AdminError> {
        let (state, _) = self.migration_state(name).await?;
        self.migration_info(name, state, None).await
    }

    /// What advancing would meet; `canary` as for [`Admin::advance_migration`]. Changes nothing.
    ///
    /// # Errors
    /// As [`Admin::migration`].
    pub async fn plan_advance(
        &self,
        name: &MigrationName,
        canary: Option<u8>,
    ) -> Result<MigrationInfo, AdminError> {
        let (state, _) = self.migration_state(name).await?;
        self.migration_info(name, state, canary).await
    }

    /// Things of the present shadow whose sides differ, by name; at most `limit` of them.
    ///
    /// # Errors
    /// When the store does not know the migration, or fails.
    pub async fn differences(
        &self,
        name: &MigrationName,
        limit: usize,
    ) -> Result<Vec<Difference>, AdminError> {
        let (state, _) = self.migration_state(name).await?;
        let group = ThingState::differing_group(name, state.round);
        let query = RecordQuery { limit: limit.min(RecordQuery::LIMIT_MAX), ..RecordQuery::group(group) };
        let mut differences = Vec::new();
        for record in self.store().find(RecordKind::MIGRATION, &query).await? {
            let thing = read::<ThingState>(&record)?;
            differences.push(Difference {
                thing: thing.thing,
                key: thing.key,
                old: thing.old.unwrap_or_default(),
                new: thing.new.unwrap_or_default(),
                at: thing.at,
            });
        }
        Ok(differences)
    }

    /// Moves a migration one stage forward: off, shadow, canary, on, retired. `canary` is the share of keys in percent,
    /// for the first canary or a larger one. Things that are under way end on the way that was decided for them.
    ///
    /// # Errors
    /// When something speaks against it (comparisons that differ or are missing, dead letters, old calls not done),
    /// it is retired already, or the store does not know it.
    pub async fn advance_migration(
        &self,
        name: &MigrationName,
        canary: Option<u8>,
        why: &str,
    ) -> Result<Moved, AdminError> {
        let info = self.plan_advance(name, canary).await?;
        let Some(next) = info.next else {
            return Err(AdminError::Refused(format!(
                "migration {name} is retired: there is no stage after it"
            )));
        };
        if !info.against.is_empty() {
            let against = info.against.join("; ");
            return Err(AdminError::Refused(format!("migration {name} may not go to {next}: {against}")));
        }
        self.move_migration(name, &info, next, why).await
    }

    /// Moves a migration back: to `to`, or all the way to off. What was decided for the new path is still done by it.
    ///
    /// # Errors
    /// When it is retired, since the old call may be gone; when `to` is not behind it; or the store does not know it.
    pub async fn rollback_migration(
        &self,
        name: &MigrationName,
        to: Option<Stage>,
        why: &str,
    ) -> Result<Moved, AdminError> {
        let info = self.migration(name).await?;
        let (from, to) = (info.state.stage, to.unwrap_or(Stage::Off));
        if from == Stage::Retired {
            return Err(AdminError::Refused(format!(
                "migration {name} is retired: the old call may be gone; going back is a migration of its own"
            )));
        }
        if to >= from {
            return Err(AdminError::Refused(format!("migration {name} is at {from}: {to} is not behind it")));
        }
        self.move_migration(name, &info, to, why).await
    }

    async fn migration_state(&self, name: &MigrationName) -> Result<(MigrationState, u64), AdminError> {
        let record = self.store().find_one(RecordKind::MIGRATION, name.as_str()).await?;
        let Some(record) = record else {
            let query = RecordQuery::group(MigrationState::GROUP);
            let known = all_of(self.store().as_ref(), RecordKind::MIGRATION, query).await?;
            let known: Vec<&str> = known.iter().map(|record| record.id.as_str()).collect();
            return Err(AdminError::Unknown {
                what: "migration",
                name: name.to_string(),
                hint: match known.as_slice() {
                    [] => "an app makes one known with Migration::recover".to_owned(),
                    known => format!("known: {}", known.join(", ")),
                },
            });
        };
        Ok((read::<MigrationState>(&record)?, record.revision))
    }

    async fn migration_info(
        &self,
        name: &MigrationName,
        state: MigrationState,
        canary: Option<u8>,
    ) -> Result<MigrationInfo, AdminError> {
        let count = |group: String| async move { self.store().count(RecordKind::MIGRATION, &group).await };
        let dead = match &state.consumer {
            Some(consumer) => self.store().count(RecordKind::DEAD, consumer).await?,
            None => 0,
        };
        let mut info = MigrationInfo {
            name: name.to_string(),
            old_open: count(ThingState::old_group(name)).await?,
            new_open: count(ThingState::new_group(name)).await?,
            waiting: count(ThingState::waiting_group(name, state.round)).await?,
            equal: count(ThingState::equal_group(name, state.round)).await?,
            differing: count(ThingState::differing_group(name, state.round)).await?,
            dead,
            next: next(state.stage, canary),
            against: Vec::new(),
            state,
        };
        info.against = against(&info, canary);
        Ok(info)
    }

    async fn move_migration(
        &self,
        name: &MigrationName,
        info: &MigrationInfo,
        to: Stage,
        why: &str,
    ) -> Result<Moved, AdminError> {
        let (mut state, revision) = self.migration_state(name).await?;
        let from = state.stage;
        if from != info.state.stage {
            return Err(AdminError::Changed(format!("migration {name}")));
        }
        let moved = Moved {
            at: self.store().now().await?,
            by: self.actor.clone(),
            from,
            to,
            why: why.to_owned(),
            equal: info.equal,
            differing: info.differing,
        };
        state.stage = to;
        if to == Stage::Shadow {
            state.round += 1;
        }
        state.history.push(moved.clone());
        let surplus = state.history.len().saturating_sub(MigrationState::HISTORY_MAX);
        state.history.drain(..surplus);
        let action = if to > from { "advance" } else { "rollback" };
        let because = if why.is_empty() { String::new() } else { format!(": {why}") };
        let audit = self.audit_record(action, name.as_str(), format!("{from} to {to}{because}")).await?;
        let mut work = self.store().begin().await?;
        work.put(state.record(name), Guard::At(revision));
        work.put(audit, Guard::Absent);
        match work.commit().await {
            Commit::Committed(_) => Ok(moved),
            Commit::Conflict(_) => Err(AdminError::Changed(format!("migration {name}"))),
            other => Err(as_store_error(other).into()),
        }
    }
}

fn next(stage: Stage, canary: Option<u8>) -> Option<Stage> {
    match (stage, canary) {
        (Stage::Off, _) => Some(Stage::Shadow),
        (Stage::Shadow, percent) => Some(Stage::Canary(percent.unwrap_or(Stage::CANARY_FIRST))),
        (Stage::Canary(_), Some(percent)) => Some(Stage::Canary(percent)),
        (Stage::Canary(_), None) => Some(Stage::On),
        (Stage::On, _) => Some(Stage::Retired),
        (Stage::Retired, _) => None,
    }
}

/// What speaks against the next stage.
fn against(info: &MigrationInfo, canary: Option<u8>) -> Vec<String> {
    let mut against = Vec::new();
    let mut must = |is: bool, otherwise: String| {
        if !is {
            against.push(otherwise);
        }
    };
    let things = |count: u64| if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
    must(
        canary.is_none_or(|percent| (1..=99).contains(&percent)),
        "a canary is 1 to 99 percent of the keys".to_owned(),
    );
    match info.state.stage {
        Stage::Off => {
            must(info.state.consumer.is_some(), "no app has declared the consumer of its event".to_owned())
        }
        Stage::Shadow => {
            must(info.differing == 0, format!("{} came out differently", things(info.differing)));
            must(info.waiting == 0, format!("the new path has not spoken about {}", things(info.waiting)));
            must(info.equal > 0, "nothing has been compared".to_owned());
        }
        Stage::Canary(now) => must(
            canary.is_none_or(|percent| percent > now),
            format!("{now} percent of the keys are there already; fewer is a rollback"),
        ),
        Stage::On => {
            must(info.old_open == 0, format!("the old call is not done for {}", things(info.old_open)))
        }
        Stage::Retired => {}
    }
    if !matches!(info.state.stage, Stage::Off | Stage::Retired) {
        let letters = if info.dead == 1 { "letter" } else { "letters" };
        must(info.dead == 0, format!("its consumer has {} dead {letters}", info.dead));
    }
    against
}
