//! A typed consumer in Python, on what `factum generate python` writes.

use factum_contract::Source;

use super::{Parts, Request, Scaffold, wanted};

/// Makes the consumer and its test.
pub(super) fn scaffold(request: &Request<'_>, parts: &Parts<'_>) -> Scaffold {
    let module = &parts.module;
    let path = format!("{}/{module}.py", request.folder);
    let test = format!("{}/test_{module}.py", request.folder);
    let mut next = vec![format!(
        "factum generate python --contracts {} --out {}/events",
        request.contracts, request.folder
    )];
    next.extend(wanted(request, parts));
    next.push(format!("python -m pytest {test}: it fails until what is marked DECIDE is decided"));
    Scaffold {
        files: vec![Source::new(path, parts.fill(CONSUMER)), Source::new(test, parts.fill(TEST))],
        next,
    }
}

const CONSUMER: &str = r##""""`@name`: what @service does on `@event`.

A delivery is read against its contract, handled once by its id, and answered with what became of it: acknowledge what is
handled, repeated, refused or not ours; let an exception bring it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from events import ContractError, @EventType, read_event

Outcome = Literal["handled", "repeated", "refused", "not-ours"]


class Seen(Protocol):
    """Remembers what was handled; mark and effect belong into one transaction."""

    def first(self, event_id: str) -> bool:
        """Says False when the id is known already."""

    def forget(self, event_id: str) -> None:
        """Forgets an id whose handling failed, so that the next delivery tries again."""


def handle(event: @EventType) -> None:
    """What happens on `@event`. Raise to be tried again."""
    # DECIDE: the effect. Hand the event's id to whatever is called outside, so that it happens once.
    raise NotImplementedError("DECIDE: what @name does on @event")


def receive(body: str | bytes, seen: Seen, act: Callable[[@EventType], None] = handle) -> Outcome:
    """Takes one delivery."""
    try:
        event = read_event(body)
    except ContractError:
        return "refused"
    if not isinstance(event, @EventType):
        return "not-ours"
    if not seen.first(event.id):
        return "repeated"
    try:
        act(event)
    except Exception:
        seen.forget(event.id)
        raise
    return "handled"
"##;

const TEST: &str = r##""""`@name`: handled once, repeated quietly, refused when it breaks its contract."""

from __future__ import annotations

from events import @EventType
from @module import receive


class Memory:
    def __init__(self) -> None:
        self.ids: set[str] = set()

    def first(self, event_id: str) -> bool:
        known = event_id in self.ids
        self.ids.add(event_id)
        return not known

    def forget(self, event_id: str) -> None:
        self.ids.discard(event_id)


def test_@event_words_is_handled() -> None:
    assert receive(@EventType.example().to_json(), Memory()) == "handled"


def test_the_same_@event_words_twice_changes_nothing() -> None:
    seen, body = Memory(), @EventType.example().to_json()
    effects: list[@EventType] = []
    receive(body, seen, effects.append)
    assert receive(body, seen, effects.append) == "repeated"
    assert len(effects) == 1


def test_what_breaks_its_contract_is_refused() -> None:
    assert receive("{}", Memory()) == "refused"
"##;
