//! What needs the code of deciders, and is asked of a running app: whether snapshots are right, and what a state was.

use factum_core::{Position, StreamId, Version};
use factum_runtime::AsOf;
use factum_runtime::admin::{Made, SnapshotInfo};
use factum_runtime::state::{Compared, Differs};
use serde::Serialize;

use crate::commands::{Cx, Done};
use crate::error::CliError;
use crate::output::{Cell, Column, Style, Table, counted, printable, printable_line};
use crate::reach;
use crate::select::Place;

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The stream; all when none is named
    stream: Option<StreamId>,
    /// Only say whether they were made of the events that the log holds, by their ids; asks no app
    #[arg(long)]
    ids: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct State {
    /// The stream, such as order-42
    stream: StreamId,
    /// As it was at this version, or at this time: 5, 2026-01-05T10:00:00Z, 15m (ago)
    #[arg(long, value_name = "VERSION|TIME")]
    as_of: Option<Place>,
    /// The decider, where several follow the stream: as its snapshots are called, or its category
    #[arg(long, value_name = "NAME")]
    decider: Option<String>,
}

#[derive(Debug, Serialize)]
struct SnapshotsJson<'a> {
    snapshots: Vec<SnapshotJson<'a>>,
}

#[derive(Debug, Serialize)]
struct SnapshotJson<'a> {
    stream: &'a str,
    decider: &'a str,
    version: u64,
    bytes: usize,
    made: &'static str,
    state: &'static str,
    why: &'a str,
    places: usize,
    differs: Vec<DiffersJson<'a>>,
}

#[derive(Debug, Serialize)]
struct DiffersJson<'a> {
    path: &'a str,
    kept: Option<&'a str>,
    folded: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct StateJson<'a> {
    stream: &'a str,
    decider: &'a str,
    version: u64,
    position: u64,
    state: serde_json::Value,
}

pub(super) async fn verify(cx: &mut Cx<'_>, args: Verify) -> Result<Done, CliError> {
    let (admin, stream) = (reach::admin(&cx.settings)?, args.stream.as_ref());
    let infos = if args.ids {
        cx.out.bar("reading streams").during(admin.snapshots(stream)).await?
    } else {
        let mut bar = cx.out.bar("folding events");
        let mut told = |at: Position, of: Position| bar.at(at.number(), of.number());
        admin.verify_snapshots(stream, &mut told).await?
    };
    let wrong = infos.iter().filter(|info| is_wrong(info)).count();
    if cx.out.is_json() {
        cx.out.json(&SnapshotsJson { snapshots: infos.iter().map(json).collect() })?;
    } else if infos.is_empty() {
        cx.out.line("no snapshots are kept")?;
    } else {
        table(cx, &infos, args.ids)?;
        let all = counted(infos.len() as u64, "snapshot");
        let untold = infos.iter().filter(|info| !args.ids && is_untold(info)).count();
        let verdict = match (wrong, untold) {
            (0, 0) => "none wrong".to_owned(),
            (wrong, 0) => format!("{wrong} wrong"),
            (wrong, untold) => format!("{wrong} wrong, {untold} not told"),
        };
        cx.out.line(format!("{all}, {verdict}"))?;
    }
    if let Some(untold) = infos.iter().find(|info| is_untold(info)).filter(|_| !args.ids) {
        let (decider, code) = (printable_line(&untold.decider), untold.code);
        return Err(CliError::refused(format!(
            "no app that runs has decider {decider} in version {code} or later: whether its snapshots are what their events give is not told"
        ))
        .hint("start the app that declares it with `App::decider`, and ask again; --ids compares ids of events alone"));
    }
    Ok(if wrong == 0 { Done::Clean } else { Done::Findings })
}

fn is_untold(info: &SnapshotInfo) -> bool {
    info.made == Made::OfTheLog && info.compared.is_none()
}

fn is_wrong(info: &SnapshotInfo) -> bool {
    matches!(info.made, Made::OfOthers(_))
        || matches!(info.compared, Some(Compared::Other { .. } | Compared::Failed { .. }))
}

fn table(cx: &mut Cx<'_>, infos: &[SnapshotInfo], is_ids: bool) -> Result<(), CliError> {
    let mut table = Table::new([
        Column::Left("stream"),
        Column::Left("decider"),
        Column::Right("version"),
        Column::Cut(if is_ids { "made of" } else { "state" }),
    ]);
    for info in infos {
        let (style, text) = verdict(info, is_ids);
        table.row([
            Cell::styled(Style::Bold, &info.stream),
            info.decider.clone().into(),
            info.version.to_string().into(),
            Cell::styled(style, text),
        ]);
    }
    cx.out.table(&table)?;
    // What differs is told whole, which a table has no room for.
    for info in infos {
        let Some(Compared::Other { first, places, .. }) = &info.compared else { continue };
        for place in first {
            cx.out.line(format!("{} {}: {}", info.stream, info.version, told(place)))?;
        }
        if *places > first.len() {
            let more = counted((places - first.len()) as u64, "place");
            cx.out.line(format!("{} {}: {more} more", info.stream, info.version))?;
        }
    }
    Ok(())
}

fn told(place: &Differs) -> String {
    let path = if place.path.is_empty() { "the whole".to_owned() } else { printable_line(&place.path) };
    match (&place.kept, &place.folded) {
        (Some(kept), Some(folded)) => {
            format!("{path} is {}, and its events give {}", printable_line(kept), printable_line(folded))
        }
        (Some(kept), None) => format!("{path} is {}, and its events give nothing", printable_line(kept)),
        (None, Some(folded)) => format!("{path} is missing, and its events give {}", printable_line(folded)),
        (None, None) => format!("{path} differs, and may be personal"),
    }
}

fn verdict(info: &SnapshotInfo, is_ids: bool) -> (Style, String) {
    match (&info.made, &info.compared) {
        (Made::OfOthers(why), _) => (Style::Red, format!("not of the log: {}", printable_line(why))),
        (Made::Unreadable(why), _) => {
            (Style::Yellow, format!("ignored, and written anew: {}", printable_line(why)))
        }
        (Made::Archived, _) => (Style::Dim, "not told: earlier events were archived".to_owned()),
        (Made::OfTheLog, None) if is_ids => (Style::Green, "the log".to_owned()),
        (Made::OfTheLog, None) => (Style::Dim, "not told: no app has the decider".to_owned()),
        (_, Some(Compared::Same { .. })) => (Style::Green, "what its events give".to_owned()),
        (_, Some(Compared::Other { places, .. })) => {
            (Style::Red, format!("differs in {}", counted(*places as u64, "place")))
        }
        (_, Some(Compared::Ignored { why })) => {
            (Style::Yellow, format!("ignored, and written anew: {}", printable_line(why)))
        }
        (_, Some(Compared::Gone)) => (Style::Dim, "gone meanwhile".to_owned()),
        (_, Some(Compared::Failed { why })) => (Style::Red, format!("not told: {}", printable_line(why))),
    }
}

fn json(info: &SnapshotInfo) -> SnapshotJson<'_> {
    let (made, why) = match &info.made {
        Made::OfTheLog => ("log", ""),
        Made::OfOthers(why) => ("others", why.as_str()),
        Made::Unreadable(why) => ("unreadable", why.as_str()),
        Made::Archived => ("archived", ""),
    };
    let (state, why, places, first): (_, _, _, &[Differs]) = match &info.compared {
        None => ("untold", why, 0, &[]),
        Some(Compared::Same { .. }) => ("same", why, 0, &[]),
        Some(Compared::Other { first, places, .. }) => ("other", why, *places, first),
        Some(Compared::Ignored { why }) => ("ignored", why.as_str(), 0, &[]),
        Some(Compared::Gone) => ("gone", why, 0, &[]),
        Some(Compared::Failed { why }) => ("failed", why.as_str(), 0, &[]),
    };
    let differs = first.iter().map(|place| DiffersJson {
        path: &place.path,
        kept: place.kept.as_deref(),
        folded: place.folded.as_deref(),
    });
    SnapshotJson {
        stream: &info.stream,
        decider: &info.decider,
        version: info.version.number(),
        bytes: info.bytes,
        made,
        state,
        why,
        places,
        differs: differs.collect(),
    }
}

pub(super) async fn state(cx: &mut Cx<'_>, args: State) -> Result<Done, CliError> {
    let State { stream, as_of, decider } = args;
    let admin = reach::admin(&cx.settings)?;
    let as_of = match as_of {
        None => AsOf::Now,
        Some(Place::At(version)) => AsOf::Version(Version::at(version.number())),
        Some(Place::Time(time)) => AsOf::Time(time),
        Some(Place::Ago(length)) => AsOf::Time(admin.store().now().await?.minus(length)),
    };
    let told = admin.state_of(&stream, decider.as_deref(), as_of).await?;
    let state: serde_json::Value = serde_json::from_str(&told.state)
        .map_err(|error| CliError::refused(format!("the app told no JSON: {error}")))?;
    let (version, position) = (told.version.number(), told.position.number());
    if cx.out.is_json() {
        let (stream, decider) = (stream.as_str(), told.decider.as_str());
        cx.out.json(&StateJson { stream, decider, version, position, state })?;
        return Ok(Done::Clean);
    }
    let decider = printable_line(&told.decider);
    cx.out.line(match version {
        0 => format!("{stream} has no event by then; {decider} begins with"),
        version => format!("{stream} at version {version}, by {decider}"),
    })?;
    cx.out.line(printable(&serde_json::to_string_pretty(&state).unwrap_or(told.state)))?;
    Ok(Done::Clean)
}
