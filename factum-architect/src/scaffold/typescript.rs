//! A typed consumer in TypeScript, on what `factum generate typescript` writes.

use factum_contract::Source;

use super::{Parts, Request, Scaffold, wanted};

/// Makes the consumer and its test.
pub(super) fn scaffold(request: &Request<'_>, parts: &Parts<'_>) -> Scaffold {
    let file = parts.module.replace('_', "-");
    let path = format!("{}/{file}.ts", request.folder);
    let test = format!("{}/{file}.test.ts", request.folder);
    let mut next = vec![format!(
        "factum generate typescript --contracts {} --out {}/events",
        request.contracts, request.folder
    )];
    next.extend(wanted(request, parts));
    next.push("node --test: the test fails until what is marked DECIDE is decided".to_owned());
    let files = vec![
        Source::new(path, parts.fill(CONSUMER)),
        Source::new(test, parts.fill(TEST).replace("@file", &file)),
    ];
    Scaffold { files, next }
}

const CONSUMER: &str = r##"// `@name`: what @service does on `@event`.
//
// A delivery is read against its contract, handled once by its id, and answered with what became of it: acknowledge
// what is handled, repeated, refused or not ours; let an exception bring it back.
import { readEvent } from "./events/index.js";
import type { @EventType } from "./events/index.js";

/** Remembers what was handled; mark and effect belong into one transaction. */
export interface Seen {
  /** Says false when the id is known already. */
  first(id: string): Promise<boolean>;
  /** Forgets an id whose handling failed, so that the next delivery tries again. */
  forget(id: string): Promise<void>;
}

export type Outcome =
  | { readonly kind: "handled" | "repeated" | "not-ours" }
  | { readonly kind: "refused"; readonly path: string; readonly rule: string; readonly message: string };

/** What happens on `@event`. Throw to be tried again. */
export async function handle(event: @EventType): Promise<void> {
  // DECIDE: the effect. Hand `event.id` to whatever is called outside, so that it happens once.
  throw new Error(`DECIDE: what @name does on ${event.type}`);
}

/** Takes one delivery. */
export async function receive(
  body: string,
  seen: Seen,
  act: (event: @EventType) => Promise<void> = handle,
): Promise<Outcome> {
  const read = readEvent(body);
  if (!read.ok) {
    const { path, rule, message } = read.flaw;
    return { kind: "refused", path, rule, message };
  }
  const event = read.value;
  if (event.type !== "@event") return { kind: "not-ours" };
  if (!(await seen.first(event.id))) return { kind: "repeated" };
  try {
    await act(event);
  } catch (error) {
    await seen.forget(event.id);
    throw error;
  }
  return { kind: "handled" };
}
"##;

const TEST: &str = r##"// `@name`: handled once, repeated quietly, refused with a reason.
import assert from "node:assert/strict";
import { test } from "node:test";
import { @EventType, writeJson } from "./events/index.js";
import { receive } from "./@file.js";
import type { Seen } from "./@file.js";

function memory(): Seen {
  const ids = new Set<string>();
  return {
    first: async (id) => !ids.has(id) && ids.add(id) !== undefined,
    forget: async (id) => void ids.delete(id),
  };
}

test("`@event` is handled", async () => {
  assert.deepEqual(await receive(writeJson(@EventType.example()), memory()), { kind: "handled" });
});

test("the same `@event` a second time changes nothing", async () => {
  const [seen, body] = [memory(), writeJson(@EventType.example())];
  let effects = 0;
  const act = async (): Promise<void> => void (effects += 1);
  await receive(body, seen, act);
  assert.deepEqual(await receive(body, seen, act), { kind: "repeated" });
  assert.equal(effects, 1);
});

test("what breaks its contract is refused", async () => {
  const outcome = await receive("{}", memory());
  assert.equal(outcome.kind, "refused");
});
"##;
