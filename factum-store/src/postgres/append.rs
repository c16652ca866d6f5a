//! The short way to write: units that are one append each, which is what most units are.
//!
//! `sql/schema/append.sql` does for them what `write` does, with a third of the work: no records, no unit that takes
//! something back, no look for known ids. A known id runs into its unique index, and then the group is done by
//! `write`, which says where it is. A single event, the only thing that one caller alone sends, needs no function at all.
//! All of them take their locks in the same order: buckets, streams by name, the fence last.
//! Never used inside of a transaction, which a known id would end.

use factum_core::{
    Appended, Committed, Conflict, Expected, Position, StoreError, StoreErrorKind, StreamId, Version,
};
use sqlx::{PgConnection, Row as _};

use super::events::Events;
use super::names::Names;
use super::statements::Statements;
use super::step::Step;
use super::write::{Answers, Fault, Refused, expected_number};
use crate::batch::Batch;

/// Appends as arrays, in the order of their streams' names.
pub(super) struct Appends<'s> {
    streams: Vec<&'s str>,
    expected: Vec<i64>,
    count: Vec<i32>,
    events: Events<'s>,
    /// Stream and expectation of each, and which unit it was.
    asked: Vec<(&'s StreamId, &'s Expected, usize)>,
}

impl<'s> Appends<'s> {
    /// What the units hold, when each of them is one append; else `None`.
    pub(super) fn of(units: &[&'s [Step]], names: &Names) -> Result<Option<Self>, Fault> {
        let single = |(unit, steps): (usize, &&'s [Step])| match *steps {
            [Step::Append { to, expected, events }] => Some((to, expected, events, unit)),
            _ => None,
        };
        let all: Option<Vec<(&StreamId, &Expected, &Batch, usize)>> =
            units.iter().enumerate().map(single).collect();
        let Some(mut all) = all else { return Ok(None) };
        // Whoever locks streams does it in this order, so that no two wait for each other. Those that came first go
        // first within a stream.
        all.sort_by(|one, next| one.0.as_str().cmp(next.0.as_str()));
        let mut appends = Self {
            streams: Vec::with_capacity(all.len()),
            expected: Vec::with_capacity(all.len()),
            count: Vec::with_capacity(all.len()),
            events: Events::default(),
            asked: Vec::with_capacity(all.len()),
        };
        for (to, expected, events, unit) in all {
            appends.streams.push(to.as_str());
            appends.expected.push(expected_number(expected));
            appends.count.push(events.len() as i32);
            appends.asked.push((to, expected, unit));
            appends.events.add(appends.asked.len() as i32, to, events, names)?;
        }
        Ok(Some(appends))
    }

    /// Makes the round trip; a second one when a single event is not where it was expected to be.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
    ) -> Result<Answers, Fault> {
        if self.is_plain()
            && let Some(raw) = self.run_one(connection, statements).await?
        {
            return self.answers(&raw).ok_or_else(misfit);
        }
        self.run_many(connection, statements).await
    }

    /// Whether it is one event without tags.
    fn is_plain(&self) -> bool {
        self.events.id.len() == 1 && self.events.tag_hash.is_empty()
    }

    /// One event in one plain statement; `None` when nothing was written.
    async fn run_one(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
    ) -> Result<Option<Raw>, Fault> {
        let events = &self.events;
        let append = match self.expected[0] {
            0 => sqlx::query(statements.append_new.sql()).bind(self.streams[0]),
            at => sqlx::query(statements.append_one.sql()).bind(self.streams[0]).bind(at),
        };
        let append = append
            .bind(events.time[0])
            .bind(events.sum[0])
            .bind(events.event_type[0])
            .bind(events.id[0])
            .bind(events.meta[0])
            .bind(events.data[0]);
        let Some(row) = append.fetch_optional(connection).await? else { return Ok(None) };
        Ok(Some(Raw { version: vec![row.try_get(1)?], position: vec![row.try_get(0)?], actual: Vec::new() }))
    }

    async fn run_many(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
    ) -> Result<Answers, Fault> {
        let events = &self.events;
        let append = sqlx::query(statements.append.sql())
            .bind(&self.streams)
            .bind(&self.expected)
            .bind(&self.count)
            .bind(events.buckets())
            .bind(&events.append)
            .bind(&events.event_type)
            .bind(&events.time)
            .bind(&events.sum)
            .bind(&events.id)
            .bind(&events.meta)
            .bind(&events.data)
            .bind(&events.tag_event)
            .bind(&events.tag_hash);
        let row = append.fetch_one(connection).await?;
        let raw = Raw {
            version: row.try_get("o_version")?,
            position: row.try_get::<Option<_>, _>("o_position")?.unwrap_or_default(),
            actual: row.try_get::<Option<_>, _>("o_actual")?.unwrap_or_default(),
        };
        self.answers(&raw).ok_or_else(misfit)
    }

    /// What the arrays mean, in the order of the units; `None` when they do not fit.
    fn answers(&self, raw: &Raw) -> Option<Answers> {
        let mut units: Vec<Option<Result<Committed, Refused>>> = self.asked.iter().map(|_| None).collect();
        let mut events = 0;
        for (at, (stream, expected, unit)) in self.asked.iter().enumerate() {
            let answer = match *raw.version.get(at)? {
                Some(version) => {
                    let position = Position::at((*raw.position.get(at)?)?.cast_unsigned());
                    let version = Version::at(version.cast_unsigned());
                    events += self.count.get(at)?.unsigned_abs() as u64;
                    let appended = Appended { stream: (*stream).clone(), version, position, known: false };
                    Ok(Committed { appended: vec![appended], position: Some(position) })
                }
                None => {
                    let actual = Version::at((*raw.actual.get(at)?)?.cast_unsigned());
                    let (stream, expected) = ((*stream).clone(), (*expected).clone());
                    Err(Refused::Conflict(Conflict::Stream { stream, expected, actual }))
                }
            };
            *units.get_mut(*unit)? = Some(answer);
        }
        let units: Option<Vec<_>> = units.into_iter().collect();
        Some(Answers { units: units?, transaction: None, events })
    }
}

fn misfit() -> Fault {
    let message = "the function `append` gave an answer that does not fit; was the schema changed by hand?";
    Fault::Answer(StoreError::new(StoreErrorKind::Corrupt, message))
}

/// The arrays that came back, one entry for each append.
struct Raw {
    /// Null when it is refused.
    version: Vec<Option<i64>>,
    position: Vec<Option<i64>>,
    /// Where the stream is, when it is refused.
    actual: Vec<Option<i64>>,
}
