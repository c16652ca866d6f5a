//! `factum keys`: the ring of keys behind a store's personal data, and the master key that wraps it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use factum_core::{Keys as _, OpenGate};
use factum_runtime::Admin;
use factum_store::keys::{KeyRing, KeysAt, MasterKey, MoveError};
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, grouped};
use crate::reach;
use crate::reveal::{KeysArgs, told};

/// Look at the keys of personal data; make or rotate the master key
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    keys: KeysArgs,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a master key, in a new file that only you may read
    New {
        /// Where to; must not exist
        file: PathBuf,
    },
    /// Wrap every key by another master key; start apps again with it, and destroy the old one; kept in the audit
    Rotate {
        /// The file with the new master key
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Move every key to beside another store, after `factum copy`; stop the apps first; kept in the audit
    Move {
        /// The store beside which they are to lie
        #[arg(long, value_name = "STORE")]
        to: String,
    },
}

#[derive(Debug, Serialize)]
struct Json {
    ring: String,
    master: String,
    kept: u64,
    forgotten: u64,
}

#[derive(Debug, Serialize)]
struct NewJson {
    file: String,
    master: String,
}

#[derive(Debug, Serialize)]
struct RotateJson {
    keys: u64,
    master: String,
}

#[derive(Debug, Serialize)]
struct MoveJson {
    from: String,
    to: String,
    kept: u64,
    forgotten: u64,
}

pub(crate) async fn run(args: &Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    match &args.action {
        None => list(args, cx),
        Some(Action::New { file }) => {
            let shown = file.display().to_string();
            let master = MasterKey::make(file).map_err(|error| CliError::refused(told(&error)))?;
            let master = master.fingerprint();
            if cx.out.is_json() {
                cx.out.json(&NewJson { file: shown, master })?;
            } else {
                cx.out.line(format!(
                    "master key {master} is in {shown}; export FACTUM_MASTER_KEY_FILE={shown}"
                ))?;
                cx.out.line("keep a copy apart from every backup: without it nothing opens")?;
            }
            Ok(Done::Clean)
        }
        Some(Action::Move { to }) => move_to(args, to, cx).await,
        Some(Action::Rotate { to }) => {
            let ring = args.keys.ring(&cx.settings)?;
            let old = ring.master_fingerprint();
            let next = MasterKey::read(to).map_err(|error| CliError::unreachable(told(&error)))?;
            let master = next.fingerprint();
            // Before it is done, as with everything that cannot be taken back.
            let admin = reach::admin(&cx.settings)?;
            admin.audit_rotate(ring.ring(), &old, &master).await?;
            let keys = ring.rotate(next)?;
            if cx.out.is_json() {
                cx.out.json(&RotateJson { keys, master })?;
            } else {
                let what = counted(keys, "key");
                cx.out.line(format!(
                    "{what} wrapped by master key {master}; {old} opens nothing here any more"
                ))?;
                cx.out
                    .line("start apps again with the new one, then destroy the old one with its backups")?;
            }
            Ok(Done::Clean)
        }
    }
}

async fn move_to(args: &Args, to: &str, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let from = args.keys.at(&cx.settings)?;
    let beside = KeysAt::beside(to).filter(|at| *at != KeysAt::Memory);
    let beside = beside.ok_or_else(|| {
        CliError::usage(format!("keys cannot lie beside {}", reach::redacted(to)))
            .hint("name a store in a file or on a server: factum keys move --to postgres://host/database")
    })?;
    // It has to be there before its keys, so that the audit is kept with them.
    let target = Admin::new(reach::open_at(to, Arc::new(OpenGate))?.store);
    let master = MasterKey::from_env().map_err(|error| CliError::unreachable(error.to_string()))?;
    let moved = KeyRing::move_to(&from, &beside, &master).map_err(|error| match error {
        MoveError::Taken { .. } => CliError::refused(told(&error)),
        error => CliError::unreachable(told(&error)),
    })?;
    let (from, beside) = (from.to_string(), beside.to_string());
    target.audit_moved_keys(&from, &beside).await?;
    if cx.out.is_json() {
        let (kept, forgotten) = (moved.kept, moved.forgotten);
        cx.out.json(&MoveJson { from, to: beside, kept, forgotten })?;
        return Ok(Done::Clean);
    }
    let head = cx.out.paint().style(Style::Green, "moved");
    let what = counted(moved.kept, "key");
    let forgotten = counted(moved.forgotten, "forgotten subject");
    cx.out.line(format!("{head} to {beside}: {what}, {forgotten}; nothing is left in {from}"))?;
    cx.out
        .line("the master key is the same; copies of the old place hold the keys until you destroy them")?;
    Ok(Done::Clean)
}

fn list(args: &Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let ring = args.keys.ring(&cx.settings)?;
    let counts = ring.counts()?;
    let master = ring.master_fingerprint();
    if cx.out.is_json() {
        let ring = ring.ring().to_owned();
        cx.out.json(&Json { ring, master, kept: counts.kept, forgotten: counts.forgotten })?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([Column::Left("field"), Column::Left("value")]).without_head();
    let rows = [
        ("ring", ring.ring().to_owned()),
        ("master key", master),
        ("subjects with a key", grouped(counts.kept)),
        ("subjects forgotten", grouped(counts.forgotten)),
    ];
    for (name, value) in rows {
        table.row([Cell::styled(Style::Dim, name), value.into()]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}
