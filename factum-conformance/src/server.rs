//! What the servers of tests share: a folder and a port of their own, and somebody who tidies up after them.
//!
//! Knows no server: what ends one is said by whoever starts it.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that was not there before, for a server of this name.
pub(crate) fn new_folder(name: &str) -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("factum-{name}-{}-{number}", std::process::id()));
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

/// Ends the server by a command and removes its folder when this process closes its input: when it ends, however it
/// ends.
pub(crate) fn janitor(folder: &Path, end: &str) -> io::Result<Child> {
    let script = format!("read line; cd /; {end}; rm -rf \"{}\"", folder.display());
    // In a session of its own, so that what ends the tests as a group leaves it alone.
    let start = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    start("setsid", &["sh", "-c", &script]).or_else(|_| start("sh", &["-c", &script]))
}

/// A port that nobody has taken yet.
pub(crate) fn free_port() -> Result<u16, String> {
    let found = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    found.map(|address| address.port()).map_err(|error| format!("cannot find a free port: {error}"))
}
