//! Stages: what they serve, how fast, and with which variables.

use super::*;
use crate::apigatewayv2::fixture::Site;
use crate::error::Exception;

fn request(name: &str) -> wire::CreateStageRequest {
    wire::CreateStageRequest {
        stage_name: name.into(),
        ..Default::default()
    }
}

async fn update(site: &Site, request: wire::UpdateStageRequest) -> Result<wire::Stage> {
    let request = wire::UpdateStageRequest {
        api_id: site.id.clone(),
        ..request
    };
    update_stage::handle(&site.fixture.context, request).await
}

fn throttle(burst: i64, rate: f64) -> wire::RouteSettings {
    wire::RouteSettings {
        throttling_burst_limit: Some(burst),
        throttling_rate_limit: Some(rate),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_stage_that_deploys_by_itself_says_how_that_went() {
    let site = Site::new().await;
    site.stage("$default").await;
    let get = || wire::GetStageRequest {
        api_id: site.id.clone(),
        stage_name: "$default".into(),
    };
    let context = &site.fixture.context;
    let shown = get_stage::handle(context, get()).await.unwrap();
    let message = shown.last_deployment_status_message.unwrap();
    assert!(
        message.starts_with("Deployment attempt failed"),
        "{message}"
    );
    let integration = site.integrate("2.0").await;
    site.route("GET /pets", &integration).await;
    let shown = get_stage::handle(context, get()).await.unwrap();
    let id = shown.deployment_id.unwrap();
    let expected = format!("Successfully deployed stage with deployment ID '{id}'");
    assert_eq!(shown.last_deployment_status_message, Some(expected));
}

#[tokio::test]
async fn settings_and_variables_are_put_over_what_there_was() {
    let site = Site::new().await;
    site.route_as(wire::CreateRouteRequest {
        route_key: "GET /pets".into(),
        ..Default::default()
    })
    .await
    .unwrap();
    site.stage_as(wire::CreateStageRequest {
        default_route_settings: Some(throttle(5, 10.0)),
        stage_variables: Some(
            [
                ("a".to_owned(), "1".to_owned()),
                ("b".to_owned(), "2".to_owned()),
            ]
            .into(),
        ),
        ..request("prod")
    })
    .await
    .unwrap();
    let change = wire::UpdateStageRequest {
        stage_name: "prod".into(),
        stage_variables: Some(
            [
                ("a".to_owned(), String::new()),
                ("c".to_owned(), "3".to_owned()),
            ]
            .into(),
        ),
        route_settings: Some([("GET /pets".to_owned(), throttle(1, 0.5))].into()),
        ..Default::default()
    };
    let shown = update(&site, change).await.unwrap();
    let names: Vec<String> = shown.stage_variables.unwrap().into_keys().collect();
    assert_eq!(names, ["b", "c"]);
    let default = shown.default_route_settings.unwrap();
    assert_eq!(default.throttling_burst_limit, Some(5));
    let own = &shown.route_settings.unwrap()["GET /pets"];
    assert_eq!(own.throttling_rate_limit, Some(0.5));
    let delete = |key: &str| wire::DeleteRouteSettingsRequest {
        api_id: site.id.clone(),
        stage_name: "prod".into(),
        route_key: key.into(),
    };
    let context = &site.fixture.context;
    delete_route_settings::handle(context, delete("GET /pets"))
        .await
        .unwrap();
    let unknown = wire::UpdateStageRequest {
        stage_name: "prod".into(),
        route_settings: Some([("GET /zoo".to_owned(), throttle(1, 0.5))].into()),
        ..Default::default()
    };
    let refused = update(&site, unknown).await.unwrap_err();
    let expected = "Unable to find Route by key GET /zoo within the provided RouteSettings";
    assert_eq!(
        (refused.exception, refused.message.as_ref()),
        (Exception::NotFound, expected)
    );
}

#[tokio::test]
async fn what_a_stage_cannot_be_is_refused() {
    let site = Site::new().await;
    site.stage_as(request("prod")).await.unwrap();
    let variable = |name: &str, value: &str| wire::CreateStageRequest {
        stage_variables: Some([(name.to_owned(), value.to_owned())].into()),
        ..request("other")
    };
    let many = (0..=limits::STAGE_VARIABLES_MAX).map(|n| (format!("v{n}"), "1".to_owned()));
    for (request, exception) in [
        (request("prod"), Exception::Conflict),
        (request("a b"), Exception::BadRequest),
        (variable("a-b", "1"), Exception::BadRequest),
        (variable("a", "a b"), Exception::BadRequest),
        (
            wire::CreateStageRequest {
                stage_variables: Some(many.collect()),
                ..request("other")
            },
            Exception::BadRequest,
        ),
        (
            wire::CreateStageRequest {
                default_route_settings: Some(throttle(-1, 1.0)),
                ..request("other")
            },
            Exception::BadRequest,
        ),
        (
            wire::CreateStageRequest {
                default_route_settings: Some(throttle(1, -1.0)),
                ..request("other")
            },
            Exception::BadRequest,
        ),
        (
            wire::CreateStageRequest {
                default_route_settings: Some(wire::RouteSettings {
                    logging_level: Some("INFO".into()),
                    ..Default::default()
                }),
                ..request("other")
            },
            Exception::BadRequest,
        ),
        (
            wire::CreateStageRequest {
                access_log_settings: Some(wire::AccessLogSettings {
                    destination_arn: Some("arn:aws:logs:us-east-1:000000000000:log-group:a".into()),
                    ..Default::default()
                }),
                ..request("other")
            },
            Exception::NotImplemented,
        ),
        (
            wire::CreateStageRequest {
                deployment_id: Some("abc1234".into()),
                ..request("other")
            },
            Exception::BadRequest,
        ),
    ] {
        let refused = site.stage_as(request.clone()).await.unwrap_err();
        assert_eq!(refused.exception, exception, "{request:?}");
    }
}

#[tokio::test]
async fn what_authorizers_said_is_forgotten_when_asked() {
    let site = Site::new().await;
    site.stage("prod").await;
    let forget = wire::ResetAuthorizersCacheRequest {
        api_id: site.id.clone(),
        stage_name: "prod".into(),
    };
    let context = &site.fixture.context;
    reset_authorizers_cache::handle(context, forget)
        .await
        .unwrap();
    let api = context
        .deps
        .store
        .apis()
        .get(&site.id.parse().unwrap())
        .unwrap();
    assert_eq!(api.stages.values().next().unwrap().forgotten, 1);
}
