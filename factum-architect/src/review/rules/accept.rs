//! What is accepted: each with an end, each still needed.

use factum_contract::Severity::Warning;

use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Rule};

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "allow/expired",
        severity: Warning,
        profile: Recommended,
        title: "The time for which a finding was accepted is over.",
        why: "It was accepted until a day, on purpose: now it is to be settled, or accepted anew with a reason that still holds.",
        bad: "# email.send.v1.yaml\nevent: email.send\nversion: 1\nallow: [{ rule: name/command, reason: renamed with version 2, until: 2020-01-01 }]",
        good: "# email.send.v1.yaml\nevent: email.send\nversion: 1\nallow: [{ rule: name/command, reason: renamed with version 2, until: 2999-01-01 }]",
        fix: "settle the finding and take the `allow` out, or give it a new `until` and a reason",
        check: Check::Review,
    },
    Rule {
        id: "allow/unused",
        severity: Warning,
        profile: Recommended,
        title: "A finding is accepted that does not occur, or a rule is named that does not exist.",
        why: "An `allow` that nothing needs will one day hide something new.",
        bad: "# order.placed.v1.yaml\nevent: order.placed\nversion: 1\nallow: [{ rule: name/command, reason: an old name }]",
        good: "# email.send.v1.yaml\nevent: email.send\nversion: 1\nallow: [{ rule: name/command, reason: an old name }]",
        fix: "take it out",
        check: Check::Review,
    },
];
