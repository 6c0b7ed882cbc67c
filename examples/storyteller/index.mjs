// Tells a story word by word, as it comes to mind: an answer that its reader sees while it is made.

import { setTimeout as sleep } from 'node:timers/promises';

const STORY = 'Once upon a time there was a function that could not wait until it had said everything .';

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const { pause = '200', ending } = { ...event, ...event.queryStringParameters };
  if (event.requestContext?.http) {
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 200, headers });
  }
  for (const word of STORY.split(' ')) {
    stream.write(`${word} `);
    await sleep(Number(pause));
  }
  if (ending === 'sad') throw new Error('the story has no happy ending');
  stream.end('\n');
});
