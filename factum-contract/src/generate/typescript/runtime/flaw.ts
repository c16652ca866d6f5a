// What is wrong with a value, and how it is said.

/** What is wrong with a value: where, which rule, what was expected and found. */
export interface Flaw {
  /** JSON pointer to the value; empty for the whole. */
  readonly path: string;
  /** The rule that is broken, by its JSON Schema keyword where there is one. */
  readonly rule: string;
  /** What was expected and what was found; personal data is never quoted. */
  readonly message: string;
}

/** A value that was checked. */
export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly flaw: Flaw };

/** A value that breaks its contract. */
export class ContractError extends Error implements Flaw {
  override readonly name = "ContractError";
  readonly path: string;
  readonly rule: string;

  constructor(flaw: Flaw) {
    super(flaw.path === "" ? flaw.message : `${flaw.path}: ${flaw.message}`);
    this.path = flaw.path;
    this.rule = flaw.rule;
  }
}

export function fail(flaw: Flaw): { readonly ok: false; readonly flaw: Flaw } {
  return { ok: false, flaw };
}

export function broken(rule: string, expected: string, found: string): Flaw {
  return { path: "", rule, message: `expected ${expected}, found ${found}` };
}

export function mismatch(expected: string, value: unknown): Flaw {
  return broken("type", expected, kindOf(value));
}

export function within(name: string, flaw: Flaw): Flaw {
  return { ...flaw, path: `/${step(name)}${flaw.path}` };
}

/** A name as a step of a JSON pointer. */
export function step(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  const kinds: Readonly<Record<string, string>> = {
    string: "text",
    number: "a number",
    bigint: "a number",
    boolean: "true or false",
    object: "an object",
  };
  return kinds[typeof value] ?? "nothing";
}

export function quoted(value: string): string {
  return characters(value) > 40 ? `${JSON.stringify(cut(value))}…` : JSON.stringify(value);
}

export function cut(value: string): string {
  return Array.from(value.slice(0, 80)).slice(0, 40).join("");
}

export function characters(value: string): number {
  let count = 0;
  for (const _ of value) count += 1;
  return count;
}
