//! Counts, one number after the other, while its caller reads: a streamed response with AWS's own runtime crate.

use std::time::Duration;

use lambda_runtime::streaming::{Body, Response, channel};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let to = event.payload["to"].as_u64().unwrap_or(10);
    let pause = Duration::from_millis(event.payload["pause_ms"].as_u64().unwrap_or(200));
    let (mut sender, body) = channel();
    #[allow(
        clippy::disallowed_methods,
        reason = "a function's tasks end with its instance"
    )]
    tokio::spawn(async move {
        for number in 1..=to {
            // A caller who is gone takes no more.
            if sender
                .send_data(format!("{number}\n").into())
                .await
                .is_err()
            {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    let mut response = Response::from(body);
    let headers = &mut response.metadata_prelude.headers;
    headers.insert("content-type", "text/plain".parse()?);
    Ok(response)
}
