//! Which contexts a process runs: all of them, or one, beside others on the same store.

use std::fmt;
use std::str::FromStr;

/// What a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// All three contexts.
    #[default]
    All,
    /// Orders: the API, its consumers and its read models.
    Orders,
    /// Payments.
    Payments,
    /// Stock.
    Stock,
}

impl Role {
    /// Every role, by its word.
    const ALL: [(&str, Self); 4] =
        [("all", Self::All), ("orders", Self::Orders), ("payments", Self::Payments), ("stock", Self::Stock)];

    /// Whether it runs a context.
    #[must_use]
    pub fn runs(self, context: Self) -> bool {
        self == Self::All || self == context
    }

    /// The contexts that it runs, as the catalog names their services.
    pub fn services(self) -> impl Iterator<Item = &'static str> {
        let all = Self::ALL.into_iter().filter(|(_, context)| *context != Self::All);
        all.filter(move |(_, context)| self.runs(*context)).map(|(name, _)| name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, role)| role == self).map_or("all", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, role)| role).ok_or_else(|| "expected orders, payments, stock or all".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_runs_its_own_and_all_runs_each() {
        assert_eq!(Role::All.services().collect::<Vec<_>>(), ["orders", "payments", "stock"]);
        assert_eq!("stock".parse::<Role>().unwrap().services().collect::<Vec<_>>(), ["stock"]);
        assert!("shipping".parse::<Role>().is_err());
        assert_eq!(Role::Payments.to_string(), "payments");
    }
}
