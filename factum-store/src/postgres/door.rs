//! What a user's SQL may not do: end or begin transactions, change the session, notify, write to Factum's own tables.
//!
//! A statement is sent alone, never as one of several, so that its first word says what it does to transactions and
//! settings; procedures and `do` blocks cannot end a transaction that was begun outside of them. Which tables it
//! wrote to is asked of the server, by the locks that it holds, the first time that a text is run in a store: neither
//! comments nor views, functions or rules can hide a lock.
//! Not covered: reading Factum's tables by name, replacing Factum's functions, functions that act later or elsewhere (`set_config`, `pg_notify`,
//! `dblink`), and statements that do other things the second time. Whoever needs a wall gives the program a role of
//! its own.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use factum_core::{StoreError, StoreErrorKind};

/// Texts that are remembered as harmless; more are looked at again.
const TEXTS_MAX: usize = 10_000;

/// First words that belong to the unit of work.
const TRANSACTION: [&str; 9] =
    ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare"];

/// First words that change what comes after on the same connection, or tell others of what is not committed.
const SESSION: [&str; 16] = [
    "set",
    "reset",
    "discard",
    "listen",
    "unlisten",
    "notify",
    "load",
    "copy",
    "deallocate",
    "execute",
    "declare",
    "fetch",
    "close",
    "vacuum",
    "cluster",
    "checkpoint",
];

/// Refuses a statement by its first word.
pub(super) fn check(sql: &str) -> Result<(), StoreError> {
    let first = first_word(sql);
    let why = if TRANSACTION.contains(&&*first) {
        "transactions belong to the unit of work: no BEGIN, COMMIT, ROLLBACK, SAVEPOINT".to_owned()
    } else if SESSION.contains(&&*first) {
        format!("no {}", first.to_uppercase())
    } else {
        return Ok(());
    };
    Err(StoreError::new(StoreErrorKind::Invalid, format!("the statement is not allowed: {why}")))
}

/// The error of a statement that wrote to one of Factum's own tables.
pub(super) fn touched(table: &str) -> StoreError {
    let message =
        format!("the statement is not allowed: {table} is Factum's own; append through the unit of work");
    StoreError::new(StoreErrorKind::Invalid, message)
}

/// Whether a statement answers rows of tables, so that they can be locked.
pub(super) fn is_select(sql: &str) -> bool {
    matches!(&*first_word(sql), "select" | "with")
}

/// The first word in small letters, behind white space, comments, brackets and empty statements.
fn first_word(sql: &str) -> String {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '(');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, behind)| behind);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = behind_comment(comment);
        } else {
            return rest
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect::<String>()
                .to_ascii_lowercase();
        }
    }
}

/// What stands behind a comment that has been opened; PostgreSQL's comments nest.
fn behind_comment(text: &str) -> &str {
    let (mut depth, mut rest) = (1, text);
    while depth > 0 {
        let Some(at) = rest.find(['/', '*']) else { return "" };
        rest = &rest[at..];
        if let Some(behind) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, behind);
        } else if let Some(behind) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, behind);
        } else {
            rest = &rest[1..];
        }
    }
    rest
}

/// The texts whose tables have been looked at.
#[derive(Default)]
pub(super) struct Seen {
    texts: Mutex<HashSet<String>>,
}

impl Seen {
    pub(super) fn has(&self, sql: &str) -> bool {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).contains(sql)
    }

    pub(super) fn add<'a>(&self, all: impl Iterator<Item = &'a str>) {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.len() >= TEXTS_MAX {
            texts.clear();
        }
        texts.extend(all.map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_whatever_hides_it() {
        for hidden in [
            "commit",
            "  COMMIT;",
            "-- a\n commit",
            "/* a /* b */ c */ commit",
            ";; commit",
            "/**/commit work",
            "\u{a0}commit",
            "rollback to x",
            "PREPARE TRANSACTION 'x'",
            "set role x",
        ] {
            assert!(check(hidden).is_err(), "{hidden:?}");
        }
        for open in [
            "select 1",
            "-- commit\nselect 1",
            "with a as (select 1) select * from a",
            "commitment",
            "(select 1)",
        ] {
            assert!(check(open).is_ok(), "{open:?}");
        }
        assert_eq!(first_word("/* never closed"), "");
        assert!(is_select("( select 1)") && !is_select("update x set y = 1"));
    }
}
