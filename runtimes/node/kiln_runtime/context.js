'use strict';
/** What a handler learns about its invocation, in AWS's names. */

const TRACE = '_X_AMZN_TRACE_ID';

/** The context of an invocation, on top of the members given. */
function contextOf(header, members = {}) {
  setTrace(header.trace);
  const deadline = header.deadline_ms ?? Date.now() + header.timeout_ms;
  return Object.assign(members, {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed(header.client_context),
    identity: undefined,
    invokedFunctionArn: header.invoked_arn,
    awsRequestId: header.request_id,
    tenantId: header.tenant_id,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  });
}

function setTrace(trace) {
  if (trace) {
    process.env[TRACE] = trace;
  } else {
    delete process.env[TRACE];
  }
}

function parsed(text) {
  if (text === null || text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ClientContext as json: ${error}`);
  }
}

module.exports = { contextOf };
