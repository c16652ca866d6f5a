//! The one round trip that writes: units turned into arrays, verdicts turned into answers.
//!
//! `sql/schema/write.sql` takes any number of units. It locks first, judges each unit in memory on top of those before
//! it, takes the fence as late as it can, and writes what was not refused with one statement for each table. A unit
//! that is refused has written nothing, so that no savepoint is needed.
//! Units of one call share no event id and no record: whoever makes a group sees to it.

use std::collections::HashMap;

use factum_core::{
    Appended, Commit, Committed, Conflict, EventId, Expected, Guard, Position, RecordKind, StoreError,
    StreamId, Timestamp, Version, WriteError,
};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row as _};

use super::events::Events;
use super::names::Names;
use super::statements::{Statements, Text};
use super::step::Step;
use crate::batch::Batch;

/// Units as arrays.
#[derive(Default)]
pub(super) struct Call<'s> {
    units: i32,
    append_unit: Vec<i32>,
    append_stream: Vec<i32>,
    append_expected: Vec<i64>,
    append_count: Vec<i32>,
    appends: Vec<(&'s StreamId, &'s Expected)>,
    streams: Vec<&'s str>,
    stream_index: HashMap<&'s str, i32>,
    events: Events<'s>,
    buckets: Vec<i32>,
    record_unit: Vec<i32>,
    record_kind: Vec<&'static str>,
    record_id: Vec<&'s [u8]>,
    record_group: Vec<&'s [u8]>,
    record_due: Vec<Option<i64>>,
    record_bytes: Vec<&'s [u8]>,
    record_index: HashMap<(RecordKind, &'s str), i32>,
    op_record: Vec<i32>,
    op_guard: Vec<i64>,
    op_is_put: Vec<bool>,
    ops: Vec<(RecordKind, &'s str, Guard)>,
}

/// What the call answered.
pub(super) struct Answers {
    /// One for each unit, in order; `Ok` when it is written.
    pub(super) units: Vec<Result<Committed, Refused>>,
    /// The transaction that wrote it.
    pub(super) transaction: Option<String>,
    /// How many events were recorded.
    pub(super) events: u64,
}

/// Why a unit was not written; nothing of it is.
#[derive(Debug)]
pub(super) enum Refused {
    Conflict(Conflict),
    PartlyKnown(EventId),
    Closed { stream: StreamId, version: Version },
}

impl From<Refused> for Commit {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Conflict(conflict) => Self::Conflict(conflict),
            Refused::PartlyKnown(known) => Self::Failed(WriteError::PartlyKnown { known }),
            Refused::Closed { stream, version } => Self::Failed(WriteError::Closed { stream, version }),
        }
    }
}

/// Why a call did not answer.
pub(super) enum Fault {
    /// A type has no number yet.
    UnknownType,
    /// What it answered makes no sense.
    Answer(StoreError),
    Driver(sqlx::Error),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl<'s> Call<'s> {
    /// Adds a unit; only its appends and records.
    pub(super) fn unit(&mut self, steps: impl Iterator<Item = &'s Step>, names: &Names) -> Result<(), Fault> {
        self.units += 1;
        for step in steps {
            match step {
                Step::Append { to, expected, events } => {
                    self.append(to, expected, events, names)?;
                }
                Step::Put { record, guard } => {
                    let index = self.record(record.kind, &record.id);
                    let at = index as usize - 1;
                    self.record_group[at] = record.group.as_bytes();
                    self.record_due[at] = record.due.map(Timestamp::as_micros);
                    self.record_bytes[at] = &record.bytes;
                    self.op(index, *guard, true, (record.kind, &record.id));
                }
                Step::Remove { kind, id, guard } => {
                    let index = self.record(*kind, id);
                    self.op(index, *guard, false, (*kind, id));
                }
                Step::Execute { .. } | Step::Wrong(_) => {}
            }
        }
        Ok(())
    }

    fn append(
        &mut self,
        to: &'s StreamId,
        expected: &'s Expected,
        events: &'s Batch,
        names: &Names,
    ) -> Result<(), Fault> {
        let next = self.streams.len() as i32 + 1;
        let index = *self.stream_index.entry(to.as_str()).or_insert(next);
        if index == next {
            self.streams.push(to.as_str());
        }
        self.append_unit.push(self.units);
        self.append_stream.push(index);
        self.append_expected.push(expected_number(expected));
        self.append_count.push(events.len() as i32);
        self.appends.push((to, expected));
        self.events.add(self.appends.len() as i32, to, events, names)
    }

    fn record(&mut self, kind: RecordKind, id: &'s str) -> i32 {
        let next = self.record_id.len() as i32 + 1;
        let index = *self.record_index.entry((kind, id)).or_insert(next);
        if index == next {
            self.record_unit.push(self.units);
            self.record_kind.push(kind.as_str());
            self.record_id.push(id.as_bytes());
            self.record_group.push(&[]);
            self.record_due.push(None);
            self.record_bytes.push(&[]);
        }
        index
    }

    fn op(&mut self, record: i32, guard: Guard, is_put: bool, named: (RecordKind, &'s str)) {
        self.op_record.push(record);
        self.op_guard.push(match guard {
            Guard::Any => -1,
            Guard::Absent => 0,
            // No record is at revision 0, so that such a guard never holds.
            Guard::At(0) => -2,
            Guard::At(revision) => i64::try_from(revision).unwrap_or(i64::MAX),
        });
        self.op_is_put.push(is_put);
        self.ops.push((named.0, named.1, guard));
    }

    /// Has the call take the buckets of its tags; a unit that took them before needs none.
    pub(super) fn take_buckets(&mut self) {
        self.buckets = self.events.buckets();
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.ops.is_empty()
    }

    /// Makes the round trip.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
    ) -> Result<Answers, Fault> {
        let row = self.asks(&statements.write).fetch_one(connection).await?;
        self.read(&row)
    }

    /// Makes the round trip where the connection is on the server of an identity; `None` when it is elsewhere, and then
    /// nothing has happened there.
    pub(super) async fn run_here(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
        identity: &str,
    ) -> Result<Option<Answers>, Fault> {
        let row = self.asks(&statements.write_here).bind(identity).fetch_optional(connection).await?;
        row.as_ref().map(|row| self.read(row)).transpose()
    }

    /// A statement that writes, with what it is to write.
    fn asks<'q>(&'q self, statement: &Text) -> Query<'q, Postgres, PgArguments> {
        let events = &self.events;
        let least = events.id.iter().min().copied().unwrap_or_default();
        sqlx::query(statement.sql())
            .bind(self.units)
            .bind(&self.append_unit)
            .bind(&self.append_stream)
            .bind(&self.append_expected)
            .bind(&self.append_count)
            .bind(&self.streams)
            .bind(&events.append)
            .bind(&events.event_type)
            .bind(&events.time)
            .bind(&events.sum)
            .bind(least)
            .bind(&events.id)
            .bind(&events.meta)
            .bind(&events.data)
            .bind(&events.tag_event)
            .bind(&events.tag_hash)
            .bind(&self.buckets)
            .bind(&self.record_unit)
            .bind(&self.record_kind)
            .bind(&self.record_id)
            .bind(&self.record_group)
            .bind(&self.record_due)
            .bind(&self.record_bytes)
            .bind(&self.op_record)
            .bind(&self.op_guard)
            .bind(&self.op_is_put)
    }

    fn read(&self, row: &PgRow) -> Result<Answers, Fault> {
        let known: Option<Vec<Option<String>>> = row.try_get("o_known")?;
        let raw = Raw {
            code: row.try_get("o_code")?,
            index: row.try_get("o_index")?,
            actual: row.try_get("o_actual")?,
            version: row.try_get::<Option<_>, _>("o_version")?.unwrap_or_default(),
            position: row.try_get::<Option<_>, _>("o_position")?.unwrap_or_default(),
            known: known.unwrap_or_default(),
        };
        let answers = self.answers(&raw).ok_or_else(|| {
            let message =
                "the function `write` gave an answer that does not fit; was the schema changed by hand?";
            Fault::Answer(StoreError::new(factum_core::StoreErrorKind::Corrupt, message))
        })?;
        Ok(Answers { transaction: row.try_get("o_xid")?, ..answers })
    }

    /// What the arrays mean; `None` when they do not fit the call.
    fn answers(&self, raw: &Raw) -> Option<Answers> {
        let mut units = Vec::with_capacity(raw.code.len());
        let (mut next, mut events) = (0, 0);
        for unit in 1..=self.units {
            let first = next;
            while self.append_unit.get(next) == Some(&unit) {
                next += 1;
            }
            let at = unit as usize - 1;
            let answer = match raw.code.get(at)? {
                0 => {
                    let appended: Option<Vec<Appended>> =
                        (first..next).map(|append| self.appended(raw, append)).collect();
                    let appended = appended?;
                    let new = (first..next).filter(|append| !appended[append - first].known);
                    events += new.map(|append| self.append_count[append] as u64).sum::<u64>();
                    let position = appended.iter().filter(|one| !one.known).map(|one| one.position).max();
                    Ok(Committed { appended, position })
                }
                code => Err(self.refused(
                    *code,
                    usize::try_from(*raw.index.get(at)?).ok()?,
                    *raw.actual.get(at)?,
                )?),
            };
            units.push(answer);
        }
        Some(Answers { units, transaction: None, events })
    }

    fn appended(&self, raw: &Raw, append: usize) -> Option<Appended> {
        let number = |number: &Option<i64>| number.map(i64::cast_unsigned);
        let known = raw.known.get(append).cloned().flatten();
        Some(Appended {
            stream: match &known {
                Some(name) => name.parse().ok()?,
                None => self.appends.get(append)?.0.clone(),
            },
            version: Version::at(number(raw.version.get(append)?)?),
            position: Position::at(number(raw.position.get(append)?)?),
            known: known.is_some(),
        })
    }

    fn refused(&self, code: i32, index: usize, actual: i64) -> Option<Refused> {
        let at = index.checked_sub(1)?;
        Some(match code {
            1 => {
                let (stream, expected) = *self.appends.get(at)?;
                let actual = Version::at(actual.cast_unsigned());
                let (stream, expected) = (stream.clone(), expected.unmet(actual).clone());
                Refused::Conflict(Conflict::Stream { stream, expected, actual })
            }
            2 => Refused::PartlyKnown(self.events.id(index)?),
            3 => {
                let (kind, id, expected) = *self.ops.get(at)?;
                let (id, actual) = (id.to_owned(), actual.cast_unsigned());
                Refused::Conflict(Conflict::Record { kind, id, expected, actual })
            }
            4 => {
                let stream = self.appends.get(at)?.0.clone();
                Refused::Closed { stream, version: Version::at(actual.cast_unsigned()) }
            }
            _ => return None,
        })
    }
}

/// An expected version as the functions take it: -1 is any.
pub(super) fn expected_number(expected: &Expected) -> i64 {
    match expected {
        Expected::Any | Expected::Unchanged { .. } | Expected::Unrecorded => -1,
        Expected::All(parts) => {
            let mut numbers = parts.iter().map(expected_number).filter(|number| *number != -1);
            match numbers.next() {
                None => -1,
                Some(first) if numbers.all(|other| other == first) => first,
                // No stream is at two versions: nor at the last there could be.
                Some(_) => i64::MAX,
            }
        }
        Expected::NoStream => 0,
        Expected::At(version) => i64::try_from(version.number()).unwrap_or(i64::MAX),
    }
}

/// The arrays that came back.
struct Raw {
    code: Vec<i32>,
    index: Vec<i32>,
    actual: Vec<i64>,
    version: Vec<Option<i64>>,
    position: Vec<Option<i64>>,
    known: Vec<Option<String>>,
}
