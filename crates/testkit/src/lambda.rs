//! Functions of a test, through Lambda's API.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{Request, Response, Server, archive, wait_for};

/// A function about to be created.
#[derive(Debug)]
pub struct FunctionBuilder<'a> {
    server: &'a Server,
    body: Map<String, Value>,
    zip: Vec<u8>,
    image: Option<String>,
}

/// What an invocation gave its caller.
#[derive(Debug)]
pub struct Invoked {
    /// The status code: 200 also when the function failed.
    pub status: u16,
    /// `X-Amz-Function-Error`.
    pub function_error: Option<String>,
    /// `X-Amz-Executed-Version`.
    pub executed_version: String,
    /// The request's id, as in the log.
    pub request_id: String,
    /// The last 4 KiB of the log.
    pub log: String,
    /// The result or the error document.
    pub payload: Bytes,
}

impl<'a> FunctionBuilder<'a> {
    /// With this zip instead of one Python file.
    pub fn zip(mut self, zip: Vec<u8>) -> Self {
        self.zip = zip;
        self
    }

    /// A container image in the place of code and runtime.
    pub fn image(mut self, uri: &str) -> Self {
        self.image = Some(uri.to_owned());
        for member in ["Runtime", "Handler"] {
            self.body.remove(member);
        }
        self.set("PackageType", json!("Image"))
    }

    /// Sets a member of the `CreateFunction` request.
    pub fn set(mut self, member: &str, value: Value) -> Self {
        self.body.insert(member.to_owned(), value);
        self
    }

    /// Memory in MB.
    pub fn memory(self, megabytes: u32) -> Self {
        self.set("MemorySize", json!(megabytes))
    }

    /// Timeout in seconds.
    pub fn timeout(self, seconds: u32) -> Self {
        self.set("Timeout", json!(seconds))
    }

    /// Environment variables.
    pub fn environment(self, variables: Value) -> Self {
        self.set("Environment", json!({"Variables": variables}))
    }

    /// Asks for it and gives the answer as it comes.
    pub fn try_create(mut self) -> Response {
        let zip = base64::engine::general_purpose::STANDARD.encode(&self.zip);
        let code = match &self.image {
            Some(uri) => json!({"ImageUri": uri}),
            None => json!({"ZipFile": zip}),
        };
        self.body.insert("Code".to_owned(), code);
        let body = Value::Object(self.body);
        self.server
            .lambda("POST", "/2015-03-31/functions")
            .json(&body)
            .send()
    }

    /// Creates it and waits until it is active; gives its configuration.
    pub fn create(self) -> Value {
        let server = self.server;
        let created = self.try_create().expect_status(201).json();
        let name = created["FunctionName"]
            .as_str()
            .expect("a function has a name")
            .to_owned();
        server.wait_until_active(&name)
    }
}

impl Server {
    /// A Python function with this source as `index.py`; its handler is `index.handler`.
    pub fn function(&self, name: &str, source: &str) -> FunctionBuilder<'_> {
        let body = json!({
            "FunctionName": name,
            "Runtime": self.runtime(),
            "Role": "arn:aws:iam::000000000000:role/lambda",
            "Handler": "index.handler",
            "Timeout": 10,
        });
        let Value::Object(body) = body else {
            unreachable!("written as an object")
        };
        FunctionBuilder {
            server: self,
            body,
            zip: archive::python(source),
            image: None,
        }
    }

    /// A request of Lambda's API, signed.
    pub fn lambda(&self, method: &str, target: &str) -> Request<'_> {
        self.request(method, target).signed("lambda")
    }

    /// A request of CloudWatch Logs' API, signed.
    pub fn logs(&self, operation: &str, body: &Value) -> Value {
        self.request("POST", "/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", &format!("Logs_20140328.{operation}"))
            .body(body.to_string())
            .signed("logs")
            .send()
            .expect_status(200)
            .json()
    }

    /// Waits until the function's state and last update are done; gives its configuration.
    pub fn wait_until_active(&self, name: &str) -> Value {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        wait_for(
            &format!("{name} to be active"),
            Duration::from_secs(10),
            || {
                let found = self.lambda("GET", &path).send().expect_status(200).json();
                let is_done =
                    found["State"] == "Active" && found["LastUpdateStatus"] == "Successful";
                is_done.then_some(found)
            },
        )
    }

    /// Invokes a function with an event and waits for its result.
    pub fn invoke(&self, name: &str, event: &Value) -> Invoked {
        self.invoke_bytes(name, event.to_string())
    }

    /// Invokes a function with these bytes as its event.
    pub fn invoke_bytes(&self, name: &str, event: impl Into<Bytes>) -> Invoked {
        let response = self
            .lambda("POST", &format!("/2015-03-31/functions/{name}/invocations"))
            .header("x-amz-log-type", "Tail")
            .body(event)
            .send()
            .expect_status(200);
        let error = response.header("x-amz-function-error");
        Invoked {
            status: response.status,
            function_error: (!error.is_empty()).then(|| error.to_owned()),
            executed_version: response.header("x-amz-executed-version").to_owned(),
            request_id: response.header("x-amzn-requestid").to_owned(),
            log: response
                .header_base64("x-amz-log-result")
                .unwrap_or_default(),
            payload: response.body,
        }
    }

    /// Creates a function and invokes it once with `{}`: its result must be a success.
    pub fn result_of(&self, name: &str, source: &str) -> Value {
        self.function(name, source).create();
        self.invoke(name, &json!({})).success()
    }

    /// All messages of a function's log, oldest first, waiting until one of them contains a text.
    pub fn log_until(&self, group: &str, needle: &str) -> Vec<String> {
        wait_for(
            &format!("{needle:?} in {group}"),
            Duration::from_secs(10),
            || {
                let groups = self.logs("DescribeLogGroups", &json!({"logGroupNamePrefix": group}));
                groups["logGroups"].as_array()?.first()?;
                let found = self.logs("FilterLogEvents", &json!({"logGroupName": group}));
                let messages: Vec<String> = found["events"]
                    .as_array()?
                    .iter()
                    .filter_map(|event| event["message"].as_str().map(str::to_owned))
                    .collect();
                messages
                    .iter()
                    .any(|message| message.contains(needle))
                    .then_some(messages)
            },
        )
    }
}

impl Invoked {
    /// The payload as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The result; panics when the function failed.
    pub fn success(&self) -> Value {
        assert_eq!(self.function_error, None, "{} {}", self.json(), self.log);
        self.json()
    }

    /// The error document; panics when the function did not fail.
    pub fn failure(&self) -> Value {
        assert_eq!(
            self.function_error.as_deref(),
            Some("Unhandled"),
            "{self:?}"
        );
        self.json()
    }
}
