//! A folder in which cargo builds what a user would: beside a checkout, into the workspace's target with its lock file and
//! profile, and without a network. Always the same folder for one name, so that what is built once stays built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Guests are built as the workspace builds them, so that they are built once.
const PROFILE: &str = "[profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\nopt-level = 1\n";

/// An empty folder, which holds only `factum`, the checkout.
pub(crate) fn workshop(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join(".cargo")).unwrap();
    std::fs::write(folder.join(".cargo/config.toml"), PROFILE).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root(), folder.join("factum")).unwrap();
    folder
}

/// Lets cargo begin with the versions that the workspace has.
pub(crate) fn lock(package: &Path) {
    std::fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
}

/// What cargo needs to know of this machine, where everything else is unknown.
pub(crate) fn environment() -> Vec<(&'static str, OsString)> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let of = |name: &'static str, usual: &str| {
        (name, std::env::var_os(name).unwrap_or_else(|| home.join(usual).into_os_string()))
    };
    let toolchain = std::env::var_os("RUSTUP_TOOLCHAIN").map(|name| ("RUSTUP_TOOLCHAIN", name));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let always = [
        of("CARGO_HOME", ".cargo"),
        of("RUSTUP_HOME", ".rustup"),
        ("PATH", std::env::var_os("PATH").unwrap_or_default()),
        ("CARGO_TARGET_DIR", target.into()),
        ("CARGO_NET_OFFLINE", "true".into()),
        ("CARGO_TERM_COLOR", "never".into()),
    ];
    always.into_iter().chain(toolchain).collect()
}
