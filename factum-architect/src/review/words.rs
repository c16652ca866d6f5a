//! The words in a name: how it is written, whether it tells of something done, asks for something, or says nothing.
//!
//! Lists, not cleverness: a word that is both a noun and a verb is never enough for an error. What a list lets through
//! is written beside it.

/// How a name is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Style {
    /// `order.placed`, `stay.checked-in`.
    Dotted,
    /// `order_placed`.
    Snake,
    /// `order-placed`.
    Kebab,
    /// `order/placed`.
    Slashed,
    /// `OrderPlaced`.
    Pascal,
    /// `orderPlaced`.
    Camel,
    /// `placed`: one word shows no style.
    Plain,
}

impl Style {
    /// A sample, as messages show it.
    #[must_use]
    pub fn sample(self) -> &'static str {
        match self {
            Self::Dotted => "order.placed",
            Self::Snake => "order_placed",
            Self::Kebab => "order-placed",
            Self::Slashed => "order/placed",
            Self::Pascal => "OrderPlaced",
            Self::Camel => "orderPlaced",
            Self::Plain => "placed",
        }
    }

    /// The style of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let has_upper = name.chars().skip(1).any(char::is_uppercase);
        match name {
            name if name.contains('.') => Self::Dotted,
            name if name.contains('/') => Self::Slashed,
            name if name.contains('_') => Self::Snake,
            name if name.contains('-') => Self::Kebab,
            name if name.starts_with(char::is_uppercase) => Self::Pascal,
            _ if has_upper => Self::Camel,
            _ => Self::Plain,
        }
    }
}

/// The words of a name in lower case, without a version at its end: `OrderPlacedV2` is `order`, `placed`.
#[must_use]
pub fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            words.push(std::mem::take(&mut word));
            continue;
        }
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && (before.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit())
                || (before.is_some_and(char::is_uppercase) && after.is_some_and(|c| c.is_lowercase())));
        if begins {
            words.push(std::mem::take(&mut word));
        }
        word.extend(letter.to_lowercase());
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    if words.last().is_some_and(|last| version(last).is_some()) && words.len() > 1 {
        words.pop();
    }
    words
}

/// The words of an event's name, without the endings that only say what it is: `OrderPaidIntegrationEvent`.
#[must_use]
pub fn of_event(name: &str) -> Vec<String> {
    let mut words = split(name);
    for ending in ["event", "integration", "domain"] {
        let is_last = words.last().is_some_and(|last| last == ending);
        // `calendar.event` and `event` are names; and nothing is integrated or domain unless an event is.
        if !is_last || words.len() < 3 {
            continue;
        }
        words.pop();
    }
    words
}

/// The version that a word is: `v2`.
#[must_use]
pub fn version(word: &str) -> Option<u64> {
    word.strip_prefix('v')?.parse().ok()
}

/// The version at the end of a name: `order.placed.v2`, `OrderPlacedV2`.
#[must_use]
pub fn version_in(name: &str) -> Option<u64> {
    let at = name.rfind(['v', 'V'])?;
    let before = name[..at].chars().next_back()?;
    let is_apart = !before.is_alphanumeric() || name[at..].starts_with('V');
    is_apart.then(|| name[at + 1..].parse().ok()).flatten()
}

/// Whether a list of words has one.
fn is_in(list: &str, word: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// Small words that follow a participle: `checked-in`, `sent-back`.
const PARTICLES: &str = "in out up down off on back over away through to by for from again with into";

/// The word that tells what happened: the last, or the one before a particle.
#[must_use]
pub fn verb(words: &[String]) -> Option<&str> {
    let (last, before) = words.split_last()?;
    let is_particle = is_in(PARTICLES, last);
    match before.last() {
        Some(before) if is_particle => Some(before),
        _ => Some(last),
    }
}

/// Whether a word tells of something done: `placed`, `sent`, `paid`.
#[must_use]
pub fn is_participle(word: &str) -> bool {
    let is_irregular = |word: &str| is_in(IRREGULAR, word);
    is_irregular(word)
        || PREFIXES.iter().any(|prefix| word.strip_prefix(prefix).is_some_and(is_irregular))
        || (word.len() > 3 && word.ends_with("ed") && !NO_PARTICIPLES.contains(&word))
}

/// What stands before a participle without making it none: `overslept`, `misread`.
const PREFIXES: [&str; 6] = ["over", "under", "mis", "out", "re", "fore"];

/// Participles that do not end in -ed.
const IRREGULAR: &str = "arisen awoken been begun bent bet bid bound bought bred broken brought built burnt burst cast \
    caught chosen come cut dealt done drawn driven dug eaten fallen fed felt flown forbidden \
    forecast forgiven forgotten fought found frozen given gone grown had heard held hidden hit hung \
    hurt kept known laid learnt led left lent let lit lost made meant met mistaken outbid overdrawn \
    overridden overrun overtaken overwritten paid proven put quit read rebuilt repaid reread resent \
    reset rerun rewritten run seen sent set shown shut slept sold spent split spoken spread stolen stuck \
    sworn swept taken taught thrown told torn undone understood unsent upheld upset withdrawn won \
    worn written";

/// Words in -ed that are no participles.
const NO_PARTICIPLES: [&str; 12] = [
    "need", "feed", "seed", "speed", "breed", "weed", "deed", "shed", "exceed", "proceed", "succeed",
    "indeed",
];

/// Words that order something done when they come first: never nouns, or hardly ever.
const ORDERS: &str = "accept activate add allocate approve assign authorize authorise calculate cancel capture collect \
    complete compute confirm create deactivate decline delete deliver dispatch disable do enable \
    execute fetch fulfil fulfill generate get handle initiate invoke make migrate modify notify pay \
    perform place prepare process provision publish purge recalculate register reject remove reserve \
    resend retrieve save send start stop store submit subscribe suspend sync synchronize terminate \
    trigger unsubscribe update upload validate verify withdraw";

/// The same where they come last: `email.send`. Fewer, since many of the others are nouns there (`session.start`).
const ORDERS_LAST: &str = "activate allocate approve assign calculate cancel create delete execute fetch generate invoke \
    notify place process publish register reject remove reserve send submit validate verify update";

/// The word that makes a name an order to do something, when it is one: `send` of `SendEmail` and of `email.send`.
#[must_use]
pub fn order(words: &[String]) -> Option<&str> {
    // `cancel.requested` and `process.started` tell of something done.
    if verb(words).is_some_and(is_participle) || words.iter().any(|word| is_participle(word)) {
        return None;
    }
    let (first, last) = (words.first()?, words.last()?);
    // Alone, `process` is an order; a word before a noun too. `store.opening` and `place` alone might be nouns.
    let is_first = is_in(ORDERS, first) && !is_noun_pair(words);
    if is_first && words.len() > 1 {
        return Some(first);
    }
    is_in(ORDERS_LAST, last).then_some(last)
}

/// Pairs in which the first word is a noun: `store.inventory`, `process.state`.
fn is_noun_pair(words: &[String]) -> bool {
    let Some(second) = words.get(1) else { return false };
    match words[0].as_str() {
        "store" | "process" | "place" | "start" | "stop" | "update" | "collect" => {
            NOUNS_AFTER.contains(&second.as_str()) || second.ends_with("ing")
        }
        _ => second == "event" || second == "events",
    }
}

const NOUNS_AFTER: [&str; 14] = [
    "state",
    "status",
    "event",
    "events",
    "inventory",
    "stock",
    "location",
    "time",
    "date",
    "step",
    "level",
    "info",
    "name",
    "id",
];

/// Words that say nothing of the business.
const EMPTY_NOUNS: [&str; 15] = [
    "data", "entity", "status", "state", "object", "resource", "model", "info", "record", "event", "generic",
    "domain", "thing", "payload", "change",
];
const EMPTY_VERBS: [&str; 11] = [
    "changed",
    "updated",
    "modified",
    "created",
    "deleted",
    "processed",
    "occurred",
    "happened",
    "triggered",
    "fired",
    "saved",
];

/// Whether a name says nothing of the business: `DataChanged`, `Event`, `Processed`.
///
/// `order.status.changed` names a thing, and passes. `message.received` passes too: where messages are the business,
/// it is a fact.
#[must_use]
pub fn is_generic(words: &[String]) -> bool {
    let is_empty = |word: &str| EMPTY_NOUNS.contains(&word) || EMPTY_VERBS.contains(&word);
    match words {
        [] => false,
        [one] => is_empty(one) || matches!(one.as_str(), "message" | "notification"),
        [first, rest @ ..] if matches!(first.as_str(), "message" | "notification") => {
            rest.iter().all(|word| is_empty(word))
        }
        words => words.iter().all(|word| is_empty(word)),
    }
}

/// Verbs of tables, with what they do.
#[must_use]
pub fn crud(words: &[String]) -> Option<&str> {
    let verb = verb(words)?;
    ["created", "updated", "deleted", "edited", "inserted", "upserted"].contains(&verb).then_some(verb)
}

/// Words that begin a thing's life, other than `created`.
const BEGINNINGS: [&str; 12] = [
    "placed",
    "opened",
    "registered",
    "booked",
    "started",
    "submitted",
    "issued",
    "founded",
    "drafted",
    "added",
    "published",
    "launched",
];

/// Whether a word tells of a thing's first moment.
#[must_use]
pub fn is_beginning(word: &str) -> bool {
    BEGINNINGS.contains(&word)
}

/// The word of the machine room in a name, when there is one.
///
/// `table.reserved` of a restaurant and `job.posted` of an employer pass: such a word counts only beside what is done
/// to tables and jobs of a machine.
#[must_use]
pub fn technical(words: &[String]) -> Option<&str> {
    const SURE: [&str; 15] = [
        "kafka", "http", "https", "redis", "rabbitmq", "sqs", "cache", "db", "database", "sql", "mysql",
        "postgres", "mongodb", "grpc", "dto",
    ];
    const PERHAPS: [&str; 5] = ["queue", "job", "row", "table", "column"];
    const DONE_TO_THEM: [&str; 11] = [
        "inserted",
        "updated",
        "deleted",
        "enqueued",
        "dequeued",
        "truncated",
        "changed",
        "upserted",
        "drained",
        "scheduled",
        "polled",
    ];
    let sure = words.iter().find(|word| SURE.contains(&word.as_str()));
    let perhaps = || {
        let done = words.last().is_some_and(|last| DONE_TO_THEM.contains(&last.as_str()));
        words.iter().find(|word| PERHAPS.contains(&word.as_str())).filter(|_| done)
    };
    sure.or_else(perhaps).map(String::as_str)
}

/// Words that mean the same at the end of a name.
const SAME: [&[&str]; 7] = [
    &["cancelled", "canceled"],
    &["deleted", "removed"],
    &["updated", "changed", "modified"],
    &["completed", "finished"],
    &["fulfilled", "fulfiled"],
    &["started", "begun"],
    &["authorised", "authorized"],
];

/// Whether two names differ by spelling, number or a synonym in one word alone.
#[must_use]
pub fn is_near(a: &[String], b: &[String]) -> bool {
    if a.len() != b.len() || a == b {
        return false;
    }
    let mut differing = a.iter().zip(b).filter(|(a, b)| a != b);
    let (Some((a, b)), None) = (differing.next(), differing.next()) else { return false };
    let is_synonym = SAME.iter().any(|same| same.contains(&a.as_str()) && same.contains(&b.as_str()));
    let is_plural = |one: &str, many: &str| many.strip_suffix('s') == Some(one) && one.len() > 3;
    is_synonym || is_plural(a, b) || is_plural(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_into_its_words() {
        for (name, words) in [
            ("order.placed", "order placed"),
            ("OrderPlacedV2", "order placed"),
            ("com.acme.order.placed.v1", "com acme order placed"),
            ("stay.checked-in", "stay checked in"),
            ("PSPHttpCalled", "psp http called"),
            ("order_line_added", "order line added"),
        ] {
            assert_eq!(split(name).join(" "), words, "{name}");
        }
    }

    #[test]
    fn facts_are_told_from_orders() {
        let verdict = |name: &str| {
            let words = split(name);
            (verb(&words).is_some_and(is_participle), order(&words).map(str::to_owned))
        };
        for fact in [
            "order.placed",
            "PaymentSent",
            "invoice.paid",
            "stay.checked-in",
            "house_built",
            "GuestLeft",
            "password.reset",
            "order.cancelled",
            "CancelRequested",
            "process.started",
            "bid.withdrawn",
        ] {
            assert_eq!(verdict(fact), (true, None), "{fact}");
        }
        for (name, word) in [
            ("SendEmail", "send"),
            ("PlaceOrder", "place"),
            ("email.send", "send"),
            ("process", "process"),
            ("payment.process", "process"),
            ("create_invoice", "create"),
            ("notifyCustomer", "notify"),
        ] {
            assert_eq!(verdict(name), (false, Some(word.to_owned())), "{name}");
        }
        // Neither: a noun is a weak name, not an order.
        for noun in ["order.shipment", "session.start", "store.inventory", "stock.level", "process.state"] {
            assert_eq!(verdict(noun), (false, None), "{noun}");
        }
    }

    #[test]
    fn what_says_nothing_is_generic_and_a_business_noun_saves_it() {
        for generic in [
            "DataChanged",
            "entity.updated",
            "StatusChanged",
            "Event",
            "Message",
            "Notification",
            "Processed",
        ] {
            assert!(is_generic(&split(generic)), "{generic}");
        }
        for fine in [
            "order.status.changed",
            "message.received",
            "notification.sent",
            "payment.processed",
            "record.archived",
        ] {
            assert!(!is_generic(&split(fine)), "{fine}");
        }
    }

    #[test]
    fn the_machine_room_is_heard_and_the_restaurant_is_not() {
        for technical_name in
            ["kafka.order.placed", "OrderRowInserted", "job.enqueued", "CacheCleared", "order_table_updated"]
        {
            assert!(technical(&split(technical_name)).is_some(), "{technical_name}");
        }
        for fine in ["table.reserved", "job.posted", "queue.joined", "order.placed"] {
            assert_eq!(technical(&split(fine)), None, "{fine}");
        }
    }

    #[test]
    fn a_version_at_the_end_is_seen() {
        assert_eq!(version_in("order.placed.v2"), Some(2));
        assert_eq!(version_in("OrderPlacedV3"), Some(3));
        assert_eq!(version_in("order-placed-v1"), Some(1));
        for none in ["order.moved", "tv2", "order.placed", "rev2"] {
            assert_eq!(version_in(none), None, "{none}");
        }
    }

    #[test]
    fn near_names_differ_by_spelling_number_or_synonym() {
        let near = |a: &str, b: &str| is_near(&split(a), &split(b));
        assert!(near("order.cancelled", "order.canceled") && near("order.placed", "orders.placed"));
        assert!(near("user.deleted", "user.removed"));
        for (a, b) in [
            ("stay.checked-in", "stay.checked-out"),
            ("room.locked", "room.blocked"),
            ("card.charged", "card.changed"),
        ] {
            assert!(!near(a, b), "{a} {b}");
        }
    }
}
