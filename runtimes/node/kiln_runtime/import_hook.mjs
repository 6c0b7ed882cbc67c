/** The hook of `modules.js` for Nodes that run hooks in a thread of their own. */

import modules from './modules.js';

let places = [];
let last = '';

export function initialize(data) {
  ({ places, last } = data);
}

export async function resolve(specifier, context, next) {
  const usual = await attempt(() => next(specifier, context));
  const isFinal = usual.found && !(usual.found.url.startsWith(last) && !context.parentURL?.startsWith(last));
  if (isFinal || !modules.isBare(specifier)) return given(usual);
  for (const place of places) {
    const { found } = await attempt(() => next(specifier, { ...context, parentURL: place }));
    if (found && !found.url.startsWith(last)) return found;
  }
  return given(usual);
}

async function attempt(resolving) {
  try {
    return { found: await resolving() };
  } catch (error) {
    return { error };
  }
}

function given({ found, error }) {
  if (error) throw error;
  return found;
}
