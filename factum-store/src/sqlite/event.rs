//! An event as a row that is read: collected in one buffer, verified, decoded.
//!
//! Never hands out an event whose checksum does not hold.

use bytes::{Bytes, BytesMut};
use factum_core::envelope::Meta;
use factum_core::{Position, Query, Recorded, StoreError, Version, hash64};
use rusqlite::{Connection, Row};

use super::error::{Doing as _, corrupt, met_at};
use super::names::Names;
use crate::batch::{Sum, envelope};

/// Bytes after which a page is full whatever its limit.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Memory that a reader keeps from one page to the next.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// The columns of an event that every reading statement selects, in this order.
pub(super) struct Columns {
    pub(super) position: i64,
    pub(super) stream_id: i64,
    pub(super) version: i64,
    pub(super) type_id: i64,
}

impl Columns {
    pub(super) fn of(row: &Row<'_>) -> Result<Self, StoreError> {
        let number = |index| {
            let value = row.get_ref(index).doing("cannot read an event")?;
            value.as_i64().map_err(rusqlite::Error::from).doing("cannot read an event")
        };
        Ok(Self { position: number(0)?, stream_id: number(1)?, version: number(2)?, type_id: number(3)? })
    }
}

/// A row that was read; metadata and payload lie in the page's buffer.
struct Taken {
    columns: Columns,
    time: i64,
    sum: i64,
    id: [u8; 16],
    meta_end: usize,
    data_end: usize,
}

/// Collects rows in one buffer, which all events of a page then share.
///
/// Kept by its reader: once every event of the page before has been dropped, its memory is used again.
#[derive(Default)]
pub(super) struct PageBuffer {
    bytes: BytesMut,
    rows: Vec<Taken>,
    /// Bytes of the page before: what the next one will about need.
    usual: usize,
}

impl PageBuffer {
    /// Makes ready for the rows of a page.
    pub(super) fn begin(&mut self) {
        self.rows.clear();
        self.bytes.clear();
        self.bytes.reserve(self.usual);
    }

    /// Whether the page is full whatever its limit.
    pub(super) fn is_large(&self) -> bool {
        self.bytes.len() >= PAGE_BYTES_MAX
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn take(&mut self, columns: Columns, row: &Row<'_>) -> Result<(), StoreError> {
        let damaged = |what| corrupt(columns.position, what);
        let blob = |index| {
            let value = row.get_ref(index).doing("cannot read an event")?;
            value.as_blob().map_err(|_| damaged("a value is no blob"))
        };
        let number = |index| {
            let value = row.get_ref(index).doing("cannot read an event")?;
            value.as_i64().map_err(|_| damaged("a value is no number"))
        };
        let (time, sum) = (number(4)?, number(5)?);
        let id = blob(6)?.try_into().map_err(|_| damaged("its id is not 16 bytes"))?;
        self.bytes.extend_from_slice(blob(7)?);
        let meta_end = self.bytes.len();
        self.bytes.extend_from_slice(blob(8)?);
        let data_end = self.bytes.len();
        self.rows.push(Taken { columns, time, sum, id, meta_end, data_end });
        Ok(())
    }

    /// Verifies and decodes what was collected, and keeps of it what the query asks for.
    pub(super) fn open_into(
        &mut self,
        events: &mut Vec<Recorded>,
        connection: &Connection,
        names: &mut Names,
        query: &Query,
    ) -> Result<(), StoreError> {
        self.usual = self.bytes.len().min(KEPT_BYTES_MAX);
        let page = self.bytes.split().freeze();
        let mut start = 0;
        for row in &self.rows {
            let event = open(connection, names, row, &page, start)?;
            start = row.data_end;
            if query.matches(&event) {
                events.push(event);
            }
        }
        Ok(())
    }

    /// The position of the last row that was collected.
    pub(super) fn last(&self) -> Option<i64> {
        self.rows.last().map(|row| row.columns.position)
    }
}

fn open(
    connection: &Connection,
    names: &mut Names,
    row: &Taken,
    page: &Bytes,
    start: usize,
) -> Result<Recorded, StoreError> {
    let Columns { position, stream_id, version, type_id } = row.columns;
    let damaged = |what: &str| corrupt(position, what);
    let stream = names.stream(connection, stream_id).map_err(|error| met_at(position, error))?;
    let kind = names.event_type(connection, type_id).map_err(|error| met_at(position, error))?;
    let sum = Sum {
        position,
        version,
        stream_hash: stream.hash,
        type_hash: kind.hash,
        time: row.time,
        id: row.id,
        meta_hash: hash64(&page[start..row.meta_end]),
        data_hash: hash64(&page[row.meta_end..row.data_end]),
    };
    if sum.value() != row.sum {
        return Err(damaged("its checksum does not hold"));
    }
    let meta = Meta::decode_at(page, start..row.meta_end).map_err(|error| damaged(&error.to_string()))?;
    let data = page.slice(row.meta_end..row.data_end);
    let envelope = envelope(row.id, row.time, kind.event_type.clone(), meta, data);
    Ok(Recorded {
        envelope,
        stream: stream.id,
        version: Version::at(version.cast_unsigned()),
        position: Position::at(position.cast_unsigned()),
    })
}
