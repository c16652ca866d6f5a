//! Names as steps of a JSON pointer (RFC 6901), and back.
//!
//! A step may hold whatever a name holds; `~` and `/` are written as `~0` and `~1`. Knows nothing of the document.

use std::borrow::Cow;

/// A name as a step of a pointer.
///
/// ```
/// assert_eq!(factum_core::pointer::escaped("a/b~c"), "a~1b~0c");
/// ```
#[must_use]
pub fn escaped(name: &str) -> Cow<'_, str> {
    match name.contains(['~', '/']) {
        true => name.replace('~', "~0").replace('/', "~1").into(),
        false => name.into(),
    }
}

/// The name behind a step of a pointer.
///
/// ```
/// assert_eq!(factum_core::pointer::unescaped("a~1b~0c"), "a/b~c");
/// ```
#[must_use]
pub fn unescaped(step: &str) -> Cow<'_, str> {
    match step.contains('~') {
        // In this order: `~01` is `~1`.
        true => step.replace("~1", "/").replace("~0", "~").into(),
        false => step.into(),
    }
}
