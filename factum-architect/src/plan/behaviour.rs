//! One behaviour of a plan: a test that fails, what makes it pass, and the way back to order.

use factum_core::EventName;

/// A part of a plan: what is built in one go, and committed.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: PartKind,
    /// What it is about: an event, or an event and its consumer.
    pub(super) of: String,
    /// Words before the steps.
    pub(super) intro: Vec<String>,
    pub(super) behaviours: Vec<Behaviour>,
    /// What is checked when its tests pass.
    pub(super) checks: Vec<String>,
    /// The conventional commit that closes it.
    pub(super) commit: Option<String>,
    /// What its tests replace.
    pub(super) mocks: &'static str,
    /// Why the part is there, for those who learn.
    pub(super) why: &'static str,
}

/// Which component a part builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    Outer,
    Contract,
    Producer,
    Consumer,
    Wiring,
    Edges,
}

impl PartKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Outer => "outer test",
            Self::Contract => "contract",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Wiring => "wiring",
            Self::Edges => "edge cases",
        }
    }

    /// The file of its tests, without ending.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Outer => "outer",
            Self::Contract => "contract",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Wiring => "wiring",
            Self::Edges => "edges",
        }
    }
}

/// Something that a test shows.
#[derive(Debug)]
pub(super) struct Behaviour {
    /// In words: the test's name is made of it.
    pub(super) says: String,
    /// What the test is given.
    pub(super) input: String,
    /// What it asserts.
    pub(super) asserts: String,
    /// Why it fails at first.
    pub(super) fails: String,
    /// What to build.
    pub(super) build: String,
    /// Where.
    pub(super) place: String,
    /// What may be tidied up afterwards.
    pub(super) refactor: String,
    /// What a test of it does.
    pub(super) act: Act,
    /// The event that it is about; none for the whole slice.
    pub(super) event: Option<EventName>,
}

/// What a test does, where that can be written without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Outer,
    Valid,
    Broken {
        rule: String,
        path: String,
    },
    Fixture,
    Says,
    Keeps,
    Handles(String),
    Twice(String),
    Malformed,
    Names,
    Subscribed(String),
    WithoutOptional,
    WithUnknown,
    /// Only people know how: what is to be decided is in its words.
    Decide,
}
