//! What a user's SQL may not touch: transactions, other databases, settings, and Factum's own tables.
//!
//! SQLite asks the door while it compiles a statement, so that nothing refused ever runs. Factum's own statements
//! start with a mark and are let through; a user's statement that starts with it is refused, because compiled
//! statements are kept by their text.
//! Never decides by looking for words in SQL: comments, quotes and views would fool that.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// What every statement of Factum's own starts with.
pub(super) const OWN: &str = "-- factum:";

/// The view through which users read the log.
const VIEW: &str = "event_json";

/// How many steps of SQLite's machine pass between two looks at the deadline: about 50 µs.
const STEPS_BETWEEN_LOOKS: i32 = 4_000;

/// Guards one connection; told when a user's statement is being compiled or run.
#[derive(Clone)]
pub(super) struct Door {
    shared: Arc<Shared>,
}

struct Shared {
    is_user: AtomicBool,
    refusal: Mutex<Option<String>>,
    started: Instant,
    /// Microseconds after `started` at which a running statement is stopped; zero for never.
    deadline_us: AtomicU64,
}

impl Door {
    /// Stands in front of a connection.
    pub(super) fn guard(connection: &Connection) -> rusqlite::Result<Self> {
        let shared = Arc::new(Shared {
            is_user: AtomicBool::new(false),
            refusal: Mutex::new(None),
            started: Instant::now(),
            deadline_us: AtomicU64::new(0),
        });
        let judge = Arc::clone(&shared);
        connection.authorizer(Some(move |context: AuthContext<'_>| judge.judge(context)))?;
        let watch = Arc::clone(&shared);
        connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || watch.is_over()))?;
        Ok(Self { shared })
    }

    /// Runs `work` with the user's rights, and stops it once `budget` has passed.
    pub(super) fn as_user<T>(&self, budget: Duration, work: impl FnOnce() -> T) -> T {
        self.renew(budget);
        self.shared.is_user.store(true, Ordering::Relaxed);
        *self.refusal() = None;
        // Left on unwinding too: a panicking closure must not leave the user's rights to what comes next.
        let _leave = Leave(&self.shared);
        work()
    }

    /// Gives what runs with the user's rights another `budget` from now.
    pub(super) fn renew(&self, budget: Duration) {
        let deadline = self.shared.started.elapsed() + budget;
        self.shared.deadline_us.store(deadline.as_micros() as u64, Ordering::Relaxed);
    }

    /// What was refused, when the last statement was.
    pub(super) fn take_refusal(&self) -> Option<String> {
        self.refusal().take()
    }

    fn refusal(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Leave<'a>(&'a Shared);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.is_user.store(false, Ordering::Relaxed);
        self.0.deadline_us.store(0, Ordering::Relaxed);
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        let deadline = self.deadline_us.load(Ordering::Relaxed);
        deadline != 0 && self.started.elapsed().as_micros() as u64 > deadline
    }

    fn judge(&self, context: AuthContext<'_>) -> Authorization {
        if !self.is_user.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        match refusal(context.action, context.accessor) {
            None => Authorization::Allow,
            Some(why) => {
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                Authorization::Deny
            }
        }
    }
}

/// Why a user may not do this; `None` when it is allowed.
fn refusal(action: AuthAction<'_>, accessor: Option<&str>) -> Option<String> {
    use AuthAction as A;
    let table = match action {
        A::Transaction { .. } | A::Savepoint { .. } => {
            return Some(
                "transactions belong to the unit of work: no BEGIN, COMMIT, ROLLBACK, SAVEPOINT".into(),
            );
        }
        A::Attach { .. } | A::Detach { .. } => return Some("no ATTACH or DETACH".into()),
        A::Pragma { pragma_name, .. } => return Some(format!("no PRAGMA {pragma_name}")),
        A::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            return Some("no load_extension".into());
        }
        A::Read { table_name, .. } => {
            // A common table expression of the view's name reads what the view shows, and nothing else.
            let by_the_view = accessor.is_some_and(|name| name.eq_ignore_ascii_case(VIEW))
                && matches!(table_name, "factum_event" | "factum_stream" | "factum_type");
            let is_own = has_own_prefix(table_name) && !by_the_view;
            return is_own.then(|| format!("{table_name} is Factum's own table; read the view {VIEW}"));
        }
        A::Insert { table_name } | A::Delete { table_name } | A::Update { table_name, .. } => table_name,
        A::CreateTable { table_name } | A::CreateTempTable { table_name } => table_name,
        A::DropTable { table_name } | A::DropTempTable { table_name } => table_name,
        A::CreateIndex { table_name, .. } | A::CreateTempIndex { table_name, .. } => table_name,
        A::DropIndex { table_name, .. } | A::DropTempIndex { table_name, .. } => table_name,
        A::CreateTrigger { table_name, trigger_name } | A::CreateTempTrigger { table_name, trigger_name } => {
            if is_own(trigger_name) {
                trigger_name
            } else {
                table_name
            }
        }
        A::DropTrigger { table_name, .. } | A::DropTempTrigger { table_name, .. } => table_name,
        A::CreateView { view_name } | A::CreateTempView { view_name } => view_name,
        A::DropView { view_name } | A::DropTempView { view_name } => view_name,
        A::AlterTable { table_name, .. } => table_name,
        A::CreateVtable { table_name, .. } | A::DropVtable { table_name, .. } => table_name,
        _ => return None,
    };
    is_own(table).then(|| format!("{table} is Factum's own; append through the unit of work"))
}

fn is_own(name: &str) -> bool {
    has_own_prefix(name) || name.eq_ignore_ascii_case(VIEW)
}

fn has_own_prefix(name: &str) -> bool {
    name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("factum_"))
}
