//! The SAM transform: what it makes, refuses and bounds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::document;

fn transformed(text: &str) -> Result<Json, String> {
    let document = document::read(text).map_err(|error| error.to_string())?;
    let parameters = crate::parameters(&document).map_err(|error| error.to_string())?;
    let values = Values::check(&parameters, &BTreeMap::new()).map_err(|error| error.to_string())?;
    let node = transform(&document, &values).map_err(|error| error.to_string())?;
    Ok(node.to_json())
}

fn function(properties: &str) -> Result<Json, String> {
    transformed(&format!(
        "Transform: {SERVERLESS}\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {{Handler: a.b, Runtime: python3.12, CodeUri: s3://b/k, {properties}}}\n"
    ))
}

#[test]
fn without_the_transform_nothing_is_changed() {
    let text = "Resources: {Q: {Type: AWS::SQS::Queue}}";
    assert_eq!(
        transformed(text).unwrap(),
        document::read(text).unwrap().to_json()
    );
}

#[test]
fn events_of_rest_apis_become_an_http_api() {
    let made =
        function("Events: {Hello: {Type: Api, Properties: {Path: /hello, Method: get}}}").unwrap();
    let resources = made["Resources"].as_object().unwrap();
    let names: Vec<&String> = resources.keys().collect();
    let mut expected = vec![
        "F",
        "FHelloPermissionProd",
        "FRole",
        "ServerlessRestApi",
        "ServerlessRestApiProdStage",
    ];
    expected.sort_unstable();
    let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
    let body = &made["Resources"]["ServerlessRestApi"]["Properties"]["Body"];
    assert_eq!(
        body["paths"]["/hello"]["get"]["x-amazon-apigateway-integration"]["payloadFormatVersion"],
        "1.0"
    );
    assert_eq!(
        made["Resources"]["ServerlessRestApiProdStage"]["Properties"]["StageName"],
        "Prod"
    );
}

#[test]
fn the_routes_of_a_function_that_there_may_not_be_may_not_be() {
    let made = transformed(&format!(
        "Transform: {SERVERLESS}\nConditions: {{C: !Equals [a, a]}}\nResources: {{F: {{Type: AWS::Serverless::Function, Condition: C, Properties: {{Handler: a.b, Runtime: python3.12, \
         CodeUri: s3://b/k, Events: {{E: {{Type: HttpApi, Properties: {{Path: /x, Method: get}}}}}}}}}}}}"
    ))
    .unwrap();
    assert_eq!(made["Resources"]["FRole"]["Condition"], "C");
    assert_eq!(made["Resources"]["FEPermission"]["Condition"], "C");
    let route = &made["Resources"]["ServerlessHttpApi"]["Properties"]["Body"]["paths"]["/x"]["get"]
        ["Fn::If"];
    assert_eq!(
        (&route[0], &route[2]),
        (&json!("C"), &json!({"Ref": "AWS::NoValue"}))
    );
}

#[test]
fn an_authorizer_of_all_apis_is_never_passed_over() {
    let text = |globals: &str, kind: &str| {
        format!(
            "Transform: {SERVERLESS}\nGlobals: {globals}\nResources: {{F: {{Type: AWS::Serverless::Function, Properties: {{Handler: a.b, Runtime: python3.12, CodeUri: s3://b/k, \
             Events: {{E: {{Type: {kind}, Properties: {{Path: /x, Method: get}}}}}}}}}}}}"
        )
    };
    let auth = "{HttpApi: {Auth: {DefaultAuthorizer: J, Authorizers: {J: {IdentitySource: x, JwtConfiguration: {issuer: i, audience: [a]}}}}}}";
    let made = transformed(&text(auth, "HttpApi")).unwrap();
    let body = &made["Resources"]["ServerlessHttpApi"]["Properties"]["Body"];
    assert_eq!(body["paths"]["/x"]["get"]["security"], json!([{"J": []}]));
    assert!(body["components"]["securitySchemes"]["J"].is_object());
    let error =
        transformed(&text("{Api: {Auth: {DefaultAuthorizer: AWS_IAM}}}", "Api")).unwrap_err();
    assert!(
        error.contains("[ServerlessRestApi] is invalid. property Auth"),
        "{error}"
    );
    let error = transformed(&text(
        "{HttpApi: {Auth: {DefaultAuthorizer: Gone}}}",
        "HttpApi",
    ))
    .unwrap_err();
    assert!(error.contains("[Gone]"), "{error}");
}

#[test]
fn a_path_of_the_own_machine_stays_for_the_caller_to_fill() {
    let made = transformed(&format!(
        "Transform: {SERVERLESS}\nResources: {{F: {{Type: AWS::Serverless::Function, Properties: {{Handler: a.b, Runtime: python3.12, CodeUri: src/, Role: x}}}}}}"
    ));
    assert_eq!(
        made.unwrap()["Resources"]["F"]["Properties"]["Code"],
        "src/"
    );
}

#[test]
fn what_kiln_has_not_is_refused_with_its_reason() {
    let cases = [
        (
            "Events: {E: {Type: DynamoDB, Properties: {}}}",
            "Event with id [E] is invalid. Events of type DynamoDB are not supported by Kiln.",
        ),
        ("Events: {E: {Type: Sql}}", "Event type 'Sql' is unknown."),
        (
            "Events: {E: {Type: Schedule}}",
            "Missing required property 'Schedule'.",
        ),
        (
            "Events: {E: {Type: S3, Properties: {Bucket: x, Events: y}}}",
            "S3 events must reference an S3 bucket in the same template.",
        ),
        (
            "Events: {E: {Type: Api, Properties: {Path: /, Method: get, Auth: {}}}}",
            "Auth needs a REST API",
        ),
        (
            "Events: {A: {Type: HttpApi}, B: {Type: HttpApi}}",
            "API method 'any' defined multiple times for path '$default'.",
        ),
        (
            "Events: {A: {Type: HttpApi, Properties: {ApiId: !Ref X}}}",
            "ApiId must be a valid reference",
        ),
        (
            "DeploymentPreference: {Type: Canary10Percent5Minutes}, AutoPublishAlias: live",
            "needs CodeDeploy",
        ),
        (
            "Policies: [{KinesisCrudPolicy: {StreamName: x}}]",
            "Policy template 'KinesisCrudPolicy' is not known to Kiln",
        ),
        (
            "Policies: [{S3ReadPolicy: {}}]",
            "Following required parameters of policy template 'S3ReadPolicy' don't have values: ['BucketName']",
        ),
        ("FunctionUrlConfig: {}", "AuthType is required"),
        ("AutoPublishAlias: '1'", "AutoPublishAlias name ('1')"),
        (
            "Memory: 5",
            "property Memory not defined for resource of type AWS::Serverless::Function",
        ),
        ("InlineCode: x, Tags: [a]", "Tags must be a map"),
    ];
    for (properties, reason) in cases {
        let error = function(properties).unwrap_err();
        let before = format!(
            "Transform {SERVERLESS} failed with: Invalid Serverless Application Specification document. Number of errors found: 1. Resource with id [F] is invalid. "
        );
        assert!(error.starts_with(&before), "{error}");
        assert!(error.contains(reason), "{properties}: {error}");
    }
    let error = transformed(&format!("Transform: {SERVERLESS}\nResources: {{T: {{Type: AWS::Serverless::SimpleTable}}, M: {{Type: AWS::Serverless::StateMachine}}}}")).unwrap_err();
    assert!(
        error.ends_with("[AWS::Serverless::SimpleTable, AWS::Serverless::StateMachine]"),
        "{error}"
    );
    let error = transformed(&format!(
        "Transform: {SERVERLESS}\nGlobals: {{Table: {{a: b}}}}\nResources: {{}}"
    ))
    .unwrap_err();
    assert!(
        error.contains("'Globals' section is invalid. 'Table' is not supported"),
        "{error}"
    );
}

#[test]
fn what_the_transform_makes_is_bounded() {
    let long = "x".repeat(100_000);
    let functions: String = (0..400)
        .map(|at| {
            format!(
                "  F{at}: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: s3://b/k}}}}\n"
            )
        })
        .collect();
    let text = format!(
        "Transform: {SERVERLESS}\nGlobals: {{Function: {{Handler: a.b, Runtime: python3.12, Description: {long}}}}}\nResources:\n{functions}"
    );
    assert!(transformed(&text).unwrap_err().contains("too large"));
    let events: String = (0..500).map(|at| format!("'s3:{at}', ")).collect();
    let text = format!(
        "Transform: {SERVERLESS}\nResources:\n  B: {{Type: AWS::S3::Bucket}}\n  F: {{Type: AWS::Serverless::Function, Properties: {{Handler: a.b, Runtime: python3.12, CodeUri: s3://b/k, \
         Events: {{E: {{Type: S3, Properties: {{Bucket: !Ref B, Events: [{events}], Filter: {long}}}}}}}}}}}"
    );
    assert!(transformed(&text).unwrap_err().contains("too large"));
}

#[test]
fn several_errors_come_in_one() {
    let text = format!(
        "Transform: {SERVERLESS}\nResources: {{A: {{Type: AWS::Serverless::Function}}, B: {{Type: AWS::Serverless::LayerVersion}}}}"
    );
    let error = transformed(&text).unwrap_err();
    assert!(error.contains("Number of errors found: 2."), "{error}");
    assert!(error.contains("[A]") && error.contains("[B]"), "{error}");
}

#[test]
fn globals_are_merged_as_sam_does() {
    let text = format!(
        "
Transform: {SERVERLESS}
Globals:
  Function: {{Runtime: python3.12, Handler: a.b, CodeUri: s3://b/k, Layers: [one], Environment: {{Variables: {{A: 1, B: 2}}}}, Timeout: 5}}
Resources:
  F: {{Type: AWS::Serverless::Function, Properties: {{Role: r, Layers: [two], Environment: {{Variables: {{B: 3}}}}}}}}
  G: {{Type: AWS::Serverless::Function, IgnoreGlobals: [Timeout, Layers], Properties: {{Role: r}}}}
"
    );
    let made = transformed(&text).unwrap();
    let f = &made["Resources"]["F"]["Properties"];
    assert_eq!(f["Layers"], json!(["one", "two"]));
    assert_eq!(f["Environment"], json!({"Variables": {"A": 1, "B": 3}}));
    let g = made["Resources"]["G"]["Properties"].as_object().unwrap();
    assert!(!g.contains_key("Timeout") && !g.contains_key("Layers"));
    assert!(made.get("Globals").is_none() && made.get("Transform").is_none());
}

#[test]
fn what_is_renamed_is_renamed_in_every_function() {
    let text = format!(
        "
Transform: {SERVERLESS}
Resources:
  L: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: s3://b/l}}}}
Outputs:
  A: {{Value: !Ref L}}
  B: {{Value: !Sub 'x${{L}}${{!L}}'}}
  C: {{Value: !Sub ['${{L}}${{v}}', {{v: !Ref L}}]}}
"
    );
    let made = transformed(&text).unwrap();
    let id = made["Resources"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    assert!(id.starts_with('L') && id.len() == 11, "{id}");
    assert_eq!(made["Outputs"]["A"]["Value"], json!({"Ref": id}));
    assert_eq!(
        made["Outputs"]["B"]["Value"],
        json!({"Fn::Sub": format!("x${{{id}}}${{!L}}")})
    );
    assert_eq!(
        made["Outputs"]["C"]["Value"],
        json!({"Fn::Sub": [format!("${{{id}}}${{v}}"), {"v": {"Ref": id}}]})
    );
}

proptest! {
    #[test]
    fn the_transform_never_panics(properties in "[a-zA-Z {}:,'\\[\\]!$/]{0,60}", name in "(Events|Policies|FunctionUrlConfig|EventInvokeConfig|AutoPublishAlias|DeadLetterQueue|CodeUri|Tags|Tracing)") {
        let _ = function(&format!("{name}: {properties}"));
        let _ = function(&format!("{name}: {{E: {{Type: HttpApi, Properties: {{{properties}}}}}}}"));
    }
}
