//! A sheet to draw on, and scales that say where on it a value stands.

use std::fmt::Write as _;

const STYLE: &str = "\
svg{color-scheme:light dark;font:12px system-ui,sans-serif}\
.sheet{fill:#ffffff}.title{font-size:15px;font-weight:600;fill:#1f2430}.note{fill:#5b6270}\
.grid{stroke:#d9dde5}.once{fill:#2f6fde}.parked{fill:#8fb3f5}.dead{fill:#d64545}\
.outage{fill:#f5d9a8;opacity:.55}.waiting{fill:#2f6fde;opacity:.3}.attempts{stroke:#2f6fde;fill:none;stroke-width:1.5}\
@media(prefers-color-scheme:dark){.sheet{fill:#15181e}.title{fill:#e8eaf0}.note{fill:#a5adbb}.grid{stroke:#343a46}\
.outage{fill:#6b5428}}";

#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) struct Canvas {
    out: String,
}

impl Canvas {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let title = escaped(title);
        let mut out = String::new();
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">"
        );
        let _ = writeln!(out, "<title>{title}</title>\n<style>{STYLE}</style>");
        let _ = writeln!(out, "<rect class=\"sheet\" width=\"{width:.0}\" height=\"{height:.0}\"/>");
        Self { out }
    }

    pub(super) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        let _ = writeln!(
            self.out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\"/>"
        );
    }

    pub(super) fn line(&mut self, x1: f64, y1: f64, x2: f64, y2: f64, class: &str) {
        let _ = writeln!(
            self.out,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let _ = writeln!(self.out, "<path class=\"{class}\" d=\"{}\"/>", through(points));
    }

    /// The same, filled down to a line.
    pub(super) fn area(&mut self, points: &[(f64, f64)], down_to: f64, class: &str) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let _ = writeln!(
            self.out,
            "<path class=\"{class}\" d=\"{}L{:.1} {down_to:.1}L{:.1} {down_to:.1}Z\"/>",
            through(points),
            last.0,
            first.0
        );
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }
}

fn through(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let _ = write!(out, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
    is_log: bool,
}

impl Scale {
    pub(super) fn linear(least: f64, most: f64, from: f64, to: f64) -> Self {
        Self { least, most, from, to, is_log: false }
    }

    pub(super) fn log(least: f64, most: f64, from: f64, to: f64) -> Self {
        Self { least, most, from, to, is_log: true }
    }

    pub(super) fn at(self, value: f64) -> f64 {
        let value = value.clamp(self.least, self.most);
        let share = if self.is_log {
            (value / self.least).ln() / (self.most / self.least).ln()
        } else {
            (value - self.least) / (self.most - self.least)
        };
        self.from + share * (self.to - self.from)
    }
}
