//! Names of others as names of a catalog: the same name always becomes the same one.

use crate::generate::ident::words;

/// Longest name of a contract, topic or consumer.
const NAME_BYTES_MAX: usize = 100;

/// Longest name of a service or system.
const PART_BYTES_MAX: usize = 60;

/// Longest first part of a contract's name.
const FIRST_BYTES_MAX: usize = 40;

/// A service, team or system: `Streetlights Kafka API` is `streetlights-kafka-api`.
pub(super) fn part(text: &str, otherwise: &str) -> String {
    plain(&words(text), "-", PART_BYTES_MAX).unwrap_or_else(|| otherwise.to_owned())
}

/// A topic: the parts of an address joined by dots, `{parameters}` by their names.
pub(super) fn topic(address: &str, otherwise: &str) -> String {
    if address.parse::<factum_core::Topic>().is_ok() {
        return address.to_owned();
    }
    let parts = address.split(['/', '.', ':']).map(|part| words(part).join("-"));
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    plain(&parts, ".", NAME_BYTES_MAX).unwrap_or_else(|| otherwise.to_owned())
}

/// A contract's name and version: `UserSignedUpV2` is version 2 of `user.signed-up`, `sum` of a service `calc` is
/// `calc.sum`. Names that are good already stay as they are.
pub(super) fn event(name: &str, service: &str) -> (String, u32) {
    let (plain_name, version) = without_version(name);
    let is_good = plain_name.contains('.') && plain_name.parse::<factum_core::EventName>().is_ok();
    if is_good {
        return (plain_name.to_owned(), version);
    }
    let mut parts = words(plain_name);
    let starts_well = parts.first().is_some_and(|first| first.starts_with(|c: char| c.is_ascii_alphabetic()));
    if parts.len() < 2 || !starts_well {
        parts.insert(0, service.to_owned());
    }
    let mut rest = if parts.len() > 1 { parts.split_off(1).join("-") } else { "unnamed".to_owned() };
    let mut first = parts.into_iter().next().unwrap_or_default();
    first.truncate(FIRST_BYTES_MAX);
    rest.truncate(NAME_BYTES_MAX - FIRST_BYTES_MAX - 10);
    let first = first.trim_end_matches(['.', '-']).to_owned();
    let joined = plain(&[first, rest], ".", NAME_BYTES_MAX);
    (joined.unwrap_or_else(|| "unnamed.event".to_owned()), version)
}

/// A consumer's own part of its name: `onUserSignedUp` is `on-user-signed-up`.
pub(super) fn consumer(service: &str, operation: &str) -> String {
    let rest = words(operation).join("-");
    let rest = if rest.is_empty() { "consumer".to_owned() } else { rest };
    plain(&[service.to_owned(), rest], ".", NAME_BYTES_MAX).unwrap_or_else(|| "unnamed.consumer".to_owned())
}

/// Parts joined, cut, and made to begin with a letter.
fn plain(parts: &[String], by: &str, bytes_max: usize) -> Option<String> {
    let joined = parts.join(by);
    let start = joined.find(|c: char| c.is_ascii_alphabetic())?;
    let mut text = joined[start..].to_owned();
    text.truncate(bytes_max);
    let text = text.trim_end_matches(['.', '-']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// A name without the version at its end: `order.placed.v2`, `OrderPlacedV2`, `order_placed_v2`.
fn without_version(name: &str) -> (&str, u32) {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (rest, number) = name.split_at(name.len() - digits);
    let head = rest.strip_suffix(['v', 'V']);
    let version = number.parse::<u32>().ok().filter(|version| *version > 0);
    match (head, version) {
        (Some(head), Some(version)) => {
            let is_apart = head.ends_with(['.', '_', '-', ' ']);
            let is_camel =
                rest.ends_with('V') && head.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
            let head = head.trim_end_matches(['.', '_', '-', ' ']);
            if (is_apart || is_camel) && !head.is_empty() { (head, version) } else { (name, 1) }
        }
        _ => (name, 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_those_of_a_catalog() {
        let cases = [
            ("UserSignedUp", "user.signed-up", 1),
            ("lightMeasured", "light.measured", 1),
            ("OrderPlacedV2", "order.placed", 2),
            ("order.placed.v3", "order.placed", 3),
            ("order.placed", "order.placed", 1),
            ("sum", "calc.sum", 1),
            ("mpv4", "calc.mpv4", 1),
            ("42", "calc.42", 1),
            ("", "calc.unnamed", 1),
        ];
        for (name, event_name, version) in cases {
            assert_eq!(event(name, "calc"), (event_name.to_owned(), version), "{name}");
        }
        assert_eq!(
            topic("smartylighting/streetlights/1/0/event/{streetlightId}/turn.on", "x"),
            "smartylighting.streetlights.1.0.event.streetlight-id.turn.on"
        );
        assert_eq!(topic("order.placed", "x"), "order.placed");
        assert_eq!(topic("{}", "x"), "x");
        assert_eq!(part("Streetlights Kafka API", "x"), "streetlights-kafka-api");
    }

    proptest! {
        #[test]
        fn every_name_becomes_a_good_one(name in "\\PC{0,200}|[A-Za-z.{}/v0-9-]{0,200}") {
            let service = part(&name, "service");
            prop_assert!(service.parse::<crate::words::ServiceName>().is_ok(), "{}", service);
            let (event_name, version) = event(&name, &service);
            prop_assert!(event_name.parse::<factum_core::EventName>().is_ok(), "{}", event_name);
            prop_assert!(event_name.contains('.') && version > 0);
            let topic_name = topic(&name, "topic");
            prop_assert!(topic_name.parse::<factum_core::Topic>().is_ok(), "{}", topic_name);
            let consumer_name = consumer(&service, &name);
            prop_assert!(consumer_name.parse::<factum_core::ConsumerName>().is_ok(), "{}", consumer_name);
        }
    }
}
