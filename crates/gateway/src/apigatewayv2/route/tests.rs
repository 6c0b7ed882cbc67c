//! Routes: their keys, targets and authorizations.

use super::*;
use crate::apigatewayv2::fixture::Site;
use crate::error::Exception;

fn request(key: &str) -> wire::CreateRouteRequest {
    wire::CreateRouteRequest {
        route_key: key.into(),
        ..Default::default()
    }
}

async fn update(site: &Site, request: wire::UpdateRouteRequest) -> Result<wire::Route> {
    let request = wire::UpdateRouteRequest {
        api_id: site.id.clone(),
        ..request
    };
    update_route::handle(&site.fixture.context, request).await
}

#[tokio::test]
async fn a_route_is_made_shown_changed_and_deleted() {
    let site = Site::new().await;
    let integration = site.integrate("2.0").await;
    let route_id = site.route("GET /pets/{id}", &integration).await;
    let context = &site.fixture.context;
    let get = || wire::GetRouteRequest {
        api_id: site.id.clone(),
        route_id: route_id.clone(),
    };
    let shown = get_route::handle(context, get()).await.unwrap();
    assert_eq!(shown.route_key, "GET /pets/{id}");
    assert_eq!(shown.target, Some(format!("integrations/{integration}")));
    assert_eq!(shown.authorization_type.as_deref(), Some("NONE"));
    let change = wire::UpdateRouteRequest {
        route_id: route_id.clone(),
        route_key: Some("ANY /pets/{proxy+}".into()),
        authorization_type: Some("AWS_IAM".into()),
        ..Default::default()
    };
    let shown = update(&site, change).await.unwrap();
    assert_eq!(shown.route_key, "ANY /pets/{proxy+}");
    assert_eq!(shown.authorization_type.as_deref(), Some("AWS_IAM"));
    assert_eq!(shown.target, Some(format!("integrations/{integration}")));
    let delete = wire::DeleteRouteRequest {
        api_id: site.id.clone(),
        route_id: route_id.clone(),
    };
    delete_route::handle(context, delete).await.unwrap();
    let gone = get_route::handle(context, get()).await.unwrap_err();
    assert_eq!(gone.exception, Exception::NotFound);
    assert_eq!(
        gone.message,
        format!("Invalid Route identifier specified {route_id}")
    );
}

#[tokio::test]
async fn keys_that_exist_clash_or_cannot_be_are_refused() {
    let site = Site::new().await;
    site.route_as(request("GET /pets/{id}")).await.unwrap();
    for (key, exception, message) in [
        (
            "GET /pets/{id}",
            Exception::Conflict,
            "Route with key GET /pets/{id} already exists for this API",
        ),
        (
            "GET /pets/{name}",
            Exception::Conflict,
            "The provided route key \"GET /pets/{name}\" has a conflicting variable on the same hierarchical level as \"GET /pets/{id}\"",
        ),
        (
            "GET /{proxy+}/x",
            Exception::BadRequest,
            "One or more path parts appear to be invalid",
        ),
        (
            "pets",
            Exception::BadRequest,
            "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\", not \"pets\"",
        ),
    ] {
        let refused = site.route_as(request(key)).await.unwrap_err();
        assert_eq!(
            (refused.exception, refused.message.as_ref()),
            (exception, message)
        );
    }
}

#[tokio::test]
async fn a_target_must_be_an_integration_of_the_api() {
    let site = Site::new().await;
    for (target, exception) in [
        ("pets", Exception::BadRequest),
        ("integrations/", Exception::BadRequest),
        ("integrations/abc1234", Exception::NotFound),
    ] {
        let route = wire::CreateRouteRequest {
            target: Some(target.into()),
            ..request("GET /pets")
        };
        let refused = site.route_as(route).await.unwrap_err();
        assert_eq!(refused.exception, exception, "{target}");
    }
}

#[tokio::test]
async fn a_route_needs_the_authorizer_that_its_authorization_says() {
    let site = Site::new().await;
    let jwt = site
        .authorizer(Site::jwt("https://issuer.example"))
        .await
        .unwrap();
    let with = |kind: &str, authorizer: Option<&str>, scopes: &[&str]| wire::CreateRouteRequest {
        authorization_type: Some(kind.into()),
        authorizer_id: authorizer.map(str::to_owned),
        authorization_scopes: Some(scopes.iter().map(|&scope| scope.to_owned()).collect()),
        ..request("GET /pets")
    };
    for (kind, authorizer, scopes) in [
        ("JWT", None, &[][..]),
        ("JWT", Some("abc1234"), &[]),
        ("CUSTOM", Some(jwt.as_str()), &[]),
        ("CUSTOM", None, &[]),
        ("AWS_IAM", None, &["pets/read"]),
        (
            "JWT",
            Some(jwt.as_str()),
            &["scope"; limits::API_SCOPES_MAX + 1],
        ),
    ] {
        let refused = site
            .route_as(with(kind, authorizer, scopes))
            .await
            .unwrap_err();
        assert_eq!(
            refused.exception,
            Exception::BadRequest,
            "{kind} {authorizer:?}"
        );
    }
    let route = with("JWT", Some(&jwt), &["pets/read"]);
    let route_id = site.route_as(route).await.unwrap();
    let open = wire::UpdateRouteRequest {
        route_id: route_id.clone(),
        authorization_type: Some("NONE".into()),
        ..Default::default()
    };
    let shown = update(&site, open).await.unwrap();
    assert_eq!(
        (shown.authorizer_id, shown.authorization_scopes),
        (None, None)
    );
}

#[tokio::test]
async fn what_websocket_apis_have_is_refused() {
    let site = Site::new().await;
    let route = wire::CreateRouteRequest {
        api_key_required: Some(true),
        ..request("GET /pets")
    };
    let refused = site.route_as(route).await.unwrap_err();
    assert_eq!(
        refused.message,
        "apiKeyRequired is supported only for WebSocket APIs"
    );
}
