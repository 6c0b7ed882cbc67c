'use strict';
/** A runtime process under test, seen as the daemon sees it. */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const SHIM = path.join(__dirname, '..', 'kiln_runtime');
const REQUEST = '8f507cfc-e3c6-4b5c-b3d6-0d4a5a8b2f1e';
const [INIT, INVOKE] = [1, 2];
const [READY, INIT_DONE, INIT_ERROR, RESPONSE, ERROR, CHUNK] = [16, 17, 18, 19, 20, 26];
const FRAME = 0xa55a00;
const INIT_OVER = 0xa55aff;

/** Boots a process for the function in `files`, whose `index.js` may be given as a text. */
class Runtime {
  constructor(files, { entry = 'fresh.js' } = {}) {
    this.task = fs.mkdtempSync(path.join(os.tmpdir(), 'kiln-node-'));
    for (const [name, content] of Object.entries(typeof files === 'string' ? { 'index.js': files } : files)) {
      const file = path.join(this.task, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, content);
    }
    this.process = spawn(process.execPath, [path.join(SHIM, entry)], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
      env: {},
      cwd: '/',
    });
    this.channel = this.process.stdio[3];
    this.received = Buffer.alloc(0);
    this.output = Buffer.alloc(0);
    this.process.stdout.on('data', (data) => (this.output = Buffer.concat([this.output, data])));
    this.ended = once(this.process, 'close').then(([code, signal]) => ({ code, signal }));
  }

  /** Tells it which function it is, and gives its answer. */
  async init({ handler = 'index.handler', env = {}, nodePath, logFormat = 'Text', logLevel = null } = {}) {
    const ready = await this.receive();
    if (ready.kind !== READY) throw new Error(`not READY but ${ready.kind}`);
    const variables = {
      LAMBDA_TASK_ROOT: this.task,
      LAMBDA_RUNTIME_DIR: path.dirname(SHIM),
      AWS_LAMBDA_FUNCTION_NAME: 'greet',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/greet',
      AWS_LAMBDA_LOG_STREAM_NAME: 'stream',
      TZ: ':UTC',
      ...(nodePath && { NODE_PATH: path.join(this.task, nodePath) }),
      ...env,
    };
    this.send(INIT, { handler, env: variables, log_format: logFormat, log_level: logLevel });
    return this.receive();
  }

  /** Sends an event and gives the answer. */
  invoke(event, header = {}) {
    this.sendEvent(event, header);
    return this.receive();
  }

  sendEvent(event, header = {}) {
    const usual = {
      request_id: REQUEST,
      deadline_ms: Date.now() + 3000,
      invoked_arn: 'arn:aws:lambda:us-east-1:000000000000:function:greet',
      trace: null,
      client_context: null,
    };
    this.send(INVOKE, { ...usual, ...header }, JSON.stringify(event));
  }

  send(kind, header, body = '') {
    const [head, rest] = [Buffer.from(JSON.stringify(header)), Buffer.from(body)];
    const prefix = Buffer.alloc(9);
    prefix.writeUInt32BE(5 + head.length + rest.length);
    prefix[4] = kind;
    prefix.writeUInt32BE(head.length, 5);
    this.channel.write(Buffer.concat([prefix, head, rest]));
  }

  /** The next frame: its kind, its header, its body as text, and as JSON where it is that. */
  async receive() {
    const length = (await this.#read(4)).readUInt32BE();
    const frame = await this.#read(length);
    const head = frame.readUInt32BE(1);
    const text = frame.toString('utf8', 5 + head);
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      // A streamed body may be anything.
    }
    return { kind: frame[0], header: JSON.parse(frame.toString('utf8', 5, 5 + head)), text, json };
  }

  async #read(count) {
    while (this.received.length < count) {
      const data = this.channel.read();
      if (data) {
        this.received = Buffer.concat([this.received, data]);
      } else if (this.channel.readableEnded || this.channel.destroyed) {
        throw new Error('the runtime closed its channel');
      } else {
        await Promise.race([once(this.channel, 'readable'), once(this.channel, 'close')]);
      }
    }
    const bytes = this.received.subarray(0, count);
    this.received = this.received.subarray(count);
    return bytes;
  }

  /** Waits until it has ended, after closing the channel unless it ends by itself. */
  async end({ byItself = false } = {}) {
    if (!byItself) this.channel.end();
    const status = await this.ended;
    fs.rmSync(this.task, { recursive: true });
    return status;
  }

  /** What it has written, cut as the daemon cuts it; the end of init is `null`. */
  records() {
    const found = [];
    let rest = this.output;
    while (rest.length > 0) {
      const kind = rest.length >= 16 ? rest.readUInt32BE() >>> 8 : 0;
      if (kind === FRAME) {
        const end = 16 + rest.readUInt32BE(4);
        found.push(rest.toString('utf8', 16, end).replace(/\n$/, ''));
        rest = rest.subarray(end);
      } else if (kind === INIT_OVER) {
        found.push(null);
        rest = rest.subarray(16);
      } else {
        const line = rest.indexOf('\n');
        const frame = rest.indexOf(Buffer.from([0xa5, 0x5a]), 1);
        const ends = [line + 1, frame, rest.length].filter((end) => end > 0);
        const end = Math.min(...ends);
        found.push(rest.toString('utf8', 0, end).replace(/\n$/, ''));
        rest = rest.subarray(end);
      }
    }
    return found;
  }
}

/** Boots, initialises, hands over to `story`, and ends the process whatever happens. */
async function withRuntime(files, options, story) {
  const runtime = new Runtime(files, options);
  try {
    const init = await runtime.init(options);
    await story(runtime, init);
  } finally {
    await runtime.end();
  }
}

module.exports = { CHUNK, ERROR, INIT_DONE, INIT_ERROR, REQUEST, RESPONSE, Runtime, withRuntime };
