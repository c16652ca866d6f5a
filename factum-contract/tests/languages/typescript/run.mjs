// Checks documents with compiled, generated code: a line of JSON in, one out. Called by tests/languages.rs.
import { readFileSync } from "node:fs";

const { events = {}, commands = {}, writeJson } = await import(process.argv[2]);
const contracts = new Map(Object.entries({ ...events, ...commands }));
const out = [];
for (const line of readFileSync(0, "utf8").split("\n").filter((line) => line !== "")) {
  const { contract, hex } = JSON.parse(line);
  const bytes = new Uint8Array(Buffer.from(hex, "hex"));
  const checked = contracts.get(contract).readData(bytes);
  if (checked.ok) {
    // What was read is written and read again without a difference.
    const again = contracts.get(contract).readData(writeJson(checked.value));
    out.push({ flaws: [], again: again.ok && writeJson(again.value) === writeJson(checked.value) });
  } else {
    out.push({ flaws: [checked.flaw] });
  }
}
process.stdout.write(out.map((one) => JSON.stringify(one)).join("\n"));
