//! Documents of others.
