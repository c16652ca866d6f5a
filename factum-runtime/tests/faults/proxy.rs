//! Stands between a store and its server, and cuts connections so that answers are lost which the server has given.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long what was asked still reaches the server after a cut, while no answer comes back.
const DEAF: Duration = Duration::from_millis(40);
/// How often a silent connection looks whether it has been cut.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cuts: Arc<AtomicU64>,
}

impl Proxy {
    /// Listens in front of a server; lives as long as the test's process.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), cuts: Arc::default() };
        let cuts = proxy.cuts.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is down refuses, and so does its proxy.
                let Ok(server) = TcpStream::connect(server) else { continue };
                let began = cuts.load(Ordering::SeqCst);
                for (from, to, is_answer) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), false),
                    (server, client, true),
                ] {
                    let cuts = cuts.clone();
                    thread::spawn(move || pump(from, to, is_answer, &cuts, began));
                }
            }
        });
        proxy
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, is_answer: bool, cuts: &AtomicU64, began: u64) {
    from.set_read_timeout(Some(LOOK)).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut cut_at = None;
    loop {
        if cuts.load(Ordering::SeqCst) != began {
            let at = *cut_at.get_or_insert_with(Instant::now);
            if at.elapsed() >= DEAF {
                break;
            }
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) if is_answer && cut_at.is_some() => {}
            Ok(count) => {
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    // Closed already, unless this is the end that notices first.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
