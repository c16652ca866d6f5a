// Emmett on PostgreSQL as a peer: its event store, and the puller that its consumers are made of.

import { createInterface } from 'node:readline';
import { randomUUID } from 'node:crypto';
import { dumbo } from '@event-driven-io/dumbo';
import {
  getPostgreSQLEventStore,
  postgreSQLEventStoreMessageBatchPuller,
  readMessagesBatch,
} from '@event-driven-io/emmett-postgresql';

const EVENTS_OF_STREAM = 10;
const TEXT = 'x'.repeat(240);

let store;
let pool;

const append = (stream, version) =>
  store.appendToStream(stream, [{ type: 'order.placed', data: { text: TEXT } }], {
    expectedStreamVersion: version === 0 ? 'STREAM_DOES_NOT_EXIST' : BigInt(version),
  });

const appendAll = async (count) => {
  let stream;
  for (let index = 0; index < count; index++) {
    if (index % EVENTS_OF_STREAM === 0) stream = `order-${randomUUID()}`;
    await append(stream, index % EVENTS_OF_STREAM);
  }
  return count;
};

const loadAppend = async (count, length) => {
  const streams = Array.from({ length: Math.max(Math.floor(count / length), 1) }, () => `order-${randomUUID()}`);
  for (const stream of streams) for (let version = 0; version < length; version++) await append(stream, version);
  const began = performance.now();
  for (let turn = 0; turn < count; turn++) {
    const stream = streams[turn % streams.length];
    const { events } = await store.readStream(stream);
    await append(stream, events.length);
  }
  return { events: count, seconds: (performance.now() - began) / 1000 };
};

const readAll = async () => {
  let [count, after] = [0, 0n];
  for (;;) {
    const page = await readMessagesBatch(pool.execute, { after, batchSize: 1000 });
    if (page.messages.length === 0) return count;
    count += page.messages.length;
    after = page.currentGlobalPosition;
  }
};

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const follow = async (count, idleSeconds) => {
  const seen = [];
  let last = performance.now();
  const puller = postgreSQLEventStoreMessageBatchPuller({
    executor: pool.execute,
    batchSize: 500,
    pullingFrequencyInMs: 5,
    stopWhen: undefined,
    signal: new AbortController().signal,
    eachBatch: async (messages) => {
      for (const { metadata } of messages) seen.push([metadata.streamName, Number(metadata.streamPosition)]);
      last = performance.now();
    },
  });
  void puller.start({ startFrom: 'BEGINNING' });
  while (seen.length < count && performance.now() - last < idleSeconds * 1000) await sleep(100);
  await sleep(1000);
  await puller.stop();
  return { seen };
};

const answer = async (ask) => {
  const began = performance.now();
  let events;
  switch (ask.do) {
    case 'open':
      store = getPostgreSQLEventStore(ask.url);
      pool = dumbo({ connectionString: ask.url });
      if (ask.makes) await store.schema.migrate();
      return { table: 'emt_messages', follows: true };
    case 'append':
      events = await appendAll(ask.count);
      break;
    case 'writers': {
      const each = Math.floor(ask.count / ask.writers);
      const all = await Promise.all(Array.from({ length: ask.writers }, () => appendAll(each)));
      events = all.reduce((sum, one) => sum + one, 0);
      break;
    }
    case 'load_append':
      return loadAppend(ask.count, ask.length);
    case 'catch_up':
      events = await readAll();
      break;
    case 'follow':
      return follow(ask.count, ask.idle_seconds);
    default:
      return { error: `cannot do ${ask.do}` };
  }
  return { events, seconds: (performance.now() - began) / 1000 };
};

for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = await answer(JSON.parse(line));
  } catch (error) {
    said = { error: String(error) };
  }
  console.log(JSON.stringify(said));
}
process.exit(0);
