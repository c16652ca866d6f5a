//! The statements of Factum's own, as they are for one schema.
//!
//! Each is a file with one statement in it, written for the schema `factum`; the schema's name, which has a checked
//! grammar, is the only thing that is ever put into one.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::place::Schema;

/// A statement's text.
#[derive(Clone)]
pub(super) struct Text(Arc<str>);

impl Text {
    /// What the driver takes.
    pub(super) fn sql(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(Arc::clone(&self.0))
    }
}

macro_rules! statements {
    ($($name:ident),+ $(,)?) => {
        /// Every statement that runs after the schema stands.
        pub(super) struct Statements {
            $(pub(super) $name: Text,)+
        }

        impl Statements {
            pub(super) fn of(schema: &Schema) -> Self {
                Self {
                    $($name: Text(schema.render(include_str!(concat!("sql/", stringify!($name), ".sql"))).into()),)+
                }
            }
        }
    };
}

statements! {
    advance, append, append_new, append_one, bounds, cluster_lock, cluster_read, cluster_write, doctor, event_next, event_previous, hello, holders, hurry, id_position,
    identity,
    import_begin, import_end, import_events, import_streams, import_tags,
    is_gone, known_ids, put_back_missing, take_out, take_out_tags, lock_buckets, log_backward, log_forward, notify, own, record_by_due, record_by_group, record_by_id,
    record_by_kind, record_by_prefix, stream_backward, stream_by_name, stream_ends, stream_forward, stream_names, stream_opens,
    tag_backward, tag_forward, tag_missing, tag_weight, touched, totals, type_by_id, type_find, type_insert, version_slice, write, write_here, xact,
    xact_status,
}
