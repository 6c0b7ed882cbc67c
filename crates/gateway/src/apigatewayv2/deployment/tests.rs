//! Deployments: an API as it was.

use super::*;
use crate::apigatewayv2::fixture::Site;
use crate::apigatewayv2::stage::update_stage;
use crate::error::Exception;

async fn deploy(site: &Site, stage: Option<&str>) -> Result<wire::Deployment> {
    let request = wire::CreateDeploymentRequest {
        api_id: site.id.clone(),
        stage_name: stage.map(str::to_owned),
        ..Default::default()
    };
    create_deployment::handle(&site.fixture.context, request).await
}

#[tokio::test]
async fn a_stage_serves_the_deployment_it_is_given() {
    let site = Site::new().await;
    let empty = deploy(&site, None).await.unwrap_err();
    let expected = "Unable to deploy API because no routes exist in this API";
    assert_eq!(empty.message, expected);
    let integration = site.integrate("2.0").await;
    site.route("GET /one", &integration).await;
    let stage = wire::CreateStageRequest {
        stage_name: "prod".into(),
        ..Default::default()
    };
    site.stage_as(stage).await.unwrap();
    let first = deploy(&site, Some("prod")).await.unwrap();
    assert_eq!(first.deployment_status.as_deref(), Some("DEPLOYED"));
    assert_eq!(first.auto_deployed, Some(false));
    site.route("GET /two", &integration).await;
    let context = &site.fixture.context;
    let routes = || {
        let api = context
            .deps
            .store
            .apis()
            .get(&site.id.parse().unwrap())
            .unwrap();
        let (_, served, _) = api.serving("/prod/x").unwrap();
        served.routes.len()
    };
    assert_eq!(routes(), 1);
    let second = deploy(&site, None).await.unwrap();
    let change = wire::UpdateStageRequest {
        api_id: site.id.clone(),
        stage_name: "prod".into(),
        deployment_id: second.deployment_id.clone(),
        ..Default::default()
    };
    update_stage::handle(context, change).await.unwrap();
    assert_eq!(routes(), 2);
    let delete = |deployment: &wire::Deployment| wire::DeleteDeploymentRequest {
        api_id: site.id.clone(),
        deployment_id: deployment.deployment_id.clone().unwrap(),
    };
    let served = delete_deployment::handle(context, delete(&second))
        .await
        .unwrap_err();
    let expected = "Active stages pointing to this deployment must be moved or deleted";
    assert_eq!(
        (served.exception, served.message.as_ref()),
        (Exception::BadRequest, expected)
    );
    delete_deployment::handle(context, delete(&first))
        .await
        .unwrap();
    let get = wire::GetDeploymentRequest {
        api_id: site.id.clone(),
        deployment_id: first.deployment_id.unwrap(),
    };
    let gone = get_deployment::handle(context, get).await.unwrap_err();
    assert_eq!(gone.exception, Exception::NotFound);
}

#[tokio::test]
async fn an_unknown_stage_is_not_deployed_to() {
    let site = Site::new().await;
    let integration = site.integrate("2.0").await;
    site.route("GET /one", &integration).await;
    let refused = deploy(&site, Some("prod")).await.unwrap_err();
    assert_eq!(refused.exception, Exception::NotFound);
}
