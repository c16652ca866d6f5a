// What values are checked for: the words that the generated modules are written in.

import { broken, characters, fail, mismatch, quoted, within } from "./flaw.js";
import type { Checked, Flaw } from "./flaw.js";
import { FORMATS, HALF_OF_A_PAIR } from "./format.js";
import type { CalendarDate, DateTime, Decimal, Email, Format, Uri, Uuid } from "./format.js";
import type { Notes } from "./json.js";

/** A word that a newer version of the contract may know. */
export type UnknownWord = string & Record<never, never>;

/** Stands for personal data whose subject was forgotten, or whose key is not within reach here. */
export type Forgotten = { readonly $forgotten: true } | { readonly $sealed: string };

/** Personal data: known, or forgotten; ask {@link isForgotten} before use. */
export type Personal<T> = T | Forgotten;

/** Whether personal data is forgotten. */
export function isForgotten(value: unknown): value is Forgotten {
  if (!isObject(value) || Object.keys(value).length !== 1) return false;
  return value["$forgotten"] === true || typeof value["$sealed"] === "string";
}

/** What a value of type `T` is checked for. */
export interface Schema<T> {
  readonly check: Check;
  /** What it is, in words. */
  readonly expected: string;
  /** Never there: it ties the check to the type. */
  readonly type?: T;
}

/** Looks at `holder[key]`; may put an exact number in its place. Answers the first flaw. */
type Check = (holder: Holder, key: string, walk: Walk) => Flaw | undefined;
type Holder = Record<string, unknown>;

interface Walk {
  readonly notes: Notes | undefined;
  /** Different identifiers so far. */
  readonly identifiers: Set<string>;
  /** Inside a map, whose values are no tags. */
  maps: number;
  /** Inside personal data, which is never quoted. */
  hidden: number;
}

interface FieldOf<T, Required extends boolean> {
  readonly schema: Schema<T>;
  readonly isRequired: Required;
}
type Fields<T> = {
  readonly [K in keyof T]-?: {} extends Pick<T, K>
    ? FieldOf<Exclude<T[K], undefined>, false>
    : FieldOf<T[K], true>;
};

/** A field that must be there. */
export function required<T>(schema: Schema<T>): FieldOf<T, true> {
  return { schema, isRequired: true };
}

/** A field that may be absent. */
export function optional<T>(schema: Schema<T>): FieldOf<T, false> {
  return { schema, isRequired: false };
}

/** An object with these fields; a closed one has no others. */
export function object<T extends object>(fields: Fields<T>, rule: { readonly closed?: true } = {}): Schema<T> {
  const known = new Map(Object.entries<FieldOf<unknown, boolean>>(fields));
  const check: Check = (holder, key, walk) => {
    const value = holder[key];
    if (!isObject(value)) return mismatch("an object", value);
    for (const name of Object.keys(value)) {
      const field = known.get(name);
      if (field !== undefined && value[name] !== undefined) {
        const flaw = checkField(field, value, name, walk);
        if (flaw !== undefined) return within(name, flaw);
      } else if (rule.closed === true && field === undefined) {
        const message = `expected no field ${shown(name, walk)}: the object is closed`;
        return { path: "", rule: "additionalProperties", message };
      }
    }
    for (const [name, field] of known) {
      if (field.isRequired && (!Object.hasOwn(value, name) || value[name] === undefined)) {
        return { path: "", rule: "required", message: `expected a field \`${name}\`, found none` };
      }
    }
    return undefined;
  };
  return { check, expected: "an object" };
}

function checkField(field: FieldOf<unknown, boolean>, holder: Holder, name: string, walk: Walk): Flaw | undefined {
  const twice = walk.notes?.twice.get(holder)?.some((one) => one.key === name) ?? false;
  return twice ? { path: "", rule: "duplicate-field", message: TWICE } : field.schema.check(holder, name, walk);
}

/** Any names with values of one kind. */
export function map<T>(values: Schema<T>): Schema<Readonly<Record<string, T>>> {
  const check: Check = (holder, key, walk) => {
    const value = holder[key];
    if (!isObject(value)) return mismatch("an object", value);
    walk.maps += 1;
    // A name that is given twice counts once, but both values must be good.
    const overwritten = walk.notes?.twice.get(value) ?? [];
    const all = [...overwritten, ...Object.keys(value).map((name) => ({ holder: value, key: name, name }))];
    for (const one of all) {
      const flaw = values.check(one.holder, one.key, walk);
      if (flaw !== undefined) return within(walk.hidden > 0 ? "*" : one.key, flaw);
    }
    walk.maps -= 1;
    return undefined;
  };
  return { check, expected: "an object" };
}

/** A list of one kind. */
export function list<T>(
  items: Schema<T>,
  rule: { readonly min?: number; readonly max?: number } = {},
): Schema<readonly T[]> {
  const { min = 0, max = Number.POSITIVE_INFINITY } = rule;
  const check: Check = (holder, key, walk) => {
    const value = holder[key];
    if (!Array.isArray(value)) return mismatch("a list", value);
    const count = value.length;
    for (let index = 0; index < count; index += 1) {
      const flaw = items.check(value as unknown as Holder, String(index), walk);
      if (flaw !== undefined) return within(String(index), flaw);
    }
    if (count < min) return { path: "", rule: "minItems", message: `expected at least ${min} items, found ${count}` };
    if (count > max) return { path: "", rule: "maxItems", message: `expected at most ${max} items, found ${count}` };
    return undefined;
  };
  return { check, expected: "a list" };
}

/** A value that may be null. */
export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  const check: Check = (holder, key, walk) => (holder[key] === null ? undefined : schema.check(holder, key, walk));
  return { check, expected: schema.expected };
}

/** Personal data: a value, or the sign that it was forgotten; never quoted in a flaw. */
export function personal<T>(schema: Schema<T>): Schema<Personal<T>> {
  const inner = hidden(schema);
  const check: Check = (holder, key, walk) => (isForgotten(holder[key]) ? undefined : inner.check(holder, key, walk));
  return { check, expected: schema.expected };
}

/** The pseudonym of a person: readable, but never quoted in a flaw. */
export function hidden<T>(schema: Schema<T>): Schema<T> {
  const check: Check = (holder, key, walk) => {
    walk.hidden += 1;
    const flaw = schema.check(holder, key, walk);
    walk.hidden -= 1;
    return flaw;
  };
  return { check, expected: schema.expected };
}

/** The key of a payload: 1 to 250 bytes without control characters. */
export function keyed<T extends string | number | bigint>(schema: Schema<T>): Schema<T> {
  const check: Check = (holder, key, walk) => {
    const flaw = schema.check(holder, key, walk);
    if (flaw !== undefined || fits(String(holder[key]), KEY_BYTES_MAX)) return flaw;
    return { path: "", rule: "key", message: "expected a key of 1 to 250 bytes without control characters" };
  };
  return { check, expected: schema.expected };
}

/** A value that becomes a tag: 1 to `bytesMax` bytes without control characters, at most 64 different ones. */
export function identifier<T>(name: string, schema: Schema<T>): Schema<T> {
  const bytesMax = TAG_BYTES_MAX - utf8Length(name) - 1;
  const isUuid = schema.expected === FORMATS.uuid.expected;
  const check: Check = (holder, key, walk) => {
    const flaw = schema.check(holder, key, walk);
    const value = holder[key];
    if (flaw !== undefined || value === null) return flaw;
    if (typeof value === "string" && !fits(value, bytesMax)) {
      const message = `expected an identifier of 1 to ${bytesMax} bytes without control characters`;
      return { path: "", rule: "identifier", message };
    }
    if (walk.maps === 0) walk.identifiers.add(`${name}:${isUuid ? String(value).toLowerCase() : String(value)}`);
    return undefined;
  };
  return { check, expected: schema.expected };
}

interface TextRule {
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: RegExp;
  /** The pattern as the contract writes it. */
  readonly source?: string;
}

/** Text; lengths count characters, not code units. */
export function text(rule: TextRule = {}): Schema<string> {
  return formatted(undefined, rule);
}

/** Text that is a UUID with hyphens. */
export function uuid(): Schema<Uuid> {
  return formatted(FORMATS.uuid, {});
}

/** Text that is a point in time. */
export function dateTime(): Schema<DateTime> {
  return formatted(FORMATS.dateTime, {});
}

/** Text that is a calendar date. */
export function calendarDate(): Schema<CalendarDate> {
  return formatted(FORMATS.date, {});
}

/** Text that is an e-mail address. */
export function email(rule: TextRule = {}): Schema<Email> {
  return formatted(FORMATS.email, rule);
}

/** Text that is an absolute URI. */
export function uri(rule: TextRule = {}): Schema<Uri> {
  return formatted(FORMATS.uri, rule);
}

/** Text that is a decimal number. */
export function decimal(rule: TextRule = {}): Schema<Decimal> {
  return formatted(FORMATS.decimal, rule);
}

function formatted(format: Format | undefined, rule: TextRule): Schema<string> {
  const { min = 0, max = Number.POSITIVE_INFINITY, pattern, source } = rule;
  const check: Check = (holder, key, walk) => {
    const value = holder[key];
    if (typeof value !== "string") return mismatch("text", value);
    if (HALF_OF_A_PAIR.test(value)) return { path: "", rule: "json", message: "expected no half of a surrogate pair" };
    if (min > 0 || max < Number.POSITIVE_INFINITY) {
      const length = characters(value);
      if (length < min) return broken("minLength", `at least ${min} characters`, String(length));
      if (length > max) return broken("maxLength", `at most ${max} characters`, String(length));
    }
    if (format !== undefined && !format.is(value)) return broken("format", format.expected, shown(value, walk));
    if (pattern === undefined || pattern.test(value)) return undefined;
    return broken("pattern", `text that matches ${source ?? pattern.source}`, shown(value, walk));
  };
  return { check, expected: format?.expected ?? "text" };
}

interface IntegerRule<Bound> {
  readonly min?: Bound;
  readonly max?: Bound;
  readonly multipleOf?: Bound;
}

/** A whole number. */
export function integer(rule: IntegerRule<number> = {}): Schema<number> {
  return whole<number>(rule, false);
}

/** A whole number of 64 bits: a bigint where a number would lose digits. */
export function bigInteger(rule: IntegerRule<number | bigint> = {}): Schema<number | bigint> {
  return whole<number | bigint>(rule, true);
}

function whole<T extends number | bigint>(rule: IntegerRule<T>, isBig: boolean): Schema<T> {
  const { min, max, multipleOf } = rule;
  const check: Check = (holder, key, walk) => {
    const written = walk.notes?.numbers.get(holder)?.get(key);
    const value = typeof written === "bigint" ? written : holder[key];
    if (typeof value !== "number" && typeof value !== "bigint") return mismatch("a whole number", value);
    const found = shownNumber(value, walk);
    const isWhole = typeof value === "bigint" || (Number.isInteger(value) && written !== "fraction");
    if (!isWhole || value < I64_MIN || value > I64_MAX) return broken("type", "a whole number of 64 bits", found);
    if (min !== undefined && value < min) return broken("minimum", `at least ${min}`, found);
    if (max !== undefined && value > max) return broken("maximum", `at most ${max}`, found);
    const isExact = typeof value === "bigint" ? isBig : Number.isSafeInteger(value);
    if (!isExact) return broken("precision", "a whole number that a JavaScript number holds exactly", found);
    if (multipleOf !== undefined && BigInt(value) % BigInt(multipleOf) !== 0n) {
      return broken("multipleOf", `a multiple of ${multipleOf}`, found);
    }
    if (typeof written === "bigint") holder[key] = written;
    return undefined;
  };
  return { check, expected: "a whole number" };
}

interface NumberRule {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
}

/** A number, as a double. */
export function number(rule: NumberRule = {}): Schema<number> {
  const { min, max, above, below } = rule;
  const check: Check = (holder, key, walk) => {
    const value = holder[key];
    if (typeof value !== "number") return mismatch("a number", value);
    const found = shownNumber(value, walk);
    if (!Number.isFinite(value)) return broken("type", "a number that fits a double", "a larger one");
    if (min !== undefined && value < min) return broken("minimum", `at least ${min}`, found);
    if (max !== undefined && value > max) return broken("maximum", `at most ${max}`, found);
    if (above !== undefined && value <= above) return broken("exclusiveMinimum", `more than ${above}`, found);
    if (below !== undefined && value >= below) return broken("exclusiveMaximum", `less than ${below}`, found);
    return undefined;
  };
  return { check, expected: "a number" };
}

/** True or false. */
export function boolean(): Schema<boolean> {
  const check: Check = (holder, key) => {
    const value = holder[key];
    return typeof value === "boolean" ? undefined : mismatch("true or false", value);
  };
  return { check, expected: "true or false" };
}

/** One of some words. */
export function choice<Word extends string>(words: readonly Word[]): Schema<Word> {
  const check: Check = (holder, key, walk) => {
    const value = holder[key];
    if (typeof value !== "string") return mismatch("text", value);
    if (words.includes(value as Word)) return undefined;
    return broken(words.length === 1 ? "const" : "enum", `one of ${words.join(" | ")}`, shown(value, walk));
  };
  return { check, expected: "text" };
}

/** One of some words, or one that a newer version of the contract knows. */
export function openChoice<Word extends string>(_words: readonly Word[]): Schema<Word | UnknownWord> {
  return formatted(undefined, {}) as Schema<Word | UnknownWord>;
}

/** Whether a word is one of those that this version knows. */
export function isKnown<Word extends string>(words: readonly Word[], word: string): word is Word {
  return (words as readonly string[]).includes(word);
}

/** Checks a value; numbers that JSON has exactly are put in their places. */
export function run<T>(schema: Schema<T>, value: unknown, notes: Notes | undefined): Checked<T> {
  const walk: Walk = { notes, identifiers: new Set(), maps: 0, hidden: 0 };
  const flaw = schema.check({ value }, "value", walk);
  if (flaw !== undefined) return fail(flaw);
  const count = walk.identifiers.size;
  if (count <= TAGS_MAX) return { ok: true, value: value as T };
  const message = `expected at most ${TAGS_MAX} different identifiers, found ${count}`;
  return fail({ path: "", rule: "identifiers", message });
}

const KEY_BYTES_MAX = 250;
const TAG_BYTES_MAX = 250;
const TAGS_MAX = 64;
const I64_MIN = -(2n ** 63n);
const I64_MAX = 2n ** 63n - 1n;
export const TWICE = "expected the field once, found it twice";

export function isObject(value: unknown): value is Holder {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: string, walk: Walk): string {
  return walk.hidden > 0 ? `text of ${characters(value)} characters that is not shown` : quoted(value);
}

function shownNumber(value: number | bigint, walk: Walk): string {
  return walk.hidden > 0 ? "one that is not shown" : String(value);
}

function fits(value: string, bytesMax: number): boolean {
  return value !== "" && utf8Length(value) <= bytesMax && !/[\u0000-\u001f\u007f]/.test(value);
}

function utf8Length(value: string): number {
  let length = 0;
  for (const character of value) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}

