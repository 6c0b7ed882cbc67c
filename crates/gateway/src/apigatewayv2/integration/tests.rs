//! Integrations: functions, and all else refused.

use super::*;
use crate::apigatewayv2::fixture::{FUNCTION, Site};
use crate::error::Exception;

fn request(site: &Site) -> wire::CreateIntegrationRequest {
    wire::CreateIntegrationRequest {
        api_id: site.id.clone(),
        integration_type: "AWS_PROXY".into(),
        integration_uri: Some(FUNCTION.into()),
        ..Default::default()
    }
}

async fn refused(site: &Site, request: wire::CreateIntegrationRequest) -> Exception {
    let refused = create_integration::handle(&site.fixture.context, request).await;
    refused.unwrap_err().exception
}

#[tokio::test]
async fn an_integration_is_made_shown_changed_and_deleted() {
    let site = Site::new().await;
    let context = &site.fixture.context;
    let made = create_integration::handle(context, request(&site))
        .await
        .unwrap();
    assert_eq!(made.payload_format_version.as_deref(), Some("1.0"));
    assert_eq!(made.timeout_in_millis, Some(30_000));
    assert_eq!(made.integration_method.as_deref(), Some("POST"));
    let integration_id = made.integration_id.unwrap();
    let change = wire::UpdateIntegrationRequest {
        api_id: site.id.clone(),
        integration_id: integration_id.clone(),
        payload_format_version: Some("2.0".into()),
        timeout_in_millis: Some(50),
        ..Default::default()
    };
    let changed = update_integration::handle(context, change).await.unwrap();
    assert_eq!(changed.payload_format_version.as_deref(), Some("2.0"));
    assert_eq!(changed.timeout_in_millis, Some(50));
    assert_eq!(changed.integration_uri.as_deref(), Some(FUNCTION));
    let get = wire::GetIntegrationRequest {
        api_id: site.id.clone(),
        integration_id: integration_id.clone(),
    };
    assert_eq!(
        get_integration::handle(context, get).await.unwrap(),
        changed
    );
    let delete = || wire::DeleteIntegrationRequest {
        api_id: site.id.clone(),
        integration_id: integration_id.clone(),
    };
    let route = site.route("GET /pets", &integration_id).await;
    let used = delete_integration::handle(context, delete())
        .await
        .unwrap_err();
    let expected = format!(
        "Cannot delete Integration because it is referenced by the following Routes with Ids: [{route}]"
    );
    assert_eq!(
        (used.exception, used.message.as_ref()),
        (Exception::Conflict, &*expected)
    );
    let route = wire::DeleteRouteRequest {
        api_id: site.id.clone(),
        route_id: route,
    };
    crate::apigatewayv2::route::delete_route::handle(context, route)
        .await
        .unwrap();
    delete_integration::handle(context, delete()).await.unwrap();
}

#[tokio::test]
async fn backends_that_are_no_functions_are_refused() {
    let site = Site::new().await;
    for (kind, exception) in [
        ("HTTP_PROXY", Exception::NotImplemented),
        ("HTTP", Exception::BadRequest),
        ("MOCK", Exception::BadRequest),
        ("AWS", Exception::BadRequest),
    ] {
        let request = wire::CreateIntegrationRequest {
            integration_type: kind.into(),
            ..request(&site)
        };
        assert_eq!(refused(&site, request).await, exception, "{kind}");
    }
    for request in [
        wire::CreateIntegrationRequest {
            integration_subtype: Some("SQS-SendMessage".into()),
            ..request(&site)
        },
        wire::CreateIntegrationRequest {
            connection_type: Some("VPC_LINK".into()),
            ..request(&site)
        },
        wire::CreateIntegrationRequest {
            request_parameters: Some([("append:header.a".to_owned(), "b".to_owned())].into()),
            ..request(&site)
        },
    ] {
        assert_eq!(refused(&site, request).await, Exception::NotImplemented);
    }
    for request in [
        wire::CreateIntegrationRequest {
            integration_uri: None,
            ..request(&site)
        },
        wire::CreateIntegrationRequest {
            payload_format_version: Some("3.0".into()),
            ..request(&site)
        },
        wire::CreateIntegrationRequest {
            passthrough_behavior: Some("NEVER".into()),
            ..request(&site)
        },
    ] {
        assert_eq!(refused(&site, request).await, Exception::BadRequest);
    }
}
