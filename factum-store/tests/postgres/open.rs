//! Opening: what is made, what is refused, and what is noticed.

use factum_conformance::postgres::PostgresServer;
use factum_core::{AppendError, Expected, Maintenance, OpenGate, Store, StoreErrorKind, StreamClosed};
use factum_store::postgres::{Options, PostgresStore};

use super::kit::*;

fn refused(url: &str) -> factum_core::StoreError {
    PostgresStore::open(url, Options::default()).map(|_| ()).expect_err("it is refused")
}

#[test]
fn a_url_opens_the_store_and_later_finds_it() {
    let place = place();
    run(async {
        let opened = factum_store::open(&place.url, std::sync::Arc::new(OpenGate)).expect("opens");
        opened.store.append(&stream("order-1"), Expected::Any, &events(3)).await.expect("appends");
        drop(opened);
        let opened = factum_store::open(&place.url, std::sync::Arc::new(OpenGate)).expect("opens");
        let report = opened.maintenance.check().await.expect("checks");
        assert_eq!((report.events, report.streams, report.findings.len()), (3, 1, 0));
        opened.maintenance.scrub().await.expect("takes out what was deleted");
        let error =
            opened.maintenance.backup(std::path::Path::new("x")).await.expect_err("no copy to a file");
        assert!(error.message.contains("pg_dump"), "{error}");
        assert!(!format!("{:?}", place.open()).contains("password"));
    });
}

#[test]
fn many_that_open_a_new_store_at_once_make_it_once() {
    let place = place();
    std::thread::scope(|scope| {
        let openers: Vec<_> = (0..6).map(|_| scope.spawn(|| drop(place.open()))).collect();
        openers.into_iter().for_each(|opener| opener.join().expect("opens"));
    });
    assert_eq!(place.psql("select count(*) = max(number) from factum.revision"), "t");
}

#[test]
fn a_store_of_the_first_revision_is_brought_up_to_date_and_goes_on() {
    let place = place();
    run(async {
        let store = place.open();
        store.append(&stream("order-1"), Expected::Any, &events(2)).await.expect("appends");
        drop(store);
        // As the first revision left it, but for its functions, which the second replaces.
        place.psql("alter table factum.stream drop column is_closed");
        place.psql("delete from factum.revision where number > 1");
        let store = place.open();
        let appended = store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        assert_eq!(appended.version.number(), 3);
        let closed = StreamClosed::new(&stream("order-1")).expect("a key").envelope().expect("a payload");
        store.append(&stream("order-1"), Expected::Any, &[closed]).await.expect("closes");
        let late = store.append(&stream("order-1"), Expected::Any, &events(1)).await;
        assert!(matches!(late, Err(AppendError::Closed { .. })), "{late:?}");
        assert_eq!(store.check().await.expect("checks").findings, vec![]);
    });
}

#[test]
fn a_later_revision_and_a_foreign_schema_are_refused() {
    let place = place();
    drop(place.open());
    place.psql("insert into factum.revision (number) values (999)");
    let error = refused(&place.url);
    assert_eq!(error.kind, StoreErrorKind::NotAStore);
    assert!(error.message.contains("revision 999"), "{error}");
    let foreign = super::kit::place();
    foreign.psql(&format!("create schema {}", foreign.schema()));
    foreign.psql("create table factum.revision (name text)");
    assert_eq!(refused(&foreign.url).kind, StoreErrorKind::NotAStore);
}

#[test]
fn a_server_that_cannot_be_reached_is_named_without_its_password() {
    let error = refused("postgres://ann:s3cret@127.0.0.1:1/shop");
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.message.contains("ann@127.0.0.1:1/shop") && !error.message.contains("s3cret"), "{error}");
    assert_eq!(refused("postgres://h/db?schema=No").kind, StoreErrorKind::Invalid);
    let few = PostgresStore::open("postgres://h/db", Options { connections: 2, ..Options::default() });
    assert!(few.map(|_| ()).expect_err("too few").message.contains("at least 5"));
}

#[test]
fn a_server_that_may_lose_what_it_acknowledges_is_refused() {
    let place = place();
    let url = place.url.replace("options=", "options=-c%20synchronous_commit%3Doff%20");
    let error = refused(&url);
    assert!(error.message.contains("synchronous_commit is off"), "{error}");
    let server = PostgresServer::start_with("-c fsync=off").expect("a server");
    let error = refused(&server.fresh_url());
    assert!(error.message.contains("fsync is off"), "{error}");
}

#[test]
fn a_role_that_is_taken_on_by_an_option_is_refused_with_what_to_write_instead() {
    let place = place();
    drop(place.open());
    let role = format!("taken_{}", place.schema());
    place.psql(&format!("create role {role}"));
    let error = refused(&format!("{}%20-c%20role%3D{role}", place.url));
    assert_eq!(error.kind, StoreErrorKind::Invalid);
    assert!(error.message.contains("name it as the user of the URL"), "{error}");
    place.psql(&format!("drop role {role}"));
}

#[test]
fn a_restored_store_leaves_a_gap_and_says_so() {
    let place = place();
    run(async {
        let store = place.open();
        let before = store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        assert!(store.doctor().await.expect("looks").is_empty());
        drop(store);
        // As if the database had been copied from another server.
        place.psql("update factum.cluster set identity = '1/00000001/5'");
        let store = place.open();
        let after = store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        assert!(after.position.number() > before.position.number() + 1_000_000);
        assert_eq!(read_all(&store).await.len(), 2, "a read goes over the gap");
        let findings = store.doctor().await.expect("looks");
        assert!(
            findings.iter().any(|finding| finding.what.contains("restored, copied or failed over")),
            "{findings:?}"
        );
        drop(store);
        let again =
            place.open().append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        assert!(again.position.number() < after.position.number() + 1_000_000, "once is enough");
    });
}

#[test]
fn damage_is_found_and_named() {
    let place = place();
    run(async {
        let store = place.open();
        for number in 0..3 {
            store
                .append(&stream(&format!("order-{number}")), Expected::Any, &events(2))
                .await
                .expect("appends");
        }
        place.psql("update factum.event set data = 'x' where position = 3");
        place.psql("update factum.stream set version = 1 where name = 'order-2'");
        let report = store.check().await.expect("checks");
        let found: Vec<_> = report.findings.iter().map(|finding| finding.what.clone()).collect();
        assert_eq!(
            found,
            [
                "the event at position 3 is damaged: its checksum does not hold",
                "stream order-2 says version 1, and its last event is of version 2"
            ]
        );
        assert_eq!((report.events, report.streams), (5, 3));
        let error = store.read(&factum_core::Query::all()).await.expect_err("damage is not handed out");
        assert_eq!(error.kind, StoreErrorKind::Corrupt);
    });
}
