//! What kind of work a consumer does, read from its name, its events, what it calls, or plain words.
//!
//! A vocabulary, not a guess: each trait names the word that it was found by, so that a reader can say no.

use factum_contract::system::ConsumerSpec;

/// What a consumer's work is like; each with the word that says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Situation {
    /// It moves money.
    pub(super) money: Option<String>,
    /// It writes to people.
    pub(super) mail: Option<String>,
    /// It takes what others send from outside.
    pub(super) webhook: Option<String>,
    /// It calls something outside the store.
    pub(super) calls: Option<String>,
    /// It takes a great deal.
    pub(super) bulk: Option<String>,
    /// One attempt takes long.
    pub(super) slow: Option<String>,
    /// It only keeps tables.
    pub(super) tables: Option<String>,
    /// Events of one key must stay in order.
    pub(super) is_ordered: bool,
}

const MONEY: &[&str] = &[
    "payment", "pay", "charge", "refund", "psp", "stripe", "adyen", "invoice", "billing", "payout",
    "transfer",
];
const MAIL: &[&str] = &[
    "mail",
    "email",
    "mailer",
    "smtp",
    "sms",
    "push",
    "notify",
    "notification",
    "notifier",
    "slack",
    "letter",
];
const WEBHOOK: &[&str] = &["webhook", "webhooks", "callback", "inbound", "partner"];
const CALLS: &[&str] = &[
    "api", "http", "https", "rest", "grpc", "call", "calls", "endpoint", "provider", "external", "third",
    "sync",
];
const BULK: &[&str] = &[
    "ingest",
    "ingestion",
    "telemetry",
    "clickstream",
    "metrics",
    "tracking",
    "analytics",
    "import",
    "bulk",
    "sensor",
];
const SLOW: &[&str] =
    &["render", "export", "report", "video", "transcode", "pdf", "batch", "training", "archive", "crawl"];
const TABLES: &[&str] = &["projection", "view", "summary", "index", "search", "cache", "read"];
const ORDERED: &[&str] =
    &["order", "ordered", "sequence", "sequential", "fifo", "balance", "ledger", "inventory"];

impl Situation {
    pub(super) fn of_words(words: &str) -> Self {
        let mut found = Self::of_tokens(&tokens(words));
        found.is_ordered = first(&tokens(words), ORDERED).is_some();
        found
    }

    pub(super) fn of_spec(name: &str, spec: &ConsumerSpec) -> Self {
        let mut words = tokens(name);
        spec.calls.iter().for_each(|call| words.extend(tokens(call)));
        words.extend(spec.description.iter().flat_map(|text| tokens(text)));
        let mut found = Self::of_tokens(&words);
        found.calls = spec.calls.first().cloned();
        if !spec.calls.is_empty() || !spec.emits.is_empty() {
            found.tables = None;
        }
        // A consumer that calls nobody writes to nobody and moves no money, whatever its name says.
        if found.calls.is_none() {
            (found.money, found.mail) = (None, None);
        }
        found
    }

    fn of_tokens(words: &[String]) -> Self {
        let found = |vocabulary| first(words, vocabulary);
        let (money, mail) = (found(MONEY), found(MAIL));
        let calls = found(CALLS).or_else(|| money.clone()).or_else(|| mail.clone());
        Self {
            calls,
            money,
            mail,
            webhook: found(WEBHOOK),
            bulk: found(BULK),
            slow: found(SLOW),
            tables: found(TABLES),
            is_ordered: false,
        }
    }

    /// Whether nothing at all is known.
    pub(super) fn is_unknown(&self) -> bool {
        *self == Self { is_ordered: self.is_ordered, ..Self::default() }
    }
}

/// Words of a text, in lower case; names fall into their parts.
fn tokens(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

fn first(words: &[String], vocabulary: &[&str]) -> Option<String> {
    let is_known = |word: &&String| {
        vocabulary.iter().any(|known| word.as_str() == *known || word.strip_suffix('s') == Some(known))
    };
    words.iter().find(is_known).cloned()
}

/// Words that say what is asked for, not what for.
const ASKING: &[&str] = &[
    "a",
    "an",
    "and",
    "for",
    "of",
    "our",
    "the",
    "to",
    "with",
    "that",
    "which",
    "retry",
    "retries",
    "strategy",
    "policy",
    "reliability",
    "please",
    "propose",
    "need",
    "want",
    "we",
    "i",
    "how",
];
/// Words of a name made from words.
const NAME_WORDS_MAX: usize = 4;

/// A consumer's name from words.
pub(super) fn name_of(words: &str) -> String {
    let words = tokens(words);
    let of_ascii = |word: &&String| word.is_ascii() && !ASKING.contains(&word.as_str());
    let name: Vec<&str> = words.iter().filter(of_ascii).take(NAME_WORDS_MAX).map(String::as_str).collect();
    if name.is_empty() { "consumer".to_owned() } else { name.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_what_the_work_is_like() {
        let found = Situation::of_words("retry strategy for webhook ingestion");
        assert_eq!((found.webhook.as_deref(), found.bulk.as_deref()), (Some("webhook"), Some("ingestion")));
        assert_eq!(found.calls, None);
        let found = Situation::of_words("charge cards through Stripe, in sequence");
        assert_eq!((found.money.as_deref(), found.is_ordered), (Some("charge"), true));
        assert!(Situation::of_words("something").is_unknown());
    }

    #[test]
    fn a_name_is_made_of_what_matters() {
        assert_eq!(name_of("retry strategy for webhook ingestion"), "webhook-ingestion");
        assert_eq!(name_of("how?"), "consumer");
    }
}
