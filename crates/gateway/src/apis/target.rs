//! What a request is for: an API, one of its stages, and the route there.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_store::Store;
use kiln_types::api::{Definition, Route, Stage};
use kiln_types::{Api, Cors, PartId, StageName};
use percent_encoding::percent_decode_str;

use super::address::Address;

/// What a request is for.
pub(super) struct Target {
    pub(super) api: Arc<Api>,
    /// What the stage serves.
    pub(super) definition: Arc<Definition>,
    pub(super) stage: StageName,
    /// The path, decoded, with the stage where it is named.
    pub(super) path: String,
    /// The same without the stage.
    pub(super) inner_path: String,
    /// The route; without one nothing but a preflight is answered.
    route: Option<PartId>,
    pub(super) route_key: String,
    /// The path of the route key, or `$default` once more.
    pub(super) resource: String,
    /// What stands for the variables of the route's path.
    pub(super) variables: BTreeMap<String, String>,
}

impl Target {
    /// Finds what a request is for, unless there is no such API or stage or it does not answer.
    ///
    /// AWS differs: it decodes the path a second time and cuts it at a decoded `?`; here it is decoded once.
    pub(super) fn find(store: &Store, address: &Address, method: &str) -> Option<Self> {
        let api = store.apis().get(&address.api.parse().ok()?)?;
        if api.is_endpoint_disabled {
            return None;
        }
        let path = percent_decode_str(&address.path)
            .decode_utf8_lossy()
            .into_owned();
        let (stage, definition, inner_path) = api.serving(&path)?;
        let (stage, definition) = (stage.name.clone(), definition.clone());
        let inner_path = inner_path.to_owned();
        let selected = definition.select(method, &inner_path);
        let key = selected.as_ref().map(|selected| &selected.route.key);
        let route_key = key.map(|key| key.to_string()).unwrap_or_default();
        let resource = key.and_then(|key| key.path());
        let resource = resource.unwrap_or_else(|| route_key.clone());
        let (route, variables) = match selected {
            Some(selected) => (Some(selected.route.id.clone()), selected.variables),
            None => (None, BTreeMap::new()),
        };
        Some(Self {
            api,
            definition,
            stage,
            path,
            inner_path,
            route,
            route_key,
            resource,
            variables,
        })
    }

    /// The stage.
    pub(super) fn stage(&self) -> &Stage {
        &self.api.stages[&self.stage]
    }

    /// The route, if there is one for the request.
    pub(super) fn route(&self) -> Option<&Route> {
        Some(&self.definition.routes[self.route.as_ref()?])
    }

    /// What pages of other origins may do.
    pub(super) fn cors(&self) -> Option<&Cors> {
        self.definition.cors.as_ref()
    }
}
