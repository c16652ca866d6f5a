//! The `cargo xtask` command: reads its arguments and runs the stages asked for.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool talks on the terminal")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use xtask::run::Run;
use xtask::skips;
use xtask::stage::Stage;
use xtask::tools;
use xtask::workspace::Workspace;

/// Longest whole run, in minutes, on two cores: past it people stop running it. `FACTUM_MINUTES_MAX` relaxes it.
const MINUTES_MAX: u64 = 35;

const USAGE: &str = "\
usage: cargo xtask test [--stage NAME]... [--long] [--list]
       cargo xtask tools [NAME]...

  --stage NAME   only this stage; may be repeated
  --long         long forms of the crash and model tests (sets FACTUM_LONG=1)
  --list         print the stages and stop

`tools` installs the test tools of xtask/tools, or those named, into target/tools; `test` does so by itself.

environment:
  FACTUM_MINUTES_MAX   longest whole run in minutes (35)";

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Test { stages: Vec<Stage>, is_long: bool },
    Tools(Vec<String>),
    List,
    Usage,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match read(&arguments) {
        Ok(Request::Test { stages, is_long }) => test(&stages, is_long),
        Ok(Request::Tools(names)) => install(&names),
        Ok(Request::List) => {
            list();
            return ExitCode::SUCCESS;
        }
        Ok(Request::Usage) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(arguments: &[String]) -> anyhow::Result<Request> {
    let mut words = arguments.iter().map(String::as_str);
    match words.next() {
        Some("test") => {}
        Some("tools") => return Ok(Request::Tools(words.map(str::to_owned).collect())),
        None | Some("help" | "--help" | "-h") => return Ok(Request::Usage),
        Some(other) => anyhow::bail!("unknown command {other:?}: expected \"test\" or \"tools\""),
    }
    let (mut stages, mut is_long) = (Vec::new(), false);
    while let Some(word) = words.next() {
        match word {
            "--stage" => {
                let name = words.next().context("--stage needs a name; see --list")?;
                stages.push(name.parse()?);
            }
            "--long" => is_long = true,
            "--list" => return Ok(Request::List),
            "--help" | "-h" => return Ok(Request::Usage),
            other => anyhow::bail!("unknown option {other:?}"),
        }
    }
    Ok(Request::Test { stages, is_long })
}

fn install(names: &[String]) -> anyhow::Result<bool> {
    let missing = tools::install(&Workspace::find()?, names)?;
    missing.iter().for_each(|line| println!("{line}"));
    Ok(missing.is_empty())
}

fn list() {
    for stage in Stage::ALL {
        println!("{:<10} {}", stage.name(), stage.summary());
    }
}

/// Runs the stages one after the other, all of them even when one fails, and says at the end what failed.
fn test(asked: &[Stage], is_long: bool) -> anyhow::Result<bool> {
    let minutes_max = match std::env::var("FACTUM_MINUTES_MAX") {
        Ok(text) => text.parse().with_context(|| format!("FACTUM_MINUTES_MAX is {text:?}, not minutes"))?,
        Err(_) => MINUTES_MAX,
    };
    let is_whole = asked.is_empty();
    let stages = if is_whole { &Stage::ALL[..] } else { asked };
    let mut run = Run::new(Workspace::find()?, is_long);
    let (began, mut times, mut failures) = (Instant::now(), Vec::new(), Vec::new());
    for stage in stages {
        println!("\n== {}: {}", stage.name(), stage.summary());
        let stage_began = Instant::now();
        if let Err(error) = stage.run(&mut run) {
            println!("{} failed: {error:#}", stage.name());
            failures.push(stage.name().to_owned());
        }
        times.push((stage.name(), stage_began.elapsed()));
    }
    let breadth = if is_whole && !is_long { skips::Breadth::Whole } else { skips::Breadth::Part };
    let differences = skips::compare(&run.workspace, &run.skipped, breadth)?;
    differences.iter().for_each(|line| println!("{line}"));
    if !differences.is_empty() {
        failures.push("skips".to_owned());
    }
    let total = began.elapsed();
    if total > Duration::from_secs(minutes_max * 60) {
        failures.push(format!("time (over {minutes_max} minutes)"));
    }
    report(&times, total, &failures, &run);
    Ok(failures.is_empty())
}

fn report(times: &[(&str, Duration)], total: Duration, failures: &[String], run: &Run) {
    println!();
    for (stage, time) in times {
        let verdict = if failures.iter().any(|failed| failed == stage) { "FAILED" } else { "ok" };
        println!("{stage:<10} {:>7.1} s  {verdict}", time.as_secs_f64());
    }
    println!("{:<10} {:>7.1} s", "total", total.as_secs_f64());
    for skipped in &run.skipped {
        println!("skipped: {skipped}");
    }
    if !failures.is_empty() {
        println!("failed: {}", failures.join(", "));
    }
    let tally = run.tally;
    println!("\n{} passed, {} failed, {} skipped", tally.passed, tally.failed, run.skipped.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(line: &str) -> Result<Request, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn options_may_come_in_any_order() {
        let request = read_words("test --long --stage fmt --stage tidy").unwrap();
        assert_eq!(request, Request::Test { stages: vec![Stage::Fmt, Stage::Tidy], is_long: true });
        assert_eq!(read_words("test --list"), Ok(Request::List));
        assert_eq!(read_words(""), Ok(Request::Usage));
        assert_eq!(read_words("tools python"), Ok(Request::Tools(vec!["python".to_owned()])));
    }

    #[test]
    fn a_word_that_is_not_known_is_an_error() {
        assert!(read_words("test --stage nothing").unwrap_err().contains("expected one of fmt, "));
        assert!(read_words("test --quick").unwrap_err().contains("--quick"));
        assert!(read_words("bake").is_err());
    }
}
