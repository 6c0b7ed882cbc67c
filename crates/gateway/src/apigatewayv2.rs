//! API Gateway's API for HTTP APIs, one file per operation.
//!
//! An operation's file is found by its subject: `route/create_route.rs`. What an edit may do is decided by
//! [`kiln_types::api`]; what several operations share stands beside them: [`lookup`] (which API and part is
//! meant), [`page`] (lists in pages), [`uri`] (which function a URI names) and [`refusal`] (AWS's words).
//!
//! WebSocket APIs, imports, domain names, VPC links and models are answered as any missing operation.

pub(crate) mod generated;

mod needs;

pub(crate) mod api;
pub(crate) mod authorizer;
pub(crate) mod deployment;
pub(crate) mod integration;
pub(crate) mod route;
pub(crate) mod stage;
pub(crate) mod tag;

pub(crate) mod lookup;
pub(crate) mod page;
pub(crate) mod refusal;
pub(crate) mod uri;

#[cfg(test)]
pub(crate) mod fixture;

use kiln_types::Timestamp;

use crate::wire::{Output, Reply};

crate::wire::dispatch! {
    CreateApi => api::create_api::handle,
    CreateAuthorizer => authorizer::create_authorizer::handle,
    CreateDeployment => deployment::create_deployment::handle,
    CreateIntegration => integration::create_integration::handle,
    CreateRoute => route::create_route::handle,
    CreateStage => stage::create_stage::handle,
    DeleteApi => api::delete_api::handle,
    DeleteAuthorizer => authorizer::delete_authorizer::handle,
    DeleteCorsConfiguration => api::delete_cors_configuration::handle,
    DeleteDeployment => deployment::delete_deployment::handle,
    DeleteIntegration => integration::delete_integration::handle,
    DeleteRoute => route::delete_route::handle,
    DeleteRouteSettings => stage::delete_route_settings::handle,
    DeleteStage => stage::delete_stage::handle,
    GetApi => api::get_api::handle,
    GetApis => api::get_apis::handle,
    GetAuthorizer => authorizer::get_authorizer::handle,
    GetAuthorizers => authorizer::get_authorizers::handle,
    GetDeployment => deployment::get_deployment::handle,
    GetDeployments => deployment::get_deployments::handle,
    GetIntegration => integration::get_integration::handle,
    GetIntegrations => integration::get_integrations::handle,
    GetRoute => route::get_route::handle,
    GetRoutes => route::get_routes::handle,
    GetStage => stage::get_stage::handle,
    GetStages => stage::get_stages::handle,
    GetTags => tag::get_tags::handle,
    ResetAuthorizersCache => stage::reset_authorizers_cache::handle,
    TagResource => tag::tag_resource::handle,
    UntagResource => tag::untag_resource::handle,
    UpdateApi => api::update_api::handle,
    UpdateAuthorizer => authorizer::update_authorizer::handle,
    UpdateDeployment => deployment::update_deployment::handle,
    UpdateIntegration => integration::update_integration::handle,
    UpdateRoute => route::update_route::handle,
    UpdateStage => stage::update_stage::handle,
}

/// The outputs of the operations that make, show and change a thing differ in name only: all of them
/// answer with the thing itself.
macro_rules! answers {
    ($($thing:ident),*) => {
        $(impl Output for generated::$thing {
            fn render(self, reply: &mut Reply) {
                reply.body(&self);
            }
        })*
    };
}

answers!(Api, Authorizer, Deployment, Integration, Route, Stage);

/// As API Gateway writes times: `2026-11-23T13:23:00Z`.
fn time(time: Timestamp) -> Option<String> {
    Some(time.to_seconds())
}
