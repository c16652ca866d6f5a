//! Opening: what is refused, and what to do then.

use factum_core::{Expected, Store, StoreErrorKind};
use factum_store::sqlite::{Existing, Options, SqliteStore, Synchronous};

use super::kit::*;

fn refusal(url: &str) -> factum_core::StoreError {
    SqliteStore::open(url, Options::default()).expect_err("the store is refused")
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let place = place();
    std::fs::write(place.path(), "these are notes, not a database").expect("written");
    let error = refusal(&place.path().display().to_string());
    assert_eq!(error.kind, StoreErrorKind::NotAStore);
    assert!(error.message.contains("is not a SQLite database"), "{error}");
    let kept = std::fs::read_to_string(place.path()).expect("still there");
    assert_eq!(kept, "these are notes, not a database");
}

#[test]
fn a_database_of_somebody_else_is_refused_and_left_alone() {
    let place = place();
    place.raw().execute_batch("create table note (id integer)").expect("a table");
    let before = std::fs::read(place.path()).expect("bytes");
    let error = refusal(&place.path().display().to_string());
    assert_eq!(error.kind, StoreErrorKind::NotAStore);
    assert!(error.message.contains("is a SQLite database but not a Factum store"), "{error}");
    assert_eq!(std::fs::read(place.path()).expect("bytes"), before);
}

#[test]
fn a_database_of_the_application_can_be_adopted() {
    let place = place();
    place
        .raw()
        .execute_batch("create table note (id integer); insert into note values (7)")
        .expect("a table");
    let options = Options { existing: Existing::Adopt, ..Options::default() };
    let store = SqliteStore::open(&place.path().display().to_string(), options).expect("opens");
    run(async {
        store.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("appends");
        let notes = store.query("select id from note", &[]).await.expect("rows");
        assert_eq!(notes.first().expect("a row").get::<i64>("id").expect("a number"), 7);
    });
    drop(store);
    assert_eq!(run(async { read_all(&place.open()).await.len() }), 1);
}

#[test]
fn a_store_of_a_later_release_is_refused() {
    let place = place();
    drop(place.open());
    place.raw().pragma_update(None, "user_version", 99).expect("a version");
    let error = refusal(&place.path().display().to_string());
    assert_eq!(error.kind, StoreErrorKind::NotAStore);
    assert!(error.message.contains("later release"), "{error}");
}

#[test]
fn a_missing_folder_is_named_and_not_made() {
    let place = place();
    let path = place.folder.path().join("not/there/store.db");
    let error = refusal(&path.display().to_string());
    assert!(error.message.contains("not/there") && error.message.contains("does not exist"), "{error}");
    assert!(!place.folder.path().join("not").exists());
}

#[test]
fn a_folder_is_no_store() {
    let place = place();
    let error = refusal(&place.folder.path().display().to_string());
    assert_eq!(error.kind, StoreErrorKind::NotAStore);
}

#[test]
fn urls_of_other_stores_are_refused_by_name() {
    let error = factum_store::open("mysql://localhost/x", Options::default().gate).expect_err("not known");
    assert!(error.message.contains("mysql:"), "{error}");
}

#[test]
fn one_url_gives_the_store_and_its_maintenance() {
    let place = place();
    let url = format!("sqlite:{}", place.path().display());
    let opened = factum_store::open(&url, Options::default().gate).expect("opens");
    run(async {
        opened.store.append(&stream("order-1"), Expected::Any, &events(2)).await.expect("appends");
        let report = opened.maintenance.check().await.expect("checks");
        assert_eq!((report.events, report.findings), (2, vec![]));
    });
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let place = place();
    let url = place.path().display().to_string();
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || SqliteStore::open(&url, Options::default()).map(drop))
        })
        .collect();
    for opened in opening {
        opened.join().expect("no panic").expect("opens");
    }
    assert!(run(async { read_all(&place.open()).await }).is_empty());
}

#[test]
fn less_than_full_is_declared() {
    let place = place();
    let options = Options { synchronous: Synchronous::Normal, ..Options::default() };
    let store = SqliteStore::open(&place.path().display().to_string(), options).expect("opens");
    assert!(store.guarantees().survives_process && !store.guarantees().survives_power_loss);
    assert!(place.open().guarantees().survives_power_loss);
    assert!(!open("memory:").guarantees().survives_process);
}

#[test]
fn a_store_in_memory_leaves_nothing_behind() {
    let stores: Vec<_> = (0..3).map(|_| open("memory:")).collect();
    let prefix = format!("factum-{}-", std::process::id());
    let left = std::fs::read_dir(std::env::temp_dir()).expect("a folder");
    let left =
        left.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    assert_eq!(left.count(), if cfg!(unix) { 0 } else { 3 });
    drop(stores);
}

#[test]
fn a_closed_store_says_so_and_its_file_is_whole() {
    let place = place();
    let store = place.open();
    run(async {
        let waiting = {
            let store = store.clone();
            tokio::spawn(async move { store.wait(factum_core::Position::END).await })
        };
        let appends = (0..50).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store.append(&stream(&format!("order-{number}")), Expected::Any, &events(1)).await
            })
        });
        let appends: Vec<_> = appends.collect();
        let mut kept = 0;
        store.close().await;
        for append in appends {
            kept += usize::from(append.await.expect("no panic").is_ok());
        }
        let closed = |kind| assert_eq!(kind, StoreErrorKind::Closed);
        closed(waiting.await.expect("no panic").expect_err("the store is closed").kind);
        closed(store.head().await.expect_err("the store is closed").kind);
        match store.append(&stream("order-1"), Expected::Any, &events(1)).await {
            Err(factum_core::AppendError::Store(error)) => closed(error.kind),
            other => panic!("expected a closed store, found {other:?}"),
        }
        assert!(
            !place.folder.path().join("store.db-wal").exists(),
            "the write-ahead log has been copied back"
        );
        assert_eq!(read_all(&place.open()).await.len(), kept);
    });
}
