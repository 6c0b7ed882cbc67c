//! APIs for tests, made through the API itself.

use super::generated as wire;
use super::{api, authorizer, integration, route, stage};
use crate::error::Result;
use crate::lambda::fixture::Fixture;

/// The function behind most routes; it need not be there.
pub(crate) const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:pets";

/// An API, and where it is.
pub(crate) struct Site {
    pub(crate) fixture: Fixture,
    pub(crate) id: String,
}

impl Site {
    /// An API without anything.
    pub(crate) async fn new() -> Self {
        Self::create(wire::CreateApiRequest::default()).await
    }

    /// An API whose every request goes to the function at once.
    pub(crate) async fn quick() -> Self {
        Self::create(wire::CreateApiRequest {
            target: Some(FUNCTION.into()),
            ..Default::default()
        })
        .await
    }

    pub(crate) async fn create(request: wire::CreateApiRequest) -> Self {
        let fixture = Fixture::new().await;
        let request = wire::CreateApiRequest {
            name: "pets".into(),
            protocol_type: "HTTP".into(),
            ..request
        };
        let made = api::create_api::handle(&fixture.context, request).await;
        let id = made.unwrap().api_id.unwrap();
        Self { fixture, id }
    }

    /// Makes an integration with the function; its id.
    pub(crate) async fn integrate(&self, format: &str) -> String {
        let request = wire::CreateIntegrationRequest {
            api_id: self.id.clone(),
            integration_type: "AWS_PROXY".into(),
            integration_uri: Some(FUNCTION.into()),
            payload_format_version: Some(format.into()),
            ..Default::default()
        };
        let made = integration::create_integration::handle(&self.fixture.context, request).await;
        made.unwrap().integration_id.unwrap()
    }

    /// Makes a route to an integration; its id.
    pub(crate) async fn route(&self, key: &str, integration: &str) -> String {
        self.route_as(wire::CreateRouteRequest {
            route_key: key.into(),
            target: Some(format!("integrations/{integration}")),
            ..Default::default()
        })
        .await
        .unwrap()
    }

    pub(crate) async fn route_as(&self, request: wire::CreateRouteRequest) -> Result<String> {
        let request = wire::CreateRouteRequest {
            api_id: self.id.clone(),
            ..request
        };
        let made = route::create_route::handle(&self.fixture.context, request).await?;
        Ok(made.route_id.unwrap())
    }

    /// Makes a stage that serves every change at once.
    pub(crate) async fn stage(&self, name: &str) {
        self.stage_as(wire::CreateStageRequest {
            stage_name: name.into(),
            auto_deploy: Some(true),
            ..Default::default()
        })
        .await
        .unwrap();
    }

    pub(crate) async fn stage_as(&self, request: wire::CreateStageRequest) -> Result<wire::Stage> {
        let request = wire::CreateStageRequest {
            api_id: self.id.clone(),
            ..request
        };
        stage::create_stage::handle(&self.fixture.context, request).await
    }

    /// Makes an authorizer; its id.
    pub(crate) async fn authorizer(
        &self,
        request: wire::CreateAuthorizerRequest,
    ) -> Result<String> {
        let request = wire::CreateAuthorizerRequest {
            api_id: self.id.clone(),
            name: "gate".into(),
            ..request
        };
        let context = &self.fixture.context;
        let made = authorizer::create_authorizer::handle(context, request).await?;
        Ok(made.authorizer_id.unwrap())
    }

    pub(crate) fn jwt(issuer: &str) -> wire::CreateAuthorizerRequest {
        wire::CreateAuthorizerRequest {
            authorizer_type: "JWT".into(),
            identity_source: vec!["$request.header.Authorization".into()],
            jwt_configuration: Some(wire::JWTConfiguration {
                audience: Some(vec!["pets".into()]),
                issuer: Some(issuer.into()),
            }),
            ..Default::default()
        }
    }

    pub(crate) fn function(format: &str, is_simple: bool) -> wire::CreateAuthorizerRequest {
        wire::CreateAuthorizerRequest {
            authorizer_type: "REQUEST".into(),
            identity_source: vec!["$request.header.Authorization".into()],
            authorizer_uri: Some(FUNCTION.into()),
            authorizer_payload_format_version: Some(format.into()),
            enable_simple_responses: Some(is_simple),
            ..Default::default()
        }
    }
}
