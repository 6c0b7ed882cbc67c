'use strict';
/**
 * Runs the path of init and of an invocation before there is one: code that has run once is
 * compiled, and memory that was touched once is there. It halves the time of the first invocation.
 */

const path = require('node:path');
const { patch, rehearse } = require('./console');
const environment = require('./environment');
const { load } = require('./handler');
const { Invocation } = require('./invocation');
const { run } = require('./run');

const ROUNDS = 3;
const EVENT = Buffer.from('{"numbers": [1, 2.5], "text": "\\u00e9", "flag": true, "nothing": null}');
const HEADER = { request_id: 'warm', timeout_ms: 1000, invoked_arn: 'warm' };
const FOLDER = path.join(__dirname, 'warm');

/** Initialises functions of either kind of module and runs them, with nobody listening. */
async function up() {
  for (let round = 0; round < ROUNDS; round++) {
    const added = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`WARM_${at}`, `${round}`]));
    environment.apply({
      ...process.env,
      ...added,
      LAMBDA_TASK_ROOT: '/',
      LAMBDA_RUNTIME_DIR: path.dirname(__dirname),
      NODE_PATH: path.join(path.dirname(__dirname), 'node_modules'),
    });
    patch('Text', null);
    rehearse();
    for (const name of ['commonjs.handler', 'module.handler']) await call(name);
    delete require.cache[path.join(FOLDER, 'commonjs.js')];
  }
  delete globalThis.awslambda;
}

async function call(name) {
  const handler = await load(name, FOLDER, __dirname);
  await new Promise((resolve) => {
    const invocation = new Invocation({ send() {} }, 'warm', resolve);
    run(handler, { header: HEADER, body: EVENT, invocation, whenEmpty() {} });
  });
}

module.exports = { up };
