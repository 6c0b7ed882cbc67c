'use strict';
/**
 * Streamed responses: `awslambda.streamifyResponse` and the stream that such a handler writes to.
 *
 * Where the caller wants the response as it is made, each piece is passed on when it is written, and
 * the stream is full while the caller has not taken it. For others it is collected, and may be as
 * long as any other (6 MB).
 */

const { Writable } = require('node:stream');
const { RuntimeError } = require('./errors');
const { BODY_BYTES_MAX } = require('./channel');

// The daemon takes no more of one response, and says so in its place.
const STREAMED_BYTES_MAX = 200 * 1024 * 1024;

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = new Uint8Array(8);
// Set by those who bring a global of their own.
const NO_GLOBAL = 'AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA';

/** The stream that a handler writes its response to. */
class ResponseStream extends Writable {
  contentType = 'application/octet-stream';
  #chunks = [];
  #length = 0;
  #isBegun = false;
  /** Passes pieces on; without it they are collected. */
  #invocation;
  #hasPassed = false;
  #passed = 0;

  constructor(highWaterMark, invocation) {
    super({ highWaterMark });
    this.#invocation = invocation;
  }

  /** What was written and not passed on; more than a response may be when it was too long. */
  body() {
    return Buffer.concat(this.#chunks);
  }

  get isTooLong() {
    return this.#length > BODY_BYTES_MAX;
  }

  setContentType(contentType) {
    if (this.#isBegun) {
      throw new RuntimeError('InvalidStreamingOperation', 'Cannot set content-type, too late.');
    }
    this.contentType = contentType;
  }

  write(chunk, encoding, done) {
    if (this.#invocation?.isFailing) return this.#drop(encoding, done);
    this.#begin();
    const isPlain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    return super.write(isPlain ? chunk : JSON.stringify(chunk), encoding, done);
  }

  end(chunk, encoding, done) {
    if (typeof chunk === 'function') return this.end(undefined, undefined, chunk);
    if (typeof encoding === 'function') return this.end(chunk, undefined, encoding);
    if (!this.#invocation?.isFailing) this.#begin();
    if (chunk !== undefined && chunk !== null) this.write(chunk, encoding);
    return super.end(done);
  }

  _write(chunk, _encoding, done) {
    if (this.#invocation) return this.#pass(chunk, done);
    this.#length += chunk.length;
    // A copy: the handler may fill its buffer anew. Nothing is kept of what is too long anyway.
    if (!this.isTooLong) this.#chunks.push(Buffer.from(chunk));
    done();
  }

  /** A response without a byte has a content type too. */
  _final(done) {
    if (!this.#invocation || this.#hasPassed) return done();
    this.#pass(Buffer.alloc(0), done);
  }

  #pass(piece, done) {
    // A byte beyond the limit shows that it is passed.
    const more = piece.subarray(0, STREAMED_BYTES_MAX + 1 - this.#passed);
    // Once it has begun, a piece without bytes says nothing.
    if (more.length === 0 && this.#hasPassed) return done();
    this.#hasPassed = true;
    this.#passed += more.length;
    this.#invocation.pass(more, this.contentType, done);
    if (this.#passed > STREAMED_BYTES_MAX) this.#invocation.failAsTooLong();
  }

  /** What is written after an error reaches nobody, and the stream takes no more: the error waits for what is in it. */
  #drop(encoding, done) {
    const dropped = typeof encoding === 'function' ? encoding : done;
    if (dropped) process.nextTick(dropped);
    return false;
  }

  #begin() {
    if (this.#isBegun) return;
    this.#isBegun = true;
    this._onBeforeFirstWrite?.((chunk) => super.write(chunk));
  }
}

/** Puts status, headers and cookies before the body, for function URLs. */
class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType(PRELUDE_TYPE);
    const text = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(PRELUDE_END);
    };
    return stream;
  }
}

function streamifyResponse(handler, options) {
  handler[STREAMING] = 'response';
  if (typeof options?.highWaterMark === 'number') {
    handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
  }
  return handler;
}

/** Defines the global `awslambda`, before the function's code is loaded. */
function defineGlobal() {
  if (['1', 'true'].includes(process.env[NO_GLOBAL])) return;
  globalThis.awslambda = { streamifyResponse, HttpResponseStream };
}

/** Whether the handler writes its response to a stream. */
function isStreaming(handler) {
  const mode = handler[STREAMING];
  if (mode === undefined || mode === null || mode === false) return false;
  if (mode === 'response') return true;
  throw new RuntimeError('MalformedStreamingHandler', 'Only response streaming is supported.');
}

/** A stream for one response of this handler; its pieces go to the invocation if one is given. */
function streamFor(handler, invocation) {
  const mark = Number(handler[HIGH_WATER_MARK]);
  return new ResponseStream(mark > 0 ? mark : undefined, invocation);
}

module.exports = { defineGlobal, isStreaming, streamFor };
