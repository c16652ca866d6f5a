//! A real PostgreSQL for tests: started on a free port in a temporary folder, gone when the process is.
//!
//! `FACTUM_TEST_POSTGRES_URL` names a server to use instead. One server serves a process; every test gets schemas of its
//! own in it. A small shell outside of the process waits for the process to end, however it ends, and tidies up.
//! Never turns `fsync` off: stores refuse such a server.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::{free_port, janitor, new_folder};

/// Names a server to use instead of one that is started.
pub const URL_VARIABLE: &str = "FACTUM_TEST_POSTGRES_URL";

/// What every server is started with: small, and able to do what tests try.
const SETTINGS: &str = "-c shared_buffers=64MB -c max_connections=300 -c max_prepared_transactions=50 \
                        -c autovacuum_naptime=5s -c timezone=UTC";

/// A running server; dropped, it is stopped and its folder removed.
pub struct PostgresServer {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    settings: String,
    janitor: Child,
}

impl PostgresServer {
    /// Starts a server.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or does not start: says what to install.
    pub fn start() -> Result<Self, String> {
        Self::start_with("")
    }

    /// Starts a server with more settings, each written `-c name=value`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(settings: &str) -> Result<Self, String> {
        let server = Self::prepare(settings)?;
        let data = server.data();
        let made = server.run(
            "initdb",
            &["-D", &data, "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"],
        );
        made?;
        server.up()?;
        Ok(server)
    }

    /// A replica of this server, which follows it from now on; [`promote`](Self::promote) makes it a server of its own.
    ///
    /// # Errors
    /// When it cannot be copied, or does not start.
    pub fn replica(&self) -> Result<Self, String> {
        let replica = Self::prepare("")?;
        let (data, port) = (replica.data(), self.port.to_string());
        let source = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        let how = ["-D", &data, "-X", "stream", "-c", "fast", "-R", "--no-sync"];
        replica.run("pg_basebackup", &[&source[..], &how[..]].concat())?;
        replica.up()?;
        Ok(replica)
    }

    /// Makes a replica a server of its own, with what has reached it.
    ///
    /// # Errors
    /// When it is no replica, or does not answer.
    pub fn promote(&self) -> Result<(), String> {
        self.run("pg_ctl", &["promote", "-w", "-t", "60", "-D", &self.data()])
    }

    /// A folder and a port for a server.
    fn prepare(settings: &str) -> Result<Self, String> {
        let programs = programs().ok_or(
            "PostgreSQL is not installed; on Debian or Ubuntu: apt-get install postgresql, or name a server in \
             FACTUM_TEST_POSTGRES_URL",
        )?;
        let folder = own_folder().map_err(|error| format!("cannot make a folder for PostgreSQL: {error}"))?;
        let janitor = janitor(&folder, &stop(&folder, &programs))
            .map_err(|error| format!("cannot start a shell: {error}"))?;
        let settings = format!("{SETTINGS} {settings}");
        Ok(Self { folder, programs, port: free_port()?, settings, janitor })
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A URL with schemas of its own for a store and for an application's tables.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn fresh_url(&self) -> String {
        fresh_url_on(&self.url())
    }

    /// Starts it again after [`down`](Self::down).
    ///
    /// # Errors
    /// When it does not start.
    pub fn up(&self) -> Result<(), String> {
        let options = format!(
            "-c port={} -c listen_addresses=127.0.0.1 -c unix_socket_directories= {}",
            self.port, self.settings
        );
        let log = self.folder.join("log").display().to_string();
        self.run("pg_ctl", &["start", "-w", "-t", "60", "-D", &self.data(), "-l", &log, "-o", &options])
    }

    /// Stops it as a crash would.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn down(&self) -> Result<(), String> {
        self.run("pg_ctl", &["stop", "-w", "-m", "immediate", "-D", &self.data()])
    }

    /// Kills it, so that it can do nothing any more; its other processes notice and follow.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self) -> Result<(), String> {
        let file = Path::new(&self.data()).join("postmaster.pid");
        let text =
            std::fs::read_to_string(&file).map_err(|error| format!("the server does not run: {error}"))?;
        let pid = text.lines().next().unwrap_or_default().trim().to_owned();
        run(&mut Command::new("kill"), &["-9", &pid])
    }

    /// Runs one of PostgreSQL's programs, as the user that it runs as.
    ///
    /// # Errors
    /// When it answers with an error: says which.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        // Clients may lie elsewhere than the server's own programs.
        let beside = self.programs.join(program);
        let program = if beside.is_file() { beside } else { program.into() };
        run(&mut as_server_user(&program), arguments)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Where its data is.
    #[must_use]
    pub fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // The janitor wakes up when its input ends.
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

/// A URL with schemas of its own, on the server that the environment names, or on this process's own.
///
/// # Panics
/// When there is no server, and none can be started: says what to do.
#[must_use]
pub fn fresh_url() -> String {
    static SERVER: OnceLock<Result<PostgresServer, String>> = OnceLock::new();
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        return fresh_url_on(&url);
    }
    match SERVER.get_or_init(PostgresServer::start) {
        Ok(server) => server.fresh_url(),
        Err(error) => panic!("{error}"),
    }
}

fn fresh_url_on(url: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}_{}_{number}", std::process::id(), now.as_nanos() % 1_000_000_000);
    let url = url.split_once('?').map_or(url, |(url, _)| url);
    // The application's tables get a schema too, because tests name theirs alike.
    psql(url, &format!("create schema app_{name}"));
    format!("{url}?schema=factum_{name}&options=-c%20search_path%3Dapp_{name}")
}

/// Runs a statement by PostgreSQL's own client; what it answers, a row a line.
///
/// # Panics
/// When it fails.
pub fn psql(url: &str, sql: &str) -> String {
    let url = url.split_once('?').map_or(url, |(url, _)| url);
    let beside = programs().map(|programs| programs.join("psql")).filter(|program| program.is_file());
    let mut command = Command::new(beside.unwrap_or_else(|| "psql".into()));
    command
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("cannot start psql: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "psql failed: {said}\nstatement: {sql}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The folder with PostgreSQL's programs; of several versions the latest.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    // Debian and its kin keep servers' programs where no shell looks.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    on_path.or(versions.pop().map(|(_, folder)| folder))
}

fn is_root() -> bool {
    let identity = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    identity.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// PostgreSQL refuses to run as root.
fn as_server_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn run(command: &mut Command, arguments: &[&str]) -> Result<(), String> {
    let name = arguments.first().copied().unwrap_or_default().to_owned();
    // A server that goes on running would keep a pipe open.
    let errors = tempfile_in_temp()?;
    let status = command
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.0)
        .status();
    let status = status.map_err(|error| format!("cannot start PostgreSQL's programs: {error}"))?;
    let said = std::fs::read_to_string(&errors.1).unwrap_or_default();
    let _ = std::fs::remove_file(&errors.1);
    if status.success() { Ok(()) } else { Err(format!("PostgreSQL: {name} answered {status}: {said}")) }
}

fn tempfile_in_temp() -> Result<(std::fs::File, PathBuf), String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("factum-pg-errors-{}-{number}", std::process::id()));
    let file = std::fs::File::create(&path).map_err(|error| format!("cannot make a file: {error}"))?;
    Ok((file, path))
}

/// A folder that PostgreSQL may use, which does not run as root.
fn own_folder() -> io::Result<PathBuf> {
    let folder = new_folder("pg")?;
    if is_root() {
        let status = Command::new("chown").arg("postgres").arg(&folder).status()?;
        if !status.success() {
            return Err(io::Error::other("there is no user `postgres`"));
        }
    }
    Ok(folder)
}

/// What stops the server that runs in a folder.
fn stop(folder: &Path, programs: &Path) -> String {
    let prefix = if is_root() { "setpriv --reuid=postgres --regid=postgres --clear-groups -- " } else { "" };
    format!("{prefix}\"{}/pg_ctl\" stop -w -m immediate -D \"{}/data\"", programs.display(), folder.display())
}
