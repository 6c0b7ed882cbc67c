// The handler, called directly: `node --test examples/greeter/greeter.test.mjs`.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { handler } from './index.mjs';

const context = { getRemainingTimeInMillis: () => 3000 };
const greet = (query) => handler({ queryStringParameters: query }, context);

test('the event of test.json is greeted', async () => {
  const event = JSON.parse(await readFile(new URL('test.json', import.meta.url), 'utf8'));
  const answer = await handler(event, context);
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.body, '<h1>Hello, Ada!</h1>\n');
});

test('whoever says nothing is the world', async () => {
  assert.equal((await greet(undefined)).body, '<h1>Hello, world!</h1>\n');
});

test('a name cannot bring its own markup', async () => {
  assert.equal((await greet({ name: '<b>' })).body, '<h1>Hello, &#60;b&#62;!</h1>\n');
});

test('a language without a greeting is not found', async () => {
  assert.equal((await greet({ lang: 'tlh' })).statusCode, 404);
});
