//! What a simulation plays: how many events come, and for how long what they need is away.

use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::reliability::length::{parse_length, spoken};

/// Most events of a simulation: a second or two of computing.
const EVENTS_MAX: u64 = 2_000_000;
/// Most lanes: as the runtime.
const LANES_MAX: u64 = factum_core::SLOTS as u64;
/// Most keys: more than that behave alike.
const KEYS_MAX: u64 = 10_000_000;
/// Shortest attempt: what a lane looks at the clock for.
const WORK_MIN: Duration = Duration::from_millis(1);

/// A load and an outage. Read from `outage=5m,rate=200/s,consumers=4`; what is not said keeps its default.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// How long what the handler needs is away.
    #[serde(serialize_with = "as_text")]
    pub outage: Duration,
    /// Events a second.
    pub rate: f64,
    /// Events that the consumer handles at once: lanes of all its instances together.
    pub consumers: usize,
    /// Different keys among the events.
    pub keys: u64,
    /// How long an attempt takes that succeeds.
    #[serde(serialize_with = "as_text")]
    pub work: Duration,
    /// How long an attempt takes that fails.
    #[serde(serialize_with = "as_text")]
    pub fail: Duration,
    /// Share of events that can never be handled.
    pub poison: f64,
    /// How long events come before the outage.
    #[serde(serialize_with = "as_text")]
    pub before: Duration,
    /// How long events go on to come after it.
    #[serde(serialize_with = "as_text")]
    pub after: Duration,
}

fn as_text<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&spoken(*length))
}

impl Default for Load {
    fn default() -> Self {
        Self {
            outage: Duration::from_secs(300),
            rate: 100.0,
            consumers: 8,
            keys: 1000,
            work: Duration::from_millis(10),
            fail: Duration::from_millis(10),
            poison: 0.0,
            before: Duration::from_secs(10),
            after: Duration::from_secs(60),
        }
    }
}

/// A text that is no load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what}; expected pairs such as outage=5m,rate=200/s,consumers=4,keys=1000,work=10ms,fail=10ms,poison=0.1%,before=10s,after=60s"
)]
pub struct LoadError {
    what: String,
}

impl Load {
    /// How many events come.
    #[must_use]
    pub fn events(&self) -> u64 {
        (self.arriving().as_secs_f64() * self.rate).ceil() as u64
    }

    /// How long events come.
    #[must_use]
    pub fn arriving(&self) -> Duration {
        self.before + self.outage + self.after
    }

    /// Whether what the handler needs is away.
    #[must_use]
    pub fn is_away(&self, at: Duration) -> bool {
        at >= self.before && at < self.before + self.outage
    }
}

impl FromStr for Load {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        let mut load = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let wrong =
                |expected: &str| LoadError { what: format!("{pair:?} is not understood: {expected}") };
            let Some((name, value)) = pair.split_once('=') else {
                return Err(wrong("a name, `=` and a value"));
            };
            let length = || parse_length(value).ok_or_else(|| wrong("a length such as 500ms, 30s, 5m or 1h"));
            let count = |most: u64| {
                let number = value.parse::<u64>().ok().filter(|number| (1..=most).contains(number));
                number.ok_or_else(|| wrong(&format!("a whole number from 1 to {most}")))
            };
            match name.trim() {
                "outage" => load.outage = length()?,
                "rate" => {
                    load.rate = rate(value).ok_or_else(|| wrong("events a second, such as 200/s or 12/m"))?
                }
                "consumers" | "lanes" => load.consumers = count(LANES_MAX)? as usize,
                "keys" => load.keys = count(KEYS_MAX)?,
                "work" => load.work = length()?.max(WORK_MIN),
                "fail" => load.fail = length()?.max(WORK_MIN),
                "poison" => load.poison = share(value).ok_or_else(|| wrong("a share such as 0.1%"))?,
                "before" => load.before = length()?,
                "after" => load.after = length()?,
                _ => return Err(wrong("no setting has this name")),
            }
        }
        if load.events() > EVENTS_MAX {
            let events = load.events();
            return Err(LoadError {
                what: format!("{events} events are more than the {EVENTS_MAX} that are played"),
            });
        }
        Ok(load)
    }
}

fn rate(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number / seconds)
}

fn share(text: &str) -> Option<f64> {
    let share: f64 = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_read_from_pairs_and_keeps_its_defaults() {
        let load: Load = "outage=5m, rate=200/s,consumers=4".parse().unwrap();
        assert_eq!((load.outage, load.rate, load.consumers), (Duration::from_secs(300), 200.0, 4));
        assert_eq!(load.keys, Load::default().keys);
        assert_eq!("rate=120/m,poison=0.5%".parse::<Load>().unwrap().rate, 2.0);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, named) in [
            ("outage", "\"outage\" is not understood"),
            ("outage=soon", "a length such as"),
            ("rate=0/s", "events a second"),
            ("consumers=65", "from 1 to 64"),
            ("poison=200%", "a share such as"),
            ("speed=1", "no setting has this name"),
            ("outage=400d", "are more than the"),
        ] {
            let error = text.parse::<Load>().unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
