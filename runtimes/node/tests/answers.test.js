'use strict';
/** How handlers answer: with promises, callbacks and streams, once. */

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { ERROR, REQUEST, RESPONSE, Runtime, withRuntime } = require('./process');

const OLD = Number(process.versions.node.split('.')[0]) < 24;

const handlers = [
  ['async () => ({ a: 1 })', { a: 1 }],
  ['async () => undefined', null],
  ['async () => () => 1', null],
  ['() => Promise.resolve("é")', 'é'],
  ...(OLD
    ? [
        ['(e, c, callback) => callback(null, 1)', 1],
        ['(e, c, callback) => { callback(null, 1); callback(new Error("no")); }', 1],
        ['(e, c) => { c.succeed(2); c.fail(new Error("no")); }', 2],
        ['(e, c) => c.done(null, 3)', 3],
        ['() => 4', null],
        ['(e, c, callback) => { setTimeout(() => callback(null, 5), 5); }', 5],
      ]
    : [['() => 4', 4]]),
];
for (const [source, expected] of handlers) {
  test(`${source} answers ${JSON.stringify(expected)}`, () =>
    withRuntime(`exports.handler = ${source};`, {}, async (runtime) => {
      for (let call = 0; call < 2; call++) {
        const answer = await runtime.invoke({});
        assert.deepEqual([answer.kind, answer.header.request_id], [RESPONSE, REQUEST]);
        assert.deepEqual(answer.json, expected);
      }
    }));
}

const failures = [
  ['async () => { throw new RangeError("r"); }', 'RangeError', 'r'],
  ['() => { throw { not: "an error" }; }', 'object', '[object Object]'],
  ['() => { throw undefined; }', OLD ? 'string' : 'undefined', OLD ? 'handled' : 'undefined'],
  ['async () => { throw Object.create(null); }', 'handled'],
  ['async () => 1n', OLD ? 'Error' : 'Runtime.JSONStringifyError', 'Unable to stringify response body'],
  ...(OLD
    ? [
        ['(e, c, callback) => callback("text")', 'string', 'text'],
        ['(e, c) => c.fail()', 'string', 'handled'],
      ]
    : []),
];
for (const [source, errorType, message] of failures) {
  test(`${source} fails with ${errorType} and the next event is taken`, () =>
    withRuntime(`let first = true; const h = ${source};
      exports.handler = (...all) => first ? (first = false, h(...all)) : Promise.resolve("next");`, {}, async (runtime) => {
      const failed = await runtime.invoke({});
      assert.equal(failed.kind, ERROR);
      assert.equal(failed.header.error_type, errorType);
      if (message) assert.equal(failed.json.errorMessage, message);
      assert.equal((await runtime.invoke({})).json, 'next');
    }));
}

test('a promise that is never settled fails when nothing else is left to do', () =>
  withRuntime('exports.handler = async (e) => e.settles || new Promise(() => {});', {}, async (runtime) => {
    const failed = await runtime.invoke({});
    assert.deepEqual([failed.kind, failed.header.error_type], [ERROR, 'Runtime.NodeJsExit']);
    assert.equal((await runtime.invoke({ settles: 1 })).json, 1);
  }));

test('a callback waits for an empty event loop unless told not to', { skip: !OLD }, () =>
  withRuntime(
    `let ran = 0; exports.handler = (waits, context, callback) => {
      context.callbackWaitsForEmptyEventLoop = waits;
      setTimeout(() => { ran++; }, 20); callback(null, ran); };`,
    {},
    async (runtime) => {
      assert.equal((await runtime.invoke(true)).json, 0);
      assert.equal((await runtime.invoke(false)).json, 1);
    },
  ));

test('a result that is too long is said to be and not sent', () =>
  withRuntime('exports.handler = async () => "x".repeat(7 << 20);', {}, async (runtime) => {
    const answer = await runtime.invoke({});
    assert.deepEqual(answer.header, { request_id: REQUEST, too_large: true });
    assert.equal(answer.text, '');
  }));

test('events and results of megabytes pass whole', () =>
  withRuntime('exports.handler = async (event) => event;', {}, async (runtime) => {
    const event = 'aé'.repeat(1 << 20);
    for (let call = 0; call < 2; call++) {
      assert.equal((await runtime.invoke(event)).json, event);
      assert.equal((await runtime.invoke(1)).json, 1);
    }
  }));

test('what a streaming handler writes is its answer', () =>
  withRuntime(
    `exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.write('one '); stream.write({ two: 2 }); stream.end('!'); });`,
    {},
    async (runtime) => {
      const answer = await runtime.invoke({});
      assert.equal(answer.text, 'one {"two":2}!');
      assert.equal(answer.header.content_type, 'application/octet-stream');
    },
  ));

test('a prelude comes before the body, also before an empty one', () =>
  withRuntime(
    `exports.handler = awslambda.streamifyResponse(async (body, stream) => {
      const http = awslambda.HttpResponseStream.from(stream, { statusCode: 418 });
      if (body) http.write(body); http.end(); });`,
    {},
    async (runtime) => {
      for (const body of ['tea', '']) {
        const answer = await runtime.invoke(body);
        assert.equal(answer.text, `{"statusCode":418}${'\0'.repeat(8)}${body}`);
        assert.equal(answer.header.content_type, 'application/vnd.awslambda.http-integration-response');
      }
    },
  ));

test('a stream that nobody ends, and one that fails, are errors', () =>
  withRuntime(
    `exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.write('x'); if (event.fails) throw new Error('midway'); });`,
    {},
    async (runtime) => {
      assert.equal((await runtime.invoke({})).json.errorMessage, 'Response stream is not finished.');
      assert.equal((await runtime.invoke({ fails: true })).json.errorMessage, 'midway');
    },
  ));

for (const [what, source, status, errorType] of [
  ['rejection', 'async () => { Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 1000)); }', 128, 'Runtime.UnhandledPromiseRejection'],
  ['exception', '() => new Promise(() => setTimeout(() => { throw new TypeError("late"); }))', 129, 'TypeError'],
]) {
  test(`an unhandled ${what} answers for the last time and ends with ${status}`, async () => {
    const runtime = new Runtime(`exports.handler = ${source};`);
    await runtime.init();
    const answer = await runtime.invoke({});
    assert.deepEqual(answer.header, { request_id: REQUEST, is_last: true, error_type: errorType });
    assert.deepEqual(await runtime.end({ byItself: true }), { code: status, signal: null });
  });
}
