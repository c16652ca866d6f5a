//! A catalog of a hotel, to be read: the contracts are in `contracts`, their story is in `README.md`.
//!
//! There is no code here on purpose. The tests hold the catalog to what its page says.
