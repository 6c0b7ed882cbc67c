//! Error documents for what the platform itself finds wrong. All texts were recorded from AWS.

use std::time::Duration;

use bytes::Bytes;
use kiln_sandbox::Exit;
use kiln_types::{RequestId, limits};
use serde::Serialize;

/// The class of programs that cannot be executed.
pub(crate) const INVALID_ENTRYPOINT: &str = "Runtime.InvalidEntrypoint";
/// The class of programs whose working directory is not there.
pub(crate) const INVALID_WORKING_DIRECTORY: &str = "Runtime.InvalidWorkingDir";

/// An error that the platform reports in the function's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The class, such as `Sandbox.Timedout`.
    pub(crate) error_type: &'static str,
    /// The sentence.
    pub(crate) message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    error_type: &'a str,
    error_message: &'a str,
}

impl Failure {
    /// The function ran out of time.
    pub(crate) fn timed_out(request: RequestId, timeout: Duration) -> Self {
        Self::of(request, "Sandbox.Timedout", &timeout_sentence(timeout))
    }

    /// The instance could not be made of its snapshot in time.
    pub(crate) fn restore_timed_out(request: RequestId) -> Self {
        Self::of(
            request,
            "Sandbox.Timedout",
            "Restoring the snapshot timed out",
        )
    }

    /// The process ended while it should have answered.
    pub(crate) fn exited(request: RequestId, exit: Exit, out_of_memory: bool) -> Self {
        let error_type = if out_of_memory {
            "Runtime.OutOfMemory"
        } else {
            "Runtime.ExitError"
        };
        let sentence = match exit {
            Exit::Code(0) => "Runtime exited without providing a reason".to_owned(),
            Exit::Code(code) => format!("Runtime exited with error: exit status {code}"),
            Exit::Signal(signal) => {
                format!("Runtime exited with error: signal: {}", signal_name(signal))
            }
        };
        Self::of(request, error_type, &sentence)
    }

    /// The runtime broke the protocol. AWS has no text for it: its runtimes speak HTTP.
    pub(crate) fn broken(request: RequestId, why: &str) -> Self {
        Self::of(request, "Runtime.Unknown", why)
    }

    /// The runtime's connection ended within its answer. AWS's texts for this and the next are not
    /// known.
    pub(crate) fn truncated(request: RequestId) -> Self {
        let sentence = "Runtime sent a response that ended before its end";
        Self::of(request, "Runtime.TruncatedResponse", sentence)
    }

    /// The runtime named a response mode that there is not.
    pub(crate) fn invalid_response_mode(request: RequestId) -> Self {
        let sentence = "Runtime sent an invalid response mode";
        Self::of(request, "Runtime.InvalidResponseModeHeader", sentence)
    }

    /// There is nothing to execute, or it cannot be executed.
    pub(crate) fn not_executable(request: RequestId, class: &'static str, why: &str) -> Self {
        Self::of(request, class, why)
    }

    /// An extension failed.
    pub(crate) fn of_extension(request: RequestId, class: &'static str, why: &str) -> Self {
        Self::of(request, class, why)
    }

    /// The response is longer than a response may be.
    pub(crate) fn response_too_large() -> Self {
        let message = format!(
            "Response payload size exceeded maximum allowed payload size ({} bytes).",
            limits::RESPONSE_BYTES_MAX
        );
        Self {
            error_type: "Function.ResponseSizeTooLarge",
            message,
        }
    }

    /// The response that is streamed is longer than such a one may be.
    pub(crate) fn streamed_too_long() -> Self {
        let message = format!(
            "Response payload size exceeded maximum allowed payload size ({} bytes).",
            limits::STREAMED_RESPONSE_BYTES_MAX
        );
        Self {
            error_type: "Function.ResponseSizeTooLarge",
            message,
        }
    }

    fn of(request: RequestId, error_type: &'static str, sentence: &str) -> Self {
        Self {
            error_type,
            message: format!("RequestId: {request} Error: {sentence}"),
        }
    }

    /// The document that the caller gets.
    pub(crate) fn document(&self) -> Bytes {
        let document = Document {
            error_type: self.error_type,
            error_message: &self.message,
        };
        serde_json::to_vec(&document)
            .expect("two strings have a JSON form")
            .into()
    }
}

/// How an extension ended, as AWS writes it.
pub(crate) fn extension_exit(exit: Exit) -> String {
    match exit {
        Exit::Code(0) => "exit code 0".to_owned(),
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("signal: {}", signal_name(signal)),
    }
}

/// `Task timed out after 3.00 seconds`.
pub(crate) fn timeout_sentence(timeout: Duration) -> String {
    format!("Task timed out after {:.2} seconds", timeout.as_secs_f64())
}

/// Go's names, in which AWS reports signals.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        31 => "bad system call",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RequestId {
        "8f507cfc-e3c6-4b5c-b3d6-0d4a5a8b2f1e".parse().unwrap()
    }

    #[test]
    fn documents_read_as_aws_writes_them() {
        let table = [
            (
                Failure::timed_out(id(), Duration::from_secs(1)),
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.00 seconds"}"#,
            ),
            (
                Failure::exited(id(), Exit::Code(0), false),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited without providing a reason"}"#,
            ),
            (
                Failure::exited(id(), Exit::Code(127), false),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 127"}"#,
            ),
            (
                Failure::exited(id(), Exit::Signal(9), true),
                r#"{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: killed"}"#,
            ),
        ];
        for (failure, expected) in table {
            let expected = expected.replace("ID", &id().to_string());
            assert_eq!(failure.document(), expected.as_bytes());
        }
        let too_large = Failure::response_too_large();
        assert_eq!(
            too_large.message,
            "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
        );
    }
}
