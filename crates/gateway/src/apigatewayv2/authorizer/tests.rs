//! Authorizers: with tokens and with functions.

use super::*;
use crate::apigatewayv2::fixture::{FUNCTION, Site};
use crate::error::Exception;

type Request = wire::CreateAuthorizerRequest;

async fn update(site: &Site, request: wire::UpdateAuthorizerRequest) -> Result<wire::Authorizer> {
    let request = wire::UpdateAuthorizerRequest {
        api_id: site.id.clone(),
        ..request
    };
    update_authorizer::handle(&site.fixture.context, request).await
}

#[tokio::test]
async fn a_jwt_authorizer_is_made_shown_changed_and_deleted() {
    let site = Site::new().await;
    let context = &site.fixture.context;
    let authorizer_id = site
        .authorizer(Site::jwt("https://issuer.example"))
        .await
        .unwrap();
    let get = || wire::GetAuthorizerRequest {
        api_id: site.id.clone(),
        authorizer_id: authorizer_id.clone(),
    };
    let shown = get_authorizer::handle(context, get()).await.unwrap();
    assert_eq!(shown.authorizer_type.as_deref(), Some("JWT"));
    let expected = vec!["$request.header.Authorization".to_owned()];
    assert_eq!(shown.identity_source, Some(expected));
    let change = wire::UpdateAuthorizerRequest {
        authorizer_id: authorizer_id.clone(),
        jwt_configuration: Some(wire::JWTConfiguration {
            audience: Some(vec!["zoo".into()]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let changed = update(&site, change)
        .await
        .unwrap()
        .jwt_configuration
        .unwrap();
    assert_eq!(changed.audience, Some(vec!["zoo".to_owned()]));
    assert_eq!(changed.issuer.as_deref(), Some("https://issuer.example"));
    let delete = wire::DeleteAuthorizerRequest {
        api_id: site.id.clone(),
        authorizer_id: authorizer_id.clone(),
    };
    delete_authorizer::handle(context, delete).await.unwrap();
    let gone = get_authorizer::handle(context, get()).await.unwrap_err();
    assert_eq!(gone.exception, Exception::NotFound);
}

#[tokio::test]
async fn a_function_that_judges_has_a_format_and_a_time_to_live() {
    let site = Site::new().await;
    let authorizer_id = site.authorizer(Site::function("2.0", true)).await.unwrap();
    let get = wire::GetAuthorizerRequest {
        api_id: site.id.clone(),
        authorizer_id: authorizer_id.clone(),
    };
    let shown = get_authorizer::handle(&site.fixture.context, get)
        .await
        .unwrap();
    assert_eq!(shown.authorizer_type.as_deref(), Some("REQUEST"));
    assert_eq!(shown.authorizer_uri.as_deref(), Some(FUNCTION));
    assert_eq!(shown.enable_simple_responses, Some(true));
    assert_eq!(shown.authorizer_result_ttl_in_seconds, Some(300));
    let change = wire::UpdateAuthorizerRequest {
        authorizer_id,
        authorizer_result_ttl_in_seconds: Some(0),
        identity_source: Some(Vec::new()),
        ..Default::default()
    };
    let changed = update(&site, change).await.unwrap();
    assert_eq!(changed.authorizer_result_ttl_in_seconds, Some(0));
}

#[tokio::test]
async fn an_authorizer_that_cannot_judge_is_refused() {
    let site = Site::new().await;
    for request in [
        Site::jwt("issuer.example"),
        Site::jwt("https://"),
        Site::jwt("https://issuer.example?a=b"),
        Request {
            jwt_configuration: None,
            ..Site::jwt("https://issuer.example")
        },
        Request {
            identity_source: Vec::new(),
            ..Site::jwt("https://issuer.example")
        },
        Request {
            identity_source: vec!["$context.identity.sourceIp".into()],
            ..Site::jwt("https://issuer.example")
        },
        Request {
            authorizer_uri: Some(FUNCTION.into()),
            ..Site::jwt("https://issuer.example")
        },
        Site::function("1.0", true),
        Site::function("3.0", false),
        Request {
            authorizer_payload_format_version: None,
            ..Site::function("2.0", false)
        },
        Request {
            identity_source: Vec::new(),
            authorizer_result_ttl_in_seconds: Some(1),
            ..Site::function("2.0", false)
        },
        Request {
            authorizer_credentials_arn: Some("arn:aws:iam::111122223333:role/r".into()),
            ..Site::function("2.0", false)
        },
        Request {
            identity_source: vec!["Authorization".into()],
            ..Site::function("2.0", false)
        },
        Request {
            authorizer_uri: Some("pets".into()),
            ..Site::function("2.0", false)
        },
    ] {
        let refused = site.authorizer(request.clone()).await;
        let refused = refused.map_err(|error| error.exception);
        assert_eq!(refused, Err(Exception::BadRequest), "{request:?}");
    }
}

#[tokio::test]
async fn an_authorizer_in_use_stays_and_a_name_is_taken_once() {
    let site = Site::new().await;
    let authorizer_id = site.authorizer(Site::function("2.0", true)).await.unwrap();
    let again = site
        .authorizer(Site::function("2.0", true))
        .await
        .unwrap_err();
    assert_eq!(again.exception, Exception::Conflict);
    let route = wire::CreateRouteRequest {
        route_key: "GET /pets".into(),
        authorization_type: Some("CUSTOM".into()),
        authorizer_id: Some(authorizer_id.clone()),
        ..Default::default()
    };
    site.route_as(route).await.unwrap();
    let delete = wire::DeleteAuthorizerRequest {
        api_id: site.id.clone(),
        authorizer_id,
    };
    let used = delete_authorizer::handle(&site.fixture.context, delete).await;
    assert_eq!(used.unwrap_err().exception, Exception::Conflict);
}

#[test]
fn identity_sources_are_written_as_they_are_read() {
    for text in [
        "$request.header.Authorization",
        "$request.querystring.token",
        "$context.identity.sourceIp",
        "$stageVariables.secret",
    ] {
        assert_eq!(source_text(&read_source(text).unwrap()), text);
    }
    for text in ["", "$request.header.", "$request.body", "Authorization"] {
        assert!(read_source(text).is_err(), "{text}");
    }
}
