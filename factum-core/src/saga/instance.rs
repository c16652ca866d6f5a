//! One instance of a saga: its state, its timers, and what would undo what it did.
//!
//! Pure: what an instance hears goes in, what is to be done comes out. The runtime commits both together, and a test
//! looks at them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, Code, Draft, Heard, Route, StepError, Told};
use crate::envelope::EventId;
use crate::name::TimerName;
use crate::time::Timestamp;

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SagaStatus {
    /// It waits for what comes next.
    Running,
    /// It undoes what it did, and waits for a command to be handled.
    Compensating,
    /// A command that undoes a step failed for good: an operator resumes it.
    Stuck,
    /// It has ended, as it meant to.
    Completed,
    /// It has ended, and all it did is undone.
    Compensated,
    /// It has ended because an operator said so.
    Cancelled,
}

impl SagaStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Compensating, Self::Stuck, Self::Completed, Self::Compensated, Self::Cancelled];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Stuck => "stuck",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether more may happen in it.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Compensating | Self::Stuck)
    }
}

impl fmt::Display for SagaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The version of the saga that its state is of.
    pub version: u32,
    /// Where it stands.
    pub status: SagaStatus,
    /// What the saga knows of it.
    pub state: Value,
    /// JSON pointers to the personal data in the state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub personal: Vec<String>,
    /// Whose personal data it is, by pseudonym.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Pending timers, and when they are due.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timers: BTreeMap<TimerName, Timestamp>,
    /// What undoes what was done, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Draft>,
    /// The step that is being undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoing: Option<Undoing>,
    /// Names of the commands that have undone a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<String>,
    /// Why it is stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether an operator ended it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cancelled: bool,
    /// When it began.
    pub since: Timestamp,
    /// When it last heard something that counted.
    pub at: Timestamp,
}

/// A step that is being undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoing {
    /// The command.
    pub draft: Draft,
    /// Its id, once it is sent.
    pub command: Option<EventId>,
}

/// What is to be done beside keeping the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a command.
    Send(Draft),
    /// Send the command that undoes a step; whoever sends it notes its id in [`Instance::undoing`].
    Undo(Draft),
    /// Emit an event.
    Emit(Draft),
    /// Keep a timer, or move it.
    SetTimer(TimerName, Timestamp),
    /// Forget a timer.
    DropTimer(TimerName),
}

/// What comes to an instance.
#[derive(Debug, Clone, Copy)]
pub enum Incoming<'a> {
    /// An event of the saga's input.
    Event(&'a crate::event::EventType, &'a bytes::Bytes),
    /// Anything else.
    Told(&'a Told),
}

/// The instance after what came to it, and what is to be done; nothing when it means nothing to it.
///
/// # Errors
/// When the saga's code cannot make the step.
pub fn hear(
    before: Option<&Instance>,
    code: &dyn Code,
    incoming: Incoming<'_>,
    now: Timestamp,
) -> Result<Option<(Instance, Vec<Effect>)>, StepError> {
    let mut step = match (before, incoming) {
        (Some(instance), _) if !instance.status.is_live() => return Ok(None),
        (Some(instance), Incoming::Event(event_type, data)) => {
            if code.route(event_type, data)? == Route::Ignored {
                return Ok(None);
            }
            Step::on(instance.clone(), code, now)
        }
        (Some(instance), Incoming::Told(_)) => Step::on(instance.clone(), code, now),
        (None, Incoming::Event(event_type, data)) => {
            if code.route(event_type, data)? != Route::Starts {
                return Ok(None);
            }
            Step::on(begun(code.version(), now), code, now)
        }
        (None, Incoming::Told(_)) => return Ok(None),
    };
    match incoming {
        Incoming::Event(event_type, data) => {
            step.is_new = before.is_none();
            step.react(Heard::Event(event_type, data))?;
        }
        Incoming::Told(told) => {
            if !step.told(told)? {
                return Ok(None);
            }
        }
    }
    step.go_on()?;
    step.instance.at = now;
    Ok(Some((step.instance, step.effects)))
}

fn begun(version: u32, now: Timestamp) -> Instance {
    Instance {
        version,
        status: SagaStatus::Running,
        state: Value::Null,
        personal: Vec::new(),
        subject: None,
        timers: BTreeMap::new(),
        undo: Vec::new(),
        undoing: None,
        undone: Vec::new(),
        error: None,
        is_cancelled: false,
        since: now,
        at: now,
    }
}

struct Step<'a> {
    instance: Instance,
    code: &'a dyn Code,
    now: Timestamp,
    effects: Vec<Effect>,
    is_new: bool,
}

impl<'a> Step<'a> {
    fn on(instance: Instance, code: &'a dyn Code, now: Timestamp) -> Self {
        Self { instance, code, now, effects: Vec::new(), is_new: false }
    }

    /// Whether it counted.
    fn told(&mut self, told: &Told) -> Result<bool, StepError> {
        let instance = &mut self.instance;
        let undoing = instance.undoing.as_ref().and_then(|undoing| undoing.command);
        let is_stuck = instance.status == SagaStatus::Stuck;
        match told {
            Told::TimerDue { timer, due } => {
                // One that was moved or cancelled when it was on its way already means nothing.
                if instance.timers.get(timer) != Some(due) {
                    return Ok(false);
                }
                instance.timers.remove(timer);
                self.react(Heard::Timer(timer))?;
            }
            Told::TimerMoved { timer, due } => {
                if !instance.timers.contains_key(timer) {
                    return Ok(false);
                }
                self.set_timer(timer, *due);
            }
            Told::TimerCancelled { timer } => self.drop_timer(timer),
            Told::CommandHandled { command } if undoing == Some(*command) => self.undone(),
            Told::CommandFailed { command, error, .. } if undoing == Some(*command) => {
                (instance.status, instance.error) = (SagaStatus::Stuck, Some(error.clone()));
            }
            Told::CommandFailed { name, .. } if undoing.is_none() => {
                self.react(Heard::CommandFailed(name))?;
            }
            Told::ResumedAgain if is_stuck => {
                self.unstuck();
                if let Some(undoing) = self.instance.undoing.take() {
                    self.instance.undo.push(undoing.draft);
                }
            }
            Told::ResumedRequeued if is_stuck => self.unstuck(),
            Told::ResumedByHand if is_stuck || undoing.is_some() => self.undone(),
            Told::CancelledUndoing => {
                instance.is_cancelled = true;
                self.drop_timers();
                if self.instance.status == SagaStatus::Running {
                    self.instance.status = SagaStatus::Compensating;
                }
            }
            Told::CancelledAsItStands => {
                instance.is_cancelled = true;
                self.end(SagaStatus::Cancelled);
            }
            Told::CommandHandled { .. }
            | Told::CommandFailed { .. }
            | Told::ResumedAgain
            | Told::ResumedRequeued
            | Told::ResumedByHand => return Ok(false),
        }
        Ok(true)
    }

    fn unstuck(&mut self) {
        (self.instance.status, self.instance.error) = (SagaStatus::Compensating, None);
    }

    fn undone(&mut self) {
        self.unstuck();
        if let Some(undoing) = self.instance.undoing.take() {
            self.instance.undone.push(undoing.draft.name().to_string());
        }
    }

    /// Sends what undoes the next step; ends once nothing is left.
    fn go_on(&mut self) -> Result<(), StepError> {
        if self.instance.status != SagaStatus::Compensating || self.instance.undoing.is_some() {
            return Ok(());
        }
        if self.instance.undo.is_empty() {
            self.react(Heard::Compensated)?;
        }
        // What it did about the last word may have to be undone as well.
        if let Some(draft) = self.instance.undo.pop() {
            self.effects.push(Effect::Undo(draft.clone()));
            self.instance.undoing = Some(Undoing { draft, command: None });
        } else if self.instance.status.is_live() {
            let is_cancelled = self.instance.is_cancelled;
            self.end(if is_cancelled { SagaStatus::Cancelled } else { SagaStatus::Compensated });
        }
        Ok(())
    }

    fn react(&mut self, heard: Heard<'_>) -> Result<(), StepError> {
        let version = self.instance.version;
        let state = (!std::mem::take(&mut self.is_new)).then(|| self.instance.state.take());
        let made = self.code.step(state, version, heard)?;
        (self.instance.state, self.instance.version) = (made.state, self.code.version());
        (self.instance.personal, self.instance.subject) = (made.personal, made.subject);
        for action in made.actions {
            match action {
                Action::Send(draft) => self.effects.push(Effect::Send(draft)),
                Action::Emit(draft) => self.effects.push(Effect::Emit(draft)),
                Action::StartTimer { name, after } => self.set_timer(&name, self.now.plus(after)),
                Action::MoveTimer { name, after } => {
                    if self.instance.timers.contains_key(&name) {
                        self.set_timer(&name, self.now.plus(after));
                    }
                }
                Action::CancelTimer(name) => self.drop_timer(&name),
                Action::UndoBy(draft) => self.instance.undo.push(draft),
                Action::Compensate => {
                    if self.instance.status == SagaStatus::Running {
                        self.instance.status = SagaStatus::Compensating;
                    }
                }
                Action::Complete => {
                    let is_undone = matches!(heard, Heard::Compensated);
                    if self.instance.status == SagaStatus::Running || is_undone {
                        self.end(match (is_undone, self.instance.is_cancelled) {
                            (_, true) => SagaStatus::Cancelled,
                            (true, false) => SagaStatus::Compensated,
                            (false, false) => SagaStatus::Completed,
                        });
                    }
                }
                Action::Unwritable(why) => return Err(StepError::Unwritable(why)),
            }
        }
        Ok(())
    }

    fn set_timer(&mut self, name: &TimerName, due: Timestamp) {
        self.instance.timers.insert(name.clone(), due);
        self.effects.push(Effect::SetTimer(name.clone(), due));
    }

    fn drop_timer(&mut self, name: &TimerName) {
        if self.instance.timers.remove(name).is_some() {
            self.effects.push(Effect::DropTimer(name.clone()));
        }
    }

    fn drop_timers(&mut self) {
        let names: Vec<TimerName> = self.instance.timers.keys().cloned().collect();
        names.iter().for_each(|name| self.drop_timer(name));
    }

    fn end(&mut self, status: SagaStatus) {
        self.drop_timers();
        self.instance.status = status;
    }
}
