//! A real NATS server with JetStream for tests: started on a free port in a temporary folder, gone when the process is.
//!
//! One server may serve a process; every test takes topics of its own. A small shell outside of the process waits for
//! the process to end, however it ends, and tidies up. Never asked to sync: what tests kill is the process.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::server::{free_port, janitor, new_folder};

/// How long a server may take to answer.
const START_MAX: Duration = Duration::from_secs(30);

/// Attempts to start: another process may take the port that was free.
const ATTEMPTS: usize = 5;

/// A running server; dropped, it is killed and its folder removed.
pub struct NatsServer {
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    running: Mutex<Option<Child>>,
    janitor: Child,
}

impl NatsServer {
    /// Starts a server with JetStream.
    ///
    /// # Errors
    /// When NATS is not installed, or does not start: says what to install.
    pub fn start() -> Result<Self, String> {
        Self::start_with(&["--jetstream"])
    }

    /// Starts a server with these arguments beside its address and its folder; without `--jetstream` it keeps nothing.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(arguments: &[&str]) -> Result<Self, String> {
        let mut problem = String::new();
        for _ in 0..ATTEMPTS {
            let folder =
                new_folder("nats").map_err(|error| format!("cannot make a folder for NATS: {error}"))?;
            let janitor =
                janitor(&folder, &kill(&folder)).map_err(|error| format!("cannot start a shell: {error}"))?;
            let settings = arguments.iter().map(|&argument| argument.to_owned()).collect();
            let server = Self { folder, port: free_port()?, settings, running: Mutex::default(), janitor };
            match server.up() {
                Ok(()) => return Ok(server),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where it is reached, by somebody who says this first: `user:password`, or a token.
    #[must_use]
    pub fn url_as(&self, credentials: &str) -> String {
        format!("nats://{credentials}@127.0.0.1:{}", self.port)
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and with what it has kept.
    ///
    /// # Errors
    /// When it does not start.
    pub fn up(&self) -> Result<(), String> {
        let mut running = self.running();
        if running.is_some() {
            return Ok(());
        }
        let log =
            std::fs::File::create(self.folder.join("log")).map_err(|error| format!("no log: {error}"))?;
        let (port, store) = (self.port.to_string(), self.folder.join("store").display().to_string());
        let started = command()
            .args(["--addr", "127.0.0.1", "--port", &port, "--store_dir", &store])
            .arg("--pid")
            .arg(self.folder.join("pid"))
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut child = started.map_err(|error| {
            format!("NATS cannot be started ({error}); on Debian or Ubuntu: apt-get install nats-server")
        })?;
        let begun = Instant::now();
        while !answers(self.port) {
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || begun.elapsed() > START_MAX {
                let _ = child.kill();
                let _ = child.wait();
                let _ = std::fs::remove_file(self.folder.join("pid"));
                let said = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(format!("NATS does not start: {said}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        *running = Some(child);
        Ok(())
    }

    /// Kills it, so that it can do nothing any more (`kill -9`).
    pub fn kill(&self) {
        if let Some(mut child) = self.running().take() {
            let _ = child.kill();
            let _ = child.wait();
            // Its number may soon be another's: the janitor must not find it.
            let _ = std::fs::remove_file(self.folder.join("pid"));
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
        // The janitor wakes up when its input ends.
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

/// The URL of this process's own server.
///
/// # Panics
/// When none can be started: says what to do.
#[must_use]
pub fn own_url() -> String {
    static SERVER: OnceLock<Result<NatsServer, String>> = OnceLock::new();
    match SERVER.get_or_init(NatsServer::start) {
        Ok(server) => server.url(),
        Err(error) => panic!("{error}"),
    }
}

/// Debian keeps servers where only root's shell looks.
fn command() -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file());
    Command::new(found.unwrap_or_else(|| "nats-server".into()))
}

/// Whether a server greets whoever connects, as NATS does.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).is_ok() && &greeting == b"INFO"
}

/// What kills the server that runs in a folder.
fn kill(folder: &Path) -> String {
    format!("kill -9 \"$(cat \"{}/pid\")\" 2>/dev/null", folder.display())
}
