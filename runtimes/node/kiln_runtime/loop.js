'use strict';
/** The life of a runtime process: boot, initialise one function, run its invocations. */

const path = require('node:path');
const frames = require('./channel');
const compileCache = require('./compile_cache');
const { logError, patch, setRequestId } = require('./console');
const { documentOf, UnhandledPromiseRejection } = require('./errors');
const environment = require('./environment');
const { load } = require('./handler');
const { Invocation } = require('./invocation');
const output = require('./output');
const { run } = require('./run');

const CHANNEL = 3;
const PACK = path.dirname(__dirname);
// With these AWS's runtime ends after an error that nobody handled.
const EXIT_REJECTION = 128;
const EXIT_EXCEPTION = 129;
// With this Node ends when an `await` at the top of a module never goes on.
const EXIT_UNSETTLED = 13;

/** One runtime process. */
class Runtime {
  #channel;
  #handler;
  /** The invocation that is not answered yet. */
  #current;
  /** What to do when the event loop has nothing left to do. */
  #whenEmpty = () => process.exit(EXIT_UNSETTLED);

  constructor(fd = CHANNEL) {
    this.#channel = new frames.Channel(fd);
  }

  /** Runs one function until the process ends. */
  async live() {
    output.replaceStreams();
    compileCache.use(path.join(PACK, 'node_modules'), path.join(PACK, 'compile-cache'));
    this.#channel.send(frames.READY);
    const { kind, header } = this.#receive();
    if (kind !== frames.INIT) process.exit(1);
    environment.apply(header.env);
    patch(header.log_format, header.log_level);
    this.#watch();
    try {
      this.#handler = await load(
        header.handler,
        header.env.LAMBDA_TASK_ROOT,
        header.env.LAMBDA_RUNTIME_DIR,
      );
    } catch (error) {
      logError('Uncaught Exception', error);
      this.#end(error, 1);
    }
    output.markInitOver();
    this.#channel.send(frames.INIT_DONE);
    this.#next();
  }

  /** Takes the next event when everything that is due now has run. */
  #next() {
    this.#current = undefined;
    this.#whenEmpty = () => {};
    setImmediate(() => this.#invoke());
  }

  #invoke() {
    let frame = this.#receive();
    while (frame.kind !== frames.INVOKE) frame = this.#receive();
    const { header, body } = frame;
    setRequestId(header.request_id);
    const invocation = new Invocation(this.#channel, header.request_id, () => {
      if (this.#current === invocation) this.#next();
    });
    this.#current = invocation;
    const whenEmpty = (action) => {
      if (this.#current === invocation) this.#whenEmpty = action;
    };
    run(this.#handler, { header, body, invocation, whenEmpty });
  }

  /** Answers for errors that nobody handles, and for an event loop that runs empty. */
  #watch() {
    process.on('uncaughtException', (error) => {
      logError('Uncaught Exception', error);
      this.#end(error, EXIT_EXCEPTION);
    });
    process.on('unhandledRejection', (reason, promise) => {
      const error = new UnhandledPromiseRejection(reason, promise);
      logError('Unhandled Promise Rejection', error);
      this.#end(error, EXIT_REJECTION);
    });
    process.on('beforeExit', () => this.#whenEmpty());
  }

  /** Tells the daemon why this process ends, and ends it. */
  #end(error, status) {
    const exit = () => process.exit(status);
    if (this.#handler) return this.#current ? this.#current.failAtLast(error, exit) : exit();
    const document = documentOf(error);
    const body = Buffer.from(JSON.stringify(document)).subarray(0, frames.BODY_BYTES_MAX);
    this.#channel.send(frames.INIT_ERROR, { error_type: document.errorType }, body);
    exit();
  }

  #receive() {
    try {
      return this.#channel.receive();
    } catch (error) {
      if (error instanceof frames.Closed) process.exit(0);
      throw error;
    }
  }
}

module.exports = { Runtime };
