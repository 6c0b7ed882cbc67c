//! Under what an API is served, and how fast.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::id::{PartId, StageName};
use crate::clock::Timestamp;

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name within the API, and the first part of its requests' paths unless it is the default.
    pub name: StageName,
    /// Whether it was made together with its API: it then goes only with it.
    pub is_managed: bool,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it serves every change of the API at once.
    pub is_automatic: bool,
    /// What it serves; nothing before it was deployed.
    pub deployment: Option<PartId>,
    /// Whether the last deployment by itself failed: there was no route.
    pub is_without_routes: bool,
    /// Values that integrations refer to and functions are told.
    pub variables: BTreeMap<String, String>,
    /// Settings of routes that have none of their own.
    pub default_settings: RouteSettings,
    /// Settings of routes, by their keys.
    pub settings: BTreeMap<String, RouteSettings>,
    /// How often what its authorizers said was forgotten: it is kept under this number too.
    pub forgotten: u32,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed or was deployed.
    pub modified: Timestamp,
}

/// Settings of a stage's routes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteSettings {
    /// Whether detailed metrics are wanted; kept, and nothing else.
    pub detailed_metrics: Option<bool>,
    /// Requests at once; none means the usual limit.
    pub burst: Option<u32>,
    /// Requests a second; none means the usual limit.
    pub rate: Option<f64>,
}

impl Stage {
    /// A stage that serves nothing yet.
    pub fn new(name: StageName, created: Timestamp) -> Self {
        Self {
            name,
            is_managed: false,
            description: None,
            is_automatic: false,
            deployment: None,
            is_without_routes: false,
            variables: BTreeMap::new(),
            default_settings: RouteSettings::default(),
            settings: BTreeMap::new(),
            forgotten: 0,
            tags: BTreeMap::new(),
            created,
            modified: created,
        }
    }
}

impl RouteSettings {
    /// Whether they limit anything.
    pub fn is_limited(&self) -> bool {
        self.burst.is_some() || self.rate.is_some()
    }
}
