//! `factum sagas`: instances by where they stand, what each did and what undoes it; resume one that is stuck, cancel one.

use std::collections::BTreeMap;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use factum_core::{ConsumerName, SagaStatus};
use factum_runtime::Admin;
use factum_runtime::admin::{Cancel, Resume};
use factum_runtime::state::SagaState;
use serde::Serialize;
use serde_json::Value;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, day_time, grouped};
use crate::reach;

/// List instances of sagas; show, resume or cancel one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List instances that are under way, stuck ones first; exits 1 when there are such
    List {
        /// The saga; all of them without it
        name: Option<ConsumerName>,
        /// Of this version alone: what is left of an old one
        #[arg(long, value_name = "VERSION", requires = "name")]
        of_version: Option<u32>,
        /// Those that stand so, instead
        #[arg(long, value_name = "STATUS", value_parser = status())]
        status: Option<SagaStatus>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Show one instance: what it knows, what it waits for, what is undone and what is not
    Show {
        /// The saga
        name: ConsumerName,
        /// The instance, by its correlation
        instance: String,
    },
    /// Let a stuck instance go on: the command that failed is tried again
    Resume {
        /// The saga
        name: ConsumerName,
        /// The instance, by its correlation
        instance: String,
        /// What the command was to undo has been undone by hand: go on with the next step
        #[arg(long)]
        by_hand: bool,
    },
    /// Cancel an instance: what it did is undone, the last step first
    Cancel {
        /// The saga
        name: ConsumerName,
        /// The instance, by its correlation
        instance: String,
        /// Undo nothing: it ends as it stands
        #[arg(long)]
        as_it_stands: bool,
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
    },
}

/// A status, as it is written.
fn status() -> impl TypedValueParser<Value = SagaStatus> {
    PossibleValuesParser::new(SagaStatus::ALL.map(SagaStatus::as_str)).try_map(|word| {
        let found = SagaStatus::ALL.into_iter().find(|status| status.as_str() == word);
        found.ok_or_else(|| format!("{word} is no status of a saga"))
    })
}

/// Those under way, the ones that need somebody first.
const LIVE: [SagaStatus; 3] = [SagaStatus::Stuck, SagaStatus::Compensating, SagaStatus::Running];

#[derive(Debug, Serialize)]
struct ListJson {
    counts: Vec<CountsJson>,
    sagas: Vec<SagaJson>,
}

#[derive(Debug, Serialize)]
struct CountsJson {
    saga: String,
    version: u32,
    running: u64,
    compensating: u64,
    stuck: u64,
    completed: u64,
    compensated: u64,
    cancelled: u64,
}

#[derive(Debug, Serialize)]
struct SagaJson {
    saga: String,
    instance: String,
    version: u32,
    status: &'static str,
    since: String,
    at: String,
    correlation: String,
    state: Value,
    timers: Vec<TimerJson>,
    undone: Vec<String>,
    undoing: Option<String>,
    left: Vec<String>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct TimerJson {
    timer: String,
    due: String,
}

#[derive(Debug, Serialize)]
struct ToldJson<'a> {
    saga: &'a str,
    instance: &'a str,
    was: &'static str,
    told: &'a str,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    match args.action {
        Action::List { name, of_version, status, limit } => {
            let statuses = status.map_or(LIVE.to_vec(), |status| vec![status]);
            list(&admin, (name.as_ref(), of_version), &statuses, limit as usize, cx).await
        }
        Action::Show { name, instance } => show(admin.saga(&name, &instance).await?, cx),
        Action::Resume { name, instance, by_hand } => {
            let how = if by_hand { Resume::ByHand } else { Resume::TryAgain };
            let state = admin
                .resume_saga(&name, &instance, how)
                .await
                .map_err(|error| hinted(error, &name, &instance))?;
            let told = if by_hand { "resume by hand" } else { "resume" };
            let what = if by_hand { "goes on with the next step" } else { "tries again" };
            report(&state, told, what, cx)
        }
        Action::Cancel { name, instance, as_it_stands, why } => {
            let how = if as_it_stands { Cancel::AsItStands } else { Cancel::Undo };
            let state = admin
                .cancel_saga(&name, &instance, how, &why)
                .await
                .map_err(|error| hinted(error, &name, &instance))?;
            let told = if as_it_stands { "cancel as it stands" } else { "cancel" };
            let what = if as_it_stands { "ends as it stands" } else { "undoes what it did" };
            report(&state, told, what, cx)
        }
    }
}

fn hinted(error: factum_runtime::admin::AdminError, name: &ConsumerName, instance: &str) -> CliError {
    CliError::from(error).hint_if_none(format!("`factum sagas show {name} {instance}` says how it stands"))
}

fn report(state: &SagaState, told: &str, what: &str, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    if cx.out.is_json() {
        let was = state.instance.status.as_str();
        cx.out.json(&ToldJson { saga: &state.saga, instance: &state.key, was, told })?;
        return Ok(Done::Clean);
    }
    cx.out.line(format!("{} {} {what}, while its app runs", state.saga, state.key))?;
    Ok(Done::Clean)
}

async fn list(
    admin: &Admin,
    (name, of_version): (Option<&ConsumerName>, Option<u32>),
    statuses: &[SagaStatus],
    limit: usize,
    cx: &mut Cx<'_>,
) -> Result<Done, CliError> {
    let mut counts = admin.saga_counts().await?;
    counts.retain(|(saga, _), _| name.is_none_or(|name| *name == saga.as_str()));
    let newest: BTreeMap<String, u32> = counts.keys().cloned().collect();
    counts.retain(|(_, version), _| of_version.is_none_or(|wanted| wanted == *version));
    if let (Some(name), Some(version), true) = (name, of_version, counts.is_empty()) {
        return Err(CliError::unknown(format!("saga {name} has no version {version} on this store"))
            .hint(format!("`factum sagas list {name}` counts instances by version")));
    }
    let found = admin.sagas(name, of_version, statuses, limit).await?;
    let stuck = |each: &[(SagaStatus, u64)]| {
        each.iter().any(|(status, count)| *status == SagaStatus::Stuck && *count > 0)
    };
    let done = if counts.values().any(|each| stuck(each)) { Done::Findings } else { Done::Clean };
    if cx.out.is_json() {
        let counts = counts.iter().map(|((saga, version), each)| counts_json(saga, *version, each));
        cx.out.json(&ListJson { counts: counts.collect(), sagas: found.into_iter().map(json).collect() })?;
        return Ok(done);
    }
    if counts.is_empty() {
        cx.out.line("no saga has run on this store yet")?;
        return Ok(done);
    }
    for ((saga, version), each) in &counts {
        let is_old = newest.get(saga).is_some_and(|newest| newest > version);
        let is_drained = is_old && each.iter().all(|(status, count)| *count == 0 || !status.is_live());
        let each: Vec<String> = each
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(status, count)| format!("{} {status}", grouped(*count)))
            .collect();
        let each = if each.is_empty() { "no instance yet".to_owned() } else { each.join(", ") };
        let drained = if is_drained { "; drained, its code may go" } else { "" };
        cx.out.line(format!("{saga} v{version}: {each}{drained}"))?;
    }
    if found.is_empty() {
        return Ok(done);
    }
    cx.out.line("")?;
    let mut table = Table::new([
        Column::Left("saga"),
        Column::Left("instance"),
        Column::Left("status"),
        Column::Left("since (UTC)"),
        Column::Left("next timer (UTC)"),
        Column::Cut("error"),
    ]);
    for state in &found {
        let instance = &state.instance;
        let next = instance.timers.iter().min_by_key(|(_, due)| **due);
        table.row([
            (&state.saga).into(),
            Cell::styled(Style::Bold, &state.key),
            status_cell(instance.status),
            Cell::styled(Style::Dim, day_time(instance.since)),
            next.map_or(String::new(), |(timer, due)| format!("{timer}, {}", day_time(*due))).into(),
            instance.error.as_deref().unwrap_or_default().into(),
        ]);
    }
    cx.out.table(&table)?;
    if found.len() == limit {
        cx.out.line(format!("these are the first {limit}; --limit shows more"))?;
    }
    Ok(done)
}

fn status_cell(status: SagaStatus) -> Cell {
    let style = match status {
        SagaStatus::Stuck => Style::Red,
        SagaStatus::Compensating => Style::Yellow,
        _ => Style::Dim,
    };
    Cell::styled(style, status.as_str())
}

fn show(state: SagaState, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let done = if state.instance.status == SagaStatus::Stuck { Done::Findings } else { Done::Clean };
    if cx.out.is_json() {
        cx.out.json(&json(state))?;
        return Ok(done);
    }
    let instance = &state.instance;
    let (saga, key) = (&state.saga, &state.key);
    cx.out.line(format!("{saga} {key} is {}, by version {}", instance.status, instance.version))?;
    let mut table = Table::new([Column::Left(""), Column::Cut("")]).without_head();
    table.row(["began".into(), day_time(instance.since).into()]);
    table.row(["last heard".into(), day_time(instance.at).into()]);
    table.row(["knows".into(), instance.state.to_string().into()]);
    for (timer, due) in &instance.timers {
        table.row(["timer".into(), format!("{timer}, due {}", day_time(*due)).into()]);
    }
    for name in &instance.undone {
        table.row([Cell::styled(Style::Green, "undone"), name.into()]);
    }
    if let Some(undoing) = &instance.undoing {
        table.row([Cell::styled(Style::Yellow, "undoing"), undoing.draft.name().as_str().into()]);
    }
    for draft in instance.undo.iter().rev() {
        table.row(["to undo by".into(), draft.name().as_str().into()]);
    }
    if let Some(error) = &instance.error {
        table.row([Cell::styled(Style::Red, "error"), error.into()]);
    }
    cx.out.table(&table)?;
    if instance.status == SagaStatus::Stuck {
        cx.out.line(format!(
            "`factum sagas resume {saga} {key}` tries again; with --by-hand it goes on with the next step"
        ))?;
    }
    cx.out.line(format!("`factum trace {}` shows all that happened in it", state.correlation))?;
    Ok(done)
}

fn counts_json(saga: &str, version: u32, each: &[(SagaStatus, u64)]) -> CountsJson {
    let of =
        |wanted: SagaStatus| each.iter().find(|(status, _)| *status == wanted).map_or(0, |(_, count)| *count);
    CountsJson {
        saga: saga.to_owned(),
        version,
        running: of(SagaStatus::Running),
        compensating: of(SagaStatus::Compensating),
        stuck: of(SagaStatus::Stuck),
        completed: of(SagaStatus::Completed),
        compensated: of(SagaStatus::Compensated),
        cancelled: of(SagaStatus::Cancelled),
    }
}

fn json(state: SagaState) -> SagaJson {
    let instance = state.instance;
    SagaJson {
        saga: state.saga,
        instance: state.key,
        version: instance.version,
        status: instance.status.as_str(),
        since: instance.since.to_string(),
        at: instance.at.to_string(),
        correlation: state.correlation,
        state: instance.state,
        timers: instance
            .timers
            .into_iter()
            .map(|(timer, due)| TimerJson { timer: timer.to_string(), due: due.to_string() })
            .collect(),
        undone: instance.undone,
        undoing: instance.undoing.map(|undoing| undoing.draft.name().to_string()),
        left: instance.undo.iter().rev().map(|draft| draft.name().to_string()).collect(),
        error: instance.error,
    }
}
