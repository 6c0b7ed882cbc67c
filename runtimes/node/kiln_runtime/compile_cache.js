'use strict';
/**
 * Compiled code of the runtime's own packages, made with the pack: loading a client of the AWS SDK
 * takes a third less processor time with it.
 *
 * Node's own compile cache cannot serve here. It goes by user id, of which every sandbox has
 * another, and by the files' paths, which are others where a pack is made.
 *
 * The file is: length of the index (u32, big-endian), the index (JSON: path -> [offset, length]),
 * code. V8 refuses code of another version, of other flags or for another source, and compiles.
 */

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');
const { MAJOR } = require('./version');

const LENGTH_BYTES = 4;
// A script has other rules for it than a module.
const HAS_IMPORT = /\bimport\s*\(/;
/** Up to Node.js 22 the flags with which V8 sized its heap count; it has no use for them any more. */
const SPENT_FLAGS = ['--max-semi-space-size=0', '--max-old-space-size=0'];

/** How many modules were loaded with their compiled code, and whether V8 refused it. */
const statistics = { used: 0, wasRefused: false };

/** Compiled code by the path of its source. */
class Cache {
  #fd;
  #start;
  #index;

  constructor(file) {
    this.#fd = fs.openSync(file);
    const length = this.#read(0, LENGTH_BYTES).readUInt32BE();
    this.#start = LENGTH_BYTES + length;
    this.#index = new Map(Object.entries(JSON.parse(this.#read(LENGTH_BYTES, length).toString())));
  }

  /** The code, if there is any. */
  get(name) {
    const [offset, length] = this.#index.get(name) ?? [];
    return offset === undefined ? undefined : this.#read(this.#start + offset, length);
  }

  #read(position, length) {
    const bytes = Buffer.allocUnsafeSlow(length);
    if (fs.readSync(this.#fd, bytes, 0, length, position) !== length) throw new Error('The cache is cut short.');
    return bytes;
  }
}

/** Loads the packages of a folder with their compiled code, from now on, where there is a file of it. */
function use(folder, file) {
  let cache;
  try {
    cache = new Cache(file);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (MAJOR <= 22) SPENT_FLAGS.forEach((flag) => v8.setFlagsFromString(flag));
  compileWith(folder, (name, source, filename) => {
    const cachedData = cache?.get(name);
    if (!cachedData) return undefined;
    const script = new vm.Script(source, { filename, cachedData });
    if (script.cachedDataRejected) {
      // Once is always: the function runs with flags of its own.
      cache = undefined;
      statistics.wasRefused = true;
    } else {
      statistics.used += 1;
    }
    return script;
  });
}

/** Loads a folder's packages and gives the compiled code of what was loaded, in the file's form. */
function make(folder, load) {
  const scripts = new Map();
  compileWith(folder, (name, source, filename) => {
    if (HAS_IMPORT.test(source)) return undefined;
    const script = new vm.Script(source, { filename });
    scripts.set(name, script);
    return script;
  });
  load();
  const index = {};
  const code = [];
  let offset = 0;
  for (const [name, script] of scripts) {
    const compiled = script.createCachedData();
    index[name] = [offset, compiled.length];
    offset += compiled.length;
    code.push(compiled);
  }
  const header = Buffer.from(JSON.stringify(index));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(header.length);
  return Buffer.concat([length, header, ...code]);
}

/** Runs a folder's modules as the scripts that `scriptOf` gives, and others as Node does. */
function compileWith(folder, scriptOf) {
  const usual = Module.prototype._compile;
  Module.prototype._compile = function (content, filename, ...rest) {
    const isOurs = filename.startsWith(folder + path.sep);
    const name = isOurs && path.relative(folder, filename);
    const script = name && scriptOf(name, Module.wrap(content), filename);
    if (!script) return usual.call(this, content, filename, ...rest);
    const run = script.runInThisContext();
    return run.call(this.exports, this.exports, requireOf(this), this, filename, path.dirname(filename));
  };
}

/** The `require` of a module. */
function requireOf(module) {
  const require = (id) => module.require(id);
  require.resolve = (id, options) => Module._resolveFilename(id, module, false, options);
  require.main = process.mainModule;
  require.extensions = Module._extensions;
  require.cache = Module._cache;
  return require;
}

module.exports = { make, statistics, use };
