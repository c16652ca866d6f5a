//! Names in people's words: `OrderPlaced`, "the order was placed" and `order.placed` are one event.
//!
//! Knows what a participle looks like, and nothing about any business. A name that it makes keeps the grammar of
//! `EventName`, or it makes none.

use factum_core::EventName;

/// Words that stand around a name and mean nothing in it.
const FILLERS: [&str; 18] = [
    "a", "an", "the", "was", "were", "is", "are", "has", "have", "had", "been", "be", "got", "gets", "that",
    "its", "his", "their",
];

/// Participles that do not end in "ed".
const IRREGULAR: [&str; 74] = [
    "begun",
    "bent",
    "bet",
    "bid",
    "born",
    "borne",
    "bought",
    "bound",
    "broken",
    "brought",
    "built",
    "burnt",
    "cast",
    "caught",
    "chosen",
    "cut",
    "dealt",
    "done",
    "drawn",
    "driven",
    "due",
    "eaten",
    "fallen",
    "fed",
    "felt",
    "fit",
    "flown",
    "forbidden",
    "forgotten",
    "fought",
    "found",
    "frozen",
    "given",
    "gone",
    "grown",
    "heard",
    "held",
    "hidden",
    "hit",
    "kept",
    "known",
    "laid",
    "learnt",
    "led",
    "left",
    "lent",
    "lost",
    "made",
    "met",
    "overdue",
    "overrun",
    "paid",
    "put",
    "read",
    "run",
    "seen",
    "sent",
    "set",
    "shown",
    "shut",
    "sold",
    "spent",
    "split",
    "stolen",
    "stuck",
    "taken",
    "taught",
    "thrown",
    "told",
    "understood",
    "undone",
    "withdrawn",
    "won",
    "written",
];

/// Words that end in "ed" and are no participles.
const NOT_DONE: [&str; 8] = ["need", "feed", "seed", "speed", "bed", "proceed", "exceed", "embed"];

/// Whether a word says that something is done.
pub(crate) fn is_participle(word: &str) -> bool {
    let word = word.to_lowercase();
    if NOT_DONE.contains(&word.as_str()) {
        return false;
    }
    (word.len() > 3 && word.ends_with("ed")) || IRREGULAR.binary_search(&word.as_str()).is_ok()
}

/// The words of a text: spaces, dots, dashes, underscores and capitals part them.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    let chars: Vec<char> = text.chars().collect();
    for (index, &c) in chars.iter().enumerate() {
        let next_is_lower = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        let is_hump = c.is_uppercase()
            && (before.is_lowercase() || before.is_numeric() || (before.is_uppercase() && next_is_lower));
        let ends = !c.is_alphanumeric() || is_hump;
        if ends && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The name of an event in people's words, when they are the words of one.
///
/// A dotted name is taken as it is; other words must end in a participle: "the order was placed by Ann" does.
pub(crate) fn event_name(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['"', '\'', '*', '_', '.', '!']);
    if is_dotted(text) {
        return valid(text.to_lowercase());
    }
    let mut said: Vec<String> =
        words(text).into_iter().filter(|word| !FILLERS.contains(&word.as_str())).collect();
    // "placed by the customer", "approved for 24 hours": what comes after is a circumstance.
    let last = said.iter().rposition(|word| is_participle(word))?;
    let is_circumstance = |word: &String| {
        matches!(word.as_str(), "by" | "for" | "at" | "from" | "with" | "in" | "via" | "event")
    };
    match said.get(last + 1) {
        None => {}
        Some(word) if is_circumstance(word) => said.truncate(last + 1),
        Some(_) => return None,
    }
    if said.len() < 2 || said.len() > 5 {
        return None;
    }
    valid(said.join("."))
}

/// The name of a command in people's words: "place the order" is `place.order`.
pub(crate) fn command_name(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['"', '\'', '*', '_', '.', '!']);
    if is_dotted(text) {
        return valid(text.to_lowercase());
    }
    let said: Vec<String> =
        words(text).into_iter().filter(|word| !FILLERS.contains(&word.as_str())).collect();
    if said.is_empty() || said.len() > 6 {
        return None;
    }
    valid(said.join("."))
}

/// The name of a service: `Order Desk` is `order-desk`.
pub(crate) fn service_name(text: &str) -> Option<String> {
    let mut said = words(text);
    if said.len() > 1
        && said.last().is_some_and(|last| matches!(last.as_str(), "service" | "context" | "team"))
    {
        said.pop();
    }
    if said.is_empty() || said.len() > 4 {
        return None;
    }
    let name = said.join("-");
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.is_ascii() && name.len() <= 60;
    is_name.then_some(name)
}

/// `order.placed`, as opposed to a sentence with a full stop.
fn is_dotted(text: &str) -> bool {
    text.contains('.') && !text.contains(char::is_whitespace) && text.parse::<EventName>().is_ok()
}

fn valid(name: String) -> Option<String> {
    // A version in a name belongs into the contract.
    let plain = match name.rsplit_once(".v") {
        Some((before, version))
            if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            before.to_owned()
        }
        _ => name,
    };
    plain.parse::<EventName>().is_ok().then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_one_name_however_it_is_said() {
        for said in [
            "order.placed",
            "OrderPlaced",
            "Order Placed",
            "the order was placed",
            "order_placed",
            "order-placed",
            "Order has been placed by a customer",
            "order.placed.v2",
            "\"Order placed\"",
        ] {
            assert_eq!(event_name(said).as_deref(), Some("order.placed"), "{said}");
        }
        assert_eq!(event_name("customer address changed").as_deref(), Some("customer.address.changed"));
        for said in ["place order", "Orders", "placed", "we need speed", "", "größe geändert"] {
            assert_eq!(event_name(said), None, "{said}");
        }
    }

    #[test]
    fn a_command_is_what_is_asked_for() {
        assert_eq!(command_name("place the order").as_deref(), Some("place.order"));
        assert_eq!(command_name("PlaceOrder").as_deref(), Some("place.order"));
        assert_eq!(command_name("refund.payment").as_deref(), Some("refund.payment"));
        assert_eq!(command_name("one two three four five six seven"), None);
    }

    #[test]
    fn participles_are_known_and_sorted() {
        assert!(IRREGULAR.is_sorted(), "{:?}", IRREGULAR.windows(2).find(|pair| pair[0] > pair[1]));
        for word in ["placed", "paid", "sent", "withdrawn"] {
            assert!(is_participle(word), "{word}");
        }
        for word in ["need", "place", "red", "order"] {
            assert!(!is_participle(word), "{word}");
        }
    }

    #[test]
    fn a_service_is_named_in_small_letters() {
        assert_eq!(service_name("Order Desk").as_deref(), Some("order-desk"));
        assert_eq!(service_name("PaymentService").as_deref(), Some("payment"));
        assert_eq!(service_name("the people who do everything here"), None);
    }
}
