//! Documents of OpenAPI, and who is let in by them.

use serde_json::json;

use super::*;

fn body(security: &Json) -> Json {
    json!({
        "openapi": "3.0.1",
        "info": {"title": "shop", "version": "1.0"},
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "maxAge": 5},
        "tags": [{"name": "team", "x-amazon-apigateway-tag-value": "web"}],
        "servers": [{"x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": true}}],
        "components": {"securitySchemes": {
            "J": {"type": "oauth2", AUTHORIZER: {"type": "jwt", "identitySource": "x", "jwtConfiguration": {"issuer": "i", "audience": ["a"]}}},
            "S": {"type": "apiKey", "x-amazon-apigateway-authtype": "awsSigv4"},
        }},
        "paths": {
            "$default": {ANY: {INTEGRATION: {"type": "aws_proxy", "uri": "u"}}},
            "/x/{id}": {"get": {INTEGRATION: {"type": "aws_proxy", "uri": "u"}, "security": security}, "parameters": []},
        },
    })
}

#[test]
fn what_sam_writes_is_read() {
    let api = HttpApi::read(&body(&json!([{"J": ["read"]}]))).unwrap();
    assert_eq!(
        (api.name.as_deref(), api.disables_default_endpoint),
        (Some("shop"), true)
    );
    assert_eq!(
        Json::Object(api.cors.unwrap()),
        json!({"AllowOrigins": ["*"], "MaxAge": 5})
    );
    assert_eq!(Json::Object(api.tags), json!({"team": "web"}));
    assert!(api.authorizers[0].is_jwt && api.authorizers.len() == 1);
    let routes: Vec<(&str, &Authorization)> = api
        .routes
        .iter()
        .map(|route| (route.key.as_str(), &route.authorization))
        .collect();
    let by = Authorization::By {
        authorizer: "J".to_owned(),
        scopes: vec!["read".to_owned()],
    };
    assert!(routes.contains(&("$default", &Authorization::None)));
    assert!(routes.contains(&("GET /x/{id}", &by)));
}

#[test]
fn nobody_is_let_in_by_what_is_not_understood() {
    let authorization = |security: Json| {
        let api = HttpApi::read(&body(&security)).ok()?;
        let route = api
            .routes
            .into_iter()
            .find(|route| route.key.starts_with("GET"))?;
        Some(route.authorization)
    };
    assert_eq!(authorization(json!([{"S": []}])), Some(Authorization::Iam));
    assert_eq!(
        authorization(json!([{"NONE": []}])),
        Some(Authorization::None)
    );
    assert_eq!(authorization(json!([])), Some(Authorization::None));
    for security in [
        json!([{"X": []}]),
        json!([{"J": []}, {"S": []}]),
        json!([{}]),
        json!({}),
        json!("J"),
        json!([{"J": "x"}]),
        json!(null),
    ] {
        assert_eq!(authorization(security.clone()), None, "{security}");
    }
}

#[test]
fn a_default_is_for_every_route_without_its_own() {
    let mut all = body(&json!([]));
    all["security"] = json!([{"J": []}]);
    let api = HttpApi::read(&all).unwrap();
    let default = api
        .routes
        .iter()
        .find(|route| route.key == "$default")
        .unwrap();
    assert!(
        matches!(&default.authorization, Authorization::By { authorizer, .. } if authorizer == "J")
    );
}

#[test]
fn what_is_no_such_document_is_refused() {
    let cases = [
        json!({"paths": []}),
        json!({"paths": {"/x": {"get": {}}}}),
        json!({"paths": {"x": {"get": {INTEGRATION: {}}}}}),
        json!({"paths": {"/x": {"fetch": {INTEGRATION: {}}}}}),
        json!({"paths": {"/x": {"$ref": "#/y"}}}),
        json!({"components": {"securitySchemes": {"J": {"type": "oauth2"}}}}),
        json!({"components": {"securitySchemes": {"J": {AUTHORIZER: {"type": "token"}}}}}),
    ];
    for body in cases {
        assert!(HttpApi::read(&body).is_err(), "{body}");
    }
}
