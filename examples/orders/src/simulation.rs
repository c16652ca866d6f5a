//! How the simulated contexts behave: set at start, changed while running.
//!
//! Faults are part of the simulation so that everybody can watch what the machine makes of them.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use factum::{Attempt, Failure};
use serde::{Deserialize, Serialize};

/// How a simulated context answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// What it answers.
    pub answer: Answer,
    /// How often it fails before it answers, counted for each event anew.
    pub fail_first: u32,
    /// Whether it never answers: every attempt fails.
    pub fail_always: bool,
    /// How long it takes, in milliseconds.
    pub slow_ms: u64,
    /// How its answer is delivered.
    pub deliver: Deliver,
}

/// What a simulated context answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    #[default]
    Approve,
    /// No.
    Decline,
}

/// How an answer is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deliver {
    /// Once, as it should be.
    #[default]
    Once,
    /// The same answer twice, under two event ids.
    Twice,
    /// In the wrong order. Payments: the approval of a second try, then the decline of the first. Stock: the
    /// reservation before the order is paid, and again after.
    OutOfOrder,
}

impl Behaviour {
    /// Slowest that it may be told to be: well below the timeout of an attempt.
    pub const SLOW_MS_MAX: u64 = 20_000;

    /// Takes its time and fails as often as it was told to; then lets the answer be given.
    ///
    /// # Errors
    /// When it was told to fail.
    pub async fn act(&self, attempt: Attempt, who: &str) -> Result<(), Failure> {
        if self.slow_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.slow_ms)).await;
        }
        let attempt = attempt.number;
        if self.fail_always || attempt <= self.fail_first {
            return Err(format!("{who} is told to fail, attempt {attempt}").into());
        }
        Ok(())
    }
}

/// Words that describe no behaviour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a behaviour: expected {expected}", expected = Behaviour::EXPECTED)]
pub struct BehaviourError {
    found: String,
}

impl Behaviour {
    /// What behaviours are made of.
    pub const EXPECTED: &'static str = "words joined by commas: approve, decline, fail-first=N, fail-always, \
        slow=MS (at most 20000), twice, out-of-order";
}

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Self, BehaviourError> {
        let mut behaviour = Self::default();
        for word in text.split(',').map(str::trim) {
            let error = || BehaviourError { found: word.to_owned() };
            let number = |text: &str| text.parse::<u32>().map_err(|_| error());
            match word.split_once('=') {
                None if word == "approve" => behaviour.answer = Answer::Approve,
                None if word == "decline" => behaviour.answer = Answer::Decline,
                None if word == "fail-always" => behaviour.fail_always = true,
                None if word == "twice" => behaviour.deliver = Deliver::Twice,
                None if word == "out-of-order" => behaviour.deliver = Deliver::OutOfOrder,
                Some(("fail-first", count)) => behaviour.fail_first = number(count)?,
                Some(("slow", ms)) => behaviour.slow_ms = number(ms)?.into(),
                _ => return Err(error()),
            }
        }
        if behaviour.slow_ms > Self::SLOW_MS_MAX {
            return Err(BehaviourError { found: text.to_owned() });
        }
        Ok(behaviour)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.answer {
            Answer::Approve => "approve",
            Answer::Decline => "decline",
        })?;
        if self.fail_always {
            f.write_str(",fail-always")?;
        }
        if self.fail_first > 0 {
            write!(f, ",fail-first={}", self.fail_first)?;
        }
        if self.slow_ms > 0 {
            write!(f, ",slow={}", self.slow_ms)?;
        }
        match self.deliver {
            Deliver::Once => Ok(()),
            Deliver::Twice => f.write_str(",twice"),
            Deliver::OutOfOrder => f.write_str(",out-of-order"),
        }
    }
}

/// A behaviour that can be changed while its context runs.
#[derive(Debug, Clone, Default)]
pub struct Dial(Arc<RwLock<Behaviour>>);

impl Dial {
    /// Begins with a behaviour.
    #[must_use]
    pub fn new(behaviour: Behaviour) -> Self {
        Self(Arc::new(RwLock::new(behaviour)))
    }

    /// The behaviour now.
    #[must_use]
    pub fn read(&self) -> Behaviour {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the behaviour from the next attempt on.
    pub fn turn(&self, behaviour: Behaviour) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_prints_as_it_is_read() {
        for text in
            ["approve", "decline,slow=200", "approve,fail-always,twice", "approve,fail-first=2,out-of-order"]
        {
            assert_eq!(text.parse::<Behaviour>().unwrap().to_string(), text);
        }
        for bad in ["", "maybe", "slow", "slow=-1", "slow=20001", "fail-first=x", "approve;twice"] {
            assert!(bad.parse::<Behaviour>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        let behaviour: Behaviour = serde_json::from_str(r#"{"failFirst":2}"#).unwrap();
        assert_eq!(behaviour, Behaviour { fail_first: 2, ..Behaviour::default() });
        assert!(serde_json::from_str::<Behaviour>(r#"{"failfirst":2}"#).is_err());
    }

    #[test]
    fn turning_a_dial_is_seen_by_all_who_hold_it() {
        let dial = Dial::default();
        let seen = dial.clone();
        dial.turn(Behaviour { slow_ms: 7, ..Behaviour::default() });
        assert_eq!(seen.read().slow_ms, 7);
    }
}
