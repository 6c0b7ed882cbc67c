'use strict';
/** Errors of the runtime itself, and how any error is told to the caller and to the log. */

const { types } = require('node:util');

/** An error class that AWS's documentation names. */
class RuntimeError extends Error {
  constructor(kind, message, stack) {
    super(message);
    // Not a member of its own: that would show in the log.
    Object.defineProperty(this, 'name', { value: `Runtime.${kind}`, configurable: true });
    // The stack says where the user's code is wrong, not where ours found it.
    this.stack = stack ?? this.stack.replace(/^Error/, this.name);
  }
}

/** A promise of the function was rejected and nobody handled it. */
class UnhandledPromiseRejection extends RuntimeError {
  constructor(reason, promise) {
    super('UnhandledPromiseRejection', String(reason));
    this.reason = reason;
    this.promise = promise;
  }
}

const NOT_READABLE = {
  errorType: 'handled',
  errorMessage:
    'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
};

/** The error document that the caller gets. */
function documentOf(error) {
  try {
    if (isError(error)) {
      return {
        errorType: error.name,
        errorMessage: error.message,
        trace: String(error.stack).split('\n'),
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return NOT_READABLE;
  }
}

/** The same with the error's own members, as one line of the log. */
function lineOf(error) {
  try {
    return JSON.stringify(error, (_key, value) => (value instanceof Error ? membersOf(value) : value));
  } catch {
    return JSON.stringify(documentOf(error));
  }
}

function membersOf(error) {
  const members = { errorType: error.name, errorMessage: error.message, code: error.code, ...error };
  if (typeof error.stack === 'string') members.stack = error.stack.split('\n');
  return members;
}

function isError(value) {
  // Errors of another realm, and what only looks like one, count too.
  const texts = () => [value.name, value.message, value.stack];
  return (
    types.isNativeError(value) ||
    (typeof value === 'object' && value !== null && texts().every((text) => text && typeof text === 'string'))
  );
}

/** What was thrown, as an error. */
function errorOf(value) {
  if (value instanceof Error) return value;
  try {
    return new Error(value);
  } catch {
    // It has no text either.
    return new Error(NOT_READABLE.errorMessage);
  }
}

module.exports = { RuntimeError, UnhandledPromiseRejection, documentOf, errorOf, lineOf };
