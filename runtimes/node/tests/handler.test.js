'use strict';
/** Which handlers are found, and what is said of those that are not. */

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { INIT_DONE, INIT_ERROR, RESPONSE, withRuntime } = require('./process');

const OLD = Number(process.versions.node.split('.')[0]) < 24;

const found = [
  ['CommonJS', {}, { 'index.js': 'exports.handler = async () => typeof module;' }, 'object'],
  ['.cjs', {}, { 'index.cjs': 'exports.handler = async () => typeof module;' }, 'object'],
  ['.mjs', {}, { 'index.mjs': 'export const handler = async () => typeof module;' }, 'undefined'],
  [
    '.js by the type of the package',
    {},
    { 'package.json': '{"type":"module"}', 'index.js': 'export const handler = async () => typeof module;' },
    'undefined',
  ],
  [
    'a folder and a nested name',
    { handler: 'src/api.http.get' },
    { 'src/api.js': 'exports.http = { get: async () => 1 };' },
    1,
  ],
  [
    'a file name with characters that mean something in a URL',
    { handler: 'a%20b#c.handler' },
    { 'a%20b#c.mjs': 'export const handler = async () => 2;' },
    2,
  ],
  [
    'the default export of a CommonJS module',
    {},
    { 'index.mjs': "import own from './own.cjs'; export default own;", 'own.cjs': 'exports.handler = async () => 3;' },
    3,
  ],
];
for (const [what, options, files, expected] of found) {
  test(`handler is found in ${what}`, () =>
    withRuntime(files, options, async (runtime, init) => {
      assert.equal(init.kind, INIT_DONE, init.text);
      const answer = await runtime.invoke({});
      assert.deepEqual([answer.kind, answer.json], [RESPONSE, expected]);
    }));
}

const missing = [
  ['exports.x = 1', 'index.handler', 'Runtime.HandlerNotFound', 'index.handler is undefined or not exported'],
  ['exports.handler = {}', 'index.handler', 'Runtime.HandlerNotFound', 'index.handler is not a function'],
  ['', 'index', 'Runtime.MalformedHandlerName', 'Bad handler'],
  ['let = ;', 'index.handler', 'Runtime.UserCodeSyntaxError', "SyntaxError: Unexpected token ';'"],
  ["require('./gone')", 'index.handler', 'Runtime.ImportModuleError', "Error: Cannot find module './gone'"],
  ['throw new TypeError("early")', 'index.handler', 'TypeError', 'early'],
  ['throw "text"', 'index.handler', 'string', 'text'],
];
for (const [source, handler, errorType, message] of missing) {
  test(`init of ${JSON.stringify(source)} as ${handler} fails with ${errorType}`, () =>
    withRuntime(source, { handler }, (runtime, init) => {
      assert.equal(init.kind, INIT_ERROR);
      assert.equal(init.header.error_type, errorType);
      assert.equal(init.json.errorType, errorType);
      assert.equal(init.json.errorMessage.split('\n')[0], message);
    }));
}

test('a handler with a callback is refused where AWS has none', { skip: OLD }, () =>
  withRuntime('exports.handler = (event, context, callback) => {}', {}, (runtime, init) => {
    assert.equal(init.json.errorType, 'Runtime.CallbackHandlerDeprecated');
  }));

test('a promise at the top of a module that is never settled ends the process with 13', async () => {
  const { Runtime } = require('./process');
  const runtime = new Runtime({ 'index.mjs': 'await new Promise(() => {});' });
  await assert.rejects(runtime.init(), /closed its channel/);
  assert.deepEqual(await runtime.end({ byItself: true }), { code: 13, signal: null });
});
