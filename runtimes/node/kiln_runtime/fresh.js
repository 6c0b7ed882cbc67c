'use strict';
/** Entry of a process that is executed for one instance: `node fresh.js`. */

const { Runtime } = require('./loop');

new Runtime().live();
