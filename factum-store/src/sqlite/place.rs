//! Where a store is: a file that SQLite can lock and sync, or memory.
//!
//! Refuses what would lose data later: network file systems, whose locks and syncs SQLite cannot rely on, and files
//! that are something else. "Memory" is a file without a name that is never synced: SQLite's own databases in memory
//! have no write-ahead log, so that an open unit of work would keep every reader out.
//! Never creates a folder for a file: a typing error in a path must not become a new, empty store.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use factum_core::{StoreError, StoreErrorKind};

/// File systems on which SQLite's locks or syncs are not what they claim.
const NETWORK: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "lustre",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.ceph",
    "fuse.s3fs",
    "ocfs2",
];

static NEXT_MEMORY: AtomicU64 = AtomicU64::new(1);

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    /// A file in a folder of its own that nobody else may enter; its name is gone once it is open.
    Memory(PathBuf),
}

impl Place {
    /// The place that a URL or a path names.
    pub(super) fn of(url: &str) -> Result<Self, StoreError> {
        if matches!(url, "memory:" | "sqlite:memory:" | "sqlite::memory:" | ":memory:") {
            return private_folder().map(|folder| Self::Memory(folder.join("memory.db")));
        }
        let path = match url.strip_prefix("sqlite:") {
            Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
            None => url,
        };
        if path.is_empty() {
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                "expected sqlite:<path>, a path, or memory:",
            ));
        }
        if path.contains('\0') {
            return Err(StoreError::new(StoreErrorKind::Invalid, "a path cannot hold a NUL character"));
        }
        Ok(Self::File(PathBuf::from(path)))
    }

    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Memory(path) => path,
        }
    }

    /// Takes the name of a store in memory away: at once where open files outlive their names, else when it closes.
    pub(super) fn vanish(&self) {
        if let (Self::Memory(path), Some(folder)) = (self, self.path().parent()) {
            debug_assert!(path.starts_with(folder));
            // Where open files keep their names this fails now, and succeeds when the store is closed.
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// Refuses a place where there can be no store.
    ///
    /// Looks at names alone: to open and close a database's file drops the locks that this process holds on it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let Self::File(path) = self else { return Ok(()) };
        let folder = folder_of(path);
        if !folder.is_dir() {
            let message = format!("folder {} does not exist; create it", folder.display());
            return Err(StoreError::new(StoreErrorKind::Invalid, message));
        }
        if path.is_dir() {
            let message = format!("{} is a folder; name a file in it", path.display());
            return Err(StoreError::new(StoreErrorKind::NotAStore, message));
        }
        refuse_network(folder)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(_) => f.write_str("memory:"),
        }
    }
}

/// Makes a folder that only this user may enter.
fn private_folder() -> Result<PathBuf, StoreError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    loop {
        let number = NEXT_MEMORY.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("factum-{}-{number}", std::process::id()));
        match builder.create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let message = format!(
                    "{} cannot be made; set TMPDIR to a folder that can be written",
                    folder.display()
                );
                return Err(StoreError::new(StoreErrorKind::ReadOnly, message).because(error));
            }
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn refuse_network(folder: &Path) -> Result<(), StoreError> {
    // Elsewhere than on Linux there is no such list, and the check is left out.
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return Ok(()) };
    let Ok(folder) = folder.canonicalize() else { return Ok(()) };
    match file_system_of(&folder, &mounts) {
        Some(kind) if NETWORK.contains(&kind) => {
            let folder = folder.display();
            let message = format!(
                "{folder} is on a network file system ({kind}), where SQLite loses data; use a local disk"
            );
            Err(StoreError::new(StoreErrorKind::Invalid, message))
        }
        _ => Ok(()),
    }
}

/// The type of the file system that holds a folder, from the text of `/proc/self/mountinfo`.
fn file_system_of<'a>(folder: &Path, mounts: &'a str) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?.replace("\\040", " ");
        Some((point, right.split(' ').next()?))
    };
    let holding = mounts.lines().filter_map(mount).filter(|(point, _)| folder.starts_with(point));
    // Of two mounts on one point the later hides the earlier, and `max_by_key` takes the last of equals.
    holding.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_is_recognised() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      30 22 0:40 / /srv/my\\040data rw shared:1 - nfs4 host:/x rw\n\
                      31 22 0:41 / /srv rw - xfs /dev/sdb rw";
        let kind = |path: &str| file_system_of(Path::new(path), mounts);
        assert_eq!(kind("/srv/my data/orders"), Some("nfs4"));
        assert_eq!(kind("/srv/other"), Some("xfs"));
        assert_eq!(kind("/srv2"), Some("ext4"));
    }

    #[test]
    fn a_url_names_a_file_or_memory() {
        let (one, two) = (Place::of("memory:").unwrap(), Place::of("memory:").unwrap());
        assert!(one.is_memory() && one != two);
        one.vanish();
        two.vanish();
        assert!(!one.path().parent().unwrap().exists());
        for url in ["sqlite:a.db", "sqlite://a.db", "a.db"] {
            assert_eq!(Place::of(url).unwrap(), Place::File("a.db".into()));
        }
        assert!(Place::of("").is_err() && Place::of("sqlite:").is_err() && Place::of("a\0b").is_err());
    }
}
