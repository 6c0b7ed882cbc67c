'use strict';
/** Turns a booted process into the one that a function expects to find itself in. */

const v8 = require('node:v8');
const modules = require('./modules');

// What a function's heap may grow by before V8 collects its garbage. V8 sizes its heap when it
// boots and not again: a stem does not know yet for which memory, so it boots with more than any
// function has. With V8's own growth (up to 300 %) garbage would then fill a small function's
// memory before it is collected. A quarter lets a function keep three quarters of its memory alive.
const GROWTH_PERCENT = 25;

/** Sets the environment, the working directory and where modules are looked for. */
function apply(variables, { isStem }) {
  setVariables(variables);
  // The directory that was here when the process booted is not the function's.
  process.chdir(variables.LAMBDA_TASK_ROOT);
  modules.lookIn(variables.NODE_PATH ?? '', variables.LAMBDA_RUNTIME_DIR);
  if (isStem) v8.setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}

function setVariables(variables) {
  for (const name of Object.keys(process.env)) {
    if (!Object.hasOwn(variables, name)) delete process.env[name];
  }
  for (const [name, value] of Object.entries(variables)) {
    if (process.env[name] !== value) process.env[name] = value;
  }
}

module.exports = { apply };
