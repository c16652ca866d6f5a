//! `factum replay`: recorded events to a consumer again.

use factum_core::{ConsumerName, Timestamp};
use factum_runtime::admin::{ReplayPlan, ReplayRequest};
use serde::Serialize;

use super::{Cx, Done, consumers};
use crate::error::CliError;
use crate::output::{Column, Table, counted, grouped};
use crate::reach;
use crate::select::Place;
use crate::shown::TypeJson;

/// Hand recorded events to a consumer again
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("from").required(true))]
pub(crate) struct Args {
    /// To this consumer
    #[arg(long, value_name = "NAME")]
    consumer: ConsumerName,
    /// From this position on
    #[arg(long, value_name = "POSITION", group = "from")]
    from_position: Option<u64>,
    /// From this time on: 2026-01-05T10:00:00Z, 2026-01-05, 15m (ago)
    #[arg(long, value_name = "TIME", group = "from", value_parser = time)]
    from_time: Option<Place>,
    /// Effects outside the store may run again: that is meant
    #[arg(long)]
    effects: bool,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    consumer: &'a str,
    dry_run: bool,
    id: Option<String>,
    after: u64,
    until: u64,
    events: u64,
    types: Vec<TypeJson<'a>>,
    needs_effects: bool,
}

fn time(text: &str) -> Result<Place, String> {
    match text.parse::<Place>() {
        Ok(Place::At(_)) => Err("a position belongs to --from-position".to_owned()),
        Ok(place) => Ok(place),
        Err(_) => {
            Err("expected a time (2026-01-05T10:00:00Z, 2026-01-05) or a length (90s, 15m, 2h, 7d)"
                .to_owned())
        }
    }
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let admin = reach::admin(&cx.settings)?;
    consumers::known(&admin, &args.consumer).await?;
    let from_time: Option<Timestamp> = match args.from_time {
        Some(Place::Time(time)) => Some(time),
        Some(Place::Ago(length)) => Some(admin.store().now().await?.minus(length)),
        Some(Place::At(_)) | None => None,
    };
    let from = factum_core::Position::at(args.from_position.unwrap_or_default());
    let request = ReplayRequest {
        consumer: args.consumer.clone(),
        after: Place::At(from).before(&admin).await?,
        from_time,
        effects: args.effects,
    };
    let plan = admin.plan_replay(&request).await?;
    if args.dry_run {
        return report(cx, &args.consumer, &plan, true);
    }
    if plan.after >= plan.until {
        return Err(CliError::refused(format!(
            "nothing to replay: {} is at position {}, and the replay would begin after {}",
            args.consumer, plan.until, plan.after
        ))
        .hint("name an earlier position or time"));
    }
    if plan.needs_effects && !args.effects {
        return Err(CliError::refused(format!(
            "consumer {} may have effects outside the store, which a replay of {} would run again",
            args.consumer,
            counted(plan.events, "event")
        ))
        .hint("--dry-run says which events; pass --effects if that is meant"));
    }
    let plan = admin.replay(&request).await?;
    report(cx, &args.consumer, &plan, false)
}

fn report(
    cx: &mut Cx<'_>,
    consumer: &ConsumerName,
    plan: &ReplayPlan,
    dry_run: bool,
) -> Result<Done, CliError> {
    if cx.out.is_json() {
        let types = plan.types.iter().map(TypeJson::of);
        cx.out.json(&Json {
            consumer: consumer.as_str(),
            dry_run,
            id: plan.id.map(|id| id.to_string()),
            after: plan.after.number(),
            until: plan.until.number(),
            events: plan.events,
            types: types.collect(),
            needs_effects: plan.needs_effects,
        })?;
        return Ok(Done::Clean);
    }
    let events = counted(plan.events, "event");
    let verb = if dry_run { "would be replayed" } else { "are replayed" };
    cx.out
        .line(format!("{events} after position {} up to {} {verb} to {consumer}", plan.after, plan.until))?;
    if !plan.types.is_empty() {
        let mut table = Table::new([Column::Left("type"), Column::Right("events")]);
        for (name, events) in &plan.types {
            table.row([name.into(), grouped(*events).into()]);
        }
        cx.out.table(&table)?;
    }
    match plan.id {
        Some(id) => cx.out.line(format!("replay {id}; `factum consumers` shows how far it is"))?,
        None if plan.needs_effects => {
            cx.out.line("the consumer may have effects outside the store: it will need --effects")?;
        }
        None => {}
    }
    Ok(Done::Clean)
}
