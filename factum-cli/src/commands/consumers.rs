//! `factum consumers`: how every consumer is doing; pause, resume or reset one.

use clap::Subcommand;
use factum_core::{ConsumerName, Position};
use factum_runtime::Admin;
use factum_runtime::admin::ConsumerInfo;
use serde::Serialize;

use super::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, grouped};
use crate::select::Place;
use crate::{reach, suggest};

/// List consumers; pause, resume or reset one
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Let a consumer rest: its instances finish what is in hand
    Pause {
        /// The consumer
        name: ConsumerName,
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
    },
    /// Let a paused consumer go on
    Resume {
        /// The consumer
        name: ConsumerName,
    },
    /// Put a consumer's checkpoints to another place in the log
    Reset {
        /// The consumer
        name: ConsumerName,
        /// Where to: start, end, a time (2026-01-05T10:00:00Z, 15m ago as 15m), or a position, which comes next
        #[arg(long, value_name = "PLACE")]
        to: To,
        /// Going back may run effects outside the store again: that is meant
        #[arg(long)]
        effects: bool,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Clone, Copy)]
enum To {
    Start,
    End,
    Place(Place),
}

impl std::str::FromStr for To {
    type Err = crate::select::PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "start" => Ok(Self::Start),
            "end" => Ok(Self::End),
            text => text.parse().map(Self::Place),
        }
    }
}

#[derive(Debug, Serialize)]
struct ListJson {
    consumers: Vec<ConsumerJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsumerJson {
    name: String,
    state: &'static str,
    paused: Option<String>,
    position: u64,
    lag: u64,
    instances: usize,
    slots_held: usize,
    parked: u64,
    dead: u64,
    refused: u64,
    projection: Option<String>,
    needs: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ActionJson<'a> {
    consumer: &'a str,
    action: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResetJson<'a> {
    consumer: &'a str,
    dry_run: bool,
    from: u64,
    to: u64,
    again: u64,
    left_out: u64,
    needs_effects: bool,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    match args.action {
        None => list(&admin, cx).await,
        Some(Action::Pause { name, why }) => {
            known(&admin, &name).await?;
            admin.pause(&name, &why).await?;
            report(cx, &name, "paused", "`factum consumers resume` lets it go on")
        }
        Some(Action::Resume { name }) => {
            known(&admin, &name).await?;
            admin.resume(&name).await?;
            report(cx, &name, "resumed", "running instances take it up within a second")
        }
        Some(Action::Reset { name, to, effects, dry_run }) => {
            let info = known(&admin, &name).await?;
            let to = match to {
                To::Start => Position::START,
                To::End => admin.store().head().await?,
                To::Place(place) => place.before(&admin).await?,
            };
            let mut plan = admin.plan_reset(&name, to).await?;
            if plan.needs_effects && !effects && !dry_run {
                return Err(CliError::refused(format!(
                    "consumer {name} may have effects outside the store, which handling {} again would repeat",
                    counted(plan.again, "event")
                ))
                .hint("pass --effects if that is meant; --dry-run changes nothing"));
            }
            if !dry_run {
                plan = admin.reset(&name, to, effects).await?;
            }
            reset_report(cx, &info, &plan, dry_run)
        }
    }
}

/// The consumer, or an error with the nearest name.
pub(crate) async fn known(admin: &Admin, name: &ConsumerName) -> Result<ConsumerInfo, CliError> {
    let all = admin.consumers().await?;
    if let Some(info) = all.iter().find(|info| info.name == name.as_str()) {
        return Ok(info.clone());
    }
    let hint = suggest::nearest(name.as_str(), all.iter().map(|info| info.name.as_str()));
    Err(CliError::unknown(format!("consumer {:?} is not known to this store", name.as_str()))
        .hint(hint.unwrap_or_else(|| "no consumer has run on it yet".to_owned())))
}

async fn list(admin: &Admin, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let infos = admin.consumers().await?;
    if cx.out.is_json() {
        cx.out.json(&ListJson { consumers: infos.into_iter().map(json).collect() })?;
        return Ok(Done::Clean);
    }
    if infos.is_empty() {
        cx.out.line("no consumer has run on this store yet")?;
        return Ok(Done::Clean);
    }
    let mut table = Table::new([
        Column::Left("consumer"),
        Column::Left("state"),
        Column::Right("position"),
        Column::Right("lag"),
        Column::Right("slots held"),
        Column::Right("parked"),
        Column::Right("dead"),
        Column::Right("refused"),
        Column::Cut(""),
    ]);
    for info in &infos {
        let trouble = |count: u64, style: Style| match count {
            0 => Cell::styled(Style::Dim, "0"),
            count => Cell::styled(style, grouped(count)),
        };
        let waits = needs(info).collect::<Vec<_>>().join(", ");
        let note = match (&info.paused, &info.projection) {
            (Some(why), _) => why.clone(),
            (None, _) if !waits.is_empty() => format!("waits for a release that reads {waits}"),
            (None, Some(projection)) => format!("fills {projection}"),
            (None, None) => String::new(),
        };
        let state = state(info);
        let style = match state {
            "running" => Style::Green,
            "paused" | "held" => Style::Yellow,
            _ => Style::Dim,
        };
        table.row([
            Cell::styled(Style::Bold, &info.name),
            Cell::styled(style, state),
            info.position.to_string().into(),
            grouped(info.lag).into(),
            info.slots_held.to_string().into(),
            trouble(info.parked, Style::Yellow),
            trouble(info.dead, Style::Red),
            trouble(info.refused, Style::Yellow),
            Cell::styled(Style::Dim, note),
        ]);
    }
    cx.out.table(&table)?;
    Ok(Done::Clean)
}

/// Contract versions that slots wait for.
fn needs(info: &ConsumerInfo) -> impl Iterator<Item = String> {
    info.needs.iter().map(|(needs, _)| needs.to_string())
}

/// "paused", "running" while an instance holds slots, "held" while no slot can be taken by those that ran, else
/// "stopped".
fn state(info: &ConsumerInfo) -> &'static str {
    match (&info.paused, info.slots_held) {
        (Some(_), _) => "paused",
        (None, 0) if !info.needs.is_empty() => "held",
        (None, 0) => "stopped",
        (None, _) => "running",
    }
}

fn json(info: ConsumerInfo) -> ConsumerJson {
    ConsumerJson {
        needs: needs(&info).collect(),
        state: state(&info),
        name: info.name,
        paused: info.paused,
        position: info.position.number(),
        lag: info.lag,
        instances: info.instances,
        slots_held: info.slots_held,
        parked: info.parked,
        dead: info.dead,
        refused: info.refused,
        projection: info.projection,
    }
}

fn report(cx: &mut Cx<'_>, name: &ConsumerName, action: &'static str, next: &str) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(&ActionJson { consumer: name.as_str(), action })?;
    } else {
        cx.out.line(format!("{name} is {action}; {next}"))?;
    }
    Ok(Done::Clean)
}

fn reset_report(
    cx: &mut Cx<'_>,
    info: &ConsumerInfo,
    plan: &factum_runtime::admin::ResetPlan,
    dry_run: bool,
) -> Result<Done, CliError> {
    if cx.out.is_json() {
        cx.out.json(&ResetJson {
            consumer: &info.name,
            dry_run,
            from: plan.from.number(),
            to: plan.to.number(),
            again: plan.again,
            left_out: plan.left_out,
            needs_effects: plan.needs_effects,
        })?;
        return Ok(Done::Clean);
    }
    let verb = if dry_run { "would go" } else { "goes" };
    let effect = match (plan.again, plan.left_out) {
        (0, 0) => "no event is handled again or left out".to_owned(),
        (again, 0) => format!("{} handled again", counted(again, "event")),
        (_, left_out) => format!("{} left out", counted(left_out, "event")),
    };
    cx.out.line(format!("{} {verb} from position {} to {}: {effect}", info.name, plan.from, plan.to))?;
    if dry_run && plan.needs_effects {
        cx.out.line("it may have effects outside the store: it will need --effects")?;
    }
    Ok(Done::Clean)
}
