//! The master key: wraps the keys of subjects, and lies in no file of the store.
//!
//! It comes from the environment, or from a file that nobody else may read. It is written as 64 hex digits, wiped from
//! memory when it goes, and never printed.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use factum_core::StoreError;
use zeroize::Zeroizing;

use super::cipher::{KEY_BYTES, fingerprint, random};

/// The variable that holds the master key.
const VARIABLE: &str = "FACTUM_MASTER_KEY";

/// The variable that names a file with the master key.
const FILE_VARIABLE: &str = "FACTUM_MASTER_KEY_FILE";

/// Wraps the keys of a ring.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

/// A master key that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// Neither variable is set.
    #[error(
        "there is no master key; set {FILE_VARIABLE} to a file (`factum keys new FILE` makes one) or {VARIABLE} to 64 hex digits"
    )]
    Missing,
    /// It is not 64 hex digits.
    #[error("the master key in {from} is not valid: expected 64 hex digits, found {found}")]
    Malformed {
        /// The variable or file.
        from: String,
        /// How many characters, of what kind; never the text.
        found: String,
    },
    /// Others may read the file.
    #[error("{} may be read by others (mode {mode:03o}); run `chmod 600 {}`", .path.display(), .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file cannot be read or made.
    #[error("the master key file {} cannot be {done}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried: "read", "made".
        done: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives no random bytes.
    #[error(transparent)]
    Random(#[from] StoreError),
}

impl MasterKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, StoreError> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// From `FACTUM_MASTER_KEY`, or the file that `FACTUM_MASTER_KEY_FILE` names.
    ///
    /// # Errors
    /// When neither is set, or what is set is not a key that only this user may read.
    pub fn from_env() -> Result<Self, MasterKeyError> {
        Self::given()?.ok_or(MasterKeyError::Missing)
    }

    /// The same, or `None` when neither variable is set.
    ///
    /// # Errors
    /// When what is set is not a key that only this user may read.
    pub fn given() -> Result<Option<Self>, MasterKeyError> {
        if let Some(text) = std::env::var_os(VARIABLE) {
            let text = Zeroizing::new(text.into_string().unwrap_or_default());
            return Self::parse(&text, VARIABLE).map(Some);
        }
        match std::env::var_os(FILE_VARIABLE) {
            Some(path) => Self::read(Path::new(&path)).map(Some),
            None => Ok(None),
        }
    }

    /// From a file that only this user may read.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or it holds something else.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::File { path: path.to_owned(), done: "read", source };
        refuse_open(path, &fs::metadata(path).map_err(failed)?)?;
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        Self::parse(&text, &path.display().to_string())
    }

    /// Makes a new one, in a file that must not exist and that only this user may read.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn make(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::File { path: path.to_owned(), done: "made", source };
        let key = Self::random()?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 1));
        for byte in key.0.iter() {
            text.push_str(&format!("{byte:02x}"));
        }
        text.push('\n');
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(key)
    }

    /// A short name of the key that tells nothing of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn parse(text: &str, from: &str) -> Result<Self, MasterKeyError> {
        text.trim().parse().map_err(|found| MasterKeyError::Malformed { from: from.to_owned(), found })
    }
}

impl FromStr for MasterKey {
    /// What was found instead, without showing it.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() != 2 * KEY_BYTES {
            return Err(format!("{} characters", text.chars().count()));
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err("characters that are no hex digits".to_owned());
            };
            *byte = high << 4 | low;
        }
        Ok(Self(key))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

#[cfg(unix)]
fn refuse_open(path: &Path, metadata: &fs::Metadata) -> Result<(), MasterKeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(MasterKeyError::Open { path: path.to_owned(), mode }),
    }
}

/// Elsewhere the system's own rules have to do.
#[cfg(not(unix))]
fn refuse_open(_: &Path, _: &fs::Metadata) -> Result<(), MasterKeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_64_hex_digits_and_never_shown() {
        let text = "00ff".repeat(16);
        let key: MasterKey = text.parse().unwrap();
        assert_eq!(key.bytes()[..2], [0, 255]);
        assert_eq!(format!("{key:?}"), "MasterKey(***)");
        for wrong in ["", "00", &"zz".repeat(32), &"é".repeat(32)] {
            let error = MasterKey::parse(wrong, "X").unwrap_err().to_string();
            assert!(
                error.contains("expected 64 hex digits") && (wrong.is_empty() || !error.contains(wrong)),
                "{error}"
            );
        }
    }
}
