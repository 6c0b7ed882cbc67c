import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';

// What the runtime has ready for a handler, as far as this one uses it.
globalThis.awslambda = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: { from: (stream, head) => Object.assign(stream, { head }) },
};
const { handler } = await import('./index.mjs');

function reader() {
  const words = [];
  const stream = new Writable({ write: (word, _encoding, done) => (words.push(`${word}`), done()) });
  return Object.assign(stream, { words });
}

test('the story comes word by word', async () => {
  const stream = reader();
  await handler({ pause: '0' }, stream);
  assert.ok(stream.words.length > 10);
  assert.match(stream.words.join(''), /^Once upon a time .* \.\s+$/);
  assert.equal(stream.head, undefined);
});

test('through a URL it has a head', async () => {
  const stream = reader();
  await handler({ requestContext: { http: {} }, queryStringParameters: { pause: '0' } }, stream);
  assert.equal(stream.head.statusCode, 200);
});

test('a sad ending is an error after all words', async () => {
  const stream = reader();
  await assert.rejects(handler({ pause: '0', ending: 'sad' }, stream), /no happy ending/);
  assert.ok(stream.words.length > 10);
});
