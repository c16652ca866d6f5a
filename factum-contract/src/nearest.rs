//! Finds the known word that was probably meant.

/// "did you mean `owner`?" when one of the known words is near, else the list of words when it is short.
#[must_use]
pub fn suggest<'w>(found: &str, known: impl IntoIterator<Item = &'w str>) -> Option<String> {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    match nearest(found, known.iter().copied()) {
        Some(word) => Some(format!("did you mean `{word}`?")),
        _ if known.is_empty() => None,
        _ if known.len() <= 24 => Some(format!("known: {}", known.join(", "))),
        _ => Some(format!("{} are known; none is near", known.len())),
    }
}

/// The known word that was probably meant; the first one where several are as near.
#[must_use]
pub fn nearest<'w>(found: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let best = known.into_iter().map(|word| (distance(found, word), word)).min();
    best.map(|(_, word)| word).filter(|word| is_near(found, word))
}

/// Whether one word is probably the other, misspelt.
pub(crate) fn is_near(found: &str, word: &str) -> bool {
    distance(found, word) <= (found.chars().count() / 3).max(1)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words, without regard to case; long words are cut.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| -> Vec<char> {
        text.chars().take(64).filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = row[j] + usize::from(x != y);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            let is_swap = i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x;
            if is_swap {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested() {
        let known = ["owner", "topic", "version", "examples"];
        assert_eq!(suggest("ownr", known).unwrap(), "did you mean `owner`?");
        assert_eq!(suggest("vresion", known).unwrap(), "did you mean `version`?");
        assert_eq!(suggest("Topic", known).unwrap(), "did you mean `topic`?");
        assert_eq!(suggest("zzz", known).unwrap(), "known: examples, owner, topic, version");
        assert_eq!(suggest("zzz", []), None);
    }
}
