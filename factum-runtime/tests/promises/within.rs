//! Decisions over tags: a course has seats, and a student takes at most five courses; each enrolment is decided from
//! both, and lies in a stream of its own.

use std::collections::BTreeMap;

use factum_core::{
    Context, Decider, Envelope, Event, EventType, Expected, Failure, Handler, PartitionKey, Query, Store,
    Tag, Tags, event_set,
};
use factum_runtime::{Consumer, ExecuteError, ExecuteOptions, Idempotency, decide_within, execute_within};

use crate::kit::*;

const COURSES_MAX: u32 = 5;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Opened {
    course: String,
    seats: u32,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Enrolled {
    course: String,
    student: String,
}

fn tag(field: &str, value: &str) -> Tag {
    Tag::new(field, value).unwrap()
}

impl Event for Opened {
    const TYPE: EventType = EventType::event("course.opened", 1, "course", "course.opened");

    fn key(&self) -> PartitionKey {
        self.course.parse().unwrap()
    }

    fn tags(&self) -> Tags {
        Tags::new([tag("courseId", &self.course)]).unwrap()
    }
}

impl Event for Enrolled {
    const TYPE: EventType = EventType::event("student.enrolled", 1, "enrolment", "student.enrolled");

    fn key(&self) -> PartitionKey {
        format!("{}-{}", self.course, self.student).parse().unwrap()
    }

    fn tags(&self) -> Tags {
        Tags::new([tag("courseId", &self.course), tag("studentId", &self.student)]).unwrap()
    }
}

event_set! {
    #[derive(Debug, Clone, PartialEq)]
    enum Campus { Opened, Enrolled }
}

struct Enrolment;

#[derive(Debug, Default)]
struct Known {
    seats: BTreeMap<String, u32>,
    enrolled: Vec<Enrolled>,
}

#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
enum Refused {
    #[error("there is no such course")]
    NoCourse,
    #[error("the course is full")]
    Full,
    #[error("the student has five courses")]
    Five,
}

impl Decider for Enrolment {
    type Command = Enrolled;
    type Event = Campus;
    type State = Known;
    type Refusal = Refused;

    fn evolve(mut known: Known, event: &Campus) -> Known {
        match event {
            Campus::Opened(opened) => {
                known.seats.insert(opened.course.clone(), opened.seats);
            }
            Campus::Enrolled(enrolled) => known.enrolled.push(enrolled.clone()),
        }
        known
    }

    // quote: begin decide
    fn decide(known: &Known, asked: Enrolled) -> Result<Vec<Campus>, Refused> {
        let count = |is: &dyn Fn(&&Enrolled) -> bool| known.enrolled.iter().filter(is).count() as u32;
        let seats = *known.seats.get(&asked.course).ok_or(Refused::NoCourse)?;
        if known.enrolled.contains(&asked) {
            return Ok(vec![]);
        }
        if count(&|one| one.course == asked.course) >= seats {
            return Err(Refused::Full);
        }
        if count(&|one| one.student == asked.student) >= COURSES_MAX {
            return Err(Refused::Five);
        }
        Ok(vec![asked.into()])
    }
    // quote: end
}

async fn open(store: &dyn Store, course: &str, seats: u32) {
    let envelope = Envelope::of(&Opened { course: course.into(), seats }).unwrap();
    store.append(&envelope.stream().unwrap(), Expected::NoStream, &[envelope]).await.unwrap();
}

// quote: begin enrol
async fn enrol(store: &dyn Store, course: &str, student: &str) -> Result<usize, Refused> {
    let tags = [tag("courseId", course), tag("studentId", student)];
    let asked = Enrolled { course: course.into(), student: student.into() };
    loop {
        let options = ExecuteOptions::default();
        match execute_within::<Enrolment>(store, &tags, asked.clone(), &options).await {
            Ok(done) => return Ok(done.events.len()),
            Err(ExecuteError::Refused(refused)) => return Err(refused),
            Err(ExecuteError::BusyWithin { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
// quote: end

async fn enrolled(store: &dyn Store) -> Vec<Enrolled> {
    let mut query = Query { types: vec![Enrolled::TYPE.name], ..Query::all() };
    let mut all = Vec::new();
    loop {
        let page = store.read(&query).await.unwrap();
        all.extend(page.events.iter().map(|event| serde_json::from_slice(&event.envelope.data).unwrap()));
        if !page.more {
            return all;
        }
        query.after = page.end;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_course_is_overbooked_and_no_student_takes_a_sixth_however_many_ask_at_once() {
    const COURSES: u32 = 8;
    const STUDENTS: u32 = 12;
    const SEATS: u32 = 7;
    let store = fresh();
    for course in 0..COURSES {
        open(store.as_ref(), &format!("c{course}"), SEATS).await;
    }
    let mut askers = tokio::task::JoinSet::new();
    for asker in 0..COURSES * STUDENTS {
        let store = store.clone();
        // Neighbours share a course or a student, and every pair is asked for once.
        let (course, student) = (format!("c{}", asker % COURSES), format!("s{}", asker / COURSES));
        askers.spawn(async move { enrol(store.as_ref(), &course, &student).await });
    }
    let answers = askers.join_all().await;
    let all = enrolled(store.as_ref()).await;
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(1)).count(), all.len());
    for course in 0..COURSES {
        let taken = all.iter().filter(|one| one.course == format!("c{course}")).count() as u32;
        assert!(taken <= SEATS, "course {course} has {taken} students on {SEATS} seats");
    }
    for student in 0..STUDENTS {
        let taken = all.iter().filter(|one| one.student == format!("s{student}")).count() as u32;
        assert!(taken <= COURSES_MAX, "student {student} has {taken} courses");
    }
    // Whoever was refused was refused for a reason that is still there: nothing was lost to a false conflict.
    for asker in 0..COURSES * STUDENTS {
        let (course, student) = (format!("c{}", asker % COURSES), format!("s{}", asker / COURSES));
        if !all.iter().any(|one| one.course == course && one.student == student) {
            let again = enrol(store.as_ref(), &course, &student).await;
            assert!(matches!(again, Err(Refused::Full | Refused::Five)), "{again:?}");
        }
    }
    assert_eq!(enrolled(store.as_ref()).await.len(), all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_over_tags_sees_what_lies_in_any_stream_and_repeats_quietly() {
    let store = fresh();
    assert_eq!(enrol(store.as_ref(), "c1", "s1").await, Err(Refused::NoCourse));
    open(store.as_ref(), "c1", 1).await;
    assert_eq!(enrol(store.as_ref(), "c1", "s1").await, Ok(1));
    assert_eq!(enrol(store.as_ref(), "c1", "s1").await, Ok(0), "it had happened already");
    assert_eq!(enrol(store.as_ref(), "c1", "s2").await, Err(Refused::Full));
    let stream = enrolled_stream(store.as_ref()).await;
    assert_eq!(stream, ["enrolment-c1-s1"]);
}

async fn enrolled_stream(store: &dyn Store) -> Vec<String> {
    let query = Query { types: vec![Enrolled::TYPE.name], ..Query::all() };
    store.read(&query).await.unwrap().events.iter().map(|event| event.stream.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_over_tags_names_a_tag_and_takes_no_idempotency_key() {
    let store = fresh();
    let asked = Enrolled { course: "c1".into(), student: "s1".into() };
    let said = async |tags: &[Tag], options: &ExecuteOptions| {
        execute_within::<Enrolment>(store.as_ref(), tags, asked.clone(), options)
            .await
            .unwrap_err()
            .to_string()
    };
    let none = ExecuteOptions::default();
    assert_eq!(said(&[], &none).await, "a decision within tags names at least one");
    let keyed = ExecuteOptions { idempotency: Some(Idempotency::new("k", b"")), ..Default::default() };
    assert_eq!(
        said(&[tag("courseId", "c1")], &keyed).await,
        "an idempotency key is kept for a stream, and this decision has none"
    );
}

/// Takes up who waits for a place: decides within the boundary, as a part of its own unit.
struct Desk;

impl Handler<Stepped> for Desk {
    async fn handle(&self, waits: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        let (course, student) = ("c1".to_owned(), waits.thing);
        let tags = [tag("courseId", &course), tag("studentId", &student)];
        let decided = decide_within::<Enrolment>(cx, &tags, Enrolled { course, student }).await;
        decided.map_err(|error| error.into_failure(|_| "no-place".to_owned()))?;
        cx.execute("insert into effect (thing, step) values ($1, 1)", factum_core::values!["enrolled"]);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_decide_within_tags_overbook_nothing_while_others_ask_from_outside() {
    const SEATS: u32 = 9;
    let store = fresh();
    open(store.as_ref(), "c1", SEATS).await;
    let running = start(&store, Consumer::new("desk").on::<Stepped>(Desk).retry(quick())).await;
    let outside = {
        let store = store.clone();
        tokio::spawn(async move {
            let mut taken = 0;
            for number in 0..12 {
                taken += enrol(store.as_ref(), "c1", &format!("outside{number}")).await.unwrap_or(0);
            }
            taken
        })
    };
    for number in 0..12 {
        step(store.as_ref(), &format!("inside{number}"), 1).await;
    }
    let taken = outside.await.unwrap();
    running.settled(SOON).await.unwrap();
    // Whom rivals were in the way of many times in a row is parked for a moment, and then tried again.
    let desk = factum_core::ConsumerName::constant("desk");
    until("everybody was told", async || running.admin().consumer(&desk).await.unwrap().parked == 0).await;
    let all = enrolled(store.as_ref()).await;
    let inside = all.iter().filter(|one| one.student.starts_with("inside")).count();
    assert_eq!((all.len(), inside + taken), (SEATS as usize, SEATS as usize));
    assert_eq!(
        effects_of(store.as_ref(), "enrolled").await.len(),
        inside,
        "the decision and the rest are one"
    );
    let refused = running.admin().letters(factum_runtime::admin::Which::Refused, None).await.unwrap();
    assert_eq!(refused.len(), 12 - inside, "who came too late is refused by name");
    running.stop().await;
}
