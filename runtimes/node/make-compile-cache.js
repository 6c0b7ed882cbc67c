'use strict';
/**
 * make-compile-cache.js NODE_MODULES FILE: compiles the packages of a folder, run by the Node.js that
 * will load them. What a function that makes a client runs through is compiled, the rest is not.
 */

const fs = require('node:fs');
const path = require('node:path');
const { make } = require('./kiln_runtime/compile_cache');

/** The packages of a folder: `name` and `@scope/name`. */
function packagesIn(folder) {
  const visible = (names) => names.filter((name) => !name.startsWith('.'));
  return visible(fs.readdirSync(folder)).flatMap((name) => {
    if (!name.startsWith('@')) return [name];
    return visible(fs.readdirSync(path.join(folder, name))).map((inner) => `${name}/${inner}`);
  });
}

function load(folder) {
  for (const name of packagesIn(folder)) {
    // Some have types only, some are for browsers: what cannot be loaded here is not compiled.
    attempt(() => makeClients(require(path.join(folder, name))));
  }
}

function makeClients(exported) {
  for (const [name, Client] of Object.entries(exported)) {
    if (/^[A-Z]\w+Client$/.test(name)) attempt(() => new Client({ region: 'us-east-1' }));
  }
}

function attempt(action) {
  try {
    action();
  } catch {
    // Its code is compiled when a function needs it.
  }
}

const [folder, file] = process.argv.slice(2);
fs.writeFileSync(file, make(fs.realpathSync(folder), () => load(folder)));
// Whatever a package has begun.
process.exit();
