//! What a store counts of itself.

/// What a store has done since it was opened; every number but `held_us` only rises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Units of work committed, single appends included.
    pub units: u64,
    /// Events recorded.
    pub events: u64,
    /// Commits; units that come at the same time share one.
    pub commits: u64,
    /// Time spent in commits, in microseconds: mostly the disk's.
    pub commit_us: u64,
    /// Units that failed or met a conflict.
    pub refused: u64,
    /// Time from request to answer of all committed units together, in microseconds.
    pub answer_us: u64,
    /// Committed units by time from request to answer: at `n`, those under 2ⁿ microseconds and not under half of it.
    pub answers: [u64; StoreStats::BUCKETS],
    /// How long readers have been kept from what is committed, by a transaction that has appended and not ended, in
    /// microseconds; zero when nobody keeps them.
    pub held_us: u64,
    /// Commits by how many units shared them: at `n`, those of under 2ⁿ units and not under half of it.
    pub shares: [u64; StoreStats::BUCKETS],
}

impl StoreStats {
    /// How many buckets a histogram has; the last one takes everything beyond it.
    pub const BUCKETS: usize = 24;

    /// The bucket of a measured number.
    #[must_use]
    pub fn bucket(measured: u64) -> usize {
        ((u64::BITS - measured.leading_zeros()) as usize).min(Self::BUCKETS - 1)
    }
}
