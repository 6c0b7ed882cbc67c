//! Calls of Secrets Manager and of Systems Manager's Parameter Store.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Client, Service, Targeted};

const SECRETS: Targeted = Targeted {
    service: Service::SecretsManager,
    prefix: "secretsmanager",
    content_type: "application/x-amz-json-1.1",
};

const PARAMETERS: Targeted = Targeted {
    service: Service::Ssm,
    prefix: "AmazonSSM",
    content_type: "application/x-amz-json-1.1",
};

impl Client {
    /// All secrets, by name.
    pub(crate) async fn secrets(&self, with_deleted: bool) -> Result<Vec<Value>> {
        let input =
            json!({"IncludePlannedDeletion": with_deleted, "SortBy": "name", "SortOrder": "asc"});
        self.targeted_pages(SECRETS, "ListSecrets", "SecretList", input)
            .await
    }

    /// One operation on secrets.
    pub(crate) async fn secret_call(
        &self,
        operation: &'static str,
        input: &Value,
    ) -> Result<Value> {
        self.targeted(SECRETS, operation, input).await
    }

    /// The parameters that a filter lets through, by name.
    pub(crate) async fn parameters(&self, filters: Value) -> Result<Vec<Value>> {
        let input = json!({"ParameterFilters": filters});
        self.targeted_pages(PARAMETERS, "DescribeParameters", "Parameters", input)
            .await
    }

    /// One operation on parameters.
    pub(crate) async fn parameter_call(
        &self,
        operation: &'static str,
        input: &Value,
    ) -> Result<Value> {
        self.targeted(PARAMETERS, operation, input).await
    }
}
