//! An error the server answered, and what the user can do about it.

use std::fmt;

use http::StatusCode;
use serde_json::Value;

use super::Answer;

/// The server understood a call and said no.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) operation: &'static str,
    pub(crate) status: StatusCode,
    /// AWS's exception, such as `ResourceNotFoundException`.
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Whether an error is a refusal with this exception.
pub(crate) fn is_code(error: &anyhow::Error, code: &str) -> bool {
    error
        .downcast_ref::<Refusal>()
        .is_some_and(|refusal| refusal.code == code)
}

/// Whether an error says that the server does not have the operation.
pub(crate) fn is_unsupported(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|refusal| {
        refusal.status == StatusCode::NOT_FOUND || refusal.status == StatusCode::NOT_IMPLEMENTED
    })
}

impl Refusal {
    /// Reads an error document in any of AWS's protocols: REST JSON names the exception in a
    /// header, JSON 1.1 in `__type`, the query protocol in XML.
    pub(super) fn read(operation: &'static str, answer: &Answer) -> Self {
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let text = String::from_utf8_lossy(&answer.body);
        let member = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let code = answer
            .header("x-amzn-errortype")
            .map(str::to_owned)
            .or_else(|| member("__type"))
            .or_else(|| element(&text, "Code"))
            .unwrap_or_else(|| format!("HTTP {}", answer.status.as_u16()));
        let message = member("message")
            .or_else(|| member("Message"))
            .or_else(|| element(&text, "Message"))
            .unwrap_or_else(|| text.trim().chars().take(500).collect());
        Self {
            operation,
            status: answer.status,
            code: bare(&code).to_owned(),
            message,
        }
    }

    fn advice(&self) -> Option<&'static str> {
        Some(match self.code.as_str() {
            "ResourceNotFoundException" if self.operation == "Event" => {
                "`kiln events list` shows dead letters, and with --queued what waits or runs"
            }
            "ResourceNotFoundException" if self.operation.contains("Schedule") => {
                "`kiln schedules list` shows what exists, with --group those of a group"
            }
            "ResourceNotFoundException" if self.operation.ends_with("Tenant") => {
                "`kiln tenant list` shows what exists"
            }
            "ResourceConflictException" if self.operation.ends_with("Tenant") => {
                "`kiln tenant list` shows which accounts there are, and their states"
            }
            "ResourceNotFoundException" if self.operation.contains("EventSourceMapping") => {
                "`kiln triggers list` shows what exists"
            }
            "ResourceNotFoundException" => "`kiln list` shows what exists",
            "NonExistentQueue" | "QueueDoesNotExist" => "`kiln queues list` shows what exists",
            "InvalidClientTokenId" | "UnrecognizedClientException" => {
                "this server does not know the access key; set the variables that `kiln serve` \
                 printed, or pass its file with --ready-file FILE"
            }
            "InvalidSignatureException" | "SignatureDoesNotMatch" => {
                "check AWS_SECRET_ACCESS_KEY, AWS_REGION, and that this machine's clock is right"
            }
            "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignature" => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            "TooManyRequestsException" | "ThrottlingException" => {
                "the function did not run, so trying again is safe; `kiln describe NAME` shows its \
                 reserved concurrency"
            }
            "RequestEntityTooLargeException" | "RequestTooLargeException" => {
                "leave files out with a .kilnignore, or send less"
            }
            "ResourceConflictException" => {
                "if another change is in the way, wait until it is done and try again; \
                 `kiln describe NAME` shows the state"
            }
            _ if self.status == StatusCode::NOT_IMPLEMENTED => {
                "this version of Kiln does not have it; docs/reference lists what it has"
            }
            _ if self.status.is_server_error() => {
                "the server could not do it; its log says why, `kiln doctor` checks the machine"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was refused: {} ({})",
            self.operation, self.message, self.code
        )?;
        match self.advice() {
            Some(advice) => write!(f, "\n  next: {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// `aws.protocols#SomeException:http://…` names `SomeException`.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code)
}

/// The text of the first element of this name.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn refusal(status: u16, header: Option<&str>, body: &'static str) -> Refusal {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert("x-amzn-errortype", header.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Refusal::read(
            "GetFunction",
            &Answer {
                status,
                headers,
                body: Bytes::from(body),
            },
        )
    }

    #[test]
    fn exception_is_read_in_every_protocol() {
        let rest = refusal(
            404,
            Some("ResourceNotFoundException:x"),
            r#"{"Message":"gone"}"#,
        );
        assert_eq!(
            (rest.code.as_str(), rest.message.as_str()),
            ("ResourceNotFoundException", "gone")
        );
        let json = refusal(
            400,
            None,
            r#"{"__type":"a#ThrottlingException","message":"slow"}"#,
        );
        assert_eq!(
            (json.code.as_str(), json.message.as_str()),
            ("ThrottlingException", "slow")
        );
        let xml = refusal(
            403,
            None,
            "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>who</Message></Error></ErrorResponse>",
        );
        assert_eq!(
            (xml.code.as_str(), xml.message.as_str()),
            ("InvalidClientTokenId", "who")
        );
    }

    #[test]
    fn answer_that_is_no_document_is_shown_as_it_is() {
        let plain = refusal(502, None, "bad gateway\n");
        assert_eq!(
            (plain.code.as_str(), plain.message.as_str()),
            ("HTTP 502", "bad gateway")
        );
    }

    #[test]
    fn message_says_what_to_do_next() {
        let text = refusal(404, Some("ResourceNotFoundException"), "{}").to_string();
        assert!(text.contains("kiln list"), "{text}");
        let of_tenant = Refusal {
            operation: "LimitTenant",
            ..refusal(404, Some("ResourceNotFoundException"), "{}")
        };
        let text = of_tenant.to_string();
        assert!(text.contains("kiln tenant list"), "{text}");
        let text = refusal(501, Some("NotImplemented"), "{}").to_string();
        assert!(
            text.contains("this version of Kiln does not have it"),
            "{text}"
        );
    }
}
