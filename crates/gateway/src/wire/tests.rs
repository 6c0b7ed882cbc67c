//! Requests as clients send them, read through the generated tables, against answers recorded
//! from AWS.

use bytes::Bytes;
use http::HeaderMap;
use kiln_types::RequestId;
use serde_json::{Value, json};

use super::shape::Structure;
use super::{Input, Output, Protocol, Reply, Request};
use crate::error::{ApiError, Exception};
use crate::lambda::generated as lambda;
use crate::logs::generated as logs;

fn input<I: Input>(request: Request) -> crate::error::Result<I> {
    super::input(request, |_| Ok(()))
}

fn request(labels: &[(&'static str, &str)], query: &str, body: Value) -> Request {
    Request {
        operation: "Any",
        labels: labels
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect(),
        query: query.to_owned(),
        headers: HeaderMap::new(),
        body: if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        },
        violation: Exception::Validation,
        protocol: Protocol::RestJson,
    }
}

fn refused<I: Input + std::fmt::Debug>(request: Request) -> String {
    let error = input::<I>(request).unwrap_err();
    assert_eq!(error.exception, Exception::Validation);
    error.message.into_owned()
}

/// A request to create a function that is right but for what `changes` say.
fn creation(changes: Value) -> Request {
    let mut body = json!({
        "FunctionName": "sum",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="},
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    request(&[], "", body)
}

fn creation_refused(changes: Value) -> String {
    refused::<lambda::CreateFunctionRequest>(creation(changes))
}

#[test]
fn members_come_from_path_query_headers_and_body() {
    let mut invocation = request(
        &[("FunctionName", "sum")],
        "Qualifier=%24LATEST&x=y",
        json!([1]),
    );
    invocation
        .headers
        .insert("x-amz-log-type", "Tail".parse().unwrap());
    let read: lambda::InvocationRequest = input(invocation).unwrap();
    let expected = lambda::InvocationRequest {
        function_name: "sum".to_owned(),
        log_type: Some("Tail".to_owned()),
        qualifier: Some("$LATEST".to_owned()),
        payload: Some("[1]".into()),
        ..Default::default()
    };
    assert_eq!(read, expected);
    let list: lambda::ListFunctionsRequest =
        input(request(&[], "MaxItems=7", Value::Null)).unwrap();
    assert_eq!(list.max_items, Some(7));
    let untag = request(&[("Resource", ARN)], "tagKeys=a&tagKeys=b%20c", Value::Null);
    let read: lambda::UntagResourceRequest = input(untag).unwrap();
    assert_eq!(read.tag_keys, ["a", "b c"]);
}

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:sum";

#[test]
fn blobs_are_base64_and_unknown_members_are_ignored() {
    let read: lambda::CreateFunctionRequest =
        input(creation(json!({"Nonsense": {"x": []}, "Timeout": 5}))).unwrap();
    assert!(read.code.zip_file.unwrap().starts_with(b"PK\x05\x06"));
    assert_eq!(read.timeout, Some(5));
    let wrong = creation(json!({"Code": {"ZipFile": "not base64!"}}));
    let error = input::<lambda::CreateFunctionRequest>(wrong).unwrap_err();
    assert_eq!(error.exception, Exception::Serialization);
}

#[test]
fn texts_that_break_a_pattern_are_refused_as_recorded() {
    assert_eq!(
        creation_refused(json!({"Role": "r1"})),
        "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member \
         must satisfy regular expression pattern: \
         arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"
    );
    let qualifier = request(
        &[("FunctionName", "sum")],
        "Qualifier=invalid-qualifier-with-%3F-char",
        Value::Null,
    );
    assert_eq!(
        refused::<lambda::GetFunctionRequest>(qualifier),
        "1 validation error detected: Value 'invalid-qualifier-with-?-char' at 'qualifier' failed \
         to satisfy constraint: Member must satisfy regular expression pattern: \
         \\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
    );
    let url = request(
        &[("FunctionName", "sum")],
        "Qualifier=%24LATEST",
        json!({"AuthType": "NONE"}),
    );
    assert_eq!(
        refused::<lambda::CreateFunctionUrlConfigRequest>(url),
        "1 validation error detected: Value '$LATEST' at 'qualifier' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)"
    );
    let tags = request(&[("Resource", "arn:aws:something")], "", Value::Null);
    assert_eq!(
        refused::<lambda::ListTagsRequest>(tags),
        "1 validation error detected: Value 'arn:aws:something' at 'resource' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: \
         arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:\
         (function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|\
         code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-\
         [0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)"
    );
}

#[test]
fn texts_and_lists_of_the_wrong_length_are_refused_as_recorded() {
    let long = format!(
        "arn:aws:lambda:us-east-1:111111111111:function:{}",
        "a".repeat(94)
    );
    assert_eq!(
        creation_refused(json!({"FunctionName": long})),
        format!(
            "1 validation error detected: Value '{long}' at 'functionName' failed to satisfy \
             constraint: Member must have length less than or equal to 140"
        )
    );
    assert_eq!(
        creation_refused(json!({"Architectures": ["x86_64", "arm64"]})),
        "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy \
         constraint: Member must have length less than or equal to 1"
    );
}

#[test]
fn values_outside_an_enumeration_are_refused_as_recorded() {
    assert_eq!(
        creation_refused(json!({"SnapStart": {"ApplyOn": "invalidOption"}})),
        "1 validation error detected: Value 'invalidOption' at 'snapStart.applyOn' failed to \
         satisfy constraint: Member must satisfy enum value set: [PublishedVersions, None]"
    );
    let mode = json!({"AuthType": "NONE", "InvokeMode": "UNKNOWN"});
    assert_eq!(
        refused::<lambda::CreateFunctionUrlConfigRequest>(request(
            &[("FunctionName", "sum")],
            "",
            mode
        )),
        "1 validation error detected: Value 'UNKNOWN' at 'invokeMode' failed to satisfy \
         constraint: Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]"
    );
    assert_eq!(
        refused::<lambda::ListFunctionsRequest>(request(
            &[],
            "FunctionVersion=invalid",
            Value::Null
        )),
        "1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy \
         constraint: Member must satisfy enum value set: [ALL]"
    );
}

#[test]
fn elements_of_lists_are_refused_with_the_whole_list_as_recorded() {
    assert_eq!(
        creation_refused(json!({"Architectures": ["X86_64"]})),
        "1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy \
         constraint: Member must satisfy constraint: [Member must satisfy enum value set: \
         [x86_64, arm64], Member must not be null]"
    );
    assert_eq!(
        creation_refused(json!({"VpcConfig": {"SubnetIds": ["nonsense"]}})),
        "1 validation error detected: Value '[nonsense]' at 'vpcConfig.subnetIds' failed to \
         satisfy constraint: Member must satisfy constraint: [Member must have length less than or \
         equal to 1024, Member must have length greater than or equal to 0, Member must satisfy \
         regular expression pattern: subnet-[0-9a-z]*]"
    );
    let layer = "arn:aws:lambda:us-east-1:111111111111:layer:l";
    assert_eq!(
        creation_refused(json!({"Layers": [layer]})),
        format!(
            "1 validation error detected: Value '[{layer}]' at 'layers' failed to satisfy \
             constraint: Member must satisfy constraint: [Member must have length less than or \
             equal to 2048, Member must have length greater than or equal to 1, Member must satisfy \
             regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{{2}}((-gov)|\
             (-iso([a-z]?)))?-[a-z]+-\\d{{1}}:\\d{{12}}:layer:[a-zA-Z0-9-_]+:[0-9]+)|\
             (arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+), Member must not be null]"
        )
    );
}

#[test]
fn missing_members_are_refused_as_recorded() {
    let untag = request(&[("Resource", ARN)], "", Value::Null);
    assert_eq!(
        refused::<lambda::UntagResourceRequest>(untag),
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member \
         must not be null"
    );
}

#[test]
fn all_violations_are_told_at_once() {
    assert_eq!(
        creation_refused(json!({"Role": null, "Timeout": 0, "MemorySize": 1})),
        "3 validation errors detected: Value null at 'role' failed to satisfy constraint: Member \
         must not be null; Value '0' at 'timeout' failed to satisfy constraint: Member must have \
         value greater than or equal to 1; Value '1' at 'memorySize' failed to satisfy constraint: \
         Member must have value greater than or equal to 128"
    );
}

#[test]
fn secrets_are_not_repeated_in_messages() {
    let message = creation_refused(json!({"Environment": {"Variables": {"1x": "hunter2"}}}));
    assert_eq!(
        message,
        "1 validation error detected: Value at 'environment.variables' failed to satisfy \
         constraint: Map keys must satisfy constraint: [Member must satisfy regular expression \
         pattern: [a-zA-Z]([a-zA-Z0-9_])+]"
    );
}

#[test]
fn elements_that_are_structures_are_named_by_their_place() {
    let configs = json!({"FileSystemConfigs": [{"LocalMountPath": "/mnt/x"}]});
    assert_eq!(
        creation_refused(configs),
        "1 validation error detected: Value null at 'fileSystemConfigs.1.member.arn' failed to \
         satisfy constraint: Member must not be null"
    );
}

#[test]
fn messages_about_huge_values_stay_small() {
    let message = creation_refused(json!({"Description": "x".repeat(1_000_000)}));
    assert!(message.len() < 10_000, "{}", message.len());
    let many: Vec<Value> = (0..1000).map(|_| json!({})).collect();
    let message = creation_refused(json!({"FileSystemConfigs": many}));
    assert!(
        message.starts_with("100 validation errors"),
        "{}",
        &message[..100]
    );
}

#[test]
fn logs_call_a_violation_an_invalid_parameter() {
    let mut query = request(&[], "", json!({"limit": 0}));
    query.protocol = Protocol::Json;
    query.violation = Exception::InvalidParameter;
    let error: ApiError = input::<logs::DescribeLogGroupsRequest>(query).unwrap_err();
    assert_eq!(error.exception, Exception::InvalidParameter);
    assert!(
        error.message.contains("Value '0' at 'limit'"),
        "{}",
        error.message
    );
}

#[test]
fn every_pattern_of_the_tables_compiles() {
    let structures: &[&Structure] = &[
        lambda::AddPermissionRequest::STRUCTURE,
        lambda::CreateFunctionRequest::STRUCTURE,
        lambda::CreateFunctionUrlConfigRequest::STRUCTURE,
        lambda::DeleteFunctionRequest::STRUCTURE,
        lambda::InvocationRequest::STRUCTURE,
        lambda::ListFunctionsRequest::STRUCTURE,
        lambda::ListTagsRequest::STRUCTURE,
        lambda::RemovePermissionRequest::STRUCTURE,
        lambda::TagResourceRequest::STRUCTURE,
        lambda::UntagResourceRequest::STRUCTURE,
        lambda::UpdateFunctionConfigurationRequest::STRUCTURE,
        logs::DescribeLogGroupsRequest::STRUCTURE,
        logs::FilterLogEventsRequest::STRUCTURE,
    ];
    let patterns = structures.iter().flat_map(|structure| structure.patterns());
    let mut count = 0;
    for pattern in patterns {
        pattern.matches("x");
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn patterns_match_the_whole_text_and_digits_are_ascii() {
    let role = |role: &str| input::<lambda::CreateFunctionRequest>(creation(json!({"Role": role})));
    assert!(role("arn:aws:iam::000000000000:role/r").is_ok());
    assert!(role("x arn:aws:iam::000000000000:role/r").is_err());
    assert!(role("arn:aws:iam::000000000000:role/r\n").is_err());
    assert!(role("arn:aws:iam::٠٠٠٠٠٠٠٠٠٠٠٠:role/r").is_err());
}

#[test]
fn an_output_goes_to_status_headers_and_body() {
    let response = |output: lambda::InvocationResponse| {
        let mut reply = Reply::new(Protocol::RestJson, "Invoke", 200, RequestId::random());
        output.render(&mut reply);
        reply.into_response()
    };
    let rendered = response(lambda::InvocationResponse {
        status_code: Some(202),
        function_error: Some("Unhandled".to_owned()),
        payload: Some("[1]".into()),
        ..Default::default()
    });
    assert_eq!(rendered.status(), 202);
    assert_eq!(rendered.headers()["x-amz-function-error"], "Unhandled");
    assert!(!rendered.headers().contains_key("x-amz-log-result"));
    assert_eq!(rendered.body(), "[1]");
}

#[test]
fn a_document_has_no_members_without_a_value() {
    let mut reply = Reply::new(Protocol::RestJson, "GetFunction", 200, RequestId::random());
    let configuration = lambda::FunctionConfiguration {
        function_name: Some("sum".to_owned()),
        ..Default::default()
    };
    configuration.render(&mut reply);
    assert_eq!(reply.into_response().body(), r#"{"FunctionName":"sum"}"#);
}
