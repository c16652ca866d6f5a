//! Every form in which the runtime has ever written its records stays readable. Forms are added here, never changed.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use factum_core::{Kind, Position, Record, RecordKind, SagaStatus};
use factum_runtime::state::{
    ArchiveState, AuditEntry, CommandState, ContractState, ControlState, InstanceState, KeyWaits,
    MigrationState, ParkedKey, Path, ProjectionState, ReadAhead, ReplyState, SagaState, ShapeState,
    SlotState, SnapshotState, Stage, State, ThingState, TimerState, Troubled, TurnState, read,
};

fn stored<T: State>(json: &'static str) -> T {
    read(&Record::new(T::KIND, "group", "id", json)).unwrap()
}

#[test]
fn format_1_of_slots_and_control_is_read() {
    let slot: SlotState =
        stored(r#"{"format":1,"position":7,"owner":"i-1","started":{"position":8,"starts":2}}"#);
    assert_eq!((slot.position, slot.owner.as_deref()), (Position::at(7), Some("i-1")));
    assert_eq!(slot.started.unwrap().starts, 2);
    assert_eq!(stored::<SlotState>(r#"{"format":1,"position":7}"#).owner, None);
    let waiting: SlotState =
        stored(r#"{"format":1,"position":7,"needs":{"event":"order.placed","version":2,"position":9}}"#);
    assert_eq!(waiting.needs.unwrap().to_string(), "order.placed.v2");
    let control: ControlState = stored(
        r#"{"format":1,"paused":true,"reason":"lunch","generation":3,
            "replay":{"id":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c","until":9}}"#,
    );
    assert_eq!((control.paused, control.generation), (true, 3));
    assert_eq!((control.replay.unwrap().until, control.on_replay), (Position::at(9), None));
    let careful = |word: &str| {
        let json = format!(r#"{{"format":1,"on_replay":"{word}"}}"#);
        let record = Record::new(RecordKind::CONSUMER, "control", "walker", json);
        read::<ControlState>(&record).unwrap().on_replay
    };
    assert_eq!(careful("refuse"), Some(factum_runtime::Replay::Refuse));
    assert_eq!(careful("a word of a later release"), Some(factum_runtime::Replay::EffectsHeld));
    assert_eq!(stored::<ReadAhead>(r#"{"format":1,"limit":4396}"#).limit, Position::at(4396));
    let instance: InstanceState = stored(r#"{"format":1,"host":"b pid:[1]","pid":3,"started":5}"#);
    assert_eq!((instance.pid, instance.consumers.len()), (3, 0));
    let instance: InstanceState =
        stored(r#"{"format":1,"host":"","pid":3,"started":5,"consumers":["walker"]}"#);
    assert_eq!(instance.consumers, ["walker"]);
    assert_eq!(stored::<TurnState>(r#"{"format":1,"by":"i-1"}"#).by, "i-1");
}

#[test]
fn format_1_of_events_in_trouble_is_read() {
    let key: ParkedKey = stored(
        r#"{"format":1,"key":"42","slot":5,"queued":2,"waits":"held","since":"2026-01-05T10:00:00Z","error":"no"}"#,
    );
    assert_eq!((key.queued, key.waits), (2, KeyWaits::Held));
    let letter: Troubled = stored(
        r#"{"format":1,"consumer":"payments","key":"42","event":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c",
            "name":"order.placed","version":1,"topic":"order.placed","correlation":"c","attempts":2,
            "inline":{"category":"order","topic":"order.placed","meta":[1,2,0,52,50,1,0,99,0,0,0,0,0,0,0,0,0,0],
                      "data":[123,125],"time":"2026-01-05T10:00:00Z"},
            "error":"no","reason":"failed","since":"2026-01-05T10:00:00Z","at":"2026-01-05T10:00:01Z",
            "fingerprint":"00ff"}"#,
    );
    assert_eq!((letter.attempts, letter.position), (2, None));
    let envelope = letter.inline_envelope().unwrap();
    assert_eq!((envelope.key.as_str(), &envelope.data[..]), ("42", &b"{}"[..]));
}

#[test]
fn format_1_of_migrations_is_read() {
    let switch: MigrationState = stored(
        r#"{"format":1,"stage":{"canary":10},"round":2,"event":"mail.due","consumer":"mails",
            "history":[{"at":"2026-01-05T10:00:00Z","by":"ann","from":"shadow","to":{"canary":10},"why":"on","equal":7,"differing":0}]}"#,
    );
    assert_eq!((switch.stage, switch.history[0].from), (Stage::Canary(10), Stage::Shadow));
    assert_eq!(stored::<MigrationState>(r#"{"format":1,"event":"mail.due"}"#).stage, Stage::Off);
    let thing: ThingState = stored(
        r#"{"format":1,"thing":"o1","key":"o1","path":"shadow","round":2,"event":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c",
            "claimed":"2026-01-05T10:01:00Z","request":{"id":"o1"},"old":{"to":"a"},"new":{"to":"b"},"at":"2026-01-05T10:00:00Z"}"#,
    );
    assert_eq!((thing.path, thing.round), (Path::Shadow, 2));
    let ended: ThingState =
        stored(r#"{"format":1,"thing":"o1","key":"o1","path":"new","new":null,"at":"2026-01-05T10:00:00Z"}"#);
    assert_eq!((ended.new, ended.old), (Some(serde_json::Value::Null), None), "it has spoken");
}

#[test]
fn format_1_of_projections_replies_and_audit_is_read() {
    let projection: ProjectionState = stored(
        r#"{"format":1,"version":1,"live":"v1","building":"v1r1","retired":["v0"],"tables":["orders"]}"#,
    );
    assert_eq!(projection.building.as_deref(), Some("v1r1"));
    let reply: ReplyState = stored(
        r#"{"format":1,"fingerprint":18446744073709551615,"stream":"order-1","before":0,"after":1,"position":0}"#,
    );
    assert_eq!((reply.fingerprint, reply.after), (u64::MAX, 1));
    let entry: AuditEntry =
        stored(r#"{"format":1,"actor":"ann","action":"requeue","target":"t","at":"2026-01-05T10:00:00Z"}"#);
    assert_eq!(entry.action, "requeue");
    let range: ArchiveState = stored(
        r#"{"format":1,"after":0,"upTo":6,"events":5,"last":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c","to":"old.db",
            "at":"2026-01-05T10:00:00Z"}"#,
    );
    assert_eq!((range.up_to, range.moving), (Position::at(6), false));
}

#[test]
fn format_1_of_contracts_is_read() {
    let contract: ContractState = stored(
        r#"{"format":1,"name":"order.placed","version":1,"kind":"event","meaning":"00ff00ff00ff00ff",
            "contract":"{\"event\":\"order.placed\",\"version\":1,\"owner\":\"orders\",\"key\":\"orderId\",\"payload\":{\"type\":\"object\",\"required\":[\"orderId\"],\"properties\":{\"orderId\":{\"type\":\"string\"}}},\"topic\":\"order.placed\",\"stream\":\"order\",\"ordering\":\"per-key\",\"compatibility\":\"full\",\"policy\":\"lenient\"}",
            "recorded_at":"2026-01-05T10:00:00Z"}"#,
    );
    assert_eq!((contract.name.as_str(), contract.version), ("order.placed", 1));
    let read = factum_contract::Contract::of_json_text(&contract.contract).unwrap();
    assert_eq!((read.key.as_str(), read.category.as_str()), ("orderId", "order"));
}

#[test]
fn a_later_format_and_damage_are_errors_that_say_so() {
    let error = |json: &'static str| {
        let record = Record::new(RecordKind::SLOT, "walker", "walker/01", json);
        read::<SlotState>(&record).unwrap_err().to_string()
    };
    assert_eq!(
        error(r#"{"format":2,"position":7}"#),
        "slot record \"walker/01\" cannot be read: format 2 is of a later release; this one reads up to 1"
    );
    assert!(error("{\"format\":1").contains("EOF while parsing"));
}

#[test]
fn format_1_of_snapshots_is_read() {
    let kept: SnapshotState = stored(
        r#"{"format":1,"code":2,"version":20,"position":41,"folded":18446744073709551615,"keys":["forgotten/r/1"],"state":"{}"}"#,
    );
    assert_eq!((kept.code, kept.version.number(), kept.position), (2, 20, Position::at(41)));
    assert_eq!((kept.folded, kept.keys.len(), kept.state.as_str()), (u64::MAX, 1, "{}"));
    assert_eq!(kept.latest, None);
    let timed: SnapshotState = stored(
        r#"{"format":1,"code":2,"version":20,"position":41,"folded":1,"latest":"2026-01-05T10:00:00Z","state":"{}"}"#,
    );
    assert_eq!(timed.latest, Some("2026-01-05T10:00:00Z".parse().unwrap()));
}

#[test]
fn format_1_of_sagas_is_read() {
    let begun: SagaState = stored(
        r#"{"format":1,"saga":"fulfilment","key":"42","field":"orderId","correlation":"c",
            "instance":{"version":1,"status":"running","state":{"order":"42"},
                "since":"2026-01-05T10:00:00Z","at":"2026-01-05T10:00:00Z"}}"#,
    );
    assert_eq!((begun.key.as_str(), begun.instance.status), ("42", SagaStatus::Running));
    assert!(begun.instance.timers.is_empty() && begun.instance.undo.is_empty());
    let stuck: SagaState = stored(
        r#"{"format":1,"saga":"fulfilment","key":"42","field":"orderId","correlation":"c",
            "instance":{"version":2,"status":"stuck","state":null,"timers":{"payment":"2026-01-05T11:00:00Z"},
                "undo":[{"name":"refund.payment","version":1,"is_command":true,"category":"payment",
                    "topic":"refund.payment","key":"p","tags":["orderId:42"],"data":"{}"}],
                "undoing":{"draft":{"name":"stock.released","version":1,"category":"stock","topic":"stock.released",
                    "key":"42","data":"{}"},"command":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"},
                "undone":["recall.parcel"],"error":"no","is_cancelled":true,
                "since":"2026-01-05T10:00:00Z","at":"2026-01-05T10:00:01Z"}}"#,
    );
    let (instance, refund) = (&stuck.instance, &stuck.instance.undo[0]);
    assert_eq!((refund.name().as_str(), refund.event_type().kind), ("refund.payment", Kind::Command));
    assert_eq!(instance.undoing.as_ref().unwrap().draft.event_type().kind, Kind::Event);
    assert_eq!((instance.timers.len(), instance.undone.len(), instance.is_cancelled), (1, 1, true));
    let timer: TimerState = stored(
        r#"{"format":1,"saga":"fulfilment","instance":"42","field":"orderId","timer":"payment",
            "cause":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c","correlation":"c","since":"2026-01-05T10:00:00Z"}"#,
    );
    assert_eq!((timer.instance.as_str(), timer.timer.as_str()), ("42", "payment"));
    let shape: ShapeState = stored(
        r#"{"format":1,"shape":{"saga":"fulfilment","version":1,"correlate":"orderId","on":["order.placed.v1"],
            "state":{"order":"text"}}}"#,
    );
    assert_eq!(shape.shape.on, ["order.placed.v1"]);
    assert_eq!(
        stored::<CommandState>(r#"{"format":1,"consumer":"payments.desk"}"#).consumer,
        "payments.desk"
    );
}
