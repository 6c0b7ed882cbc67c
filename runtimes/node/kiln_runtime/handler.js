'use strict';
/** Finds a function's handler: `folder/module.exported.name`. */

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { RuntimeError } = require('./errors');
const { HAS_CALLBACKS, HAS_TYPESCRIPT } = require('./version');
const stream = require('./stream');

const CALLBACKS_REMOVED =
  'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.';

/**
 * Loads the module and gives its handler.
 *
 * Throws a {@link RuntimeError} when there is none, and whatever the module throws.
 */
async function load(handler, taskRoot, runtimeDir) {
  const { folder, name, exported } = parse(handler, taskRoot);
  stream.defineGlobal();
  const found = member(await loadModule({ folder, name, taskRoot, runtimeDir }), exported);
  if (!found) throw new RuntimeError('HandlerNotFound', `${handler} is undefined or not exported`);
  if (typeof found !== 'function') {
    throw new RuntimeError('HandlerNotFound', `${handler} is not a function`);
  }
  if (!HAS_CALLBACKS && found.length >= 3 && !stream.isStreaming(found)) {
    throw new RuntimeError('CallbackHandlerDeprecated', CALLBACKS_REMOVED);
  }
  return found;
}

function parse(handler, taskRoot) {
  if (handler.includes('..')) {
    throw new RuntimeError(
      'MalformedHandlerName',
      `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const file = path.basename(handler);
  const dot = file.indexOf('.');
  if (dot < 0) throw new RuntimeError('MalformedHandlerName', 'Bad handler');
  return {
    folder: path.resolve(taskRoot, handler.slice(0, handler.indexOf(file))),
    name: file.slice(0, dot),
    exported: file.slice(dot + 1),
  };
}

async function loadModule(place) {
  try {
    return await loadFile(place);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new RuntimeError('UserCodeSyntaxError', String(error), error.stack);
    }
    if (error?.code === 'MODULE_NOT_FOUND') {
      throw new RuntimeError('ImportModuleError', String(error));
    }
    throw error;
  }
}

/** Tries the file's extensions in AWS's order, then whatever `require` finds. */
async function loadFile({ folder, name, taskRoot, runtimeDir }) {
  // A place of AWS's own, which "Require stack" in an error message then ends with.
  const require = Module.createRequire(path.join(runtimeDir, 'index.mjs'));
  const file = path.join(folder, name);
  const isModule = isModuleFolder(folder);
  const byType = isModule ? importFile : require;
  const attempts = [
    ['', require],
    ['.js', byType],
    ['.mjs', importFile],
    ['.cjs', require],
  ];
  if (HAS_TYPESCRIPT) attempts.push(['.ts', byType], ['.mts', importFile], ['.cts', require]);
  for (const [extension, loader] of attempts) {
    const candidate = file + extension;
    if (fs.existsSync(candidate)) return loader(candidate);
  }
  return require(require.resolve(name, { paths: [taskRoot, folder] }));
}

function importFile(file) {
  return import(pathToFileURL(file));
}

/** Whether the nearest package.json says `"type": "module"`. */
function isModuleFolder(folder) {
  if (path.basename(folder) === 'node_modules') return false;
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, 'utf8'))?.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  const above = path.dirname(folder);
  return above !== folder && isModuleFolder(above);
}

/** The nested member `a.b.c`, of the module or of what a CommonJS module has as its default. */
function member(module, names) {
  const within = (value) => names.split('.').reduce((nested, key) => nested?.[key], value);
  return within(module) ?? within(module?.default);
}

module.exports = { load };
