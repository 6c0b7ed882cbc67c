'use strict';
/** The global console, as AWS's runtime changes it: levels, request ids, and a format of choice. */

const { format } = require('node:util');
const { errorOf, lineOf } = require('./errors');
const { writeRecord } = require('./output');

// Where AWS's libraries look for it.
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');

/** Name, and number in a frame. From the least important on. */
const LEVELS = [
  ['trace', 0b00100],
  ['debug', 0b01000],
  ['info', 0b01100],
  ['warn', 0b10000],
  ['error', 0b10100],
  ['fatal', 0b11000],
];
const ERROR_BITS = 0b10100;

let isJson = false;

/** Names the invocation that is logged from now on. */
function setRequestId(id) {
  globalThis[REQUEST_ID] = id;
}

/** Replaces the console's methods. `least` is the least level that is written, all when not given. */
function patch(logFormat, least) {
  isJson = logFormat === 'JSON';
  const record = isJson ? jsonRecord : textRecord;
  const first = Math.max(0, LEVELS.findIndex(([name]) => name === least?.toLowerCase()));
  LEVELS.forEach(([name, bits], index) => {
    // AWS writes what is fatal whatever the level.
    const isWritten = index >= first || name === 'fatal';
    console[name] = isWritten ? writer(record, name.toUpperCase(), bits) : () => {};
  });
  console.log = console.info;
}

/** Logs an error of the function, after a title where the format has room for one. */
function logError(title, value) {
  const error = errorOf(value);
  if (isJson) {
    console.error(error);
  } else {
    const now = new Date();
    writeRecord(textRecord(now, 'ERROR', [title, `\t${lineOf(error)}`]), ERROR_BITS, now.valueOf());
  }
}

/** Makes records of both formats and writes none: what a runtime does to warm up. */
function rehearse() {
  for (const record of [jsonRecord, textRecord]) {
    record(new Date(), 'INFO', ['%s', { text: 'x' }]);
    record(new Date(), 'INFO', [{ text: 'x' }]);
  }
}

function writer(record, level, bits) {
  return (...values) => {
    const now = new Date();
    writeRecord(record(now, level, values), bits, now.valueOf());
  };
}

function textRecord(now, level, values) {
  return `${now.toISOString()}\t${globalThis[REQUEST_ID]}\t${level}\t${format(...values)}\n`;
}

function jsonRecord(now, level, values) {
  const record = { timestamp: now.toISOString(), level, requestId: globalThis[REQUEST_ID] };
  if (values.length === 1) {
    record.message = values[0];
    try {
      return `${JSON.stringify(record, spellErrors)}\n`;
    } catch {
      // Something that has no JSON form: then as text.
      record.message = format(values[0]);
      return `${JSON.stringify(record)}\n`;
    }
  }
  record.message = format(...values);
  const error = values.find((value) => value instanceof Error);
  return `${JSON.stringify({ ...record, ...(error && spelled(error)) })}\n`;
}

function spellErrors(_key, value) {
  return value instanceof Error ? { ...spelled(value), ...value } : value;
}

function spelled(error) {
  return {
    errorType: error.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
  };
}

module.exports = { logError, patch, rehearse, setRequestId };
