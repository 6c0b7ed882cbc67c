'use strict';
/**
 * What the process writes to its output pipe: log records in frames, so that one with many lines
 * stays one record, and between them whatever the function prints.
 */

const { Writable } = require('node:stream');
const { writeAll } = require('./write');

const STDOUT = 1;
const STDERR = 2;
const HEADER_BYTES = 16;
// AWS's framing of log records; the last byte is the level.
const LOG_FRAME = 0xa55a0003;
// Tells the daemon where init ends: type, length, time.
const INIT_OVER = Buffer.from([0xa5, 0x5a, 0xff, 0x01, ...Buffer.alloc(12)]);

/** Writes one log record. */
function writeRecord(text, level, time) {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32BE((LOG_FRAME | level) >>> 0, 0);
  frame.writeUInt32BE(length, 4);
  frame.writeBigUInt64BE(BigInt(time) * 1000n, 8);
  frame.write(text, HEADER_BYTES);
  writeAll(STDOUT, frame);
}

/** Marks the end of init in the output. */
function markInitOver() {
  writeAll(STDOUT, INIT_OVER);
}

/**
 * Replaces `process.stdout` and `process.stderr` by streams that write at once. Node's own leave
 * what a full pipe does not take to the event loop, which stands still while we wait for an event.
 */
function replaceStreams() {
  for (const [name, fd] of [['stdout', STDOUT], ['stderr', STDERR]]) {
    const stream = streamTo(fd);
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get: () => stream,
    });
  }
}

function streamTo(fd) {
  const stream = new Writable({
    write(chunk, _encoding, done) {
      writeAll(fd, chunk);
      done();
    },
    // Like Node's: neither can be closed.
    destroy(error, done) {
      done(error);
      this._undestroy();
    },
  });
  return Object.assign(stream, { fd, _type: 'pipe' });
}

module.exports = { markInitOver, replaceStreams, writeRecord };
