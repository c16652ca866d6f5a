//! What a search can end with: a thing found, a proof that there is none, or neither.

use std::borrow::Cow;

/// Outcome of a search.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Search<T> {
    /// Here is one.
    Found(T),
    /// There is provably none.
    Empty,
    /// Could not be decided, for this reason.
    Unknown(Cow<'static, str>),
}

impl<T> Search<T> {
    pub(super) fn unknown(why: &'static str) -> Self {
        Self::Unknown(Cow::Borrowed(why))
    }
}

/// Tries alternatives one after the other: the first that is found wins; none exist only when all are proven empty.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    why: Option<Cow<'static, str>>,
}

impl Attempts {
    /// Takes note of an attempt; hands back what was found.
    pub(super) fn take<T>(&mut self, attempt: Search<T>) -> Option<T> {
        match attempt {
            Search::Found(found) => return Some(found),
            Search::Empty => {}
            Search::Unknown(why) => {
                self.why.get_or_insert(why);
            }
        }
        None
    }

    /// Says that something was left out.
    pub(super) fn skip(&mut self, why: &'static str) {
        self.why.get_or_insert(Cow::Borrowed(why));
    }

    /// The end, when nothing was found.
    pub(super) fn end<T>(self) -> Search<T> {
        self.why.map_or(Search::Empty, Search::Unknown)
    }
}
