'use strict';
/** Stands for a function while a runtime warms up. */

exports.handler = async (event, context) => ({
  sum: event.numbers.reduce((sum, number) => sum + number),
  left: context.getRemainingTimeInMillis(),
});
