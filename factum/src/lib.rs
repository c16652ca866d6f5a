//! Factum.
