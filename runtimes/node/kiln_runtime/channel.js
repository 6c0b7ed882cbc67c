'use strict';
/**
 * Frames on the socket to the daemon.
 *
 * A frame is: length of the rest (u32), kind (u8), length of the header (u32), header (JSON), body;
 * all numbers big-endian. Reads and writes block: between invocations nothing of the function
 * should run, as on AWS, and a blocking read costs 5 µs less than one of the event loop. Pieces of a
 * streamed answer are the exception: their caller may be slow, and the handler runs on meanwhile.
 */

const fs = require('node:fs');
const { writeAll, writeLater } = require('./write');

const INIT = 1;
const INVOKE = 2;
const READY = 16;
const INIT_DONE = 17;
const INIT_ERROR = 18;
const RESPONSE = 19;
const ERROR = 20;
const CHUNK = 26;

// AWS takes 6 MiB and 100 bytes; the daemon refuses to read more than that.
const BODY_BYTES_MAX = 6 * 1024 * 1024 + 100;

// The daemon refuses longer pieces of an answer.
const CHUNK_BYTES_MAX = 64 * 1024;

const LENGTH_BYTES = 4;
const PREFIX_BYTES = 9;
const READ_BYTES = 16 * 1024;
const NOTHING = Buffer.alloc(0);

/** The daemon has closed its end. */
class Closed extends Error {}

/** The runtime's end of the socket. */
class Channel {
  #fd;
  #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  #start = 0;
  #end = 0;
  /** Whether pieces are being written, and what waits for that to be over. */
  #isPosting = false;
  #whenPosted = [];

  constructor(fd) {
    this.#fd = fd;
  }

  /** The next frame: its kind, its header and its body, which is good until the next call. */
  receive() {
    this.#fill(PREFIX_BYTES);
    const size = LENGTH_BYTES + this.#buffer.readUInt32BE(this.#start);
    this.#fill(size);
    const frame = this.#buffer.subarray(this.#start, this.#start + size);
    this.#start += size;
    const body = PREFIX_BYTES + frame.readUInt32BE(5);
    return {
      kind: frame[LENGTH_BYTES],
      header: JSON.parse(frame.toString('utf8', PREFIX_BYTES, body)),
      body: frame.subarray(body),
    };
  }

  /** Sends one frame. */
  send(kind, header = {}, body = NOTHING) {
    writeAll(this.#fd, frameOf(kind, header, body));
  }

  /**
   * Sends a piece of an answer in as many frames as it takes, while other code runs; calls back when
   * all of it is written. The bytes are copied at once. Nothing else may be sent before: see `posted`.
   */
  post(header, body, done) {
    const frames = [];
    for (let at = 0; at === 0 || at < body.length; at += CHUNK_BYTES_MAX) {
      frames.push(frameOf(CHUNK, header, body.subarray(at, at + CHUNK_BYTES_MAX)));
    }
    this.#isPosting = true;
    writeLater(this.#fd, frames.length === 1 ? frames[0] : Buffer.concat(frames), (error) => {
      this.#isPosting = false;
      // A stream that has more posts it now.
      done(error);
      if (!this.#isPosting) this.#whenPosted.splice(0).forEach((action) => action());
    });
  }

  /** Calls back when nothing is being posted: at once when nothing is. */
  posted(action) {
    if (this.#isPosting) this.#whenPosted.push(action);
    else action();
  }

  /** Reads until this many bytes are there, in a buffer that is as large as they need. */
  #fill(count) {
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
    }
    const fits = this.#start + count <= this.#buffer.length;
    if (!fits || (this.#start === 0 && this.#buffer.length > READ_BYTES && count <= READ_BYTES)) {
      this.#move(Math.max(count, READ_BYTES, this.#end - this.#start));
    }
    while (this.#end - this.#start < count) {
      const read = fs.readSync(this.#fd, this.#buffer, this.#end, this.#buffer.length - this.#end);
      if (read === 0) throw new Closed();
      this.#end += read;
    }
  }

  #move(size) {
    const larger = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(larger, 0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    this.#buffer = larger;
  }
}

function frameOf(kind, header, body) {
  const head = JSON.stringify(header);
  const headBytes = Buffer.byteLength(head);
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + headBytes + body.length);
  frame.writeUInt32BE(frame.length - LENGTH_BYTES, 0);
  frame[LENGTH_BYTES] = kind;
  frame.writeUInt32BE(headBytes, 5);
  frame.write(head, PREFIX_BYTES);
  frame.set(body, PREFIX_BYTES + headBytes);
  return frame;
}

module.exports = {
  BODY_BYTES_MAX,
  Channel,
  Closed,
  ERROR,
  INIT,
  INIT_DONE,
  INIT_ERROR,
  INVOKE,
  READY,
  RESPONSE,
};
