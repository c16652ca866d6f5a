// What the generated modules stand on: events, how they are made, and how JSON is checked against its contract.

import { ContractError, fail, kindOf, mismatch, quoted, step, within } from "./runtime/flaw.js";
import type { Checked, Flaw } from "./runtime/flaw.js";
import { FORMATS } from "./runtime/format.js";
import type { DateTime, Uuid } from "./runtime/format.js";
import { readJson } from "./runtime/json.js";
import type { Notes } from "./runtime/json.js";
import { TWICE, isObject, run } from "./runtime/schema.js";
import type { Schema } from "./runtime/schema.js";

export { ContractError } from "./runtime/flaw.js";
export type { Checked, Flaw } from "./runtime/flaw.js";
export type { CalendarDate, DateTime, Decimal, Email, Uri, Uuid } from "./runtime/format.js";
export { writeJson } from "./runtime/json.js";
export * from "./runtime/schema.js";

declare const crypto: { getRandomValues(bytes: Uint8Array): Uint8Array };

/** An event or command as it travels: the attributes of CloudEvents 1.0 beside its data. */
export interface Envelope<Type extends string, Version extends number, Data> {
  readonly specversion: "1.0";
  /** Identity: a repeated event has the same. */
  readonly id: string;
  /** Where it was made. */
  readonly source: string;
  /** The contract's name. */
  readonly type: Type;
  /** The contract's version. */
  readonly dataschema: `urn:factum:contract:${Type}:${Version}`;
  readonly datacontenttype?: string;
  /** When it happened. */
  readonly time: DateTime;
  /** Events of one key keep their order. */
  readonly partitionkey: string;
  /** The key again, as CloudEvents calls it. */
  readonly subject: string;
  /** What the events of one business transaction have in common. */
  readonly correlationid: string;
  /** The event or command that caused it. */
  readonly causationid?: string;
  /** Who caused it. */
  readonly actor?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** What it carries. */
  readonly data: Data;
}

/** Any event or command. */
export type AnyEnvelope = Envelope<string, number, unknown>;

/** What a creator fills in, and lets be given. */
export interface Attributes {
  /** Default: a new UUID, version 7, which sorts by time. */
  readonly id?: string;
  /** Default: now. */
  readonly time?: DateTime;
  /** Default: the system and the service that owns the contract. */
  readonly source?: string;
  /** Default: the value of the contract's key field. */
  readonly partitionkey?: string;
  /** Default: the event's own id. */
  readonly correlationid?: string;
  readonly causationid?: string;
  readonly actor?: string;
  readonly traceparent?: string;
}

/** Handles one kind of event, or several: `Handler<OrderPlaced>`, `Handler<OrderPlaced | OrderPaid>`. */
export type Handler<Event extends AnyEnvelope> = (event: Event) => void | Promise<void>;

/** A handler for some of the events of a union, by their types. */
export type Handlers<Event extends AnyEnvelope> = {
  readonly [Type in Event["type"]]?: Handler<Extract<Event, { readonly type: Type }>>;
};

/** The attributes that causation needs: pass them to a creator inside a handler. */
export function causedBy(event: AnyEnvelope): Attributes {
  return { causationid: event.id, correlationid: event.correlationid };
}

/** Hands an event to its handler; answers whether there is one. */
export async function dispatch<Event extends AnyEnvelope>(event: Event, handlers: Handlers<Event>): Promise<boolean> {
  if (!Object.hasOwn(handlers, event.type)) return false;
  const handler = handlers[event.type as Event["type"]] as Handler<Event> | undefined;
  await handler?.(event);
  return handler !== undefined;
}

/** One contract: what it is called, and how its events are made and checked. */
export class Contract<Event extends AnyEnvelope> {
  readonly type: Event["type"];
  readonly version: number;
  readonly kind: "event" | "command";
  readonly topic: string;
  readonly dataschema: Event["dataschema"];
  readonly #rules: Rules<Event>;

  constructor(rules: Rules<Event>) {
    this.type = rules.type;
    this.version = rules.version;
    this.kind = rules.kind;
    this.topic = rules.topic;
    this.dataschema = `urn:factum:contract:${rules.type}:${rules.version}` as Event["dataschema"];
    this.#rules = rules;
  }

  /** Makes an event; throws a {@link ContractError} when the data breaks the contract. */
  create(data: Event["data"], attributes: Attributes = {}): Event {
    const checked = this.checkData(data);
    if (!checked.ok) throw new ContractError(checked.flaw);
    const { id = newId(), time = new Date().toISOString(), source = this.#rules.source, ...others } = attributes;
    const { partitionkey = this.#keyOf(data), correlationid = id, ...optional } = others;
    const { type, dataschema } = this;
    const context = { specversion: "1.0", id, source, type, dataschema, datacontenttype: "application/json" } as const;
    const event = { ...context, time, partitionkey, subject: partitionkey, correlationid, ...optional, data };
    return event as AnyEnvelope as Event;
  }

  /** The contract's first example, with changes: a fixture. */
  example(changes: Partial<Event["data"]> = {}, attributes: Attributes = {}): Event {
    if (this.#rules.example === undefined) throw new Error(`${this.type} has no example in its contract`);
    return this.create({ ...(this.#rules.example as object), ...changes } as Event["data"], attributes);
  }

  /** Checks data that was read elsewhere; a whole number past 2^53 has lost digits by then, and is refused. */
  checkData(value: unknown): Checked<Event["data"]> {
    return run(this.#rules.data, value, undefined);
  }

  /** Reads and checks data. */
  readData(json: string | Uint8Array): Checked<Event["data"]> {
    const read = readJson(json);
    return read.ok ? run(this.#rules.data, read.value, read.notes) : read;
  }

  /** Checks an event that was read elsewhere; `notes` are what the reader of its JSON noticed. */
  check(value: unknown, notes?: Notes): Checked<Event> {
    const flaw = checkAttributes(value, this.type, this.dataschema, notes);
    if (flaw !== undefined) return { ok: false, flaw };
    const event = value as Event;
    const data = run(this.#rules.data, event.data, notes);
    return data.ok ? { ok: true, value: event } : { ok: false, flaw: within("data", data.flaw) };
  }

  /** Reads and checks an event: CloudEvents in structured mode. */
  read(json: string | Uint8Array): Checked<Event> {
    const read = readJson(json);
    return read.ok ? this.check(read.value, read.notes) : read;
  }

  /** Whether a value is such an event. */
  is(value: unknown): value is Event {
    return this.check(value).ok;
  }

  #keyOf(data: Event["data"]): string {
    const key = (data as Readonly<Record<string, unknown>>)[this.#rules.key];
    return this.#rules.keyIsUuid === true ? String(key).toLowerCase() : String(key);
  }
}

interface Rules<Event extends AnyEnvelope> {
  readonly type: Event["type"];
  readonly version: number;
  readonly kind: "event" | "command";
  readonly topic: string;
  readonly source: string;
  readonly key: string;
  readonly keyIsUuid?: true;
  readonly data: Schema<Event["data"]>;
  readonly example?: Event["data"];
}

/** Finds the contract that an event names, and checks the event against it. */
export function checkAny<Event extends AnyEnvelope>(
  contracts: { readonly [Type in Event["type"]]: Contract<Extract<Event, { readonly type: Type }>> },
  value: unknown,
  notes?: Notes,
): Checked<Event> {
  const type = isObject(value) && Object.hasOwn(value, "type") ? value["type"] : undefined;
  if (typeof type === "string" && Object.hasOwn(contracts, type)) {
    const contract = contracts[type as Event["type"]] as unknown as Contract<Event>;
    return contract.check(value, notes);
  }
  const known = Object.keys(contracts).join(" | ");
  const found = typeof type === "string" ? quoted(type) : "none";
  return fail({ path: "/type", rule: "enum", message: `expected one of ${known}, found ${found}` });
}

/** Reads an event of any of these contracts. */
export function readAny<Event extends AnyEnvelope>(
  contracts: { readonly [Type in Event["type"]]: Contract<Extract<Event, { readonly type: Type }>> },
  json: string | Uint8Array,
): Checked<Event> {
  const read = readJson(json);
  return read.ok ? checkAny<Event>(contracts, read.value, read.notes) : read;
}

/** Attributes that are text, and whether they must be there. */
const ATTRIBUTES: Readonly<Record<string, boolean>> = {
  id: true,
  source: true,
  time: true,
  partitionkey: true,
  subject: true,
  correlationid: true,
  causationid: false,
  actor: false,
  traceparent: false,
  datacontenttype: false,
};

function checkAttributes(value: unknown, type: string, dataschema: string, notes?: Notes): Flaw | undefined {
  if (!isObject(value)) return mismatch("an object", value);
  const twice = notes?.twice.get(value)?.[0];
  if (twice !== undefined) return { path: `/${step(twice.key)}`, rule: "duplicate-field", message: TWICE };
  const fixed = { specversion: "1.0", type, dataschema };
  for (const [name, expected] of Object.entries(fixed)) {
    const found = Object.hasOwn(value, name) ? value[name] : undefined;
    if (found === expected || (name === "dataschema" && found === undefined)) continue;
    const shown = typeof found === "string" ? quoted(found) : found === undefined ? "none" : kindOf(found);
    return { path: `/${name}`, rule: "const", message: `expected ${JSON.stringify(expected)}, found ${shown}` };
  }
  for (const [name, isRequired] of Object.entries(ATTRIBUTES)) {
    const found = Object.hasOwn(value, name) ? value[name] : undefined;
    if (found === undefined && !isRequired) continue;
    if (typeof found === "string" && found !== "") continue;
    const rule = found === undefined ? "required" : "type";
    return { path: `/${name}`, rule, message: `expected text, found ${found === "" ? "none" : kindOf(found)}` };
  }
  if (!FORMATS.dateTime.is(String(value["time"]))) {
    return { path: "/time", rule: "format", message: `expected ${FORMATS.dateTime.expected}` };
  }
  if (Object.hasOwn(value, "data")) return undefined;
  return { path: "", rule: "required", message: "expected a field `data`, found none" };
}

/** A UUID of version 7: it sorts by time. */
function newId(): Uuid {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let time = Date.now();
  for (let index = 5; index >= 0; index -= 1) {
    bytes[index] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

