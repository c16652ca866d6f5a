//! Progress on anything that takes over a second, on standard error, and only where a person looks.

use std::future::Future;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use super::grouped;

/// Before this nothing is shown: most commands are done by then.
const QUIET: Duration = Duration::from_secs(1);
/// Between two drawings.
const PACE: Duration = Duration::from_millis(200);
const CELLS: u64 = 24;

/// A line that is drawn anew as work goes on, and gone when it is done.
pub(crate) struct Bar {
    what: &'static str,
    is_on: bool,
    started: Instant,
    drawn: Option<Instant>,
}

impl Bar {
    pub(crate) fn new(what: &'static str, is_on: bool) -> Self {
        Self { what, is_on, started: Instant::now(), drawn: None }
    }

    /// So much of so much is done.
    pub(crate) fn at(&mut self, done: u64, of: u64) {
        if self.is_due() {
            self.draw(&line(self.what, done, of));
        }
    }

    /// Shows that time passes while something without known end goes on.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut ticks = tokio::time::interval(PACE);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    if self.is_due() {
                        self.draw(&format!("{} … {} s", self.what, self.started.elapsed().as_secs()));
                    }
                }
            }
        }
    }

    fn is_due(&self) -> bool {
        self.is_on
            && self.started.elapsed() >= QUIET
            && self.drawn.is_none_or(|drawn| drawn.elapsed() >= PACE)
    }

    fn draw(&mut self, text: &str) {
        self.drawn = Some(Instant::now());
        // Nobody may be looking any more: that is no reason to stop working.
        let _ = write!(io::stderr(), "\r\u{1b}[2K{text}").and_then(|()| io::stderr().flush());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\u{1b}[2K").and_then(|()| io::stderr().flush());
        }
    }
}

fn line(what: &str, done: u64, of: u64) -> String {
    let done = done.min(of);
    let full = (done * CELLS).checked_div(of).unwrap_or(CELLS);
    let bar: String = (0..CELLS).map(|cell| if cell < full { '█' } else { '░' }).collect();
    format!("{what} {bar} {} of {}", grouped(done), grouped(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_never_passes_its_end() {
        assert_eq!(line("reading", 5, 10), "reading ████████████░░░░░░░░░░░░ 5 of 10");
        assert_eq!(line("reading", 12, 10), "reading ████████████████████████ 10 of 10");
        assert_eq!(line("reading", 0, 0), "reading ████████████████████████ 0 of 0");
    }
}
