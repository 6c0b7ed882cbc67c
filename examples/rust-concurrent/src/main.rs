//! A function in Rust whose invocations share an instance: they meet in it, or wait together as for a
//! database (`WAIT_MS` in the environment).

use std::sync::LazyLock;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run_concurrent, service_fn};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How many have come.
static COME: LazyLock<watch::Sender<u64>> = LazyLock::new(watch::Sender::default);

static WAIT_MS: LazyLock<Option<u64>> =
    LazyLock::new(|| std::env::var("WAIT_MS").ok()?.parse().ok());

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run_concurrent(service_fn(handle)).await
}

/// Returns when as many invocations have come to this instance as the event says.
async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let wanted = event.payload["together"].as_u64().unwrap_or(1);
    COME.send_modify(|come| *come += 1);
    let mut come = COME.subscribe();
    let met = come.wait_for(|come| *come >= wanted);
    tokio::time::timeout(Duration::from_secs(5), met)
        .await
        .map_err(|_| "the others did not come")??;
    if let Some(millis) = *WAIT_MS {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    Ok(json!({ "process": std::process::id() }))
}
