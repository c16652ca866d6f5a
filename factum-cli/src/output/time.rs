//! Times and lengths as people read them.

use std::time::Duration;

use factum_core::Timestamp;

/// `2026-01-05 10:00:00.250`, in UTC: always as wide.
pub(crate) fn day_time(time: Timestamp) -> String {
    let text = time.to_string();
    let Some((day, clock)) = text.trim_end_matches('Z').split_once('T') else { return text };
    let (clock, part) = clock.split_once('.').unwrap_or((clock, ""));
    format!("{day} {clock}.{:0<3.3}", part)
}

/// `250 µs`, `12 ms`, `3.4 s`, `5 min`, `2 h`, `3 d`.
pub(crate) fn length(length: Duration) -> String {
    let micros = length.as_micros();
    let seconds = length.as_secs();
    match () {
        () if micros < 1_000 => format!("{micros} µs"),
        () if micros < 10_000 => format!("{:.1} ms", micros as f64 / 1_000.0),
        () if micros < 1_000_000 => format!("{} ms", micros / 1_000),
        () if seconds < 100 => format!("{:.1} s", length.as_secs_f64()),
        () if seconds < 7_200 => format!("{} min", seconds / 60),
        () if seconds < 172_800 => format!("{} h", seconds / 3_600),
        () => format!("{} d", seconds / 86_400),
    }
}

/// `5 min ago`; `in 5 min` for times to come.
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> String {
    if time > now {
        format!("in {}", length(time.since(now)))
    } else {
        format!("{} ago", length(now.since(time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_always_as_wide() {
        for (text, shown) in [
            ("2026-01-05T10:00:00Z", "2026-01-05 10:00:00.000"),
            ("2026-01-05T10:00:00.25Z", "2026-01-05 10:00:00.250"),
            ("2026-01-05T10:00:00.123456Z", "2026-01-05 10:00:00.123"),
        ] {
            assert_eq!(day_time(text.parse().unwrap()), shown);
        }
    }

    #[test]
    fn lengths_use_the_unit_that_fits() {
        let shown = [90, 1_500, 250_000, 3_400_000, 300_000_000, 8_000_000_000, 300_000_000_000]
            .map(|micros| length(Duration::from_micros(micros)));
        assert_eq!(shown, ["90 µs", "1.5 ms", "250 ms", "3.4 s", "5 min", "2 h", "3 d"]);
    }
}
