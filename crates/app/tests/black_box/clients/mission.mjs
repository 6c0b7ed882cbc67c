// The mission's example through the JavaScript SDK, version 3. Only the environment says where.
import assert from "node:assert/strict";
import * as zlib from "node:zlib";
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ResourceNotFoundException,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";

const CODE = `import boto3
def lambda_handler(event, context):
    num1 = event['num1']
    num2 = event['num2']
    result = num1 + num2
    return {'result': result}
`;

// Node has it from 20.15 and 22.2 on; to import by name what is not there is an error.
function crc32(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes);
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

// A zip of one deflated file, by hand: Node has no zip of its own.
function zip(name, text) {
  const raw = Buffer.from(text);
  const packed = zlib.deflateRawSync(raw);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(8, 4);
  fields.writeUInt16LE(0x21, 8);
  fields.writeUInt32LE(crc32(raw), 10);
  fields.writeUInt32LE(packed.length, 14);
  fields.writeUInt32LE(raw.length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), fields, Buffer.from(name), packed]);
  const central = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00", "latin1"),
    fields,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

const client = new LambdaClient({});
const FunctionName = "sum-js";
await client.send(
  new CreateFunctionCommand({
    FunctionName,
    Runtime: process.env.KILN_TEST_RUNTIME,
    Role: "arn:aws:iam::123456789012:role/lambda-role",
    Handler: "lambda_function.lambda_handler",
    Code: { ZipFile: zip("lambda_function.py", CODE) },
  }),
);
await waitUntilFunctionActiveV2({ client, maxWaitTime: 20, minDelay: 1 }, { FunctionName });

const answer = await client.send(
  new InvokeCommand({ FunctionName, Payload: JSON.stringify({ num1: 1, num2: 2 }), LogType: "Tail" }),
);
assert.equal(answer.StatusCode, 200);
assert.equal(answer.FunctionError, undefined);
assert.equal(answer.ExecutedVersion, "$LATEST");
assert.deepEqual(JSON.parse(answer.Payload.transformToString()), { result: 3 });
assert.match(Buffer.from(answer.LogResult, "base64").toString(), /REPORT RequestId: /);

const failed = await client.send(new InvokeCommand({ FunctionName, Payload: "{}" }));
assert.equal(failed.FunctionError, "Unhandled");
assert.equal(JSON.parse(failed.Payload.transformToString()).errorType, "KeyError");

await client.send(new DeleteFunctionCommand({ FunctionName }));
await assert.rejects(client.send(new GetFunctionCommand({ FunctionName })), (error) => {
  assert(error instanceof ResourceNotFoundException);
  assert.equal(error.$metadata.httpStatusCode, 404);
  return true;
});
