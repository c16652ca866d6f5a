//! The words of Factum: names, events, envelopes, and the traits that stores, brokers and handlers implement.
//!
//! Everything here is pure or a trait, so that adapters and runtimes meet only in these types. No I/O beyond
//! reading the system clock, and no executor: code that only needs the words pays for nothing else.

pub mod around;
pub mod breaker;
pub mod broker;
pub mod clock;
pub mod closing;
pub mod cloudevents;
pub mod context;
pub mod decider;
pub mod envelope;
pub mod event;
pub mod failure;
pub mod gate;
pub mod handler;
pub mod keys;
pub mod maintenance;
pub mod moment;
pub mod name;
pub mod personal;
pub mod pointer;
pub mod projection;
pub mod record;
pub mod retry;
pub mod saga;
pub mod slot;
pub mod snapshot;
pub mod sql;
pub mod store;
pub mod time;
pub mod work;

pub use around::{Around, around};
pub use breaker::Breaker;
pub use broker::{Broker, BrokerError, Delivered, Deliveries, Durability, Guarantees, PublishError, StartAt};
pub use clock::{Clock, ManualClock, SystemClock};
pub use closing::{StreamClosed, StreamReopened};
pub use context::{Attempt, Context, Origin};
pub use decider::Decider;
pub use envelope::{EncodeError, Envelope, EventId, Recorded};
pub use event::{ContractVersion, DecodeError, Event, EventSet, EventType, Kind, Tag, Tags};
pub use failure::Failure;
pub use gate::{Breach, Gate, OpenGate, Unopened};
pub use handler::Handler;
pub use keys::{Keys, KeysError, SubjectForgotten};
pub use maintenance::{CheckReport, Finding, Maintenance};
pub use moment::Moment;
pub use name::{
    Actor, Category, ConsumerName, ContentType, CorrelationId, DeciderName, EventName, MigrationName,
    NameError, PartitionKey, StreamId, TableName, TimerName, Topic, TraceParent,
};
pub use personal::Personal;
pub use projection::{PersonalColumns, Projection, Rebuild, Table, Tables};
pub use record::{Guard, Record, RecordKind, RecordQuery, Revision};
pub use retry::{OnDead, RetryPolicy};
pub use saga::{Action, Draft, Route, Saga, SagaSignalled, SagaStatus, Signal};
pub use slot::{SLOTS, Slot, hash64};
pub use snapshot::Snapshots;
pub use sql::{Lock, Row, Rows, Sql, Value};
pub use store::{
    AppendError, Appended, Conflict, Direction, Expected, Page, Position, Query, Store, StoreError,
    StoreErrorKind, StoreGuarantees, StoreStats, Version,
};
pub use time::Timestamp;
pub use work::{Commit, Committed, Work, WriteError};

// Re-exported because they stand in public signatures.
pub use bytes::Bytes;
pub use bytestring::ByteString;
