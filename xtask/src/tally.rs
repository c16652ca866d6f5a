//! Counts tests from what the runners print at their end.
//!
//! Reads the closing lines of `cargo test` and of nextest, line by line; knows nothing of how they were started.

/// Tests that passed and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, timed out or could not be run.
    pub failed: u64,
}

impl Tally {
    /// Counts one line; lines that are no runner's closing line count nothing.
    ///
    /// Nextest shows what a failed test has printed, with the closing line of `cargo test` in it: nextest's own closing
    /// line, which comes last, stands for all of them.
    pub fn read(&mut self, line: &str) {
        let line = line.trim();
        let counts = match line.strip_prefix("test result: ") {
            Some(counts) => counts,
            None if line.starts_with("Summary [") => {
                *self = Self::default();
                line.split_once(" run: ").map_or("", |(_, counts)| counts)
            }
            None => return,
        };
        for part in counts.split([';', ',', '.']) {
            let mut words = part.split_whitespace();
            let Some(count) = words.next().and_then(|word| word.parse::<u64>().ok()) else { continue };
            match words.next() {
                Some("passed") => self.passed += count,
                Some("failed" | "timed" | "exec") => self.failed += count,
                _ => {}
            }
        }
    }

    /// Adds what another run counted.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> (u64, u64) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        (tally.passed, tally.failed)
    }

    #[test]
    fn closing_lines_of_cargo_test_are_summed() {
        let one =
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s";
        let two = "test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        assert_eq!(tally(&[one, "running 3 tests", two]), (8, 2));
    }

    #[test]
    fn closing_lines_of_nextest_count_what_timed_out_as_failed() {
        let good = "     Summary [   0.012s] 12 tests run: 12 passed (1 slow), 3 skipped";
        let bad = "     Summary [   9.100s] 7/9 tests run: 4 passed, 1 failed, 1 timed out, 1 exec failed, 0 skipped";
        assert_eq!(tally(&[good]), (12, 0));
        assert_eq!(tally(&[bad]), (4, 3));
    }

    #[test]
    fn a_test_that_fails_under_nextest_counts_once() {
        let shown = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        let closing = "     Summary [   0.100s] 4 tests run: 3 passed, 1 failed, 0 skipped";
        assert_eq!(tally(&[shown, shown, closing]), (3, 1));
    }
}
