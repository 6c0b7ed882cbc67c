//! What edits of an API may do, and what follows from them.
//!
//! A change of the definition is served at once by stages that deploy by themselves: all of them get one
//! new deployment. When there is no route to deploy they serve nothing.

use std::sync::Arc;

use crate::api::authorizer::{Authorizer, AuthorizerKind};
use crate::api::id::{PartId, StageName};
use crate::api::integration::Integration;
use crate::api::route::{Authorization, Route};
use crate::api::route_key::RouteKey;
use crate::api::stage::Stage;
use crate::api::{Api, Definition, Deployment};
use crate::clock::Timestamp;
use crate::cors::Cors;
use crate::limits;

/// Why an edit is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such part.
    #[error("there is no such {0:?}")]
    Missing(Part),
    /// There are as many as there may be.
    #[error("there are {1} {0:?}s, which is all there may be")]
    TooMany(Part, usize),
    /// It was made together with its API.
    #[error("the {0:?} belongs to its API")]
    Managed(Part),
    /// Another route has this key.
    #[error("there is a route {0}")]
    RouteExists(RouteKey),
    /// A variable has another name in another route.
    #[error("{new} and {old} name one variable differently")]
    VariableClash {
        /// The route that was to be.
        new: RouteKey,
        /// The one that is there.
        old: RouteKey,
    },
    /// A route leads to an integration that is not there.
    #[error("there is no integration {0}")]
    NoTarget(PartId),
    /// A route relies on an authorizer that is not there, or of the other kind.
    #[error("there is no authorizer of this kind")]
    NoAuthorizer,
    /// Another authorizer has this name.
    #[error("there is an authorizer {0}")]
    AuthorizerExists(String),
    /// Routes rely on it.
    #[error("routes rely on the {0:?}")]
    InUse(Part, Vec<PartId>),
    /// Another stage has this name.
    #[error("there is a stage {0}")]
    StageExists(StageName),
    /// A stage has settings for a route that is not there.
    #[error("there is no route {0}")]
    NoRouteForSettings(String),
    /// A stage that deploys by itself cannot be told what to serve.
    #[error("the stage deploys by itself")]
    DeploysByItself,
    /// A stage was told to serve a deployment that is not there.
    #[error("there is no deployment {0}")]
    NoDeployment(String),
    /// There is no route to deploy.
    #[error("there are no routes")]
    NoRoutes,
    /// Stages serve it.
    #[error("stages serve the deployment")]
    Served,
}

/// A part of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A route.
    Route,
    /// An integration.
    Integration,
    /// An authorizer.
    Authorizer,
    /// A stage.
    Stage,
    /// A deployment.
    Deployment,
}

impl Api {
    /// Adds a route, or puts it in the place of the one with its id.
    pub fn put_route(&mut self, route: Route, now: Timestamp) -> Result<(), Refusal> {
        let before = self.draft.routes.get(&route.id);
        if before.is_some_and(|before| before.is_managed && before.key != route.key) {
            return Err(Refusal::Managed(Part::Route));
        }
        self.keep_route(route, now)
    }

    /// Gives the route that was made together with its API another key.
    pub fn rekey_managed_route(&mut self, key: RouteKey, now: Timestamp) -> Result<(), Refusal> {
        let managed = self.draft.routes.values().find(|route| route.is_managed);
        let managed = managed.ok_or(Refusal::Missing(Part::Route))?;
        let route = Route {
            key,
            ..managed.clone()
        };
        self.keep_route(route, now)
    }

    fn keep_route(&mut self, route: Route, now: Timestamp) -> Result<(), Refusal> {
        let others = self.draft.routes.values();
        for other in others.filter(|other| other.id != route.id) {
            if other.key == route.key {
                return Err(Refusal::RouteExists(route.key));
            }
            if other.key.clashes_with(&route.key) {
                let (new, old) = (route.key, other.key.clone());
                return Err(Refusal::VariableClash { new, old });
            }
        }
        if let Some(target) = &route.target
            && !self.draft.integrations.contains_key(target)
        {
            return Err(Refusal::NoTarget(target.clone()));
        }
        if !self.draft.authorizes(&route.authorization) {
            return Err(Refusal::NoAuthorizer);
        }
        let (routes, max) = (&mut self.draft.routes, limits::API_ROUTES_MAX);
        if !routes.contains_key(&route.id) && routes.len() >= max {
            return Err(Refusal::TooMany(Part::Route, max));
        }
        let key = route.key.to_string();
        if let Some(before) = routes.insert(route.id.clone(), route) {
            self.rename_settings(&before.key.to_string(), key);
        }
        self.deploy_by_itself(now);
        Ok(())
    }

    /// What stages say of a route goes with its key.
    fn rename_settings(&mut self, before: &str, key: String) {
        if before == key {
            return;
        }
        for stage in self.stages.values_mut() {
            if let Some(settings) = stage.settings.remove(before) {
                stage.settings.insert(key.clone(), settings);
            }
        }
    }

    /// Takes a route away, and what stages say of it alone.
    pub fn remove_route(&mut self, id: &PartId, now: Timestamp) -> Result<(), Refusal> {
        let route = self.draft.routes.get(id);
        let route = route.ok_or(Refusal::Missing(Part::Route))?;
        if route.is_managed {
            return Err(Refusal::Managed(Part::Route));
        }
        let key = route.key.to_string();
        self.draft.routes.remove(id);
        for stage in self.stages.values_mut() {
            stage.settings.remove(&key);
        }
        self.deploy_by_itself(now);
        Ok(())
    }

    /// Adds an integration, or puts it in the place of the one with its id.
    pub fn put_integration(
        &mut self,
        integration: Integration,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let (all, max) = (&mut self.draft.integrations, limits::API_INTEGRATIONS_MAX);
        if !all.contains_key(&integration.id) && all.len() >= max {
            return Err(Refusal::TooMany(Part::Integration, max));
        }
        all.insert(integration.id.clone(), integration);
        self.deploy_by_itself(now);
        Ok(())
    }

    /// Takes an integration away that no route leads to.
    pub fn remove_integration(&mut self, id: &PartId, now: Timestamp) -> Result<(), Refusal> {
        let integration = self.draft.integrations.get(id);
        let integration = integration.ok_or(Refusal::Missing(Part::Integration))?;
        if integration.is_managed {
            return Err(Refusal::Managed(Part::Integration));
        }
        let users = self
            .draft
            .routes_where(|route| route.target.as_ref() == Some(id));
        if !users.is_empty() {
            return Err(Refusal::InUse(Part::Integration, users));
        }
        self.draft.integrations.remove(id);
        self.deploy_by_itself(now);
        Ok(())
    }

    /// Adds an authorizer, or puts it in the place of the one with its id.
    pub fn put_authorizer(
        &mut self,
        authorizer: Authorizer,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let (all, max) = (&self.draft.authorizers, limits::API_AUTHORIZERS_MAX);
        let mut others = all.values().filter(|other| other.id != authorizer.id);
        if others.any(|other| other.name == authorizer.name) {
            return Err(Refusal::AuthorizerExists(authorizer.name));
        }
        if !all.contains_key(&authorizer.id) && all.len() >= max {
            return Err(Refusal::TooMany(Part::Authorizer, max));
        }
        let all = &mut self.draft.authorizers;
        all.insert(authorizer.id.clone(), authorizer);
        self.deploy_by_itself(now);
        Ok(())
    }

    /// Takes an authorizer away that no route relies on.
    pub fn remove_authorizer(&mut self, id: &PartId, now: Timestamp) -> Result<(), Refusal> {
        if !self.draft.authorizers.contains_key(id) {
            return Err(Refusal::Missing(Part::Authorizer));
        }
        let relies = |route: &Route| route.authorization.authorizer() == Some(id);
        let users = self.draft.routes_where(relies);
        if !users.is_empty() {
            return Err(Refusal::InUse(Part::Authorizer, users));
        }
        self.draft.authorizers.remove(id);
        self.deploy_by_itself(now);
        Ok(())
    }

    /// Says what pages of other origins may do.
    pub fn set_cors(&mut self, cors: Option<Cors>, now: Timestamp) {
        if self.draft.cors != cors {
            self.draft.cors = cors;
            self.deploy_by_itself(now);
        }
    }

    /// Adds a stage.
    pub fn add_stage(&mut self, stage: Stage, now: Timestamp) -> Result<(), Refusal> {
        let max = limits::API_STAGES_MAX;
        if self.stages.contains_key(&stage.name) {
            return Err(Refusal::StageExists(stage.name));
        }
        if self.stages.len() >= max {
            return Err(Refusal::TooMany(Part::Stage, max));
        }
        if stage.is_automatic && stage.deployment.is_some() {
            return Err(Refusal::DeploysByItself);
        }
        self.check_stage(&stage)?;
        self.keep_stage(stage, now);
        Ok(())
    }

    /// Puts a changed stage in the place of the one with its name. One that deploys by itself cannot be
    /// told what to serve.
    pub fn change_stage(&mut self, stage: Stage, now: Timestamp) -> Result<(), Refusal> {
        let before = self.stages.get(&stage.name);
        let before = before.ok_or(Refusal::Missing(Part::Stage))?;
        if stage.is_automatic && before.deployment != stage.deployment {
            return Err(Refusal::DeploysByItself);
        }
        self.check_stage(&stage)?;
        self.keep_stage(stage, now);
        self.forget_unserved();
        Ok(())
    }

    /// Takes a stage away.
    pub fn remove_stage(&mut self, name: &StageName) -> Result<(), Refusal> {
        let stage = self.stages.get(name).ok_or(Refusal::Missing(Part::Stage))?;
        if stage.is_managed {
            return Err(Refusal::Managed(Part::Stage));
        }
        self.stages.remove(name);
        self.forget_unserved();
        Ok(())
    }

    /// Keeps the definition as it is now under an id, and has a stage serve it if one is named.
    pub fn deploy(
        &mut self,
        description: Option<String>,
        stage: Option<&StageName>,
        now: Timestamp,
    ) -> Result<PartId, Refusal> {
        if self.draft.routes.is_empty() {
            return Err(Refusal::NoRoutes);
        }
        if let Some(name) = stage {
            let stage = self.stages.get(name).ok_or(Refusal::Missing(Part::Stage))?;
            if stage.is_automatic {
                return Err(Refusal::DeploysByItself);
            }
        }
        let by_hand = |deployment: &&Deployment| !deployment.is_automatic;
        let max = limits::API_DEPLOYMENTS_MAX;
        if self.deployments.values().filter(by_hand).count() >= max {
            return Err(Refusal::TooMany(Part::Deployment, max));
        }
        let id = self.keep_definition(description, false, now);
        if let Some(stage) = stage.and_then(|name| self.stages.get_mut(name)) {
            stage.deployment = Some(id.clone());
            stage.modified = now;
            self.forget_unserved();
        }
        Ok(id)
    }

    /// Takes a deployment away that no stage serves.
    pub fn remove_deployment(&mut self, id: &PartId) -> Result<(), Refusal> {
        if !self.deployments.contains_key(id) {
            return Err(Refusal::Missing(Part::Deployment));
        }
        if self.is_served(id) {
            return Err(Refusal::Served);
        }
        self.deployments.remove(id);
        Ok(())
    }

    fn check_stage(&self, stage: &Stage) -> Result<(), Refusal> {
        let has_route = |key: &str| {
            let mut routes = self.draft.routes.values();
            routes.any(|route| route.key.to_string() == key)
        };
        if let Some(key) = stage.settings.keys().find(|key| !has_route(key)) {
            return Err(Refusal::NoRouteForSettings(key.clone()));
        }
        match &stage.deployment {
            Some(id) if !self.deployments.contains_key(id) => {
                Err(Refusal::NoDeployment(id.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// A stage that begins to deploy by itself serves what there is.
    fn keep_stage(&mut self, mut stage: Stage, now: Timestamp) {
        let before = self.stages.get(&stage.name);
        let begins = stage.is_automatic && !before.is_some_and(|before| before.is_automatic);
        stage.modified = now;
        if !stage.is_automatic {
            stage.is_without_routes = false;
        }
        self.stages.insert(stage.name.clone(), stage);
        if begins {
            self.deploy_by_itself(now);
        }
    }

    fn deploy_by_itself(&mut self, now: Timestamp) {
        if !self.stages.values().any(|stage| stage.is_automatic) {
            return;
        }
        let deployment = match self.draft.routes.is_empty() {
            true => None,
            false => {
                let why = "Automatic deployment triggered by changes to the Api configuration";
                Some(self.keep_definition(Some(why.to_owned()), true, now))
            }
        };
        for stage in self.stages.values_mut().filter(|stage| stage.is_automatic) {
            stage.is_without_routes = deployment.is_none();
            stage.deployment = deployment.clone();
            stage.modified = now;
        }
        self.forget_unserved();
    }

    fn keep_definition(
        &mut self,
        description: Option<String>,
        is_automatic: bool,
        now: Timestamp,
    ) -> PartId {
        let id = PartId::random();
        let deployment = Deployment {
            id: id.clone(),
            created: now,
            description,
            is_automatic,
            definition: Arc::new(self.draft.clone()),
        };
        self.deployments.insert(id.clone(), deployment);
        id
    }

    fn is_served(&self, id: &PartId) -> bool {
        self.stages
            .values()
            .any(|stage| stage.deployment.as_ref() == Some(id))
    }

    /// Automatic deployments are of no use once no stage serves them.
    fn forget_unserved(&mut self) {
        let unserved: Vec<PartId> = self
            .deployments
            .values()
            .filter(|deployment| deployment.is_automatic && !self.is_served(&deployment.id))
            .map(|deployment| deployment.id.clone())
            .collect();
        for id in unserved {
            self.deployments.remove(&id);
        }
    }
}

impl Definition {
    fn authorizes(&self, authorization: &Authorization) -> bool {
        let kind = |id| self.authorizers.get(id).map(|found| &found.kind);
        match authorization {
            Authorization::None | Authorization::Iam => true,
            Authorization::Jwt { authorizer, .. } => {
                matches!(kind(authorizer), Some(AuthorizerKind::Jwt { .. }))
            }
            Authorization::Function { authorizer } => {
                matches!(kind(authorizer), Some(AuthorizerKind::Function { .. }))
            }
        }
    }

    fn routes_where(&self, is: impl Fn(&Route) -> bool) -> Vec<PartId> {
        let routes = self.routes.values().filter(|route| is(route));
        routes.map(|route| route.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
