//! Licence expressions as crates declare them: read, and judged against a list.
//!
//! The grammar is SPDX's as far as crates use it: names, `AND`, `OR`, `WITH`, brackets, and the old slash for `OR`.

/// Whether what is allowed satisfies the expression; an expression that cannot be read never does.
#[must_use]
pub fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut reader = Reader { words: spaced.split_whitespace().collect(), at: 0, allowed };
    let verdict = reader.any_of();
    reader.at == reader.words.len() && verdict == Some(true)
}

struct Reader<'a> {
    words: Vec<&'a str>,
    at: usize,
    allowed: &'a [String],
}

impl Reader<'_> {
    fn any_of(&mut self) -> Option<bool> {
        let mut verdict = self.all_of()?;
        while self.takes("OR") {
            verdict |= self.all_of()?;
        }
        Some(verdict)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut verdict = self.one()?;
        while self.takes("AND") {
            verdict &= self.one()?;
        }
        Some(verdict)
    }

    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let verdict = self.any_of()?;
            return self.takes(")").then_some(verdict);
        }
        let mut name = self.next()?.to_owned();
        if ["AND", "OR", "WITH", ")"].contains(&name.as_str()) {
            return None;
        }
        if self.takes("WITH") {
            name = format!("{name} WITH {}", self.next()?);
        }
        Some(self.allowed.contains(&name))
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is_next);
        is_next
    }

    fn next(&mut self) -> Option<&str> {
        let word = self.words.get(self.at).copied()?;
        self.at += 1;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(expression: &str) -> bool {
        is_allowed(expression, &["MIT", "Apache-2.0", "ISC"].map(str::to_owned))
    }

    #[test]
    fn one_of_several_is_enough_and_all_of_several_are_needed() {
        assert!(judge("MIT") && judge("MIT OR GPL-3.0") && judge("GPL-3.0/MIT") && judge("MIT AND ISC"));
        assert!(!judge("GPL-3.0") && !judge("MIT AND GPL-3.0"));
        assert!(judge("(GPL-3.0 OR MIT) AND Apache-2.0"));
        assert!(!judge("GPL-3.0 OR MIT AND GPL-2.0"), "AND binds first");
    }

    #[test]
    fn an_exception_is_a_licence_of_its_own() {
        assert!(!judge("Apache-2.0 WITH LLVM-exception"));
        assert!(judge("Apache-2.0 WITH LLVM-exception OR MIT"));
    }

    #[test]
    fn what_cannot_be_read_is_not_allowed() {
        for bad in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "AND"] {
            assert!(!judge(bad), "{bad}");
        }
    }
}
