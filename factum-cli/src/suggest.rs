//! The known name that was probably meant.

/// Names that are listed instead, when none is near.
const LISTED_MAX: usize = 12;

/// "did you mean `payments`?", or the list of names when it is short.
pub(crate) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let folded = found.to_lowercase();
    let best = known.iter().map(|name| (strsim::osa_distance(&folded, &name.to_lowercase()), *name)).min();
    match best {
        Some((far, name)) if far <= (found.chars().count() / 3).max(1) => {
            Some(format!("did you mean `{name}`?"))
        }
        None => None,
        _ if known.len() <= LISTED_MAX => Some(format!("known: {}", known.join(", "))),
        _ => Some(format!("{} are known; none is near", known.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["payments", "stock"];
        assert_eq!(nearest("paymnets", known).unwrap(), "did you mean `payments`?");
        assert_eq!(nearest("zzz", known).unwrap(), "known: payments, stock");
        assert_eq!(nearest("zzz", []), None);
    }
}
