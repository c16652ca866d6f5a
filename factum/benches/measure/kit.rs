//! The measuring kit: rounds in which ours and the raw twin take turns, and the one table that they end in.
//!
//! A disk's sync time moves by more than any code, so nothing here is compared across runs: each round measures the
//! disk before and after itself, a round in which the disk changed is thrown away and run again, and the table says
//! medians of the rounds' ratios. Never fails a build: a target that is missed is a word in the table.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

/// Rounds that count, unless `--rounds` says otherwise.
const ROUNDS: usize = 5;
/// Rounds thrown away before a row takes the disk as it is, and says so.
const DISCARDED_MAX: usize = 5;
/// A disk whose median sync time moves by more has changed.
const MOVED_MAX: f64 = 2.0;
/// Syncs of one look at the disk.
const SYNCS: usize = 400;
/// The longest look at a slow disk.
const LOOK_MAX: Duration = Duration::from_millis(1_500);
/// What a small commit writes: one page of the store.
const SYNC_BYTES: usize = 8192;
/// The file that is synced wraps here, as a write-ahead log does.
const SYNC_FILE_BYTES: usize = 4 * 1024 * 1024;

/// What is to be measured, and how it is told.
pub(crate) struct Kit {
    wanted: Vec<String>,
    is_json: bool,
    pub(crate) is_long: bool,
    rounds: usize,
    folder: tempfile::TempDir,
    rows: Vec<Row>,
}

/// A row of the table before it is measured.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// Of both figures: `events/s`, `ms`, `ns/event`.
    pub(crate) unit: &'static str,
    /// What the second figure is: `raw`, or the limit that the first is held against.
    pub(crate) beside: &'static str,
    pub(crate) target: Target,
}

/// When a row is met.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Ours divided by what stands beside it, at least.
    AtLeast(f64),
    /// Ours divided by what stands beside it, at most.
    AtMost(f64),
    /// Our figure itself, at most.
    Within(f64),
    /// No target: stated.
    Stated,
}

/// One round of one row.
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) beside: f64,
    pub(crate) note: String,
}

/// The disk's sync time, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

struct Row {
    spec: Spec,
    ours: f64,
    beside: f64,
    ratios: Vec<f64>,
    disk: Disk,
    discarded: usize,
    note: String,
}

impl Pair {
    pub(crate) fn new(ours: f64, beside: f64) -> Self {
        Self { ours, beside, note: String::new() }
    }

    pub(crate) fn note(mut self, note: String) -> Self {
        self.note = note;
        self
    }
}

impl Kit {
    /// Reads the command line: names of parts, `--long`, `--json`, `--rounds N`. Cargo's own `--bench` is ignored.
    pub(crate) fn from_arguments(folder: &Path) -> Self {
        let folder = tempfile::tempdir_in(folder).expect("a temporary folder");
        let mut kit =
            Self { wanted: vec![], is_json: false, is_long: false, rounds: ROUNDS, folder, rows: vec![] };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => kit.is_json = true,
                "--long" => kit.is_long = true,
                "--rounds" => {
                    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                    kit.rounds = rounds.expect("--rounds takes a number");
                }
                part if !part.starts_with('-') => kit.wanted.push(part.to_owned()),
                _ => {}
            }
        }
        kit
    }

    /// Whether a part was asked for by name, or none was.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == part)
    }

    /// A fresh path in the folder in which the disk is measured too.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Measures rows that share their rounds: `round` answers one pair for each.
    pub(crate) fn measure<const ROWS: usize>(
        &mut self,
        specs: [Spec; ROWS],
        mut round: impl FnMut(Disk) -> [Pair; ROWS],
    ) {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        say(&format!("measuring {}", names.join(", ")));
        let mut rounds: Vec<(Disk, [Pair; ROWS])> = Vec::new();
        let mut discarded = 0;
        while rounds.len() < self.rounds {
            let before = self.look_at_disk();
            let pairs = round(before);
            let after = self.look_at_disk();
            let accepted = median(rounds.iter().map(|(disk, _)| disk.p50).collect());
            let all = [Some(before.p50), Some(after.p50), accepted].into_iter().flatten();
            let (low, high) = all.fold((f64::MAX, 0.0_f64), |(low, high), p50| (low.min(p50), high.max(p50)));
            if high > low * MOVED_MAX && discarded < DISCARDED_MAX {
                say(&format!(
                    "  the disk moved from {low:.2} to {high:.2} ms a sync: the round is run again"
                ));
                discarded += 1;
                continue;
            }
            let disk =
                Disk { p50: f64::midpoint(before.p50, after.p50), p99: f64::midpoint(before.p99, after.p99) };
            rounds.push((disk, pairs));
        }
        for (index, spec) in specs.into_iter().enumerate() {
            let of =
                |figure: fn(&Pair) -> f64| rounds.iter().map(|(_, pairs)| figure(&pairs[index])).collect();
            let middle = |figure| median(of(figure)).unwrap_or_default();
            let disk =
                |figure: fn(&Disk) -> f64| median(rounds.iter().map(|(disk, _)| figure(disk)).collect());
            let row = Row {
                ours: middle(|pair| pair.ours),
                beside: middle(|pair| pair.beside),
                ratios: of(|pair| pair.ours / pair.beside),
                disk: Disk {
                    p50: disk(|disk| disk.p50).unwrap_or_default(),
                    p99: disk(|disk| disk.p99).unwrap_or_default(),
                },
                discarded,
                note: rounds.last().map(|(_, pairs)| pairs[index].note.clone()).unwrap_or_default(),
                spec,
            };
            say(&format!("  {}", row.line()));
            self.rows.push(row);
        }
    }

    /// Times syncs of one page, in the folder where the stores are.
    pub(crate) fn look_at_disk(&self) -> Disk {
        let mut file = self.sync_file();
        let page = [0x5a; SYNC_BYTES];
        let began = Instant::now();
        let mut times = Vec::with_capacity(SYNCS);
        while times.len() < SYNCS && began.elapsed() < LOOK_MAX {
            if times.len() % (SYNC_FILE_BYTES / SYNC_BYTES) == 0 {
                file.seek(SeekFrom::Start(0)).expect("the file can be rewound");
            }
            let started = Instant::now();
            file.write_all(&page).expect("the page is written");
            file.sync_data().expect("the page is synced");
            times.push(millis(started.elapsed()));
        }
        Disk { p50: quantile(&mut times, 0.50), p99: quantile(&mut times, 0.99) }
    }

    fn sync_file(&self) -> File {
        let path = self.path("syncs");
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(false).write(true).open(path).expect("a file to sync");
        if is_new {
            file.write_all(&vec![0; SYNC_FILE_BYTES]).expect("room to sync");
            file.sync_all().expect("the file is synced");
        }
        file
    }

    /// Prints the table.
    #[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
    pub(crate) fn finish(self, settings: &str) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load: Vec<&str> = load.split_whitespace().take(3).collect();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        if self.is_json {
            let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
            let all = json!({ "settings": settings, "cores": cores, "load": load, "rounds": self.rounds, "rows": rows });
            println!("{all:#}");
            return;
        }
        println!("{settings}\n{cores} cores, load {}, medians of {} rounds", load.join(" "), self.rounds);
        println!("{}", ["what", "ours", "beside it", "ratio", "target", ""].join(" | "));
        println!("--- | ---: | ---: | ---: | --- | ---");
        for row in &self.rows {
            println!("{}", row.line());
        }
    }
}

impl Row {
    fn ratio(&self) -> f64 {
        median(self.ratios.clone()).unwrap_or_default()
    }

    fn is_met(&self) -> Option<bool> {
        match self.spec.target {
            Target::AtLeast(least) => Some(self.ratio() >= least),
            Target::AtMost(most) => Some(self.ratio() <= most),
            Target::Within(most) => Some(self.ours <= most),
            Target::Stated => None,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "stated",
        }
    }

    fn target(&self) -> String {
        match self.spec.target {
            Target::AtLeast(least) => format!("≥ {least}"),
            Target::AtMost(most) => format!("≤ {most}"),
            Target::Within(most) => format!("≤ {most} {}", self.spec.unit),
            Target::Stated => "–".to_owned(),
        }
    }

    fn line(&self) -> String {
        let Spec { name, unit, beside, .. } = &self.spec;
        let ratios: Vec<String> = self.ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let mut remarks = vec![format!("rounds {}", ratios.join(" ")), format!("sync {}", self.disk)];
        remarks.extend((!self.note.is_empty()).then(|| self.note.clone()));
        remarks.extend((self.discarded > 0).then(|| format!("{} rounds discarded", self.discarded)));
        format!(
            "{name} | {} {unit} | {beside} {} | {:.2} | {} {} | {}",
            figure(self.ours),
            figure(self.beside),
            self.ratio(),
            self.target(),
            self.verdict(),
            remarks.join("; ")
        )
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "name": self.spec.name, "unit": self.spec.unit, "ours": self.ours, "beside": self.spec.beside,
            "besideIt": self.beside, "ratio": self.ratio(), "ratios": self.ratios, "target": self.target(),
            "met": self.is_met(), "syncMs": { "p50": self.disk.p50, "p99": self.disk.p99 },
            "discarded": self.discarded, "note": self.note,
        })
    }
}

impl std::fmt::Display for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:.2} p99 {:.2} ms", self.p50, self.p99)
    }
}

fn figure(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Tells whoever waits how far it is; the table alone goes to standard output.
#[expect(clippy::print_stderr, reason = "a benchmark says what it does")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// The middle one; `None` of none.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Sorts, and answers the value below which a share of all lies.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * share) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// How many of something in a second.
pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
