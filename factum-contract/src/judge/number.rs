//! Finds a number within bounds, steps and exceptions, or proves that there is none.
//!
//! A whole number is a multiple of one; there is no other notion of it here.

use std::cmp::Ordering;

use super::exact::Exact;
use super::search::Search;

/// Most multiples that are tried one by one.
const TRIES_MAX: i128 = 20_000;

/// One end of a range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) at: Exact,
    pub(super) is_open: bool,
}

/// What a number must be.
#[derive(Debug, Clone, Default)]
pub(super) struct Range {
    low: Option<Bound>,
    high: Option<Bound>,
    steps: Vec<Exact>,
    steps_not: Vec<Exact>,
    except: Vec<Exact>,
}

impl Range {
    pub(super) fn above(&mut self, bound: Bound) {
        let is_tighter = self.low.is_none_or(|low| match bound.at.compare(low.at) {
            Ordering::Greater => true,
            Ordering::Equal => bound.is_open,
            Ordering::Less => false,
        });
        if is_tighter {
            self.low = Some(bound);
        }
    }

    pub(super) fn below(&mut self, bound: Bound) {
        let is_tighter = self.high.is_none_or(|high| match bound.at.compare(high.at) {
            Ordering::Less => true,
            Ordering::Equal => bound.is_open,
            Ordering::Greater => false,
        });
        if is_tighter {
            self.high = Some(bound);
        }
    }

    pub(super) fn multiple(&mut self, step: Exact) {
        self.steps.push(step);
    }

    pub(super) fn no_multiple(&mut self, step: Exact) {
        self.steps_not.push(step);
    }

    pub(super) fn except(&mut self, number: Exact) {
        self.except.push(number);
    }

    pub(super) fn find(&self) -> Search<Exact> {
        if let (Some(low), Some(high)) = (self.low, self.high) {
            let order = low.at.compare(high.at);
            if order == Ordering::Greater || (order == Ordering::Equal && (low.is_open || high.is_open)) {
                return Search::Empty;
            }
            if order == Ordering::Equal {
                return match self.holds(low.at) {
                    Some(true) => Search::Found(low.at),
                    Some(false) => Search::Empty,
                    None => Search::unknown(TOO_WIDE),
                };
            }
        }
        match self.steps.split_first() {
            None => self.find_between(),
            Some((first, rest)) => {
                let step = rest.iter().try_fold(*first, |step, next| step.common(*next));
                step.and_then(|step| self.find_multiple(step)).unwrap_or_else(|| Search::unknown(TOO_WIDE))
            }
        }
    }

    /// A range that is more than a point holds infinitely many numbers that are no multiples and no exceptions.
    fn find_between(&self) -> Search<Exact> {
        let mut candidates = vec![Some(Exact::ZERO), Some(Exact::ONE)];
        for bound in [self.low, self.high].into_iter().flatten() {
            candidates.push(Some(bound.at));
            let steps = [
                Exact::whole(1),
                Exact::whole(-1),
                Exact::ONE.half(),
                Exact::ONE.half().and_then(|n| n.times(-1)),
            ];
            candidates.extend(steps.into_iter().map(|step| bound.at.plus(step?)));
        }
        let mut low = self.low.map_or(Exact::ZERO, |bound| bound.at);
        let high = self.high.map_or_else(|| low.plus(Exact::ONE), |bound| Some(bound.at));
        if self.low.is_none() {
            low = high.and_then(|high| high.plus(Exact::whole(-1)?)).unwrap_or(low);
        }
        let mut middle = high;
        for _ in 0..24 {
            middle = middle.and_then(|middle| low.plus(middle)?.half());
            candidates.push(middle);
        }
        candidates.extend((-60..=60).map(|n| Exact::whole(n)?.half()));
        let found = candidates.into_iter().flatten().find(|number| self.holds(*number) == Some(true));
        found.map_or_else(|| Search::unknown(TOO_WIDE), Search::Found)
    }

    fn find_multiple(&self, step: Exact) -> Option<Search<Exact>> {
        let low = match self.low {
            Some(bound) => {
                let (count, is_exact) = bound.at.over(step)?;
                Some(if is_exact && !bound.is_open { count } else { count.checked_add(1)? })
            }
            None => None,
        };
        let high = match self.high {
            Some(bound) => {
                let (count, is_exact) = bound.at.over(step)?;
                Some(if is_exact && bound.is_open { count.checked_sub(1)? } else { count })
            }
            None => None,
        };
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            return Some(Search::Empty);
        }
        // Whether a multiple is also a multiple of something else repeats with this period.
        let mut period: i128 = 1;
        for other in &self.steps_not {
            let (count, _) = step.common(*other)?.over(step)?;
            period = (period / gcd(period, count)).checked_mul(count)?;
        }
        let enough = period.checked_mul(i128::try_from(self.except.len()).ok()?.checked_add(1)?)?;
        let first = low.unwrap_or_else(|| high.map_or(0, |high| high.min(0)));
        for offset in 0..enough.min(TRIES_MAX) {
            let count = if low.is_none() && high.is_some() { first - offset } else { first + offset };
            if high.is_some_and(|high| count > high) {
                return Some(Search::Empty);
            }
            let number = step.times(count)?;
            if self.holds(number)? {
                return Some(Search::Found(number));
            }
        }
        Some(if enough <= TRIES_MAX { Search::Empty } else { Search::unknown(TOO_WIDE) })
    }

    fn holds(&self, number: Exact) -> Option<bool> {
        let low = self.low.is_none_or(|bound| match number.compare(bound.at) {
            Ordering::Greater => true,
            Ordering::Equal => !bound.is_open,
            Ordering::Less => false,
        });
        let high = self.high.is_none_or(|bound| match number.compare(bound.at) {
            Ordering::Less => true,
            Ordering::Equal => !bound.is_open,
            Ordering::Greater => false,
        });
        if !low || !high || self.except.contains(&number) {
            return Some(false);
        }
        for step in &self.steps {
            if !number.over(*step)?.1 {
                return Some(false);
            }
        }
        for step in &self.steps_not {
            if number.over(*step)?.1 {
                return Some(false);
            }
        }
        Some(true)
    }
}

const TOO_WIDE: &str = "the numbers are too large or too fine to compare exactly";

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}
