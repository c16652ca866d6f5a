//! Stands between a store and its server: cuts connections so that answers are lost which the server has given, says
//! nothing for a while, and leads to another server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long what was asked still reaches the server after a cut, while no answer comes back.
const DEAF: Duration = Duration::from_millis(40);
/// How often a silent connection looks whether it has been cut.
const LOOK: Duration = Duration::from_millis(5);
/// The message by which a client ends a transaction; the driver sends it by itself.
const COMMIT: &[u8] = b"COMMIT\0";

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: Mutex<SocketAddr>,
    cuts: AtomicU64,
    is_silent: AtomicBool,
    /// Connections made before this last rose are never answered again.
    hushes: AtomicU64,
    /// Of so many commits the answer to one is lost; none when it is 0.
    lost_of: AtomicU64,
    commits: AtomicU64,
    lost: AtomicU64,
}

impl Proxy {
    /// Listens in front of a server; lives as long as the test's process.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            server: Mutex::new(server),
            cuts: AtomicU64::new(0),
            is_silent: AtomicBool::new(false),
            hushes: AtomicU64::new(0),
            lost_of: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        };
        let proxy = Self { address: listener.local_addr().unwrap(), state: Arc::new(state) };
        let state = proxy.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let to = { *state.server.lock().unwrap() };
                // A server that is down refuses, and so does its proxy.
                let Ok(server) = TcpStream::connect(to) else { continue };
                let began = state.cuts.load(Ordering::SeqCst);
                let hushes = state.hushes.load(Ordering::SeqCst);
                let is_lost = Arc::new(AtomicBool::new(false));
                for (from, to, is_answer) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), false),
                    (server, client, true),
                ] {
                    let pump =
                        Pump { state: state.clone(), began, hushes, is_lost: is_lost.clone(), is_answer };
                    thread::spawn(move || pump.run(from, to));
                }
            }
        });
        proxy
    }

    /// The URL of a server, by way of this.
    pub(crate) fn instead_of(&self, url: &str) -> String {
        let host = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
        url.replace(host, &self.address.to_string())
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// From here on says nothing, either way, or speaks again.
    pub(crate) fn be_silent(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Those connections that are there say nothing any more, and are not closed: as a network that is gone.
    pub(crate) fn hush(&self) {
        self.state.hushes.fetch_add(1, Ordering::SeqCst);
    }

    /// New connections go elsewhere.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *self.state.server.lock().unwrap() = server;
    }

    /// Of so many commits, cuts one after it was sent to the server and before its answer is back.
    pub(crate) fn lose_one_answer_of(&self, commits: u64) {
        self.state.lost_of.store(commits, Ordering::SeqCst);
    }

    /// How many answers to commits were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::SeqCst)
    }
}

/// One way of a connection.
struct Pump {
    state: Arc<State>,
    began: u64,
    hushes: u64,
    /// The answer to the commit that was sent is not to come back.
    is_lost: Arc<AtomicBool>,
    is_answer: bool,
}

impl Pump {
    fn run(self, mut from: TcpStream, mut to: TcpStream) {
        from.set_read_timeout(Some(LOOK)).unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let mut cut_at = None;
        loop {
            if self.state.cuts.load(Ordering::SeqCst) != self.began || self.is_lost.load(Ordering::SeqCst) {
                let at = *cut_at.get_or_insert_with(Instant::now);
                if at.elapsed() >= DEAF {
                    break;
                }
            }
            let is_hushed = self.state.hushes.load(Ordering::SeqCst) != self.hushes;
            if is_hushed || self.state.is_silent.load(Ordering::SeqCst) {
                thread::sleep(LOOK);
                continue;
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) if self.is_answer && cut_at.is_some() => {}
                Ok(count) => {
                    self.note_commit(&buffer[..count]);
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => break,
            }
        }
        // Closed already, unless this is the end that notices first.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Before it is passed on, so that its answer cannot be back before this is known.
    fn note_commit(&self, bytes: &[u8]) {
        let lost_of = self.state.lost_of.load(Ordering::SeqCst);
        if self.is_answer || lost_of == 0 || !bytes.windows(COMMIT.len()).any(|part| part == COMMIT) {
            return;
        }
        if self.state.commits.fetch_add(1, Ordering::SeqCst).is_multiple_of(lost_of) {
            self.state.lost.fetch_add(1, Ordering::SeqCst);
            self.is_lost.store(true, Ordering::SeqCst);
        }
    }
}
