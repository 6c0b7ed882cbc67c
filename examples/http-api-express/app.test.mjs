// Calls the handler without a server, with events as an HTTP API makes them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { handler } from './app.mjs';

// An event of payload format 2.0, as far as serverless-http reads it.
function event(method, path, { query = '', body } = {}) {
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    headers: { host: 'localhost', 'content-type': 'application/json', 'content-length': `${body?.length ?? 0}` },
    requestContext: { http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' }, stage: '$default' },
    body,
    isBase64Encoded: false,
  };
}

test('a language greets by name', async () => {
  const answer = await handler(event('GET', '/greetings/fr', { query: 'name=Ada' }), {});
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(JSON.parse(answer.body), { text: 'Bonjour, Ada!' });
});

test('an unknown language is not found', async () => {
  const answer = await handler(event('GET', '/greetings/xx'), {});
  assert.equal(answer.statusCode, 404);
});

test('a greeting is made of json', async () => {
  const body = JSON.stringify({ lang: 'de', name: 'Ada' });
  const answer = await handler(event('POST', '/greetings', { body }), {});
  assert.equal(answer.statusCode, 201);
  assert.deepEqual(JSON.parse(answer.body), { text: 'Guten Tag, Ada!' });
});
