//! Policies: how a consumer's retries and its breaker answer to what happens, without a consumer.

use std::collections::BTreeMap;
use std::time::Duration;

use factum_core::retry::Next;
use factum_core::{Breaker, EventId, OnDead, RetryPolicy, hash64};

use super::diagram::Diagram;

/// A policy to which this has happened.
pub struct PolicyTest {
    policy: RetryPolicy,
    breaker: Breaker,
    elapsed: Duration,
    /// Attempts that have failed, and whether the event is parked, by key.
    keys: BTreeMap<String, (u32, bool)>,
    last: Option<Next>,
    diagram: Diagram,
}

/// A policy to which nothing has happened yet: no event has failed, and time stands still.
///
/// ```
/// # use std::time::Duration;
/// use factum::RetryPolicy;
/// use factum::testing::given_policy;
///
/// let policy = RetryPolicy { immediate: 2, attempts: 4, first: Duration::from_secs(1), ..RetryPolicy::default() };
/// given_policy(policy)
///     .fails("order-42")
///     .is_tried_at_once()
///     .fails("order-42")
///     .waits(Duration::from_secs(1))
///     .fails("order-42")
///     .waits(Duration::from_secs(2))
///     .fails("order-42")
///     .is_dead();
/// ```
#[must_use]
pub fn given_policy(policy: RetryPolicy) -> PolicyTest {
    PolicyTest {
        policy,
        breaker: Breaker::default(),
        elapsed: Duration::ZERO,
        keys: BTreeMap::new(),
        last: None,
        diagram: Diagram::default(),
    }
}

impl PolicyTest {
    /// An attempt of the event at the front of this key fails, without a name.
    #[must_use]
    pub fn fails(self, key: &str) -> Self {
        self.fails_as(key, "failed")
    }

    /// An attempt of the event at the front of this key fails under a name.
    #[must_use]
    pub fn fails_as(mut self, key: &str, reason: &str) -> Self {
        let event = EventId::from_bytes(u128::from(hash64(key.as_bytes())).to_be_bytes());
        let (before, is_parked) = self.keys.get(key).copied().unwrap_or_default();
        let (attempts, next) = if self.policy.is_never(reason) {
            (before + 1, Next::Dead)
        } else {
            self.breaker.failed(hash64(key.as_bytes()), self.elapsed);
            let is_outage = self.breaker.is_open();
            let failed = match is_parked {
                false => self.policy.after_turn(&event, before, is_outage),
                true => self.policy.after_parked(&event, before, is_outage),
            };
            (failed.attempts, failed.next)
        };
        self.keys.insert(key.to_owned(), (attempts, next != Next::AtOnce));
        let what = format!("{key}, {reason}: {}, {attempts} attempts counted", said(next));
        self.diagram.fail("log", "consumer", what);
        self.last = Some(next);
        self
    }

    /// An event of this key is handled.
    #[must_use]
    pub fn succeeds(mut self, key: &str) -> Self {
        self.keys.remove(key);
        self.breaker.succeeded();
        self.diagram.tell("log", "consumer", key);
        self.last = None;
        self
    }

    /// Time passes.
    #[must_use]
    pub fn advance(mut self, by: Duration) -> Self {
        self.elapsed += by;
        self.diagram.note("consumer", format_args!("after {by:?}"));
        self
    }

    /// Asserts that the last event that failed is tried again at once.
    ///
    /// # Panics
    /// When something else follows.
    #[track_caller]
    pub fn is_tried_at_once(self) -> Self {
        assert!(self.last == Some(Next::AtOnce), "it should be tried at once, {}", self.found());
        self
    }

    /// Asserts that the last event that failed is set aside for so long, or longer by the policy's jitter.
    ///
    /// # Panics
    /// When something else follows.
    #[track_caller]
    pub fn waits(self, delay: Duration) -> Self {
        let longest = delay.mul_f64(1.0 + self.policy.jitter.clamp(0.0, 1.0));
        let is = matches!(self.last, Some(Next::Park(found)) if found >= delay && found <= longest);
        assert!(is, "it should wait for {delay:?}, {}", self.found());
        self
    }

    /// Asserts that the last event that failed is a dead letter.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn is_dead(self) -> Self {
        assert!(self.last == Some(Next::Dead), "it should be a dead letter, {}", self.found());
        self
    }

    /// Asserts that the key of a dead letter waits behind it.
    ///
    /// # Panics
    /// When it goes on.
    #[track_caller]
    pub fn holds_its_key(self) -> Self {
        assert!(self.policy.on_dead == OnDead::Hold, "its key should wait, and goes on\n{}", self.diagram);
        self
    }

    /// Asserts that the breaker takes it for an outage: only probes run, and no attempt is counted.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn is_outage(self) -> Self {
        assert!(self.breaker.is_open(), "it should be taken for an outage, and is not\n{}", self.diagram);
        self
    }

    /// Asserts that the breaker is closed.
    ///
    /// # Panics
    /// When it takes what happened for an outage.
    #[track_caller]
    pub fn is_no_outage(self) -> Self {
        assert!(!self.breaker.is_open(), "it should be no outage, and is taken for one\n{}", self.diagram);
        self
    }

    /// Asserts how many attempts of the event at the front of a key are counted.
    ///
    /// # Panics
    /// When there are others.
    #[track_caller]
    pub fn has_counted(self, key: &str, attempts: u32) -> Self {
        let found = self.keys.get(key).map_or(0, |(attempts, _)| *attempts);
        assert!(
            found == attempts,
            "{key} should have {attempts} attempts counted, and has {found}\n{}",
            self.diagram
        );
        self
    }

    fn found(&self) -> String {
        let what = match self.last {
            None => "and nothing has failed".to_owned(),
            Some(next) => format!("and is {}", said(next)),
        };
        format!("{what}\n{}", self.diagram)
    }
}

fn said(next: Next) -> String {
    match next {
        Next::AtOnce => "tried at once".to_owned(),
        Next::Park(delay) => format!("parked for {delay:?}"),
        Next::Dead => "a dead letter".to_owned(),
    }
}
