//! Answers questions that need the code of deciders: whether snapshots are what their events give, and what a state
//! was.
//!
//! Whoever operates a store has no code. A question is a record; an app that has declared the decider meets it, claims
//! it, and puts the answer beside it. An app of an older version of the code leaves snapshots of a newer one to those
//! who know it. Never writes down what is personal: other readers of the store have no key.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use factum_core::{
    Commit, Decider, EventSet as _, Record, RecordKind, RecordQuery, Store, StoreError, StreamId, Timestamp,
    pointer,
};
use serde::Serialize;
use serde_json::Value;

use crate::execute::{AsOf, LoadError, SNAPSHOT_BYTES_MAX, SnapshotVerdict, StateAt, told, verified};
use crate::instance::{Instance, as_store_error};
use crate::state::{Answer, AskedState, Compared, Differs, Question, as_seen, read};

/// How often the store is asked for questions, while nobody asks.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// How often, just after one was answered: more of them come.
pub(crate) const LOOK_BUSY: Duration = Duration::from_millis(20);
/// How long an app looks more often after an answer.
pub(crate) const BUSY: Duration = Duration::from_secs(3);
/// How long a question, or an answer that nobody fetches, is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(600);

/// Places of a state that are listed where it differs; more of them say nothing new.
const PLACES_MAX: usize = 10;
/// Longest value that is shown, in characters.
const VALUE_MAX: usize = 80;

type Answered<'a, T> = Pin<Box<dyn Future<Output = Result<T, LoadError>> + Send + 'a>>;
type Verify = for<'a> fn(&'a dyn Store, &'a StreamId) -> Answered<'a, (SnapshotVerdict, bool)>;
type Tell = for<'a> fn(&'a dyn Store, &'a StreamId, AsOf) -> Answered<'a, Result<StateAt<String>, String>>;

/// A decider without its type.
#[derive(Clone)]
pub(crate) struct DeciderDeclared {
    /// Its snapshots' name, else the category of its events.
    pub(crate) name: String,
    /// The version of its snapshots.
    version: Option<u32>,
    categories: Vec<String>,
    verify: Verify,
    tell: Tell,
}

impl DeciderDeclared {
    pub(crate) fn new<D: Decider<State: Serialize>>() -> Self {
        let categories: Vec<String> =
            D::Event::types().into_iter().map(|known| known.category.to_string()).collect();
        let snapshots = D::snapshots();
        let name = snapshots.as_ref().map(|kept| kept.name().to_string());
        Self {
            name: name.or_else(|| categories.first().cloned()).unwrap_or_default(),
            version: snapshots.map(|kept| kept.version()),
            categories,
            verify: |store, stream| Box::pin(verified::<D>(store, stream)),
            tell: |store, stream, as_of| Box::pin(tell::<D>(store, stream, as_of)),
        }
    }

    fn is_of(&self, stream: &StreamId) -> bool {
        self.categories.iter().any(|category| category == stream.category())
    }
}

async fn tell<D: Decider<State: Serialize>>(
    store: &dyn Store,
    stream: &StreamId,
    as_of: AsOf,
) -> Result<Result<StateAt<String>, String>, LoadError> {
    let (at, is_personal) = told::<D>(store, stream, as_of).await?;
    if is_personal {
        return Ok(Err(format!(
            "the state of {stream} holds personal values, which are written nowhere: ask in the app, with `state_of`"
        )));
    }
    let state = match serde_json::to_string(&at.state) {
        Ok(state) if state.len() <= SNAPSHOT_BYTES_MAX => state,
        Ok(state) => {
            return Ok(Err(format!("the state of {stream} has {} bytes, which are too many", state.len())));
        }
        Err(error) => return Ok(Err(format!("the state of {stream} has no JSON form: {error}"))),
    };
    Ok(Ok(StateAt { state, version: at.version, position: at.position }))
}

/// Answers what waits; says whether there was anything.
pub(crate) async fn answer(
    store: &dyn Store,
    deciders: &[DeciderDeclared],
    instance: &Instance,
) -> Result<bool, StoreError> {
    let mut has_answered = false;
    for record in store.find(RecordKind::ASKED, &RecordQuery::default()).await? {
        let Ok(asked) = read::<AskedState>(&record) else { continue };
        let is_taken = match &asked.by {
            Some(by) => asked.answer.is_some() || instance.lives(by, store).await?,
            None => false,
        };
        if is_taken || !can_answer(deciders, &asked.question) {
            continue;
        }
        let due = store.now().await?.plus(KEPT);
        let taken = AskedState { by: Some(instance.id.clone()), ..asked };
        let Some(revision) = put(store, &record, &taken, record.revision, due).await? else { continue };
        let answer = match &taken.question {
            Question::Snapshots { decider, streams, .. } => {
                snapshots(store, deciders, decider, streams).await?
            }
            Question::State { stream, decider, version, time } => {
                let as_of = match (version, time) {
                    (Some(version), _) => AsOf::Version(*version),
                    (None, Some(time)) => AsOf::Time(*time),
                    (None, None) => AsOf::Now,
                };
                state(store, deciders, stream, decider.as_deref(), as_of).await?
            }
        };
        // Whoever asked may have gone, and the record with it.
        put(store, &record, &AskedState { answer: Some(answer), ..taken }, revision, due).await?;
        has_answered = true;
    }
    Ok(has_answered)
}

fn can_answer(deciders: &[DeciderDeclared], question: &Question) -> bool {
    match question {
        Question::Snapshots { decider, code, .. } => {
            deciders.iter().any(|known| known.name == *decider && known.version >= Some(*code))
        }
        Question::State { stream, decider, .. } => {
            let Ok(stream) = stream.parse::<StreamId>() else { return false };
            deciders.iter().any(|known| {
                decider.as_ref().map_or_else(|| known.is_of(&stream), |name| known.name == *name)
            })
        }
    }
}

/// Puts the record at the revision it was seen at; answers the next one, or nothing when somebody else was first.
async fn put(
    store: &dyn Store,
    record: &Record,
    asked: &AskedState,
    revision: u64,
    due: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let mut work = store.begin().await?;
    work.put(asked.record(&record.id, due), as_seen(revision));
    match work.commit().await {
        Commit::Committed(_) => Ok(Some(revision + 1)),
        Commit::Conflict(_) => Ok(None),
        other => Err(as_store_error(other)),
    }
}

async fn snapshots(
    store: &dyn Store,
    deciders: &[DeciderDeclared],
    decider: &str,
    streams: &[String],
) -> Result<Answer, StoreError> {
    let mut all = Vec::new();
    for stream in streams {
        all.push(match (deciders.iter().find(|known| known.name == decider), stream.parse::<StreamId>()) {
            (Some(known), Ok(stream)) => compared((known.verify)(store, &stream).await)?,
            _ => Compared::Gone,
        });
    }
    Ok(Answer::Snapshots { compared: all })
}

fn compared(verdict: Result<(SnapshotVerdict, bool), LoadError>) -> Result<Compared, StoreError> {
    Ok(match verdict {
        Ok((SnapshotVerdict::Absent, _)) => Compared::Gone,
        Ok((SnapshotVerdict::Agrees { version }, _)) => Compared::Same { version },
        Ok((SnapshotVerdict::Ignored { why }, _)) => Compared::Ignored { why },
        Ok((SnapshotVerdict::Differs { version, kept, folded }, is_personal)) => {
            let value = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            let mut found = Found { first: Vec::new(), places: 0, is_personal };
            found.compare(&mut String::new(), Some(&value(&kept)), Some(&value(&folded)));
            Compared::Other { version, first: found.first, places: found.places }
        }
        Err(LoadError::Store(error)) if error.is_transient() => return Err(error),
        Err(error) => Compared::Failed { why: error.to_string() },
    })
}

/// Where two states differ.
struct Found {
    first: Vec<Differs>,
    places: usize,
    is_personal: bool,
}

impl Found {
    fn compare(&mut self, path: &mut String, kept: Option<&Value>, folded: Option<&Value>) {
        match (kept, folded) {
            (Some(Value::Object(kept)), Some(Value::Object(folded))) => {
                let names: BTreeSet<&String> = kept.keys().chain(folded.keys()).collect();
                for name in names {
                    self.within(path, &pointer::escaped(name), kept.get(name), folded.get(name));
                }
            }
            (Some(Value::Array(kept)), Some(Value::Array(folded))) => {
                for index in 0..kept.len().max(folded.len()) {
                    self.within(path, &index.to_string(), kept.get(index), folded.get(index));
                }
            }
            (kept, folded) if kept == folded => {}
            (kept, folded) => {
                self.places += 1;
                if self.first.len() < PLACES_MAX {
                    let shown = |value: Option<&Value>| value.filter(|_| !self.is_personal).map(shown);
                    let (kept, folded) = (shown(kept), shown(folded));
                    self.first.push(Differs { path: path.clone(), kept, folded });
                }
            }
        }
    }

    fn within(&mut self, path: &mut String, part: &str, kept: Option<&Value>, folded: Option<&Value>) {
        let length = path.len();
        path.push('/');
        path.push_str(part);
        self.compare(path, kept, folded);
        path.truncate(length);
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

async fn state(
    store: &dyn Store,
    deciders: &[DeciderDeclared],
    stream: &str,
    decider: Option<&str>,
    as_of: AsOf,
) -> Result<Answer, StoreError> {
    let refused = |why: String| Ok(Answer::Refused { why });
    let stream: StreamId = match stream.parse() {
        Ok(stream) => stream,
        Err(error) => return refused(error.to_string()),
    };
    let fits =
        |known: &&DeciderDeclared| decider.map_or_else(|| known.is_of(&stream), |name| known.name == name);
    let known: Vec<&DeciderDeclared> = deciders.iter().filter(fits).collect();
    let [known] = known[..] else {
        let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
        return refused(format!("several deciders follow {stream}: name one of {}", names.join(", ")));
    };
    match (known.tell)(store, &stream, as_of).await {
        Ok(Ok(StateAt { state, version, position })) => {
            Ok(Answer::State { decider: known.name.clone(), version, position, state })
        }
        Ok(Err(why)) => refused(why),
        Err(LoadError::Store(error)) if error.is_transient() => Err(error),
        Err(error) => refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(kept: &Value, folded: &Value, is_personal: bool) -> Found {
        let mut found = Found { first: Vec::new(), places: 0, is_personal };
        found.compare(&mut String::new(), Some(kept), Some(folded));
        found
    }

    #[test]
    fn the_places_that_differ_are_named_and_nothing_else() {
        let kept = json!({"balance": 7, "names": ["a", "b"], "same": {"x": 1}, "a/b": 1});
        let folded = json!({"balance": 8, "names": ["a"], "same": {"x": 1}, "a/b": 2, "new": null});
        let found = places(&kept, &folded, false);
        let told: Vec<_> =
            found.first.iter().map(|one| (&*one.path, one.kept.as_deref(), one.folded.as_deref())).collect();
        let expected = [
            ("/a~1b", Some("1"), Some("2")),
            ("/balance", Some("7"), Some("8")),
            ("/names/1", Some("\"b\""), None),
            ("/new", None, Some("null")),
        ];
        assert_eq!((told, found.places), (expected.to_vec(), 4));
        assert!(
            places(&kept, &folded, true).first.iter().all(|one| one.kept.is_none() && one.folded.is_none())
        );
        let many = places(&json!(vec![0; 50]), &json!(vec![1; 50]), false);
        assert_eq!((many.first.len(), many.places), (PLACES_MAX, 50));
        assert_eq!(places(&json!(1), &json!(2), false).first[0].path, "");
    }
}
