// How a team uses what is generated from the flagship: it must compile strictly, and the last line is what it prints.
import {
  ContractError, OrderPlaced, causedBy, createOrderPlaced, dispatch, events, isKnown, readEvent, writeJson,
} from "./orders/index.js";
import type { Handler, OrderPlacedData, ShopEvent } from "./orders/index.js";

declare const console: { log(text: string): void };

const data: OrderPlacedData = {
  orderId: "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c",
  customerId: "c-1",
  items: [{ productId: "teapot", quantity: 2, price: "15.00" }],
  totalAmount: "30.00",
  currency: "EUR",
  timestamp: "2026-01-05T10:00:00Z",
};

// Defaults are filled in, and all of them can be given.
const placed = createOrderPlaced(data);
const fixed = createOrderPlaced(data, { id: "e-1", time: "2026-01-05T10:00:00Z", source: "/here", correlationid: "c" });
const fixture: OrderPlaced = OrderPlaced.example({ currency: "USD" }, causedBy(fixed));

// A handler of one event, and of several.
const said: string[] = [];
const whenPlaced: Handler<OrderPlaced> = (event) => void said.push(`${event.data.items.length} items`);
const whenAny: Handler<ShopEvent> = (event) => {
  switch (event.type) {
    case "order.placed":
      said.push(event.data.currency);
      break;
    case "order.cancelled":
      said.push(isKnown(["customer"], event.data.cancelledBy) ? "by the customer" : event.data.cancelledBy);
      break;
    default:
      said.push(event.type);
  }
};

const read = readEvent(writeJson(fixture));
if (!read.ok) throw new ContractError(read.flaw);
await dispatch(read.value, { "order.placed": whenPlaced });
await whenAny(read.value);

// Read-only, and nothing is `any`.
// @ts-expect-error a field cannot be changed
data.currency = "USD";
// @ts-expect-error a list cannot be changed
data.items.push({ productId: "cup", quantity: 1, price: "1.00" });
// @ts-expect-error a required field must be given
const missing: OrderPlacedData = { orderId: "o" };
// @ts-expect-error a field that the contract does not have is no field
void placed.data.colour;
// @ts-expect-error absent is not undefined
createOrderPlaced(data, { id: undefined });

let refused = "";
try {
  createOrderPlaced({ ...data, currency: "euro" });
} catch (error) {
  if (error instanceof ContractError) refused = `${error.path} ${error.rule}`;
}
const isTimeSorted = /^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(placed.id) && Math.abs(Date.parse(placed.time) - Date.now()) < 60_000;
console.log(
  JSON.stringify([
    said, refused, isTimeSorted, fixed.id, fixed.correlationid, fixture.causationid, placed.partitionkey === data.orderId,
    events["order.placed"].is(placed), events["order.paid"].is(placed), Object.keys(missing).length,
  ]),
);
