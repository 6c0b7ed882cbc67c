//! Calls of AWS's services that speak JSON to a target.

use kiln_testkit::{Response, Server};
use serde_json::Value;

/// How a service is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    /// Signed for this.
    name: &'static str,
    /// What stands before an operation's name.
    prefix: &'static str,
    content_type: &'static str,
}

pub(super) const QUEUES: Service = Service {
    name: "sqs",
    prefix: "AmazonSQS",
    content_type: "application/x-amz-json-1.0",
};

pub(super) const BUSES: Service = Service {
    name: "events",
    prefix: "AWSEvents",
    content_type: "application/x-amz-json-1.1",
};

impl Service {
    /// Calls while the server may be killed: none without an answer that is a success.
    pub(super) fn try_call(self, server: &Server, operation: &str, input: &Value) -> Option<Value> {
        let answer = self.request(server, operation, input).try_send()?;
        (answer.status == 200).then(|| document(&answer))
    }

    /// Calls a server that nobody kills.
    pub(super) fn call(self, server: &Server, operation: &str, input: &Value) -> Value {
        let answer = self.request(server, operation, input).send();
        document(&answer.expect_status(200))
    }

    fn request<'a>(
        self,
        server: &'a Server,
        operation: &str,
        input: &Value,
    ) -> kiln_testkit::Request<'a> {
        server
            .request("POST", "/")
            .header("content-type", self.content_type)
            .header("x-amz-target", &format!("{}.{operation}", self.prefix))
            .body(input.to_string())
            .signed(self.name)
    }
}

fn document(answer: &Response) -> Value {
    match answer.body.is_empty() {
        true => Value::Null,
        false => answer.json(),
    }
}

/// Has a function hear of an event source, from a server that nobody kills.
pub(super) fn map(server: &Server, mapping: &Value) {
    let made = server.lambda("POST", "/2015-03-31/event-source-mappings");
    made.json(mapping).send().expect_status(202);
}

/// A function's only mapping.
pub(super) fn mapping_of(server: &Server, function: &str) -> Value {
    let path = format!("/2015-03-31/event-source-mappings?FunctionName={function}");
    let found = server.lambda("GET", &path).send().expect_status(200).json();
    found["EventSourceMappings"][0].clone()
}

/// How its work went last.
pub(super) fn last_result(server: &Server, function: &str) -> String {
    let result = &mapping_of(server, function)["LastProcessingResult"];
    result.as_str().unwrap_or_default().to_owned()
}

/// The ARN of a function.
pub(super) fn function(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}
