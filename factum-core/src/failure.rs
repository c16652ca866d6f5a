//! Why a handler did not handle an event, and what may be done about it.
//!
//! `Failure` is deliberately not an `Error`: that is what lets `?` turn any error into "try again".

use std::fmt;
use std::time::Duration;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A handler's "no": try again (any error, by `?`), never, or later.
///
/// ```
/// use factum_core::Failure;
/// fn charge(amount: &str) -> Result<u32, Failure> {
///     let amount = amount.parse()?;                       // any error means: try again
///     if amount == 0 { return Err(Failure::reject("nothing-to-charge")) }   // never
///     Ok(amount)
/// }
/// assert!(charge("0").unwrap_err().is_rejection());
/// ```
pub struct Failure(Box<Inner>);

enum Inner {
    Retry { reason: Option<String>, source: Source },
    Reject { reason: String, detail: Option<String> },
    Later { after: Duration, why: String },
}

impl Failure {
    /// Never: the event is refused for a named reason, kept findable, and not tried again.
    ///
    /// The reason is a name that operators filter by (`order-not-found`); put what varies into [`Failure::detail`].
    pub fn reject(reason: impl Into<String>) -> Self {
        Self(Box::new(Inner::Reject { reason: reason.into(), detail: None }))
    }

    /// Try again, under a name: a consumer's policy may say that failures of this name are never tried again
    /// (`retry: { never: [card-declined] }`), and operators filter by it.
    ///
    /// ```
    /// use factum_core::Failure;
    /// fn charge(answer: Result<u32, std::io::Error>) -> Result<u32, Failure> {
    ///     answer.map_err(|error| Failure::named("psp-silent", error))
    /// }
    /// let failure = charge(Err(std::io::Error::other("no answer"))).unwrap_err();
    /// assert_eq!((failure.reason(), failure.is_rejection()), (Some("psp-silent"), false));
    /// ```
    pub fn named(
        reason: impl Into<String>,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self(Box::new(Inner::Retry { reason: Some(reason.into()), source: error.into() }))
    }

    /// Not before `after` from now; counts no attempt. The consumer's policy bounds how often.
    pub fn later(after: Duration, why: impl Into<String>) -> Self {
        Self(Box::new(Inner::Later { after, why: why.into() }))
    }

    /// Adds what varies to a rejection: amounts, ids. Other failures stay as they are.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        if let Inner::Reject { detail, .. } = &mut *self.0 {
            *detail = Some(text.into());
        }
        self
    }

    /// Whether the event will never be tried again.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        matches!(*self.0, Inner::Reject { .. })
    }

    /// The delay asked for, when it is "later".
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        match &*self.0 {
            Inner::Later { after, .. } => Some(*after),
            Inner::Retry { .. } | Inner::Reject { .. } => None,
        }
    }

    /// The name of a rejection, or of a failure that was given one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &*self.0 {
            Inner::Reject { reason, .. } => Some(reason),
            Inner::Retry { reason, .. } => reason.as_deref(),
            Inner::Later { .. } => None,
        }
    }
}

impl<E: Into<Source>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(Inner::Retry { reason: None, source: error.into() }))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Inner::Reject { reason, detail: None } => f.write_str(reason),
            Inner::Reject { reason, detail: Some(detail) } => write!(f, "{reason}: {detail}"),
            Inner::Later { after, why } => write!(f, "not before {after:?} from now: {why}"),
            Inner::Retry { source, .. } => {
                write!(f, "{source}")?;
                let mut next = source.source();
                while let Some(cause) = next {
                    write!(f, ": {cause}")?;
                    next = cause.source();
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_means_try_again() {
        let failure = Failure::from("psp is down");
        assert!(!failure.is_rejection() && failure.delay().is_none());
        assert_eq!(failure.to_string(), "psp is down");
    }

    #[test]
    fn a_named_failure_is_tried_again_and_says_what_it_was() {
        let failure = Failure::named("psp-silent", "no answer");
        assert_eq!((failure.reason(), failure.is_rejection()), (Some("psp-silent"), false));
        assert_eq!(failure.to_string(), "no answer");
    }

    #[test]
    fn a_rejection_has_a_name_and_a_detail() {
        let failure = Failure::reject("amount-differs").detail("10.00 EUR, not 9.00 EUR");
        assert_eq!(failure.reason(), Some("amount-differs"));
        assert_eq!(failure.to_string(), "amount-differs: 10.00 EUR, not 9.00 EUR");
    }
}
