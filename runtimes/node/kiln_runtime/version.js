'use strict';
/** What depends on Node's version, as AWS has it. */

const MAJOR = Number(process.versions.node.split('.')[0]);

/** AWS took callbacks, `context.done` and its like out of the runtimes from Node.js 24 on. */
const HAS_CALLBACKS = MAJOR < 24;
/** AWS loads `.ts` files where Node itself can strip their types. */
const HAS_TYPESCRIPT = MAJOR >= 24;

module.exports = { HAS_CALLBACKS, HAS_TYPESCRIPT, MAJOR };
