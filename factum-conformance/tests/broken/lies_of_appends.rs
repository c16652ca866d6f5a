//! Lies about appending: expectations, ids, payloads, answers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use factum_conformance::{ModelStore, async_trait};
use factum_core::*;

use super::spoiled::{Lie, Write, commit};

/// A lie that spoils the events that are appended.
macro_rules! spoils {
    ($(#[$doc:meta])* $name:ident, |$events:ident| $spoil:block) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $name;
        impl Lie for $name {
            fn write(&self, write: Write) -> Write {
                let Write::Append(to, expected, mut $events) = write else { return write };
                $spoil
                Write::Append(to, expected, $events)
            }
        }
    };
}

spoils!(
    /// Loses the last event of a batch.
    LosesTheLast, |events| { if events.len() > 1 { events.pop(); } }
);
spoils!(
    /// Keeps the first 64 KiB of a payload.
    Truncates, |events| {
        for event in &mut events { event.data.truncate(64 * 1024); }
    }
);
spoils!(
    /// Writes JSON anew, without its spaces.
    Tidies, |events| {
        for event in &mut events {
            let tidied: Vec<u8> = event.data.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            event.data = tidied.into();
        }
    }
);
spoils!(
    /// Keeps the first tag.
    DropsTags, |events| {
        for event in &mut events {
            let first = event.tags.iter().next().map(|tag| tag.parse().expect("it was a tag"));
            event.tags = Tags::new(first).expect("one tag is not too many");
        }
    }
);
spoils!(
    /// Takes the end of a stream for an event like any other.
    NeverCloses, |events| {
        for event in &mut events {
            if event.event_type == StreamClosed::TYPE {
                event.event_type = EventType::event("stream.ended", 1, "stream", "stream.ended");
            }
        }
    }
);
spoils!(
    /// Keeps milliseconds.
    RoundsTimes, |events| {
        for event in &mut events {
            event.time = Timestamp::from_micros(event.time.as_micros() / 1000 * 1000);
        }
    }
);

/// Appends whatever was expected.
#[derive(Clone)]
pub(crate) struct IgnoresExpected;
impl Lie for IgnoresExpected {
    fn write(&self, write: Write) -> Write {
        match write {
            Write::Append(to, _, events) => Write::Append(to, Expected::Any, events),
            other => other,
        }
    }
}

/// Appends whatever was expected of a boundary.
#[derive(Clone)]
pub(crate) struct IgnoresBoundaries;
impl Lie for IgnoresBoundaries {
    fn write(&self, write: Write) -> Write {
        match write {
            Write::Append(to, Expected::Unchanged { .. } | Expected::All(_), events) => {
                Write::Append(to, Expected::Any, events)
            }
            other => other,
        }
    }
}

/// Answers known events as the first time where new ones are expected.
#[derive(Clone)]
pub(crate) struct ForgivesRepeats;
impl Lie for ForgivesRepeats {
    fn write(&self, write: Write) -> Write {
        match write {
            Write::Append(to, expected, events) if expected.is_of_new() => {
                Write::Append(to, Expected::Any, events)
            }
            other => other,
        }
    }
}

/// Knows no id again: every event is recorded under an id of its own, and shown under the one it came with.
#[derive(Clone, Default)]
pub(crate) struct ForgetsIds(Arc<Mutex<HashMap<EventId, EventId>>>);
impl Lie for ForgetsIds {
    fn write(&self, write: Write) -> Write {
        let Write::Append(to, expected, mut events) = write else { return write };
        for event in &mut events {
            let own = EventId::new();
            self.0.lock().expect("no test panics with the lock").insert(own, event.id);
            event.id = own;
        }
        Write::Append(to, expected, events)
    }
    fn page(&self, _: &Query, mut page: Page) -> Page {
        for event in &mut page.events {
            event.envelope.id = self.0.lock().expect("no test panics with the lock")[&event.envelope.id];
        }
        page
    }
}

/// Judges what is expected before it looks whether the ids are known.
#[derive(Clone)]
pub(crate) struct JudgesFirst;
#[async_trait]
impl Lie for JudgesFirst {
    async fn commit(&self, store: &ModelStore, writes: Vec<Write>) -> Commit {
        for write in &writes {
            let Write::Append(to, expected @ (Expected::NoStream | Expected::At(_)), _) = write else {
                continue;
            };
            let whole = Query { direction: Direction::Backward, limit: 1, ..Query::stream(to.clone()) };
            let page = store.read(&whole).await.expect("the model reads");
            let actual = page.events.first().map_or(Version::EMPTY, |event| event.version);
            let is_met = match expected {
                Expected::At(version) => *version == actual,
                _ => actual == Version::EMPTY,
            };
            if !is_met {
                let (stream, expected) = (to.clone(), expected.clone());
                return Commit::Conflict(Conflict::Stream { stream, expected, actual });
            }
        }
        commit(store, writes).await
    }
}

/// Answers known ids with where the stream is now.
#[derive(Clone, Default)]
pub(crate) struct AnswersNow(Arc<Mutex<HashMap<StreamId, Appended>>>);
impl Lie for AnswersNow {
    fn answer(&self, answer: Appended) -> Appended {
        let mut last = self.0.lock().expect("no test panics with the lock");
        if answer.known {
            return Appended { known: true, ..last.get(&answer.stream).cloned().unwrap_or(answer) };
        }
        last.insert(answer.stream.clone(), answer.clone());
        answer
    }
}

/// Records the new events of a partly known batch.
#[derive(Clone, Default)]
pub(crate) struct TakesTheNewPart(Arc<Mutex<HashSet<EventId>>>);
impl Lie for TakesTheNewPart {
    fn write(&self, write: Write) -> Write {
        let Write::Append(to, expected, mut events) = write else { return write };
        let mut known = self.0.lock().expect("no test panics with the lock");
        if events.iter().any(|event| !known.contains(&event.id)) {
            events.retain(|event| known.insert(event.id));
        }
        Write::Append(to, expected, events)
    }
}

/// Admits everything.
#[derive(Clone)]
pub(crate) struct HasNoGate;
impl Lie for HasNoGate {
    fn gate(&self, _: Arc<dyn Gate>) -> Arc<dyn Gate> {
        Arc::new(OpenGate)
    }
}

/// Answers with where a stream begins.
#[derive(Clone)]
pub(crate) struct AnswersTheFirst;
impl Lie for AnswersTheFirst {
    fn answer(&self, answer: Appended) -> Appended {
        Appended { version: Version::at(1), ..answer }
    }
}
