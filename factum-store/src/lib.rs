//! Part of Factum.
