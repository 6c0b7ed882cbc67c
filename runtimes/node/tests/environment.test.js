'use strict';
/** What a function finds around itself: variables, context, modules, console. */

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { REQUEST, Runtime, withRuntime } = require('./process');

for (const entry of ['fresh.js', 'stem.js']) {
  test(`${entry} gives the function its own variables and nothing else`, () =>
    withRuntime(
      'exports.handler = async () => [process.env, process.cwd(), new Date(0).getHours()];',
      { entry, env: { OWN: '1', TZ: 'Asia/Tokyo' } },
      async (runtime) => {
        const [env, cwd, hours] = (await runtime.invoke({})).json;
        assert.equal(env.OWN, '1');
        assert.equal(env.HOME, undefined);
        assert.equal(cwd, runtime.task);
        assert.equal(hours, 9);
      },
    ));
}

test('the context tells of the invocation', () =>
  withRuntime(
    'exports.handler = async (e, c) => ({ ...c, left: c.getRemainingTimeInMillis(), trace: process.env._X_AMZN_TRACE_ID });',
    {},
    async (runtime) => {
      const header = { trace: 'Root=1-2-3', client_context: '{"custom":{"a":1}}', deadline_ms: Date.now() + 5000, tenant_id: 'Shop 7' };
      const context = (await runtime.invoke({}, header)).json;
      assert.equal(context.awsRequestId, REQUEST);
      assert.equal(context.functionName, 'greet');
      assert.equal(context.memoryLimitInMB, '128');
      assert.deepEqual(context.clientContext, { custom: { a: 1 } });
      assert.equal(context.tenantId, 'Shop 7');
      assert.equal(context.trace, 'Root=1-2-3');
      assert.ok(context.left > 4000 && context.left <= 5000, `${context.left}`);
      const next = (await runtime.invoke({}, { deadline_ms: undefined, timeout_ms: 900 })).json;
      assert.equal(next.trace, undefined);
      assert.equal(next.tenantId, undefined);
      assert.ok(next.left > 500 && next.left <= 900, `${next.left}`);
    },
  ));

test('NODE_PATH is where require and import look', () =>
  withRuntime(
    {
      'index.mjs': `import own from 'own'; import { createRequire } from 'node:module';
        export const handler = async () => [own, createRequire(import.meta.url)('own')];`,
      'layer/node_modules/own/index.js': "module.exports = 'found';",
    },
    { nodePath: 'layer/node_modules' },
    async (runtime, init) => {
      assert.deepEqual((await runtime.invoke({})).json, ['found', 'found'], init.text);
    },
  ));

test('console lines are records with time, request and level, before and after init', () =>
  withRuntime(
    `console.log('loading'); exports.handler = async () => {
      console['debug']('%s!', 'd'); console.warn('two\\nlines'); console.error(new Error('e')); process.stdout.write('raw\\n'); };`,
    {},
    async (runtime) => {
      await runtime.invoke({});
      const records = await recordsOf(runtime, 6);
      assert.match(records[0], /^\d{4}-\d\d-\d\dT[\d:.]+Z\tundefined\tINFO\tloading$/);
      assert.equal(records[1], null);
      assert.match(records[2], new RegExp(`Z\t${REQUEST}\tDEBUG\td!$`));
      assert.match(records[3], /\tWARN\ttwo\nlines$/);
      assert.match(records[4], /\tERROR\tError: e\n {4}at /);
      assert.equal(records[5], 'raw');
    },
  ));

test('records in JSON carry levels, objects and errors', () =>
  withRuntime(
    `const circle = {}; circle.circle = circle; exports.handler = async () => {
      console['debug']('dropped'); console.info({ order: 1 }); console.info('%d of', 2, 'x'); console.info(circle);
      console.error('failed', new TypeError('t')); console.fatal('f'); };`,
    { logFormat: 'JSON', logLevel: 'INFO' },
    async (runtime) => {
      await runtime.invoke({});
      const records = (await recordsOf(runtime, 6)).slice(1).map((record) => JSON.parse(record));
      assert.deepEqual(records.map((record) => record.level), ['INFO', 'INFO', 'INFO', 'ERROR', 'FATAL']);
      assert.deepEqual(records[0].message, { order: 1 });
      assert.equal(records[0].requestId, REQUEST);
      assert.equal(records[1].message, '2 of x');
      assert.match(records[2].message, /Circular/);
      assert.equal(records[3].errorType, 'TypeError');
      assert.equal(records[3].errorMessage, 't');
      assert.equal(records[3].stackTrace[0], 'TypeError: t');
    },
  ));

test('nothing that was printed is lost at an exit, however much it is', async () => {
  const runtime = new Runtime(
    `exports.handler = async () => { for (let i = 0; i < 30000; i++) process.stdout.write('line ' + i + '\\n');
      console.log('last'); process.exit(4); };`,
  );
  await runtime.init();
  runtime.sendEvent({});
  assert.deepEqual(await runtime.end({ byItself: true }), { code: 4, signal: null });
  const records = runtime.records();
  assert.equal(records.length, 30002);
  assert.match(records.at(-1), /\tlast$/);
});

/** The records, when this many have come: output and answers take different ways. */
async function recordsOf(runtime, count) {
  const until = Date.now() + 5000;
  while (runtime.records().length < count && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return runtime.records();
}
