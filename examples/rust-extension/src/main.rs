//! Logs how long each invocation of a function took: an extension in Rust, with AWS's own crate.

use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaTelemetry, LambdaTelemetryRecord, LogBuffering, NextEvent,
    SharedService, service_fn,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let buffering = LogBuffering {
        timeout_ms: 25,
        ..LogBuffering::default()
    };
    Extension::new()
        .with_events_processor(service_fn(on_event))
        .with_telemetry_types(&["platform", "function"])
        .with_telemetry_buffering(buffering)
        .with_telemetry_processor(SharedService::new(service_fn(on_telemetry)))
        .run()
        .await
}

async fn on_event(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => println!("extension: {} begins", invoke.request_id),
        NextEvent::Shutdown(shutdown) => {
            println!("extension: ends for {}", shutdown.shutdown_reason);
            std::process::exit(0);
        }
    }
    Ok(())
}

async fn on_telemetry(records: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for record in records {
        match record.record {
            LambdaTelemetryRecord::Function(line) => {
                println!("extension: the function said {}", line.trim_end());
            }
            LambdaTelemetryRecord::PlatformReport {
                request_id,
                metrics,
                ..
            } => println!("extension: {request_id} took {} ms", metrics.duration_ms),
            _ => {}
        }
    }
    Ok(())
}
