'use strict';
/**
 * Writes that are over when they return: what a process said before its end is never lost. And one
 * for what its reader may be slow to take.
 */

const fs = require('node:fs');

const PAUSE_MS = 1;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes all bytes, whatever the state of the descriptor. */
function writeAll(fd, bytes) {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += fs.writeSync(fd, bytes, written);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      // A child process that shares the pipe has made it non-blocking, for us too.
      Atomics.wait(pause, 0, 0, PAUSE_MS);
    }
  }
}

/** Writes all bytes on another thread and calls back. */
function writeLater(fd, bytes, done) {
  const write = (start) =>
    fs.write(fd, bytes, start, bytes.length - start, null, (error, written) => {
      if (error?.code === 'EAGAIN') return setTimeout(write, PAUSE_MS, start);
      if (error) return done(error);
      if (start + written < bytes.length) return write(start + written);
      done();
    });
  write(0);
}

module.exports = { writeAll, writeLater };
