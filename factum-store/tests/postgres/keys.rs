//! Keys of personal data on a server: their connection is as mortal as any other.

use std::time::Duration;

use factum_store::keys::{KeyRing, KeysAt, MasterKey};

use super::kit::*;

#[test]
fn keys_are_reached_again_when_the_server_has_ended_their_connection() {
    let place = place();
    let at = KeysAt::beside(&place.url).expect("a place for keys");
    let ring = KeyRing::open(&at, MasterKey::random().expect("a key")).expect("opens");
    let theirs = format!(
        "from pg_stat_activity where pid <> pg_backend_pid() and query like '%{}_keys%'",
        place.schema()
    );
    for _ in 0..2 {
        ring.counts().expect("asked again at once, over a connection that is sound");
        assert_eq!(place.psql(&format!("select count(pg_terminate_backend(pid)) {theirs}")), "1");
        let is_gone = async || place.psql(&format!("select count(*) {theirs}")) == "0";
        run(until("the connection is gone", Duration::from_secs(10), is_gone));
    }
    ring.counts().expect("asked again at once");
}
