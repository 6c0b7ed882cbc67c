//! Black-box tests: the real binary, real AWS clients, real sandboxes.
//!
//! Each test starts servers of its own ([`kiln_testkit::Server`]) on port 0 and needs nothing but
//! what its file says. One module a theme; all in one program, because linking is most of the
//! building time.

#![allow(
    clippy::unwrap_used,
    reason = "what a test relies on fails the test; clippy excuses test functions only, not what they call"
)]

mod acme;
mod archives;
mod aws_cli;
mod boto3;
mod buses;
mod client;
mod code_signing;
mod command_line;
mod concurrency;
mod custom_runtimes;
mod event_sources;
mod events;
mod extensions;
mod file_systems;
mod function_access;
mod function_urls;
mod hostile;
mod hostile_runtime;
mod http_apis;
mod iam;
mod images;
mod javascript_sdk;
mod layers;
mod leaks;
mod logs;
mod network;
mod node;
mod objects;
mod operations;
mod payloads;
mod perimeter;
mod pressure;
mod provisioned;
mod pythons;
mod queues;
mod restart;
mod rootless;
mod runtime_environment;
mod runtime_errors;
mod rust_sdk;
mod sandbox;
mod schedules;
mod scheduling;
mod secrets;
mod serve;
mod signatures;
mod simulate;
mod snap_start;
mod streaming;
mod tenants;
mod tls;
mod topic_endpoints;
mod topics;
mod usage;
mod versions;
mod wasm;
mod wasm_limits;

/// The function of the mission, byte for byte as its users have it.
const MISSION: &str = "import boto3\ndef lambda_handler(event, context):\n    \
                       num1 = event['num1']\n    num2 = event['num2']\n    result = num1 + num2\n    \
                       return {'result': result}\n";
