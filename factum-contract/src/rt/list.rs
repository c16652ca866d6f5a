//! A list that keeps its bounds.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Invalid;

/// A list of at least `MIN` and at most `MAX` items; reads as a slice.
///
/// ```
/// use factum_contract::rt::List;
/// let list: List<u8, 1, 3> = vec![1, 2].try_into()?;
/// assert_eq!(list.len(), 2);
/// assert!(List::<u8, 1, 3>::try_from(vec![]).is_err());
/// # Ok::<(), factum_contract::rt::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct List<T, const MIN: usize = 0, const MAX: usize = { usize::MAX }>(Vec<T>);

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    /// The items, to be changed elsewhere.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MIN: usize, const MAX: usize> TryFrom<Vec<T>> for List<T, MIN, MAX> {
    type Error = Invalid;

    fn try_from(items: Vec<T>) -> Result<Self, Invalid> {
        let found = || format!("{} items", items.len());
        if items.len() < MIN {
            return Err(Invalid::new("list", format!("at least {MIN} items"), found()));
        }
        if items.len() > MAX {
            return Err(Invalid::new("list", format!("at most {MAX} items"), found()));
        }
        Ok(Self(items))
    }
}

impl<T, const MIN: usize, const MAX: usize, const N: usize> TryFrom<[T; N]> for List<T, MIN, MAX> {
    type Error = Invalid;

    fn try_from(items: [T; N]) -> Result<Self, Invalid> {
        Vec::from(items).try_into()
    }
}

impl<T, const MIN: usize, const MAX: usize> Deref for List<T, MIN, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MIN: usize, const MAX: usize> IntoIterator for List<T, MIN, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'l, T, const MIN: usize, const MAX: usize> IntoIterator for &'l List<T, MIN, MAX> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Serialize, const MIN: usize, const MAX: usize> Serialize for List<T, MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de> for List<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}
