'use strict';
/**
 * Where modules are looked for. `require` searches NODE_PATH, layers first and the runtime's own
 * packages last. ES modules know no NODE_PATH; AWS taught them, and so does this.
 */

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

// A link to the runtime's packages in every sandbox. ES modules look there last, as they look in
// all folders above their own, so that the AWS SDK costs them no hook.
const LINK = '/node_modules';

/** Searches these folders, a list in NODE_PATH's form. */
function lookIn(nodePath, runtimeDir) {
  Module._initPaths();
  forgetLink();
  const own = path.join(runtimeDir, 'node_modules');
  const folders = nodePath
    .split(path.delimiter)
    .filter((folder) => path.basename(folder) === 'node_modules' && folder !== own)
    .filter((folder) => fs.existsSync(folder));
  if (folders.length > 0) teachImport(folders, runtimeDir);
}

const usualFolders = Module._nodeModulePaths;

/** Makes `require` pass by the link: it would find the runtime's packages before a layer's. */
function forgetLink() {
  Module._nodeModulePaths = (from) => usualFolders(from).filter((folder) => folder !== LINK);
}

function teachImport(folders, runtimeDir) {
  const data = {
    // From beside a folder node_modules, Node looks into it first.
    places: folders.map((folder) => pathToFileURL(path.join(folder, '..', 'from-here')).href),
    last: pathToFileURL(runtimeDir).href + '/',
  };
  if (Module.registerHooks) {
    Module.registerHooks({ resolve: resolver(data) });
  } else if (Module.register) {
    // Node before 22.15 runs hooks in a thread of their own, which takes some 20 ms to start.
    Module.register('./import_hook.mjs', pathToFileURL(__filename), { data });
  }
}

/** Resolves as Node does, and what only the runtime has or nobody from the given places. */
function resolver({ places, last }) {
  return (specifier, context, next) => {
    const usual = attempt(() => next(specifier, context));
    const isFinal = usual.found && !(usual.found.url.startsWith(last) && !context.parentURL?.startsWith(last));
    if (isFinal || !isBare(specifier)) return given(usual);
    for (const place of places) {
      const { found } = attempt(() => next(specifier, { ...context, parentURL: place }));
      if (found && !found.url.startsWith(last)) return found;
    }
    return given(usual);
  };
}

function attempt(resolve) {
  try {
    return { found: resolve() };
  } catch (error) {
    return { error };
  }
}

function given({ found, error }) {
  if (error) throw error;
  return found;
}

/** Whether it names a package: no path and no URL. */
function isBare(specifier) {
  return !/^(\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(specifier);
}

module.exports = { isBare, lookIn };
