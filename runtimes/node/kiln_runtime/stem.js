'use strict';
/** Entry of a process that is executed before it is known for whom: `node stem.js`. */

const { Runtime } = require('./loop');
const warm = require('./warm');

warm.up().then(() => new Runtime().live());
