//! HTTP APIs: routes that lead to functions, who may use them, and the stages they are served under.
//!
//! An [`Api`] is edited in its draft; a [`Deployment`] holds a [`Definition`] as it was, and a [`Stage`]
//! serves one deployment. What an edit may do is decided in [`change`], which stage and route a request
//! is for in [`select`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::clock::Timestamp;
use crate::cors::Cors;

pub mod authorizer;
pub mod change;
pub mod id;
pub mod integration;
pub mod route;
pub mod route_key;
pub mod select;
pub mod stage;

pub use authorizer::{Authorizer, AuthorizerKind, IdentitySource};
pub use change::Refusal;
pub use id::{ApiId, PartId, StageName};
pub use integration::{Integration, PayloadFormat};
pub use route::{Authorization, Route};
pub use route_key::{InvalidRouteKey, RouteKey};
pub use select::Selected;
pub use stage::{RouteSettings, Stage};

/// An HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Api {
    /// Its host label.
    pub id: ApiId,
    /// The owner.
    pub account: AccountId,
    /// What its owner calls it; not unique.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// A version that its owner gave it.
    pub version: Option<String>,
    /// Whether its own host answers at all.
    pub is_endpoint_disabled: bool,
    /// Whether it was made for IPv6 too.
    pub is_dual_stack: bool,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// What is edited.
    pub draft: Definition,
    /// Under what it is served.
    pub stages: BTreeMap<StageName, Stage>,
    /// What was deployed.
    pub deployments: BTreeMap<PartId, Deployment>,
}

/// What an API does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What pages of other origins may do; none leaves that to the functions.
    pub cors: Option<Cors>,
    /// Where requests go.
    pub integrations: BTreeMap<PartId, Integration>,
    /// Which requests go there.
    pub routes: BTreeMap<PartId, Route>,
    /// Who says who may.
    pub authorizers: BTreeMap<PartId, Authorizer>,
}

/// A definition as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its name within the API.
    pub id: PartId,
    /// When it was made.
    pub created: Timestamp,
    /// What it is for.
    pub description: Option<String>,
    /// Whether a stage asked for it by itself. Those go when no stage serves them any more.
    pub is_automatic: bool,
    /// What was deployed.
    pub definition: Arc<Definition>,
}

impl Api {
    /// One that does nothing yet.
    pub fn new(account: AccountId, name: String, created: Timestamp) -> Self {
        Self {
            id: ApiId::random(),
            account,
            name,
            description: None,
            version: None,
            is_endpoint_disabled: false,
            is_dual_stack: false,
            tags: BTreeMap::new(),
            created,
            draft: Definition::default(),
            stages: BTreeMap::new(),
            deployments: BTreeMap::new(),
        }
    }

    /// What a stage serves; nothing before it was deployed.
    pub fn served_by(&self, stage: &Stage) -> Option<&Arc<Definition>> {
        let deployment = self.deployments.get(stage.deployment.as_ref()?)?;
        Some(&deployment.definition)
    }
}
