//! A server that speaks TLS: every connection is secure, and one that cannot be is refused by name.

use std::path::{Path, PathBuf};
use std::process::Command;

use factum_conformance::postgres::PostgresServer;
use factum_core::{Expected, Store, StoreErrorKind};
use factum_store::postgres::{Options, PostgresStore};

use super::kit::*;

/// A certificate for this machine's own address, and its key, which the server's user may read.
fn certificate(folder: &Path, name: &str) -> [PathBuf; 2] {
    let [cert, key] = ["crt", "key"].map(|kind| folder.join(format!("{name}.{kind}")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
        ])
        .args(["-subj", "/CN=factum", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // Only root can, and only root's server runs as somebody else.
    let _ = Command::new("chown").arg("-R").arg("postgres").arg(folder).output();
    [cert, key]
}

#[test]
fn every_connection_is_secure_where_the_url_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let [cert, key] = certificate(folder.path(), "server");
    let [other, _] = certificate(folder.path(), "other");
    let settings = format!("-c ssl=on -c ssl_cert_file={} -c ssl_key_file={}", cert.display(), key.display());
    let server = PostgresServer::start_with(&settings).expect("a server");
    let place = Place { url: server.fresh_url() };
    let url = |root: &Path| format!("{}&sslmode=verify-full&sslrootcert={}", place.url, root.display());
    run(async {
        let store = PostgresStore::open(&url(&cert), Options::default()).expect("opens");
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        create(&store, "create table tally (n bigint)").await;
        let mine = "select count(*), count(*) filter (where s.ssl) from pg_stat_ssl s join pg_stat_activity a \
                    using (pid) where a.application_name = 'factum'";
        let said = place.psql(mine);
        let (all, secure) = said.split_once('|').expect("two numbers");
        assert!(all == secure && all != "0", "{secure} of {all} connections are secure");
        let error = PostgresStore::open(&url(&other), Options::default()).expect_err("another root");
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("no secure connection"), "{error}");
    });
}

#[test]
fn a_server_without_tls_is_refused_where_the_url_asks_for_it() {
    let place = place();
    let url = format!("{}&sslmode=require", place.url);
    let error = PostgresStore::open(&url, Options::default()).expect_err("no TLS");
    assert!(error.to_string().contains("no secure connection"), "{error}");
}
