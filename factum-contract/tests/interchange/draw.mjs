// Parses Mermaid drawings with the real package, and says what it understood.
// usage: node draw.mjs <folder of tools> <drawing>...
// Prints one line of JSON for each drawing: { file, kind, texts } or { file, error }.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [tools, ...files] = process.argv.slice(2);
const { JSDOM } = createRequire(join(tools, 'package.json'))('jsdom');
const { window } = new JSDOM('<!doctype html><body></body>');
globalThis.window = window;
globalThis.document = window.document;
const place = pathToFileURL(join(tools, 'node_modules/mermaid/dist/mermaid.core.mjs'));
const { default: mermaid } = await import(place.href);
mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' });

// Mermaid keeps entities in a form of its own until it draws; here they become the characters that are seen.
const plain = (text) =>
  String(text ?? '')
    .replace(/ﬂ°°(\d+)¶ß/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/ﬂ°(\w+)¶ß/g, '&$1;');

const texts = (db) => {
  if (db.getVertices) {
    const nodes = [...db.getVertices().values()].map((node) => node.text);
    const groups = db.getSubGraphs().map((group) => group.title);
    const edges = db.getEdges().map((edge) => edge.text);
    return [...groups, ...nodes, ...edges];
  }
  if (db.getActors) {
    const actors = [...db.getActors().values()].map((actor) => actor.description);
    return [...actors, ...db.getMessages().map((one) => (typeof one.message === 'string' ? one.message : ''))];
  }
  const states = [...db.getStates().values()].flatMap((state) => state.descriptions ?? []);
  return [...states, ...db.getRelations().map((one) => one.relationTitle)];
};

for (const file of files) {
  try {
    const text = readFileSync(file, 'utf8');
    const { diagramType } = await mermaid.parse(text);
    const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
    const found = texts(db).map(plain).filter((one) => one.length > 0);
    console.log(JSON.stringify({ file, kind: diagramType, texts: found }));
  } catch (error) {
    console.log(JSON.stringify({ file, error: String(error) }));
  }
}
