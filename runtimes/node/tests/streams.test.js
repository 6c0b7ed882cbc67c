'use strict';
/** Answers that their caller wants as they are made. */

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { CHUNK, ERROR, REQUEST, RESPONSE, Runtime, withRuntime } = require('./process');

const STREAMS = { streams: true };
const handler = (body) => `exports.handler = awslambda.streamifyResponse(async (event, stream) => { ${body} });`;
const sleeping = (ms) => `await new Promise((resolve) => setTimeout(resolve, ${ms}));`;

/** All frames of one answer. */
async function answer(runtime, event) {
  runtime.sendEvent(event, STREAMS);
  const frames = [await runtime.receive()];
  while (frames.at(-1).kind === CHUNK) frames.push(await runtime.receive());
  return frames;
}

test('a piece is passed on when it is written', () =>
  withRuntime(
    handler(`stream.setContentType('text/plain'); stream.write('one'); ${sleeping(200)} stream.end('two');`),
    {},
    async (runtime) => {
      const first = await runtime.invoke({}, STREAMS);
      const then = Date.now();
      assert.deepEqual([first.kind, first.text], [CHUNK, 'one']);
      assert.deepEqual(first.header, { request_id: REQUEST, content_type: 'text/plain' });
      assert.equal((await runtime.receive()).text, 'two');
      assert.ok(Date.now() - then > 100, 'the handler had not ended');
      const last = await runtime.receive();
      assert.deepEqual([last.kind, last.text], [RESPONSE, '']);
    },
  ));

test('who does not want it so gets the answer whole, and other handlers answer as ever', () =>
  withRuntime(
    `const streams = awslambda.streamifyResponse(async (event, stream) => { stream.write('x'); stream.end('y'); });
     exports.handler = streams; exports.plain = async () => 1;`,
    {},
    async (runtime) => {
      assert.equal((await runtime.invoke({})).text, 'xy');
      const frames = await answer(runtime, {});
      assert.deepEqual(frames.map((frame) => frame.text), ['x', 'y', '']);
      assert.equal((await runtime.invoke({})).text, 'xy');
    },
  ));

test('a response without a byte has a content type', () =>
  withRuntime(handler(`stream.setContentType('a/b'); stream.end();`), {}, async (runtime) => {
    const frames = await answer(runtime, {});
    assert.deepEqual(frames.map((frame) => [frame.kind, frame.text]), [[CHUNK, ''], [RESPONSE, '']]);
    assert.equal(frames[0].header.content_type, 'a/b');
  }));

test('large writes are cut, and nothing of them is lost', () =>
  withRuntime(
    handler(`for (let i = 0; i < 8; i++) stream.write(Buffer.alloc(300_000, 97 + i)); stream.end();`),
    {},
    async (runtime) => {
      const frames = await answer(runtime, {});
      assert.ok(frames.every((frame) => frame.text.length <= 65536));
      const expected = [...'abcdefgh'].map((letter) => letter.repeat(300_000)).join('');
      assert.equal(frames.map((frame) => frame.text).join(''), expected);
    },
  ));

test('an error comes after what was written before it', () =>
  withRuntime(
    handler(`stream.write('x'.repeat(event.count)); throw new RangeError('midway');`),
    {},
    async (runtime) => {
      for (const count of [1, 1 << 20]) {
        const frames = await answer(runtime, { count });
        const error = frames.pop();
        assert.deepEqual([error.kind, error.header.error_type], [ERROR, 'RangeError']);
        assert.equal(frames.map((frame) => frame.text).join('').length, count);
      }
    },
  ));

test('an exception that nobody handles comes after it too, and ends the process', async () => {
  const runtime = new Runtime(
    handler(`setImmediate(() => { throw new TypeError('late'); }); stream.write('x'.repeat(1 << 20)); ${sleeping(5000)}`),
  );
  await runtime.init();
  const frames = await answer(runtime, {});
  assert.deepEqual(frames.pop().header, { request_id: REQUEST, is_last: true, error_type: 'TypeError' });
  assert.equal(frames.map((frame) => frame.text).join('').length, 1 << 20);
  assert.equal((await runtime.end({ byItself: true })).code, 129);
});

test('a slow reader holds up the stream and no other code', () =>
  withRuntime(
    handler(`let ticks = 0; const timer = setInterval(() => ticks++, 5); stream.write(Buffer.alloc(4 << 20));
      await new Promise((resolve) => stream.once('drain', resolve)); clearInterval(timer); stream.end(String(ticks));`),
    {},
    async (runtime) => {
      // Nothing is read: what the socket holds is all that it takes.
      runtime.channel.pause();
      runtime.sendEvent({}, STREAMS);
      await sleep(300);
      const frames = [await runtime.receive()];
      while (frames.at(-1).kind === CHUNK) frames.push(await runtime.receive());
      const ticks = Number(frames.at(-2).text);
      assert.ok(ticks >= 10, `${ticks} ticks`);
    },
  ));

test('what an earlier handler still writes reaches nobody', () =>
  withRuntime(
    `let earlier; exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      if (event.fails) { earlier = stream; throw new Error('first'); }
      earlier.write('stray'); stream.end('second'); });`,
    {},
    async (runtime) => {
      assert.equal((await answer(runtime, { fails: true }))[0].kind, ERROR);
      const frames = await answer(runtime, {});
      assert.deepEqual(frames.map((frame) => frame.text), ['second', '']);
    },
  ));

test('an error does not wait for what is written after it', () =>
  withRuntime(
    `const { pipeline, Readable } = require('node:stream');
     exports.handler = awslambda.streamifyResponse(async (event, stream) => {
       pipeline(Readable.from((function* () { for (;;) yield 'x'.repeat(1000); })()), stream, () => {});
       await new Promise((resolve) => setTimeout(resolve, 50));
       throw new RangeError('midway'); });`,
    {},
    async (runtime) => {
      const frames = await answer(runtime, {});
      assert.equal(frames.pop().header.error_type, 'RangeError');
      assert.ok(frames.length > 0);
    },
  ));

test('what was written before an error comes before it, in however many writes', () =>
  withRuntime(
    handler(`for (const word of ['one', 'two', 'three']) stream.write(word); throw new RangeError('midway');`),
    {},
    async (runtime) => {
      const frames = await answer(runtime, {});
      assert.equal(frames.pop().kind, ERROR);
      assert.equal(frames.map((frame) => frame.text).join(''), 'onetwothree');
    },
  ));

test('a response that is too long ends where it is too long', () =>
  withRuntime(
    handler(`const piece = Buffer.alloc(1 << 20);
      for (;;) if (!stream.write(piece)) await new Promise((resolve) => stream.once('drain', resolve));`),
    {},
    async (runtime) => {
      runtime.sendEvent({}, STREAMS);
      let [count, frame] = [0, await runtime.receive()];
      for (; frame.kind === CHUNK; frame = await runtime.receive()) count += frame.text.length;
      assert.deepEqual([frame.kind, frame.header.too_large], [RESPONSE, true]);
      assert.equal(count, (200 << 20) + 1);
    },
  ));

test('writes without bytes are not passed on', () =>
  withRuntime(
    handler(`for (let i = 0; i < 50; i++) stream.write(''); stream.write('x'); stream.write(''); stream.end();`),
    {},
    async (runtime) => {
      const frames = await answer(runtime, {});
      assert.deepEqual(frames.map((frame) => frame.text), ['', 'x', '']);
    },
  ));

test('a streamed answer may be longer than one that is not', () =>
  withRuntime(handler(`stream.end(Buffer.alloc(7 << 20));`), {}, async (runtime) => {
    const frames = await answer(runtime, {});
    const last = frames.pop();
    assert.deepEqual([last.kind, last.header.too_large], [RESPONSE, undefined]);
    assert.equal(frames.map((frame) => frame.text).join('').length, 7 << 20);
  }));
