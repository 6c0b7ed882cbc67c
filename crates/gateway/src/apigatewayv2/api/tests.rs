//! APIs: what may be set, and what is made with them.

use super::*;
use crate::apigatewayv2::fixture::{FUNCTION, Site};
use crate::apigatewayv2::route::get_routes;
use crate::apigatewayv2::stage::get_stages;
use crate::error::Exception;
use crate::lambda::fixture::Fixture;

fn cors(origins: &[&str]) -> wire::Cors {
    wire::Cors {
        allow_origins: Some(origins.iter().map(|&origin| origin.to_owned()).collect()),
        ..Default::default()
    }
}

fn request() -> wire::CreateApiRequest {
    wire::CreateApiRequest {
        name: "pets".into(),
        protocol_type: "HTTP".into(),
        ..Default::default()
    }
}

async fn refused(request: wire::CreateApiRequest) -> (Exception, String) {
    let fixture = Fixture::new().await;
    let refused = create_api::handle(&fixture.context, request).await;
    let refused = refused.unwrap_err();
    (refused.exception, refused.message.into_owned())
}

#[tokio::test]
async fn a_new_api_has_an_address_and_nothing_else() {
    let site = Site::new().await;
    let context = &site.fixture.context;
    let id = site.id.clone();
    let shown = get_api::handle(context, wire::GetApiRequest { api_id: id.clone() });
    let shown = shown.await.unwrap();
    let endpoint = format!("http://{id}.execute-api.us-east-1.localhost:4566");
    assert_eq!(shown.api_endpoint, Some(endpoint));
    assert_eq!(shown.protocol_type, "HTTP");
    assert_eq!(
        shown.route_selection_expression,
        "$request.method $request.path"
    );
    assert_eq!(shown.created_date.as_deref(), Some("2026-11-23T13:23:00Z"));
    let stages = wire::GetStagesRequest {
        api_id: id,
        ..Default::default()
    };
    let stages = get_stages::handle(context, stages).await.unwrap();
    assert!(stages.items.unwrap().is_empty());
}

#[tokio::test]
async fn a_target_is_served_at_once_and_can_be_changed() {
    let site = Site::quick().await;
    let context = &site.fixture.context;
    let api_id = site.id.clone();
    let routes = || wire::GetRoutesRequest {
        api_id: api_id.clone(),
        ..Default::default()
    };
    let shown = get_routes::handle(context, routes())
        .await
        .unwrap()
        .items
        .unwrap();
    assert_eq!(shown[0].route_key, "$default");
    assert_eq!(shown[0].api_gateway_managed, Some(true));
    let api = context
        .deps
        .store
        .apis()
        .get(&api_id.parse().unwrap())
        .unwrap();
    let (_, served, _) = api.serving("/x").unwrap();
    assert_eq!(served.integrations.values().next().unwrap().uri, FUNCTION);
    let update = wire::UpdateApiRequest {
        api_id: api_id.clone(),
        target: Some(format!("{FUNCTION}:live")),
        route_key: Some("GET /pets".into()),
        ..Default::default()
    };
    update_api::handle(context, update).await.unwrap();
    let shown = get_routes::handle(context, routes())
        .await
        .unwrap()
        .items
        .unwrap();
    assert_eq!(shown[0].route_key, "GET /pets");
    let api = context
        .deps
        .store
        .apis()
        .get(&api_id.parse().unwrap())
        .unwrap();
    let (_, served, _) = api.serving("/pets").unwrap();
    let uri = &served.integrations.values().next().unwrap().uri;
    assert_eq!(*uri, format!("{FUNCTION}:live"));
}

#[tokio::test]
async fn an_update_leaves_what_it_does_not_name() {
    let site = Site::create(wire::CreateApiRequest {
        description: Some("all pets".into()),
        cors_configuration: Some(cors(&["https://a.example"])),
        ..Default::default()
    })
    .await;
    let update = wire::UpdateApiRequest {
        api_id: site.id.clone(),
        name: Some("zoo".into()),
        disable_execute_api_endpoint: Some(true),
        ..Default::default()
    };
    let shown = update_api::handle(&site.fixture.context, update)
        .await
        .unwrap();
    assert_eq!(shown.name, "zoo");
    assert_eq!(shown.description.as_deref(), Some("all pets"));
    assert_eq!(shown.disable_execute_api_endpoint, Some(true));
    let origins = shown.cors_configuration.unwrap().allow_origins;
    assert_eq!(origins, Some(vec!["https://a.example".to_owned()]));
    let delete = wire::DeleteCorsConfigurationRequest {
        api_id: site.id.clone(),
    };
    let context = &site.fixture.context;
    delete_cors_configuration::handle(context, delete)
        .await
        .unwrap();
    let api = context
        .deps
        .store
        .apis()
        .get(&site.id.parse().unwrap())
        .unwrap();
    assert_eq!(api.draft.cors, None);
}

#[tokio::test]
async fn what_an_http_api_does_not_have_is_refused() {
    let websocket = refused(wire::CreateApiRequest {
        protocol_type: "WEBSOCKET".into(),
        ..request()
    });
    let expected = "Kiln does not have WebSocket APIs yet.";
    assert_eq!(
        websocket.await,
        (Exception::NotImplemented, expected.into())
    );
    let proxy = wire::CreateApiRequest {
        target: Some("https://example.com".into()),
        ..request()
    };
    assert_eq!(refused(proxy).await.0, Exception::NotImplemented);
    for request in [
        wire::CreateApiRequest {
            route_selection_expression: Some("$request.body.action".into()),
            ..request()
        },
        wire::CreateApiRequest {
            route_key: Some("GET /pets".into()),
            ..request()
        },
        wire::CreateApiRequest {
            target: Some("pets".into()),
            ..request()
        },
        wire::CreateApiRequest {
            disable_schema_validation: Some(true),
            ..request()
        },
        wire::CreateApiRequest {
            tags: Some([("aws:own".to_owned(), String::new())].into()),
            ..request()
        },
    ] {
        assert_eq!(refused(request).await.0, Exception::BadRequest);
    }
}

#[test]
fn origins_are_anything_a_scheme_and_anything_or_a_scheme_and_a_host() {
    for origin in [
        "*",
        "https://*",
        "https://a.example",
        "http://localhost:3000",
        "app://x",
    ] {
        assert!(read_cors(cors(&[origin])).is_ok(), "{origin}");
    }
    for origin in [
        "",
        "a.example",
        "https://",
        "https://a.example/path",
        "https://*.example",
        "://a",
    ] {
        assert!(read_cors(cors(&[origin])).is_err(), "{origin}");
    }
    let mut credentials = cors(&["*"]);
    credentials.allow_credentials = Some(true);
    let refused = read_cors(credentials).unwrap_err();
    assert_eq!(
        refused.message,
        "allow-credentials is not supported if 'allow-origin' is *"
    );
    let mut methods = cors(&["*"]);
    methods.allow_methods = Some(vec!["get".into()]);
    assert_eq!(read_cors(methods.clone()).unwrap().allow_methods, ["GET"]);
    methods.allow_methods = Some(vec!["BREW".into()]);
    assert!(read_cors(methods).is_err());
}

#[tokio::test]
async fn apis_are_listed_and_deleted_and_of_one_account() {
    let mut site = Site::new().await;
    let list = |context: &Context| {
        let context = context.clone();
        async move {
            let shown = get_apis::handle(&context, wire::GetApisRequest::default()).await;
            shown.unwrap().items.unwrap().len()
        }
    };
    assert_eq!(list(&site.fixture.context).await, 1);
    let get = || wire::GetApiRequest {
        api_id: site.id.clone(),
    };
    let mut other = site.fixture.context.clone();
    other.caller.account = "123456789012".parse().unwrap();
    assert_eq!(list(&other).await, 0);
    let refused = get_api::handle(&other, get()).await.unwrap_err();
    let expected = format!("Invalid API identifier specified 123456789012:{}", site.id);
    assert_eq!(
        (refused.exception, refused.message.as_ref()),
        (Exception::NotFound, &*expected)
    );
    let delete = wire::DeleteApiRequest {
        api_id: site.id.clone(),
    };
    let refused = delete_api::handle(&other, delete.clone()).await;
    assert_eq!(refused.unwrap_err().exception, Exception::NotFound);
    delete_api::handle(&site.fixture.context, delete)
        .await
        .unwrap();
    let refused = get_api::handle(&site.fixture.context, get()).await;
    assert_eq!(refused.unwrap_err().exception, Exception::NotFound);
    site.id = "no id!".into();
    let strange = wire::GetApiRequest { api_id: site.id };
    let refused = get_api::handle(&site.fixture.context, strange).await;
    assert_eq!(refused.unwrap_err().exception, Exception::NotFound);
}
