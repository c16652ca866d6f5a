//! How stores write an envelope's metadata: one small binary value beside the payload.
//!
//! Revision 1: a byte `1`, then key, correlation, causation (16 bytes or none), actor, trace, content type and tags
//! (one per line), each as a little-endian `u16` length and its bytes. Reading slices what was read and copies
//! nothing. A later revision gets another first byte; this one stays readable.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::{Envelope, EventId};
use crate::event::Tags;
use crate::name::{Actor, ContentType, CorrelationId, PartitionKey, TraceParent};

const REVISION: u8 = 1;

/// Largest written metadata: 64 tags of 250 bytes, and the names.
pub const META_BYTES_MAX: usize = 20 * 1024;

/// Metadata that cannot be read: damaged, or written by a later release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored metadata cannot be read: {0}")]
pub struct MetaError(&'static str);

/// The part of an envelope that stores keep as one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Keeps related events in order.
    pub key: PartitionKey,
    /// What the events of one business transaction have in common.
    pub correlation: CorrelationId,
    /// The event or command that caused it.
    pub causation: Option<EventId>,
    /// Who caused it.
    pub actor: Option<Actor>,
    /// W3C trace context.
    pub trace: Option<TraceParent>,
    /// Media type of the payload.
    pub content_type: ContentType,
    /// Identifiers found in the payload.
    pub tags: Tags,
}

impl Meta {
    /// Writes an envelope's metadata.
    #[must_use]
    pub fn encode(envelope: &Envelope) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        Self::encode_into(envelope, &mut out);
        out
    }

    /// Writes an envelope's metadata behind what is there: adapters that write many events use one buffer.
    pub fn encode_into(envelope: &Envelope, out: &mut Vec<u8>) {
        out.push(REVISION);
        let text = |out: &mut Vec<u8>, text: &str| {
            // Every name's grammar and the limit on tags keep each part under 64 KiB.
            out.extend_from_slice(&(text.len() as u16).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        };
        text(out, envelope.key.as_str());
        text(out, envelope.correlation.as_str());
        let causation = envelope.causation.as_ref().map_or(&[][..], |id| id.as_bytes());
        out.extend_from_slice(&(causation.len() as u16).to_le_bytes());
        out.extend_from_slice(causation);
        text(out, envelope.actor.as_ref().map_or("", Actor::as_str));
        text(out, envelope.trace.as_ref().map_or("", TraceParent::as_str));
        let is_json = envelope.content_type == ContentType::JSON;
        text(out, if is_json { "" } else { envelope.content_type.as_str() });
        text(out, envelope.tags.as_lines());
    }

    /// Reads metadata; every part is a slice of `written`.
    ///
    /// # Errors
    /// When the bytes are damaged or of a later revision.
    pub fn decode(written: &Bytes) -> Result<Self, MetaError> {
        Self::decode_at(written, 0..written.len())
    }

    /// Reads the metadata that lies in a part of `page`; adapters that read many rows use one buffer.
    ///
    /// # Errors
    /// When the bytes are damaged or of a later revision, or the part is not within the page.
    pub fn decode_at(page: &Bytes, part: Range<usize>) -> Result<Self, MetaError> {
        let mut rest = Parts::of(page, part)?;
        let key = rest.name("key")?.ok_or(MetaError("the key is missing"))?;
        let correlation = rest.name("correlation")?.ok_or(MetaError("the correlation is missing"))?;
        let causation = match &page[rest.next()?] {
            [] => None,
            id => Some(EventId::from_bytes(id.try_into().map_err(|_| MetaError("the causation is no id"))?)),
        };
        let actor = rest.name("actor")?;
        let trace = rest.name("trace")?;
        let content_type = match rest.text()? {
            text if text.is_empty() => ContentType::JSON,
            text => text.parse().map_err(|_| MetaError("the content type is not valid"))?,
        };
        let tags = Tags::from_lines(rest.text()?);
        Ok(Self { key, correlation, causation, actor, trace, content_type, tags })
    }

    /// Reads the key alone: what deciding a slot needs.
    ///
    /// # Errors
    /// When the bytes are damaged or of a later revision.
    pub fn decode_key(written: &Bytes) -> Result<PartitionKey, MetaError> {
        Parts::of(written, 0..written.len())?.name("key")?.ok_or(MetaError("the key is missing"))
    }
}

struct Parts<'a> {
    page: &'a Bytes,
    at: usize,
    end: usize,
}

impl<'a> Parts<'a> {
    fn of(page: &'a Bytes, part: Range<usize>) -> Result<Self, MetaError> {
        match page.get(part.clone()).map(<[u8]>::first) {
            Some(Some(&REVISION)) => Ok(Self { page, at: part.start + 1, end: part.end }),
            Some(Some(_)) => Err(MetaError("it was written by a later release, or is damaged")),
            Some(None) => Err(MetaError("it is empty")),
            None => Err(MetaError("it is not there")),
        }
    }

    /// Where the next part is.
    fn next(&mut self) -> Result<Range<usize>, MetaError> {
        let cut = MetaError("it ends too early");
        let start = self.at + 2;
        if start > self.end {
            return Err(cut);
        }
        let end = start + usize::from(u16::from_le_bytes([self.page[self.at], self.page[self.at + 1]]));
        if end > self.end {
            return Err(cut);
        }
        self.at = end;
        Ok(start..end)
    }

    fn text(&mut self) -> Result<ByteString, MetaError> {
        let part = self.next()?;
        ByteString::try_from(self.page.slice(part)).map_err(|_| MetaError("a text is not UTF-8"))
    }

    fn name<N: TryFrom<ByteString>>(&mut self, what: &'static str) -> Result<Option<N>, MetaError> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        N::try_from(text).map(Some).map_err(|_| MetaError(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventType, Tag};

    fn envelope() -> Envelope {
        let key = "42".parse().unwrap();
        let event_type = EventType::event("order.placed", 1, "order", "order.placed");
        let mut envelope = Envelope::raw(event_type, key, Bytes::from_static(b"{}"));
        envelope.tags = Tags::new([Tag::new("orderId", "42").unwrap()]).unwrap();
        envelope.causation = Some(EventId::new());
        envelope.actor = Some("ann".parse().unwrap());
        envelope
    }

    #[test]
    fn metadata_reads_back_as_written() {
        let envelope = envelope();
        let meta = Meta::decode(&Meta::encode(&envelope).into()).unwrap();
        assert_eq!(meta.key, envelope.key);
        assert_eq!(meta.correlation, envelope.correlation);
        assert_eq!(meta.causation, envelope.causation);
        assert_eq!(meta.actor, envelope.actor);
        assert_eq!(meta.tags, envelope.tags);
        assert_eq!(meta.content_type, ContentType::JSON);
    }

    #[test]
    fn damaged_metadata_is_an_error_and_never_a_panic() {
        let written = Meta::encode(&envelope());
        for cut in 0..written.len() {
            let _ = Meta::decode(&Bytes::copy_from_slice(&written[..cut])).unwrap_err();
        }
        assert!(Meta::decode(&Bytes::from_static(&[9, 0, 0])).is_err());
    }

    #[test]
    fn revision_1_stays_readable() {
        let old = b"\x01\x02\x0042\x01\x00c\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00orderId:42";
        let meta = Meta::decode(&Bytes::from_static(old)).unwrap();
        assert_eq!((meta.key.as_str(), meta.correlation.as_str()), ("42", "c"));
        assert_eq!(meta.tags.value("orderId"), Some("42"));
    }
}
