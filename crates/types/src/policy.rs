//! Resource policies: who else may do what with a function.

use serde::{Deserialize, Serialize};

use crate::id::RevisionId;

/// The statements attached to a function; empty means none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourcePolicy {
    /// Changes with every change of the policy.
    pub revision: RevisionId,
    /// What was put as a whole, in its own words: JSON with statements of every kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Grants that were added one by one, after it, in the order in which they were.
    pub statements: Vec<Statement>,
}

/// One grant, as `AddPermission` makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Names the statement within its policy.
    pub sid: String,
    /// Who: `*`, an account, an ARN of a principal, or a service such as `s3.amazonaws.com`.
    pub principal: Principal,
    /// What, such as `lambda:InvokeFunction`.
    pub action: String,
    /// On which function ARN, qualified or not.
    pub resource: String,
    /// Under which conditions; all must hold.
    pub conditions: Vec<Condition>,
}

/// Who a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// Anybody.
    Any,
    /// An account id or a principal's ARN.
    Aws(String),
    /// A service's host name.
    Service(String),
}

/// One test on the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The operator, such as `StringEquals`.
    pub operator: String,
    /// The key, such as `lambda:FunctionUrlAuthType`.
    pub key: String,
    /// What it must be.
    pub value: String,
}

impl ResourcePolicy {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.document.is_none() && self.statements.is_empty()
    }
}

impl Default for ResourcePolicy {
    fn default() -> Self {
        Self {
            revision: RevisionId::random(),
            document: None,
            statements: Vec::new(),
        }
    }
}
