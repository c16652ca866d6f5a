//! Following the log as it grows, and searching it: reads that go on until told otherwise.
//!
//! Both page and let go between pages. Neither keeps more than a page, except the matches that were asked for.

use factum_core::{Direction, Position, Query, Recorded};

use super::{Admin, AdminError};

/// How far a long read has got, for whoever shows progress.
pub type Progress<'a> = &'a mut (dyn FnMut(Position, Position) + Send);

/// The events of a query as they come, from `after` on, without an end.
pub struct Follow {
    admin: Admin,
    query: Query,
}

impl Follow {
    /// The next events: at once while there are some, else as soon as there are.
    ///
    /// Dropping the future loses nothing: the next call asks for the same events.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next(&mut self) -> Result<Vec<Recorded>, AdminError> {
        loop {
            let page = self.admin.store().read(&self.query).await?;
            self.query.after = page.end;
            if !page.events.is_empty() {
                return Ok(page.events);
            }
            if !page.more {
                self.admin.store().wait(page.end).await?;
            }
        }
    }
}

impl Admin {
    /// Follows the log: the events that the query matches after its `after`, then those to come.
    #[must_use]
    pub fn follow(&self, query: Query) -> Follow {
        let query =
            Query { direction: Direction::Forward, up_to: Position::END, limit: Query::LIMIT_MAX, ..query };
        Follow { admin: self.clone(), query }
    }

    /// The newest events that a query and a test match, newest first, up to `most`; the whole log is read when there
    /// are fewer.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn search(
        &self,
        query: Query,
        most: usize,
        is_match: &(dyn Fn(&Recorded) -> bool + Sync),
        progress: Progress<'_>,
    ) -> Result<Vec<Recorded>, AdminError> {
        let mut query = Query { direction: Direction::Backward, limit: Query::LIMIT_MAX, ..query };
        let mut found = Vec::new();
        loop {
            let page = self.store().read(&query).await?;
            found.extend(page.events.into_iter().filter(|event| is_match(event)));
            if found.len() >= most || !page.more {
                found.truncate(most);
                return Ok(found);
            }
            let looked_at = page.head.number().saturating_sub(page.end.number());
            progress(Position::at(looked_at), page.head);
            query.up_to = Position::at(page.end.number().saturating_sub(1));
        }
    }
}
