//! Which requests go where, and who may send them.

use serde::{Deserialize, Serialize};

use crate::api::id::PartId;
use crate::api::route_key::RouteKey;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its name within the API.
    pub id: PartId,
    /// Which requests are its.
    pub key: RouteKey,
    /// Whether it was made together with its API: it then keeps its key and goes only with it.
    pub is_managed: bool,
    /// What its owner calls it.
    pub operation: Option<String>,
    /// The integration it leads to; none yet, and its requests fail.
    pub target: Option<PartId>,
    /// Who may use it.
    pub authorization: Authorization,
}

/// Who may use a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authorization {
    /// Everybody.
    #[default]
    None,
    /// Keys of the API's account, that sign their requests.
    Iam,
    /// Who has a token that the authorizer accepts and that has one of the scopes, if there are any.
    Jwt {
        /// The authorizer.
        authorizer: PartId,
        /// One of them is needed.
        scopes: Vec<String>,
    },
    /// Whom a function lets in.
    Function {
        /// The authorizer.
        authorizer: PartId,
    },
}

impl Authorization {
    /// The authorizer it relies on.
    pub fn authorizer(&self) -> Option<&PartId> {
        match self {
            Self::Jwt { authorizer, .. } | Self::Function { authorizer } => Some(authorizer),
            Self::None | Self::Iam => None,
        }
    }
}
