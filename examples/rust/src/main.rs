//! Adds two numbers: a function in Rust, as AWS's own runtime crate runs it.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let number = |name: &str| {
        let number = event.payload[name].as_i64();
        number.ok_or_else(|| format!("{name} must be a whole number"))
    };
    let result = number("num1")? + number("num2")?;
    println!("the sum is {result}");
    Ok(json!({ "result": result }))
}
