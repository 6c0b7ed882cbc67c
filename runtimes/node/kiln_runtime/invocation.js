'use strict';
/** One invocation: answered once, by whatever comes first. */

const frames = require('./channel');
const { logError } = require('./console');
const { documentOf, RuntimeError } = require('./errors');
const { HAS_CALLBACKS } = require('./version');

const NOT_JSON = 'Unable to stringify response body';

/** An invocation that waits for its answer. */
class Invocation {
  #channel;
  #requestId;
  #onAnswered;
  isAnswered = false;
  /** Whether an error waits for the pieces that are on their way. */
  isFailing = false;

  constructor(channel, requestId, onAnswered) {
    this.#channel = channel;
    this.#requestId = requestId;
    this.#onAnswered = onAnswered;
  }

  /** Answers with a result. Throws when it has no JSON form; then the invocation is still open. */
  succeed(result) {
    if (this.isAnswered) return;
    this.#respond(Buffer.from(textOf(result)), 'application/json');
  }

  /** Answers with what a handler has streamed; nothing of it is left where its pieces were passed on. */
  succeedWith(stream) {
    if (this.isAnswered) return;
    this.#respond(stream.isTooLong ? undefined : stream.body(), stream.contentType);
  }

  /** Passes a piece of the answer on, and calls back when it is on its way. */
  pass(piece, contentType, done) {
    // Of what an earlier handler still writes nobody wants to know.
    if (this.isAnswered) return done();
    const header = { request_id: this.#requestId, content_type: contentType };
    this.#channel.post(header, piece, done);
  }

  /** Answers with an error, which is logged; after the pieces that are on their way. */
  fail(error) {
    if (this.isAnswered) return;
    logError('Invoke Error', error);
    this.#afterPieces(() => this.#reject(error));
  }

  /** Answers with what the daemon says of a streamed answer that is too long. */
  failAsTooLong() {
    if (!this.isFailing) this.#afterPieces(() => this.#respond(undefined));
  }

  /** Answers with an error that nobody handled, and calls back: the process ends after this. */
  failAtLast(error, done) {
    this.#afterPieces(() => this.#reject(error, { is_last: true }), done);
  }

  #afterPieces(answer, done = () => {}) {
    this.isFailing = true;
    this.#channel.posted(() => {
      if (!this.isAnswered) answer();
      done();
    });
  }

  #reject(error, header) {
    const document = documentOf(error);
    const body = Buffer.from(JSON.stringify(document));
    if (body.length > frames.BODY_BYTES_MAX) return this.#respond(undefined);
    this.#answer(frames.ERROR, { ...header, error_type: document.errorType }, body);
  }

  #respond(body, contentType) {
    if (body === undefined || body.length > frames.BODY_BYTES_MAX) {
      // The daemon says what AWS says of it; the body itself is of no use.
      this.#answer(frames.RESPONSE, { too_large: true });
    } else {
      this.#answer(frames.RESPONSE, { content_type: contentType }, body);
    }
  }

  #answer(kind, header, body) {
    this.isAnswered = true;
    this.#channel.send(kind, { request_id: this.#requestId, ...header }, body);
    this.#onAnswered();
  }
}

function textOf(result) {
  try {
    // Nothing, and what JSON leaves out, is null.
    return JSON.stringify(result) ?? 'null';
  } catch {
    throw HAS_CALLBACKS ? new Error(NOT_JSON) : new RuntimeError('JSONStringifyError', NOT_JSON);
  }
}

module.exports = { Invocation };
