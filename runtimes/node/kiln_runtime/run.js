'use strict';
/**
 * Runs a handler for one event. There are three kinds: those that stream, those that answer by a
 * promise or a callback, and since Node.js 24 those that return or await only.
 */

const { contextOf } = require('./context');
const { RuntimeError } = require('./errors');
const { isStreaming, streamFor } = require('./stream');
const { HAS_CALLBACKS } = require('./version');

/**
 * Calls the handler. Before it returns, or later, it answers the invocation or says what is to
 * happen when the event loop has nothing left to do: `whenEmpty(action)`.
 */
function run(handler, { header, body, invocation, whenEmpty }) {
  const call = { handler, header, body, invocation, whenEmpty };
  if (isStreaming(handler)) return runStreaming(call);
  return HAS_CALLBACKS ? runWithCallback(call) : runAsync(call);
}

async function runStreaming({ handler, header, body, invocation, whenEmpty }) {
  const stream = streamFor(handler, header.streams ? invocation : undefined);
  whenEmpty(() => invocation.fail(new Error('Response stream is not finished.')));
  try {
    const waiting = waitsForEmptyLoop();
    const context = contextOf(header, HAS_CALLBACKS ? waiting.member : {});
    const result = handler(JSON.parse(body), stream, context);
    if (!isPromise(result)) throw new Error('Streaming does not support non-async handlers.');
    if ((await result) !== undefined) console.warn('Streaming handlers ignore return values.');
    await ended(stream);
    const answer = () => invocation.succeedWith(stream);
    if (HAS_CALLBACKS && waiting.value) {
      whenEmpty(answer);
    } else {
      answer();
    }
  } catch (error) {
    invocation.fail(error);
  }
}

/** Waits until what was written to the stream is all there. One that nobody ends never is. */
function ended(stream) {
  return new Promise((resolve, reject) => {
    if (stream.writableFinished) return resolve();
    stream.once('finish', resolve).once('error', reject);
  });
}

async function runAsync({ handler, header, body, invocation, whenEmpty }) {
  whenEmpty(() => invocation.fail(neverSettled()));
  try {
    invocation.succeed(await handler(JSON.parse(body), contextOf(header)));
  } catch (error) {
    invocation.fail(error);
  }
}

function runWithCallback({ handler, header, body, invocation, whenEmpty }) {
  const waiting = waitsForEmptyLoop();
  const first = onlyTheFirst();
  const succeed = first((result) => succeedOrFail(invocation, result));
  const fail = first((error) => invocation.fail(error ?? 'handled'));
  const callback = first((error, result) => {
    if (error !== undefined && error !== null) return invocation.fail(error);
    if (!waiting.value) return succeedOrFail(invocation, result);
    whenEmpty(() => setImmediate(() => succeedOrFail(invocation, result)));
  });
  const done = first((error, result) => {
    if (error !== undefined && error !== null) return invocation.fail(error);
    succeedOrFail(invocation, result);
  });
  // A handler that forgets its callback has the result null; a promise that is forgotten is an error.
  const isAsync = handler.constructor?.name === 'AsyncFunction';
  whenEmpty(() => (isAsync ? invocation.fail(neverSettled()) : invocation.succeed(null)));
  try {
    const context = contextOf(header, Object.assign(waiting.member, { succeed, fail, done }));
    const result = handler(JSON.parse(body), context, callback);
    if (isPromise(result)) result.then(succeed, fail);
  } catch (error) {
    callback(error ?? 'handled');
  }
}

function succeedOrFail(invocation, result) {
  try {
    invocation.succeed(result);
  } catch (error) {
    invocation.fail(error);
  }
}

/** Wraps functions of which only the first call of any does something. */
function onlyTheFirst() {
  let isOver = false;
  return (action) => (...values) => {
    if (isOver) return;
    isOver = true;
    action(...values);
  };
}

/** The member `callbackWaitsForEmptyEventLoop` of a context, and its value. */
function waitsForEmptyLoop() {
  const waiting = { value: true };
  waiting.member = {
    get callbackWaitsForEmptyEventLoop() {
      return waiting.value;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waiting.value = value;
    },
  };
  return waiting;
}

function neverSettled() {
  return new RuntimeError(
    'NodeJsExit',
    'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes',
  );
}

function isPromise(value) {
  return typeof value?.then === 'function';
}

module.exports = { run };
