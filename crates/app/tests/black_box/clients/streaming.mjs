// An answer that the JavaScript SDK, version 3, reads while the function makes it.
import assert from "node:assert/strict";
import { InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";

const client = new LambdaClient({});

async function read(event) {
  const answer = await client.send(
    new InvokeWithResponseStreamCommand({
      FunctionName: "streaming",
      Payload: JSON.stringify(event),
      LogType: "Tail",
    }),
  );
  assert.equal(answer.StatusCode, 200);
  assert.equal(answer.ExecutedVersion, "$LATEST");
  const pieces = [];
  let end;
  for await (const one of answer.EventStream) {
    if (one.PayloadChunk) pieces.push([Date.now(), Buffer.from(one.PayloadChunk.Payload).toString()]);
    if (one.InvokeComplete) end = one.InvokeComplete;
  }
  return { pieces, end };
}

const told = await read({ words: ["one", "two", "three"], pause: 300 });
assert.deepEqual(told.pieces.map(([, text]) => text), ["one", "two", "three"]);
assert.ok(told.pieces.at(-1)[0] - told.pieces[0][0] > 500, "it came at once");
assert.equal(told.end.ErrorCode, undefined);
assert.match(Buffer.from(told.end.LogResult, "base64").toString(), /REPORT RequestId: /);

const failed = await read({ words: ["half"], fails: true });
assert.equal(failed.pieces[0][1], "half");
assert.equal(failed.end.ErrorCode, "Unhandled");
assert.equal(JSON.parse(failed.end.ErrorDetails).errorMessage, "midway");
