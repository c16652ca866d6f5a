//! Texts of source code: what a branch does with a failure, and how names are kept.

/// Longest text of a callee or target that is kept.
const NAME_BYTES_MAX: usize = 120;

/// Whether a body does nothing but write down: every statement begins as a line of a log does.
pub(super) fn only_logs(body: &str) -> bool {
    const LOGS: [&str; 20] = [
        "console.",
        "log.",
        "logger.",
        "logging.",
        "this.logger.",
        "self.logger.",
        "LOG.",
        "LOGGER.",
        "tracing::",
        "error!",
        "warn!",
        "info!",
        "debug!",
        "eprintln!",
        "println!",
        "print(",
        "fmt.Print",
        "slog.",
        "pass",
        "System.err.",
    ];
    let inner = body.trim().trim_start_matches(['{', '=', '>', ':']).trim_end_matches(['}', ',', ';']).trim();
    let without_comments: Vec<&str> = inner
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with('#'))
        .collect();
    let text = without_comments.join("\n");
    if text.is_empty() {
        return true;
    }
    const WAYS_OUT: [&str; 20] = [
        "throw",
        "raise",
        "nack",
        "Nack",
        "reject",
        "Reject",
        "retry",
        "Retry",
        "dead",
        "Dead",
        "dlq",
        "DLQ",
        "Err(",
        "return err",
        "panic",
        "exit(",
        "requeue",
        "park",
        "Fatal",
        "?;",
    ];
    if WAYS_OUT.iter().any(|way| text.contains(way)) {
        return false;
    }
    let mut depth = 0_i32;
    for line in text.lines() {
        let begins = depth <= 0;
        depth += line
            .chars()
            .map(|c| match c {
                '(' | '{' | '[' => 1,
                ')' | '}' | ']' => -1,
                _ => 0,
            })
            .sum::<i32>();
        let is_end = matches!(
            line,
            "continue;" | "continue" | "return;" | "return" | "return nil" | "});" | ")" | ");" | "}"
        );
        if begins && !is_end && !LOGS.iter().any(|log| line.starts_with(log)) {
            return false;
        }
    }
    true
}

/// A text without its quotes.
pub(super) fn unquoted(text: &str) -> String {
    let text = text.trim_start_matches(['r', 'b', 'u', 'R', '#']).trim_end_matches('#');
    text.trim_matches(['"', '\'', '`']).to_owned()
}

/// A text on one line.
pub(super) fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text on one line, and not too long.
pub(super) fn cut(text: &str) -> String {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    squeezed(&text[..end])
}
