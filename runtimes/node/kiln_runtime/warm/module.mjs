/** Stands for a function that is an ES module while a runtime warms up. */

export const handler = async (event, context) => ({
  sum: event.numbers.reduce((sum, number) => sum + number),
  left: context.getRemainingTimeInMillis(),
});
