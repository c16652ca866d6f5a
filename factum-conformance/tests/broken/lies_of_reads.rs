//! Lies about reading: order, ends, heads, conditions, waiting.

use factum_core::*;

use super::spoiled::Lie;

/// A lie that spoils pages.
macro_rules! spoils_pages {
    ($(#[$doc:meta])* $name:ident, |$query:ident, $page:ident| $spoil:block) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $name;
        impl Lie for $name {
            fn page(&self, $query: &Query, mut $page: Page) -> Page {
                $spoil
                $page
            }
        }
    };
}

/// A lie that spoils queries.
macro_rules! spoils_queries {
    ($(#[$doc:meta])* $name:ident, |$query:ident| $spoil:block) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $name;
        impl Lie for $name {
            fn query(&self, query: &Query) -> Query {
                let mut $query = query.clone();
                $spoil
                $query
            }
        }
    };
}

spoils_pages!(
    /// Gives two events of a stream one version.
    ReusesVersions, |_query, page| {
        for event in &mut page.events { event.version = Version::at(event.version.number().div_ceil(2)); }
    }
);
spoils_pages!(
    /// Shows some events only once others came after them, as a sequence without a fence does.
    ShowsLate, |_query, page| {
        let head = page.head.number();
        page.events.retain(|event| {
            event.position.number() % 5 != 3 || event.position.number() + 2 < head
        });
    }
);
spoils_pages!(
    /// Shows neighbours in the wrong order.
    Swaps, |_query, page| {
        if page.events.len() > 3 { page.events.swap(1, 2); }
    }
);
spoils_pages!(
    /// Takes the last match for all that was looked at.
    EndsAtTheLastMatch, |query, page| {
        page.end = page.events.last().map_or(query.after, |event| event.position);
    }
);
spoils_pages!(
    /// Says that everything was looked at when a part was.
    EndsTooLate, |query, page| {
        if query.direction == Direction::Forward { page.end = page.end.max(page.head); }
    }
);
spoils_pages!(
    /// Says that every page is the last.
    SaysNoMore, |_query, page| { page.more = false; }
);
spoils_pages!(
    /// Takes the end of the page for the head of the log.
    HeadIsThePage, |_query, page| {
        page.head = page.events.last().map_or(Position::START, |event| event.position);
    }
);
spoils_pages!(
    /// Takes the last event that it shows of a stream for its end.
    VersionIsThePage, |_query, page| {
        page.version = page.events.last().map_or(Version::EMPTY, |event| event.version);
    }
);
spoils_queries!(
    /// Reads oldest first whatever is asked.
    ReadsForward, |query| { query.direction = Direction::Forward; }
);
spoils_queries!(
    /// Includes commands.
    IncludesCommands, |query| { query.kind = None; }
);
spoils_queries!(
    /// Includes the event at `after`.
    IncludesAfter, |query| { query.after = Position::at(query.after.number().saturating_sub(1)); }
);

/// Finds categories as the beginning of a stream's name.
#[derive(Clone)]
pub(crate) struct CategoriesByPrefix;
impl Lie for CategoriesByPrefix {
    fn query(&self, query: &Query) -> Query {
        Query { category: None, ..query.clone() }
    }
    fn page(&self, query: &Query, mut page: Page) -> Page {
        if let Some(category) = &query.category {
            page.events.retain(|event| event.stream.as_str().starts_with(category.as_str()));
        }
        page
    }
}

/// Wakes nobody.
#[derive(Clone)]
pub(crate) struct NeverWakes;
impl Lie for NeverWakes {
    fn wakes(&self) -> bool {
        false
    }
}
