// Lints AsyncAPI documents with @asyncapi/parser and with the recommended rules of Spectral.
// usage: node lint.cjs <folder of tools> <document>...
// Prints one line of JSON for each finding: { file, tool, severity, code, message, path }.
const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const [tools, ...files] = process.argv.slice(2);
const load = createRequire(join(tools, 'package.json'));
const { Parser } = load('@asyncapi/parser');
const { Spectral, Document } = load('@stoplight/spectral-core');
const parsers = load('@stoplight/spectral-parsers');
const { asyncapi } = load('@stoplight/spectral-rulesets');

const say = (file, tool, one) => {
  const path = one.path.join('/');
  console.log(JSON.stringify({ file, tool, severity: one.severity, code: one.code, message: one.message, path }));
};

(async () => {
  const spectral = new Spectral();
  spectral.setRuleset({ extends: [[asyncapi, 'recommended']] });
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    const { document, diagnostics } = await new Parser().parse(text);
    for (const one of diagnostics) say(file, 'parser', one);
    if (!document) say(file, 'parser', { severity: 0, code: 'unread', message: 'no document', path: [] });
    const format = file.endsWith('.json') ? parsers.Json : parsers.Yaml;
    for (const one of await spectral.run(new Document(text, format, file))) say(file, 'spectral', one);
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
