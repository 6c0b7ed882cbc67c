//! What of code and signatures is written into the audit log: as AWS's services write down what happens to them, not what they are asked.

use kiln_store::Store;
use kiln_types::{FunctionArn, RequestId};
use serde_json::json;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Code was deployed whose signature is not accepted, as the function's configuration warns only.
    DeployedUntrusted,
    /// Files on disk were not what was uploaded.
    Altered,
    /// A start was refused for the sake of a signature.
    Refused,
}

impl Happened {
    fn name(self) -> &'static str {
        match self {
            Self::DeployedUntrusted => "UntrustedArtifactOnDeployment",
            Self::Altered => "ArtifactNotIntact",
            Self::Refused => "UntrustedArtifactOnStart",
        }
    }
}

/// Writes it into the server's log and the audit log.
pub async fn note(store: &Store, function: &FunctionArn, happened: Happened, why: &str) {
    match happened {
        Happened::DeployedUntrusted => {
            tracing::warn!(%function, why, "code was deployed whose signature is not accepted");
        }
        Happened::Altered => {
            tracing::error!(%function, why, "code on disk is not what was uploaded");
        }
        Happened::Refused => {
            tracing::error!(%function, why, "code must not run whose signature is not trusted");
        }
    }
    let now = store.clock().timestamp();
    let record = json!({
        "eventVersion": "1.11",
        "userIdentity": {"accountId": function.account.as_str(), "invokedBy": "kiln"},
        "eventTime": now.to_seconds(),
        "eventSource": "lambda.amazonaws.com",
        "eventName": happened.name(),
        "awsRegion": function.region.as_str(),
        "sourceIPAddress": "kiln",
        "userAgent": "kiln",
        "requestParameters": {"functionArn": function.to_string()},
        "responseElements": null,
        "serviceEventDetails": {"message": why},
        "eventID": RequestId::random().to_string(),
        "readOnly": false,
        "eventType": "AwsServiceEvent",
        "managementEvent": true,
        "recipientAccountId": function.account.as_str(),
        "eventCategory": "Management",
    });
    let audit = store.audit();
    if let Err(error) = audit
        .append(&function.account, now, record.to_string())
        .await
    {
        let error: &dyn std::error::Error = &error;
        tracing::error!(
            error,
            "what happened could not be written into the audit log"
        );
    }
}
