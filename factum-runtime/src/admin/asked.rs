//! Asks a running app what only its code can tell: whether snapshots are what their events give, and what a state was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use factum_core::{Commit, EventId, Guard, Position, RecordKind, StreamId, Version};

use super::follow::Progress;
use super::snapshots::{Made, SnapshotInfo};
use super::{Admin, AdminError};
use crate::answers::KEPT;
use crate::execute::AsOf;
use crate::instance::{Instance, as_store_error};
use crate::state::{Answer, AskedState, Question, read};

/// How often the store is asked for the answer.
const LOOK: Duration = Duration::from_millis(20);
/// How long an app may take to begin to answer.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// Snapshots of one question: an answer is one record.
const BATCH: usize = 50;

/// A state that a running app told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTold {
    /// The decider whose state it is.
    pub decider: String,
    /// Version of the last event in it; zero when there is none.
    pub version: Version,
    /// Position of that event.
    pub position: Position,
    /// The state, as JSON.
    pub state: String,
}

impl Admin {
    /// Every snapshot, or those of one stream, with what a running app says of each: the events folded again give the
    /// same state, or where it differs. Nothing is said of a decider that no app which runs has declared.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn verify_snapshots(
        &self,
        stream: Option<&StreamId>,
        progress: Progress<'_>,
    ) -> Result<Vec<SnapshotInfo>, AdminError> {
        let mut infos = self.snapshots(stream).await?;
        let mut groups: BTreeMap<(String, u32), Vec<usize>> = BTreeMap::new();
        for (index, info) in infos.iter().enumerate() {
            if matches!(info.made, Made::OfTheLog) {
                groups.entry((info.decider.clone(), info.code)).or_default().push(index);
            }
        }
        let all = Position::at(groups.values().map(Vec::len).sum::<usize>() as u64);
        let mut done = 0;
        for ((decider, code), indexes) in groups {
            for batch in indexes.chunks(BATCH) {
                let streams = batch.iter().map(|index| infos[*index].stream.clone()).collect();
                let question = Question::Snapshots { decider: decider.clone(), code, streams };
                let Some(Answer::Snapshots { compared }) = self.ask(question).await? else { break };
                for (index, compared) in batch.iter().zip(compared) {
                    infos[*index].compared = Some(compared);
                }
                done += batch.len() as u64;
                progress(Position::at(done), all);
            }
        }
        Ok(infos)
    }

    /// The state of a stream, now or as it was, told by a running app that has declared its decider with
    /// [`App::decider`](crate::App::decider).
    ///
    /// # Errors
    /// When no app that runs has such a decider, several deciders follow the stream and none is named, the state holds
    /// personal values or cannot be told, or the store fails.
    pub async fn state_of(
        &self,
        stream: &StreamId,
        decider: Option<&str>,
        as_of: AsOf,
    ) -> Result<StateTold, AdminError> {
        let (version, time) = match as_of {
            AsOf::Now => (None, None),
            AsOf::Version(version) => (Some(version), None),
            AsOf::Time(time) => (None, Some(time)),
        };
        let (stream, named) = (stream.to_string(), decider.map(str::to_owned));
        let question = Question::State { stream: stream.clone(), decider: named, version, time };
        match self.ask(question).await? {
            Some(Answer::State { decider, version, position, state }) => {
                Ok(StateTold { decider, version, position, state })
            }
            Some(Answer::Refused { why }) => Err(AdminError::Refused(why)),
            Some(Answer::Snapshots { .. }) => Err(AdminError::Changed("the question".to_owned())),
            None => {
                let which = decider
                    .map_or_else(|| format!("a decider of {stream}"), |name| format!("decider {name}"));
                Err(AdminError::Refused(format!(
                    "no app that runs has {which}: start the app that declares it with `App::decider`, and ask again"
                )))
            }
        }
    }

    /// The answer to a question; none when no app that runs can tell.
    async fn ask(&self, question: Question) -> Result<Option<Answer>, AdminError> {
        let store = self.store().as_ref();
        let (id, asked) = (EventId::new().to_string(), AskedState { question, by: None, answer: None });
        let mut work = store.begin().await?;
        work.put(asked.record(&id, store.now().await?.plus(KEPT)), Guard::Absent);
        committed(work.commit().await)?;
        let answer = self.answer_to(&id).await;
        let mut work = store.begin().await?;
        work.remove(RecordKind::ASKED, id, Guard::Any);
        committed(work.commit().await)?;
        answer
    }

    async fn answer_to(&self, id: &str) -> Result<Option<Answer>, AdminError> {
        let (store, me) = (self.store().as_ref(), Instance::new(Vec::new()));
        let mut seen = Instant::now();
        loop {
            let Some(record) = store.find_one(RecordKind::ASKED, id).await? else { return Ok(None) };
            let asked = read::<AskedState>(&record)?;
            if asked.answer.is_some() {
                return Ok(asked.answer);
            }
            if let Some(by) = &asked.by
                && me.lives(by, store).await?
            {
                seen = Instant::now();
            } else if seen.elapsed() > BEGIN_WITHIN {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn committed(commit: Commit) -> Result<(), AdminError> {
    match commit {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other).into()),
    }
}
