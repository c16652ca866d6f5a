//! Several processes on one file, and processes that are killed.
//!
//! The children are this very test program, told by a variable of the environment what to do. `FACTUM_KILLS` sets how
//! many times the crash test kills.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::{
    AppendError, Commit, Expected, Guard, Maintenance, Record, RecordKind, RecordQuery, Store, values,
};

use super::kit::*;

const ROLE: &str = "FACTUM_TEST_ROLE";
const FILE: &str = "FACTUM_TEST_FILE";

/// Starts this test program again in a role.
fn child(role: &str, place: &Place) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["processes::a_child_in_a_role", "--exact", "--nocapture"])
        .env(ROLE, role)
        .env(FILE, place.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child starts")
}

/// Does nothing unless another test has started it as a process of its own.
#[test]
fn a_child_in_a_role() {
    let (Ok(role), Ok(file)) = (std::env::var(ROLE), std::env::var(FILE)) else { return };
    match role.as_str() {
        "rival" => run(rival(&file)),
        "victim" => run(victim(&file)),
        other => panic!("no role {other:?}"),
    }
}

/// 32 tasks append; prints the slowest answer in milliseconds, and how many conflicts there were.
async fn rival(file: &str) {
    let store = Arc::new(open(file));
    let task = |number: usize| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let (mut slowest, mut conflicts) = (Duration::ZERO, 0);
            for turn in 0..25 {
                // Every other append is to a stream of both processes, at a version that the rival may have taken.
                let (to, expected) = if turn % 2 == 0 {
                    (stream(&format!("own-{}-{number}", std::process::id())), Expected::Any)
                } else {
                    let to = stream(&format!("shared-{}", number % 4));
                    let last = factum_core::Query {
                        direction: factum_core::Direction::Backward,
                        limit: 1,
                        ..factum_core::Query::stream(to.clone())
                    };
                    let version = store
                        .read(&last)
                        .await
                        .expect("reads")
                        .events
                        .first()
                        .map_or(factum_core::Version::EMPTY, |event| event.version);
                    (to, Expected::At(version))
                };
                let began = Instant::now();
                match store.append(&to, expected, &events(1)).await {
                    Ok(_) => {}
                    Err(AppendError::Conflict(_)) => conflicts += 1,
                    Err(error) => panic!("expected nothing but conflicts, found {error:?}"),
                }
                slowest = slowest.max(began.elapsed());
            }
            (slowest, conflicts)
        })
    };
    let tasks: Vec<_> = (0..32).map(task).collect();
    let (mut slowest, mut conflicts) = (Duration::ZERO, 0);
    for task in tasks {
        let (slow, met) = task.await.expect("no panic");
        slowest = slowest.max(slow);
        conflicts += met;
    }
    println!("done {} {conflicts}", slowest.as_millis());
}

#[test]
fn two_processes_append_to_one_file_without_loss_or_long_waits() {
    let place = place();
    drop(place.open());
    let children: Vec<Child> = (0..2).map(|_| child("rival", &place)).collect();
    let mut conflicts = 0;
    for child in children {
        let output = child.wait_with_output().expect("the child ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let line = text.lines().find_map(|line| line.split_once("done ").map(|(_, rest)| rest.to_owned()));
        let line = line.unwrap_or_else(|| panic!("the child says how it went: {text}"));
        let numbers: Vec<u128> =
            line.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        println!("slowest answer {} ms, {} conflicts", numbers[0], numbers[1]);
        assert!(numbers[0] < 1000, "no wait over a second, found {} ms", numbers[0]);
        conflicts += numbers[1] as usize;
    }
    run(async {
        let store = place.open();
        assert_eq!(
            read_all(&store).await.len() + conflicts,
            2 * 32 * 25,
            "nothing is lost, nothing is twice"
        );
        assert_eq!(store.check().await.expect("checks").findings, vec![]);
    });
}

/// Appends, with a record and a row in the same unit, and prints what was acknowledged, until it is killed.
async fn victim(file: &str) {
    let store = Arc::new(open(file));
    let task = |number: usize| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for turn in 0.. {
                let batch = events(1 + turn % 3);
                let ids: Vec<String> = batch.iter().map(|event| event.id.to_string()).collect();
                let to = stream(&format!("order-{number}"));
                if turn % 2 == 0 {
                    store.append(&to, Expected::Any, &batch).await.expect("appends");
                } else {
                    let mut unit = store.begin().await.expect("begins");
                    unit.execute("insert into ack (id) values ($1)".into(), values![ids[0].clone()]);
                    unit.put(Record::new(RecordKind::MARK, "victim", ids[0].clone(), "x"), Guard::Absent);
                    unit.append(to, Expected::Any, batch);
                    assert!(matches!(unit.commit().await, Commit::Committed(_)));
                }
                // One write, so that a kill cuts no line in two.
                println!("ack {}", ids.join(" "));
            }
        })
    };
    let tasks: Vec<_> = (0..8).map(task).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let kills: usize = std::env::var("FACTUM_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let place = place();
    run(async {
        let store = place.open();
        let mut unit = store.begin().await.expect("begins");
        unit.execute("create table ack (id text primary key)".into(), vec![]);
        assert!(matches!(unit.commit().await, Commit::Committed(_)));
    });
    let mut acknowledged: Vec<Vec<String>> = Vec::new();
    for kill in 0..kills {
        let mut victim = child("victim", &place);
        let mut lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
        // A different number of acknowledgements each time, so that the kill comes at different moments.
        let wanted = 3 + kill * 7 % 60;
        let mut keep = |line: std::io::Result<String>| {
            let Ok(line) = line else { return 0 };
            let Some((_, ids)) = line.split_once("ack ") else { return 0 };
            acknowledged.push(ids.split(' ').map(str::to_owned).collect());
            1
        };
        let mut seen = 0;
        while seen < wanted {
            seen += keep(lines.next().expect("the child goes on"));
        }
        victim.kill().expect("killed");
        // What it had still said before it died counts too; its last line may be cut.
        lines.by_ref().map_while(Result::ok).filter(|line| line.len() % 37 == 3).for_each(|line| {
            keep(Ok(line));
        });
        victim.wait().expect("reaped");
    }
    run(verify(&place, &acknowledged));
}

async fn verify(place: &Place, acknowledged: &[Vec<String>]) {
    let store = place.open();
    let all = read_all(&store).await;
    let recorded: HashMap<String, u64> =
        all.iter().map(|event| (event.envelope.id.to_string(), event.position.number())).collect();
    assert_eq!(recorded.len(), all.len(), "no id is recorded twice");
    for batch in acknowledged {
        let positions: Vec<u64> =
            batch.iter().map(|id| *recorded.get(id).unwrap_or_else(|| panic!("{id} is lost"))).collect();
        assert!(
            positions.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "a batch is one piece: {positions:?}"
        );
    }
    // Units are whole: the row, the mark and the event are there together or not at all.
    let rows = store.query("select id from ack", &[]).await.expect("rows");
    let rows: HashSet<String> = rows.iter().map(|row| row.get("id").expect("text")).collect();
    let mut marks = HashSet::new();
    let mut query = RecordQuery::group("victim");
    loop {
        let found = store.find(RecordKind::MARK, &query).await.expect("finds");
        let Some(last) = found.last() else { break };
        query.after_id = Some(last.id.clone());
        marks.extend(found.into_iter().map(|mark| mark.id));
    }
    assert_eq!(rows, marks);
    assert!(rows.iter().all(|id| recorded.contains_key(id)));
    let report = store.check().await.expect("checks");
    assert_eq!((report.findings, report.events), (vec![], all.len() as u64));
    println!("{} acknowledgements, {} events", acknowledged.len(), all.len());
}
