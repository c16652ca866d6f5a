//! Dead letters, refused and parked events: look at them, group them, put them back, let them go.
//!
//! Requeue is idempotent: what is queued already is said to be so. Discarding keeps the letter in the audit.

use std::collections::{BTreeMap, HashMap};

use factum_core::{Commit, ConsumerName, EventId, Guard, Record, RecordKind, RecordQuery, Slot, Timestamp};

use super::{Admin, AdminError, all_of};
use crate::instance::as_store_error;
use crate::state::{KeyWaits, ParkedKey, Troubled, as_seen, read};

/// Which events to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// Dead letters.
    #[default]
    Dead,
    /// Refused by name.
    Refused,
    /// Waiting for a later attempt, or behind one that does.
    Parked,
}

impl Which {
    fn kind(self) -> RecordKind {
        match self {
            Self::Dead => RecordKind::DEAD,
            Self::Refused => RecordKind::REFUSED,
            Self::Parked => RecordKind::PARKED,
        }
    }
}

/// One event in trouble.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Names it to `show`, `requeue` and `discard`.
    pub id: String,
    /// What is known of it.
    pub troubled: Troubled,
    /// When its key is tried next; none when it waits for an operator.
    pub due: Option<Timestamp>,
    pub(crate) record: Record,
}

impl Letter {
    /// Which it is; a record is of no other kind.
    #[must_use]
    pub fn which(&self) -> Which {
        match self.record.kind {
            RecordKind::PARKED => Which::Parked,
            RecordKind::REFUSED => Which::Refused,
            _ => Which::Dead,
        }
    }
}

/// Letters that fail alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Consumer, kind of error, and the error without its numbers, as a hash.
    pub fingerprint: String,
    /// The consumer.
    pub consumer: String,
    /// The reason's name.
    pub reason: String,
    /// One of the errors.
    pub error: String,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The latest of them.
    pub last: Timestamp,
}

/// What a requeue did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requeued {
    /// Identity of this request, as in the audit.
    pub id: EventId,
    /// Letters put back.
    pub requeued: u64,
    /// Letters that somebody had put back already.
    pub already: u64,
}

impl Admin {
    /// Events in trouble, by consumer and key, in order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn letters(
        &self,
        which: Which,
        consumer: Option<&ConsumerName>,
    ) -> Result<Vec<Letter>, AdminError> {
        let query = match consumer {
            None => RecordQuery::default(),
            Some(consumer) if which == Which::Parked => {
                RecordQuery { group_prefix: Some(format!("{consumer}/")), ..RecordQuery::default() }
            }
            Some(consumer) => RecordQuery::group(consumer.as_str()),
        };
        let records = all_of(self.store.as_ref(), which.kind(), query).await?;
        let mut dues: HashMap<String, Option<Timestamp>> = HashMap::new();
        if which == Which::Parked {
            let keys = consumer.map_or_else(RecordQuery::default, |name| RecordQuery::group(name.as_str()));
            let keys = all_of(self.store.as_ref(), RecordKind::PARKED_KEY, keys).await?;
            dues.extend(keys.into_iter().map(|key| (key.id, key.due)));
        }
        let due = |record: &Record| dues.get(&record.group).copied().flatten();
        records.into_iter().map(|record| letter(due(&record), record)).collect()
    }

    /// Letters grouped by how they fail, most first.
    #[must_use]
    pub fn groups(letters: &[Letter]) -> Vec<Group> {
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        for Letter { troubled, .. } in letters {
            let group = groups.entry(&troubled.fingerprint).or_insert_with(|| Group {
                fingerprint: troubled.fingerprint.clone(),
                consumer: troubled.consumer.clone(),
                reason: troubled.reason.clone(),
                error: troubled.error.clone(),
                count: 0,
                first: troubled.since,
                last: troubled.at,
            });
            group.count += 1;
            group.first = group.first.min(troubled.since);
            group.last = group.last.max(troubled.at);
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then(a.fingerprint.cmp(&b.fingerprint)));
        groups
    }

    /// One letter, dead, refused or parked, by its id or by its event's id.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn letter(&self, id: &str) -> Result<(Which, Letter), AdminError> {
        for which in [Which::Dead, Which::Parked, Which::Refused] {
            if let Some(record) = self.store.find_one(which.kind(), id).await? {
                // A parked event is grouped by its key's record.
                let key = match which {
                    Which::Parked => self.store.find_one(RecordKind::PARKED_KEY, &record.group).await?,
                    Which::Dead | Which::Refused => None,
                };
                return Ok((which, letter(key.and_then(|key| key.due), record)?));
            }
        }
        if let Ok(event) = id.parse::<EventId>() {
            for which in [Which::Dead, Which::Parked, Which::Refused] {
                let found = self.letters(which, None).await?;
                if let Some(letter) = found.into_iter().find(|letter| letter.troubled.event == event) {
                    return Ok((which, letter));
                }
            }
        }
        let hint = "`factum dlq list` shows dead letters, with --refused and --parked the others".to_owned();
        Err(AdminError::Unknown { what: "letter", name: id.to_owned(), hint })
    }

    /// Puts dead or refused letters back in front of their key, to be tried at once with fresh attempts.
    ///
    /// # Errors
    /// When the store fails; what was put back before stays so.
    pub async fn requeue(&self, letters: &[Letter]) -> Result<Requeued, AdminError> {
        self.requeue_watched(letters, &mut |_| {}).await
    }

    /// The same, telling how many are done.
    ///
    /// # Errors
    /// As [`Admin::requeue`].
    pub async fn requeue_watched(
        &self,
        letters: &[Letter],
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Requeued, AdminError> {
        let id = EventId::new();
        let mut done = Requeued { id, requeued: 0, already: 0 };
        for letter in letters {
            if self.requeue_one(letter, id).await? {
                done.requeued += 1
            } else {
                done.already += 1
            }
            progress(done.requeued + done.already);
        }
        self.changed();
        Ok(done)
    }

    async fn requeue_one(&self, letter: &Letter, id: EventId) -> Result<bool, AdminError> {
        let store = self.store.as_ref();
        let kind = letter.record.kind;
        if kind == RecordKind::PARKED {
            // It waits for an attempt already; queueing it again would count it twice.
            return Ok(false);
        }
        let slot = slot_of(letter);
        let Some(consumer) = letter.troubled.consumer.parse::<ConsumerName>().ok() else { return Ok(false) };
        loop {
            let Some(current) = store.find_one(kind, &letter.id).await? else { return Ok(false) };
            let now = store.now().await?;
            let key_id = ParkedKey::id(&consumer, slot, &letter.troubled.key);
            let key = store.find_one(RecordKind::PARKED_KEY, &key_id).await?;
            let mut troubled = Troubled::read(&current)?;
            (troubled.attempts, troubled.later_since) = (0, None);
            let state = match &key {
                Some(record) => {
                    let state = read::<ParkedKey>(record)?;
                    ParkedKey { queued: state.queued + 1, waits: KeyWaits::Due, ..state }
                }
                None => ParkedKey {
                    key: troubled.key.clone(),
                    slot: slot.number(),
                    queued: 1,
                    waits: KeyWaits::Due,
                    since: now,
                    error: troubled.error.clone(),
                },
            };
            let detail = format!("request {id}, event {}", troubled.event);
            let mut work = store.begin().await?;
            work.remove(kind, current.id.clone(), Guard::At(current.revision));
            work.put(troubled.record(RecordKind::PARKED, slot), Guard::Any);
            let revision = key.map_or(0, |record| record.revision);
            work.put(state.record(&consumer, Some(now)), as_seen(revision));
            work.put(self.audit_record("requeue", &letter.id, detail).await?, Guard::Absent);
            match work.commit().await {
                Commit::Committed(_) => return Ok(true),
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other).into()),
            }
        }
    }

    /// Lets a dead or refused letter go: the event stays in the log, its consumer never handles it, its key goes on.
    ///
    /// # Errors
    /// When it is parked, gone already, or the store fails.
    pub async fn discard(&self, letter: &Letter, why: &str) -> Result<(), AdminError> {
        let store = self.store.as_ref();
        let kind = letter.record.kind;
        if kind == RecordKind::PARKED {
            let message =
                "it is parked and will be tried again; only dead or refused letters can be discarded";
            return Err(AdminError::Refused(message.to_owned()));
        }
        let slot = slot_of(letter);
        let consumer: ConsumerName = letter
            .troubled
            .consumer
            .parse()
            .map_err(|error: factum_core::NameError| AdminError::Refused(error.to_string()))?;
        loop {
            let Some(current) = store.find_one(kind, &letter.id).await? else {
                return Err(AdminError::Changed(format!("letter {}", letter.id)));
            };
            let now = store.now().await?;
            let key_id = ParkedKey::id(&consumer, slot, &letter.troubled.key);
            let key = store.find_one(RecordKind::PARKED_KEY, &key_id).await?;
            let mut work = store.begin().await?;
            work.remove(kind, current.id.clone(), Guard::At(current.revision));
            if let Some(record) = key {
                let state = read::<ParkedKey>(&record)?;
                let is_held = state.waits == KeyWaits::Held && kind == RecordKind::DEAD;
                if is_held && state.queued == 0 {
                    work.remove(RecordKind::PARKED_KEY, record.id, Guard::At(record.revision));
                } else if is_held {
                    let state = ParkedKey { waits: KeyWaits::Due, ..state };
                    work.put(state.record(&consumer, Some(now)), Guard::At(record.revision));
                }
            }
            let detail = format!(
                "event {}, {why}; it had failed with: {}",
                letter.troubled.event, letter.troubled.error
            );
            work.put(self.audit_record("discard", &letter.id, detail).await?, Guard::Absent);
            match work.commit().await {
                Commit::Committed(_) => {
                    self.changed();
                    return Ok(());
                }
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other).into()),
            }
        }
    }
}

fn letter(due: Option<Timestamp>, record: Record) -> Result<Letter, AdminError> {
    let troubled = Troubled::read(&record)?;
    Ok(Letter { id: record.id.clone(), troubled, due, record })
}

/// The slot that the letter's id names: a consumer with one slot has its keys in no other.
fn slot_of(letter: &Letter) -> Slot {
    let behind =
        letter.id.strip_prefix(letter.troubled.consumer.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let number = behind.and_then(|rest| rest.split('/').next()?.parse().ok());
    number.and_then(Slot::at).unwrap_or_else(|| Slot::of_text(&letter.troubled.key))
}
