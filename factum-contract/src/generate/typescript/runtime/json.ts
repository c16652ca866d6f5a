// Reads JSON with what the contract asks about and JSON.parse forgets: fields given twice, `1.0` in place of `1`,
// digits past 2^53.

import { ContractError, broken, fail } from "./flaw.js";
import type { Flaw } from "./flaw.js";
import { HALF_OF_A_PAIR } from "./format.js";
import { isObject } from "./schema.js";

declare class TextDecoder {
  constructor(label: string, options: { readonly fatal: boolean; readonly ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}

type Holder = Record<string, unknown>;

/** What JSON says beyond the values that it stands for. */
export interface Notes {
  /** Values that were given for a name that was given again later. */
  readonly twice: Map<object, { readonly holder: Holder; readonly key: string }[]>;
  /** Whole numbers that a number cannot hold exactly, and numbers written with a fraction or an exponent. */
  readonly numbers: Map<object, Map<string, bigint | "fraction">>;
}

type Read = { readonly ok: true; readonly value: unknown; readonly notes: Notes } | { readonly ok: false; readonly flaw: Flaw };

const DEPTH_MAX = 64;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t",
};

/** Reads JSON as RFC 8259 has it, with notes; never deeper than 64 levels. */
export function readJson(json: string | Uint8Array): Read {
  try {
    const text = typeof json === "string" ? json : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
    const reader = new Reader(text);
    return { ok: true, value: reader.whole(), notes: reader };
  } catch (error) {
    if (error instanceof ContractError) return fail({ path: "", rule: "json", message: error.message });
    if (error instanceof TypeError) return fail({ path: "", rule: "json", message: "expected UTF-8, found other bytes" });
    throw error;
  }
}

class Reader implements Notes {
  readonly twice: Notes["twice"] = new Map();
  readonly numbers: Notes["numbers"] = new Map();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): unknown {
    const holder: Holder = {};
    this.#value(holder, "value", 0);
    if (this.#peek() !== "") this.#fault("the end");
    return holder["value"];
  }

  #value(holder: Holder, key: string, depth: number): void {
    if (depth > DEPTH_MAX) this.#fault("at most 64 levels of nesting");
    const next = this.#peek();
    if (next === '"') put(holder, key, this.#string());
    else if (next === "{") put(holder, key, this.#object(depth));
    else if (next === "[") put(holder, key, this.#array(depth));
    else if (next === "t") put(holder, key, this.#word("true", true));
    else if (next === "f") put(holder, key, this.#word("false", false));
    else if (next === "n") put(holder, key, this.#word("null", null));
    else this.#number(holder, key);
  }

  #object(depth: number): Holder {
    const object: Holder = {};
    this.#at += 1;
    if (this.#take("}")) return object;
    do {
      if (this.#peek() !== '"') this.#fault("text in double quotes");
      const key = this.#string();
      if (!this.#take(":")) this.#fault("':'");
      if (Object.hasOwn(object, key)) this.#overwrite(object, key);
      this.#value(object, key, depth + 1);
    } while (this.#take(","));
    if (!this.#take("}")) this.#fault("',' or '}'");
    return object;
  }

  #overwrite(object: Holder, key: string): void {
    const holder: Holder = {};
    put(holder, key, object[key]);
    const note = this.numbers.get(object)?.get(key);
    if (note !== undefined) this.#note(holder, key, note);
    this.numbers.get(object)?.delete(key);
    const list = this.twice.get(object);
    if (list === undefined) this.twice.set(object, [{ holder, key }]);
    else list.push({ holder, key });
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    this.#at += 1;
    if (this.#take("]")) return array;
    do this.#value(array as unknown as Holder, String(array.length), depth + 1);
    while (this.#take(","));
    if (!this.#take("]")) this.#fault("',' or ']'");
    return array;
  }

  #number(holder: Holder, key: string): void {
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text);
    if (found === null) this.#fault("a JSON value");
    this.#at += found[0].length;
    const value = Number(found[0]);
    put(holder, key, value);
    const isWhole = found[1] === undefined && found[2] === undefined;
    if (isWhole && !Number.isSafeInteger(value)) {
      this.#note(holder, key, found[0].length > 20 ? OVER_I64 : BigInt(found[0]));
    } else if (!isWhole) this.#note(holder, key, "fraction");
  }

  #note(holder: Holder, key: string, note: bigint | "fraction"): void {
    const notes = this.numbers.get(holder) ?? new Map<string, bigint | "fraction">();
    this.numbers.set(holder, notes.set(key, note));
  }

  #string(): string {
    let text = "";
    this.#at += 1;
    for (;;) {
      PLAIN.lastIndex = this.#at;
      const plain = PLAIN.exec(this.#text)?.[0] ?? "";
      this.#at += plain.length;
      text += plain;
      const next = this.#text[this.#at];
      if (next === '"') break;
      if (next === undefined) this.#fault("a closing quote");
      if (next !== "\\") this.#fault("no control character in text");
      text += this.#escape();
    }
    this.#at += 1;
    if (HALF_OF_A_PAIR.test(text)) this.#fault("no half of a surrogate pair");
    return text;
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? "";
    if (letter === "u") {
      const digits = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9A-Fa-f]{4}$/.test(digits)) this.#fault("four hex digits after \\u");
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const meant = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    if (meant === undefined) this.#fault("an escape that JSON knows");
    this.#at += 2;
    return meant;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fault("a JSON value");
    this.#at += word.length;
    return value;
  }

  #peek(): string {
    for (;;) {
      const next = this.#text[this.#at];
      if (next !== " " && next !== "\n" && next !== "\r" && next !== "\t") return next ?? "";
      this.#at += 1;
    }
  }

  #take(character: string): boolean {
    const isNext = this.#peek() === character;
    if (isNext) this.#at += 1;
    return isNext;
  }

  #fault(expected: string): never {
    const code = this.#text.codePointAt(this.#at);
    const found = code === undefined ? "the end" : JSON.stringify(String.fromCodePoint(code));
    throw new ContractError(broken("json", expected, `${found} at character ${this.#at}`));
  }
}

/** Past 64 bits: how far does not matter. */
const OVER_I64 = 2n ** 64n;

/** Sets a field, also one that is called `__proto__`. */
function put(holder: Holder, key: string, value: unknown): void {
  if (key !== "__proto__") holder[key] = value;
  else Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

/** JSON of an event or data: as JSON.stringify has it, but whole numbers past 2^53 keep their digits. */
export function writeJson(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map((item) => writeJson(item ?? null)).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${writeJson(field)}`).join(",")}}`;
}
