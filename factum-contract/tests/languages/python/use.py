"""How a team uses what is generated from the flagship: it must pass mypy --strict, and the last line is what it prints."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from pydantic import ValidationError

from orders import (
    ContractError,
    OrderCancelled,
    OrderItem,
    OrderPaid,
    OrderPlaced,
    OrderPlacedData,
    ShopEvent,
    read_event,
)

placed_at = dt.datetime(2026, 1, 5, 10, tzinfo=dt.timezone.utc)
data = OrderPlacedData(
    order_id=UUID("0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"),
    customer_id="c-1",
    items=[OrderItem(product_id="teapot", quantity=2, price=Decimal("15.00"))],
    total_amount=Decimal("30.00"),
    currency="EUR",
    timestamp=placed_at,
)

# Defaults are filled in, and all of them can be given.
placed = OrderPlaced.create(data)
fixed = OrderPlaced.create(data, id="e-1", time=placed_at, source="/here", correlationid="c")
fixture = OrderPlaced.example(currency="USD")


def total(event: ShopEvent) -> Decimal | str:
    """What a handler of several events does."""
    if isinstance(event, OrderPlaced):
        return sum((item.price * item.quantity for item in event.data.items), Decimal(0))
    if isinstance(event, OrderPaid):
        return "paid"
    if isinstance(event, OrderCancelled):
        return event.data.reason
    return event.type


said: list[object] = [str(total(read_event(placed.to_json()))), fixture.data.currency]

# Nothing can be changed, and what breaks the contract cannot be built.
try:
    data.currency = "USD"  # type: ignore[misc]
except ValidationError:
    said.append("frozen")
try:
    OrderItem(product_id="cup", quantity=1, colour="red")  # type: ignore[call-arg]
except ValidationError:
    said.append("missing")
try:
    OrderPlaced.example(currency="euro")
except ValidationError as error:
    said.append(error.errors()[0]["type"])
try:
    read_event(fixed.to_json().replace(b'"EUR"', b'"euro"'))
except ContractError as error:
    said += [error.path, error.rule]
now = dt.datetime.now(dt.timezone.utc)
said += [fixed.id, fixed.correlationid, fixed.partitionkey == str(data.order_id), UUID(placed.id).version]
said.append(abs(now - placed.time) < dt.timedelta(minutes=1))
print(said)
