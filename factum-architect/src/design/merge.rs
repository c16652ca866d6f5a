//! Three-way merging of lines: what was written last time, what people made of it, and what would be written now.
//!
//! Nobody's edit is lost: where both sides changed the same lines, both are shown, and nothing is decided.

/// What came out of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The text, with the people's side of every conflict.
    pub text: String,
    /// Where both sides changed the same.
    pub conflicts: Vec<Conflict>,
}

/// Lines that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Conflict {
    /// The line in the people's text, from 1.
    pub line: usize,
    /// What people wrote.
    pub yours: Vec<String>,
    /// What would be written.
    pub designed: Vec<String>,
}

/// Most lines that are compared; a longer text is one conflict.
const LINES_MAX: usize = 20_000;

/// Merges; `base` is what was written the last time.
#[must_use]
pub fn merge(base: &str, yours: &str, designed: &str) -> Merged {
    let whole = |text: &str| Merged { text: text.to_owned(), conflicts: Vec::new() };
    if yours == designed || designed == base {
        return whole(yours);
    }
    if yours == base {
        return whole(designed);
    }
    let (base, mine, new): (Vec<&str>, Vec<&str>, Vec<&str>) =
        (base.lines().collect(), yours.lines().collect(), designed.lines().collect());
    if base.len().max(mine.len()).max(new.len()) > LINES_MAX {
        let conflict = Conflict {
            line: 1,
            yours: Vec::new(),
            designed: vec![format!("a text of over {LINES_MAX} lines")],
        };
        return Merged { text: yours.to_owned(), conflicts: vec![conflict] };
    }
    let (to_mine, to_new) = (matches(&base, &mine), matches(&base, &new));
    let mut out: Vec<&str> = Vec::new();
    let mut conflicts = Vec::new();
    let (mut b, mut m, mut n) = (0, 0, 0);
    loop {
        // The next line of the base that both sides kept ends the piece before it.
        let kept = (b..base.len()).find(|&at| to_mine[at].is_some() && to_new[at].is_some());
        let (end_b, end_m, end_n) = match kept {
            Some(at) => (at, to_mine[at].unwrap_or(mine.len()), to_new[at].unwrap_or(new.len())),
            None => (base.len(), mine.len(), new.len()),
        };
        let (was, my, its) = (&base[b..end_b], &mine[m..end_m], &new[n..end_n]);
        if its == was || its == my {
            out.extend(my);
        } else if my == was {
            out.extend(its);
        } else {
            let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
            conflicts.push(Conflict { line: m + 1, yours: text(my), designed: text(its) });
            out.extend(my);
        }
        let Some(at) = kept else { break };
        out.push(base[at]);
        (b, m, n) = (at + 1, end_m + 1, end_n + 1);
    }
    let mut text = out.join("\n");
    if yours.ends_with('\n') || text.is_empty() {
        text.push('\n');
    }
    Merged { text, conflicts }
}

/// For each line of one text, the line of the other that it became: a longest common subsequence.
fn matches(from: &[&str], to: &[&str]) -> Vec<Option<usize>> {
    let mut found = vec![None; from.len()];
    let head = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let tail = from[head..].iter().rev().zip(to[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    (0..head).for_each(|at| found[at] = Some(at));
    (0..tail).for_each(|back| found[from.len() - 1 - back] = Some(to.len() - 1 - back));
    let (a, b) = (&from[head..from.len() - tail], &to[head..to.len() - tail]);
    // The table is of what differs only; what differs that much has nothing in common worth keeping.
    const CELLS_MAX: usize = 16_000_000;
    if a.len().saturating_mul(b.len()) > CELLS_MAX {
        return found;
    }
    let width = b.len() + 1;
    let mut longest = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            found[head + i] = Some(head + j);
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn both_sides_keep_what_they_changed() {
        let base = text(&["a", "b", "c", "d", "e"]);
        let yours = text(&["a", "B", "c", "d", "e", "mine"]);
        let designed = text(&["new", "a", "b", "c", "e"]);
        let merged = merge(&base, &yours, &designed);
        assert_eq!(merged.conflicts, []);
        assert_eq!(merged.text, text(&["new", "a", "B", "c", "e", "mine"]));
    }

    #[test]
    fn what_both_changed_is_shown_and_not_decided() {
        let base = text(&["a", "b", "c"]);
        let merged = merge(&base, &text(&["a", "mine", "c"]), &text(&["a", "its", "c"]));
        assert_eq!(merged.text, text(&["a", "mine", "c"]));
        assert_eq!(
            merged.conflicts,
            [Conflict { line: 2, yours: vec!["mine".into()], designed: vec!["its".into()] }]
        );
    }

    #[test]
    fn the_same_change_on_both_sides_is_no_conflict() {
        let base = text(&["a", "b"]);
        let both = text(&["a", "x"]);
        assert_eq!(merge(&base, &both, &both), Merged { text: both, conflicts: vec![] });
    }

    #[test]
    fn an_untouched_text_becomes_what_is_designed() {
        let base = text(&["a"]);
        assert_eq!(merge(&base, &base, "z\n").text, "z\n");
        assert_eq!(merge(&base, "m\n", &base).text, "m\n");
    }
}
