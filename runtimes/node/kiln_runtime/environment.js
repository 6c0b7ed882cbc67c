'use strict';
/** Turns a booted process into the one that a function expects to find itself in. */

const modules = require('./modules');

/** Sets the environment, the working directory and where modules are looked for. */
function apply(variables) {
  setVariables(variables);
  // The directory that was here when the process booted is not the function's.
  process.chdir(variables.LAMBDA_TASK_ROOT);
  modules.lookIn(variables.NODE_PATH ?? '', variables.LAMBDA_RUNTIME_DIR);
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
