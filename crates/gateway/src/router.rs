//! Which operation a request is for: by host, signature scope, `X-Amz-Target`, `Action` or path.

use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use kiln_types::{UrlId, limits};

use crate::error::{ApiError, Exception, Result};
use crate::wire::fault::Form;
use crate::wire::{Protocol, percent};
use crate::{
    apigatewayv2, events, iam, lambda, logs, scheduler, secretsmanager, sns, sqs, ssm, sts,
};

mod path;

/// The services that `X-Amz-Target` tells, what they are called, and what it begins with.
const TARGETS: [(Service, &str, &str); 5] = [
    (Service::Events, "EventBridge", "AWSEvents."),
    (Service::Logs, "Logs", "Logs_20140328."),
    (
        Service::SecretsManager,
        "Secrets Manager",
        "secretsmanager.",
    ),
    (Service::Sqs, "SQS", "AmazonSQS."),
    (Service::Ssm, "Systems Manager", "AmazonSSM."),
];
/// What the paths of API Gateway's API for HTTP APIs begin with; that for REST APIs has others.
const HTTP_APIS: &str = "/v2/";
/// The XML namespace of the Simple Queue Service.
const SQS_NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";
/// The XML namespace of the Simple Notification Service.
const SNS_NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
/// The XML namespace of Identity and Access Management.
const IAM_NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// The XML namespace of the Security Token Service.
const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// Clients read the errors of any query service without looking at the namespace.
const ANY_NAMESPACE: &str = "https://kiln.invalid/";
/// The services, by their names in signatures, whose answers are XML and whose requests do not tell.
const REST_XML: [&str; 3] = ["s3express", "route53", "cloudfront"];
/// Largest body of the operations that take code: 50 MiB in base64 and a little JSON. Recorded
/// from AWS.
const CODE_BODY_BYTES_MAX: usize = 70_167_211;
/// Largest body of an operation on messages or events: 1 MiB of them, escaped as JSON or a form escape them, and
/// what is around them.
const MESSAGES_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest body of any other operation; AWS's are smaller and not documented.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Largest body of EventBridge Scheduler's operations: the input of a target as JSON in JSON, in which each quote takes
/// two bytes more, and the rest.
const SCHEDULER_BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A service that Kiln speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Lambda.
    Lambda,
    /// API Gateway.
    ApiGateway,
    /// EventBridge.
    Events,
    /// Identity and Access Management.
    Iam,
    /// CloudWatch Logs.
    Logs,
    /// EventBridge Scheduler.
    Scheduler,
    /// Secrets Manager.
    SecretsManager,
    /// The Simple Notification Service.
    Sns,
    /// The Simple Queue Service.
    Sqs,
    /// Systems Manager.
    Ssm,
    /// The Security Token Service.
    Sts,
    /// What only Kiln has, under `/_kiln/`.
    Kiln,
}

/// In which form a client reads errors whose service Kiln does not have: told by what its requests
/// look like, so that its SDK can say why they are refused.
pub(crate) fn form_of_unknown(head: &Parts, scope: Option<&str>) -> Form {
    if head.headers.contains_key("x-amz-target") {
        Form::Of(Protocol::Json)
    } else if is_form(&head.headers) {
        Form::Of(Protocol::Query {
            namespace: ANY_NAMESPACE,
            flat: &[],
        })
    } else if scope.is_some_and(|scope| REST_XML.contains(&scope)) {
        Form::RestXml
    } else {
        Form::Of(Protocol::RestJson)
    }
}

/// An operation of some service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Of Lambda.
    Lambda(lambda::generated::Operation),
    /// Of API Gateway.
    ApiGateway(apigatewayv2::generated::Operation),
    /// Of EventBridge.
    Events(events::generated::Operation),
    /// Of Identity and Access Management.
    Iam(iam::generated::Operation),
    /// Of CloudWatch Logs.
    Logs(logs::generated::Operation),
    /// Of EventBridge Scheduler.
    Scheduler(scheduler::generated::Operation),
    /// Of Secrets Manager.
    SecretsManager(secretsmanager::generated::Operation),
    /// Of the Simple Notification Service.
    Sns(sns::generated::Operation),
    /// Of the Simple Queue Service.
    Sqs(sqs::generated::Operation),
    /// Of Systems Manager.
    Ssm(ssm::generated::Operation),
    /// Of the Security Token Service.
    Sts(sts::generated::Operation),
}

/// An operation and the labels of the path it was found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched<'p, O> {
    /// The operation.
    pub(crate) operation: O,
    /// The path's labels and what stands for them, still percent-encoded.
    pub(crate) labels: Vec<(&'static str, &'p str)>,
}

/// A found operation with its labels decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The operation.
    pub(crate) operation: Operation,
    /// The path's labels.
    pub(crate) labels: Vec<(&'static str, String)>,
}

impl<'p, O> Matched<'p, O> {
    /// A found operation.
    pub(crate) fn new(operation: O, labels: &[(&'static str, &'p str)]) -> Self {
        Self {
            operation,
            labels: labels.to_vec(),
        }
    }
}

impl Service {
    /// Tells the service: by the scope of the signature, and without one by the request's form.
    pub(crate) fn of(head: &Parts, scope: Option<&str>) -> Result<Self> {
        match scope {
            Some("lambda") => Ok(Service::Lambda),
            Some("apigateway") => Ok(Service::ApiGateway),
            Some("events") => Ok(Service::Events),
            Some("iam") => Ok(Service::Iam),
            Some("logs") => Ok(Service::Logs),
            Some("scheduler") => Ok(Service::Scheduler),
            Some("secretsmanager") => Ok(Service::SecretsManager),
            Some("sns") => Ok(Service::Sns),
            Some("sqs") => Ok(Service::Sqs),
            Some("ssm") => Ok(Service::Ssm),
            Some("sts") => Ok(Service::Sts),
            Some("kiln") => Ok(Service::Kiln),
            Some(other) => Err(ApiError::not_implemented(format_args!(
                "the service {other}"
            ))),
            None => Ok(Self::by_form(head)),
        }
    }

    fn by_form(head: &Parts) -> Self {
        let path = head.uri.path();
        if path.starts_with("/_kiln/") {
            return Service::Kiln;
        }
        match by_target(head) {
            Some(service) => service,
            None if sqs::is_queue_path(path) => Service::Sqs,
            None if path.starts_with(HTTP_APIS) => Service::ApiGateway,
            None if path == "/" && is_form(&head.headers) => Service::Sts,
            None => Service::Lambda,
        }
    }

    /// The name in signatures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Service::Lambda => "lambda",
            Service::ApiGateway => "apigateway",
            Service::Events => "events",
            Service::Iam => "iam",
            Service::Logs => "logs",
            Service::Scheduler => "scheduler",
            Service::SecretsManager => "secretsmanager",
            Service::Sns => "sns",
            Service::Sqs => "sqs",
            Service::Ssm => "ssm",
            Service::Sts => "sts",
            Service::Kiln => "kiln",
        }
    }

    /// How it talks, where that is more than one way: as it is talked to.
    pub(crate) fn protocol(self, head: &Parts) -> Protocol {
        match self {
            Service::Lambda | Service::ApiGateway | Service::Scheduler | Service::Kiln => {
                Protocol::RestJson
            }
            Service::Events | Service::Logs | Service::SecretsManager | Service::Ssm => {
                Protocol::Json
            }
            Service::Sqs if head.headers.contains_key("x-amz-target") => Protocol::QueryCompatible,
            Service::Sqs => Protocol::Query {
                namespace: SQS_NAMESPACE,
                flat: sqs::FLAT,
            },
            Service::Sns => Protocol::Query {
                namespace: SNS_NAMESPACE,
                flat: sns::FLAT,
            },
            Service::Iam => Protocol::Query {
                namespace: IAM_NAMESPACE,
                flat: iam::FLAT,
            },
            Service::Sts => Protocol::Query {
                namespace: STS_NAMESPACE,
                flat: &[],
            },
        }
    }

    /// What a violated constraint is called.
    pub(crate) fn violation(self) -> Exception {
        match self {
            Service::Logs => Exception::InvalidParameter,
            Service::Sqs => Exception::MissingRequiredParameter,
            Service::ApiGateway => Exception::BadRequest,
            Service::Lambda
            | Service::Events
            | Service::Iam
            | Service::Scheduler
            | Service::SecretsManager
            | Service::Sns
            | Service::Ssm
            | Service::Sts
            | Service::Kiln => Exception::Validation,
        }
    }

    /// Finds the operation as far as the request's head tells it; the query protocol's is in the
    /// body.
    pub(crate) fn find(self, head: &Parts) -> Result<Option<Found>> {
        match self {
            Service::Lambda => path::find_lambda(head).map(Some),
            Service::ApiGateway => path::find_api_gateway(head).map(Some),
            Service::Scheduler => path::find_scheduler(head).map(Some),
            Service::Events | Service::Logs | Service::SecretsManager | Service::Ssm => {
                find_by_target(self, head).map(Some)
            }
            Service::Sqs if head.headers.contains_key("x-amz-target") => {
                find_by_target(self, head).map(Some)
            }
            Service::Iam | Service::Sns | Service::Sqs | Service::Sts | Service::Kiln => Ok(None),
        }
    }

    /// The operation of this name, of a service whose operations are told by their names.
    fn operation(self, name: &str) -> Option<Operation> {
        macro_rules! named {
            ($module:ident, $operation:path) => {{
                let mut known = $module::generated::Operation::ALL.iter();
                let found = known.find(|known| known.name() == name);
                found.copied().map($operation)
            }};
        }
        match self {
            Service::Events => named!(events, Operation::Events),
            Service::Iam => named!(iam, Operation::Iam),
            Service::Logs => named!(logs, Operation::Logs),
            Service::SecretsManager => named!(secretsmanager, Operation::SecretsManager),
            Service::Sns => named!(sns, Operation::Sns),
            Service::Sqs => named!(sqs, Operation::Sqs),
            Service::Ssm => named!(ssm, Operation::Ssm),
            Service::Sts => named!(sts, Operation::Sts),
            Service::Lambda | Service::ApiGateway | Service::Scheduler | Service::Kiln => None,
        }
    }
}

impl Operation {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::Lambda(operation) => operation.name(),
            Operation::ApiGateway(operation) => operation.name(),
            Operation::Events(operation) => operation.name(),
            Operation::Iam(operation) => operation.name(),
            Operation::Logs(operation) => operation.name(),
            Operation::Scheduler(operation) => operation.name(),
            Operation::SecretsManager(operation) => operation.name(),
            Operation::Sns(operation) => operation.name(),
            Operation::Sqs(operation) => operation.name(),
            Operation::Ssm(operation) => operation.name(),
            Operation::Sts(operation) => operation.name(),
        }
    }

    /// The largest body it takes, in bytes.
    pub(crate) fn body_bytes_max(self) -> usize {
        use lambda::generated::Operation::{
            CreateFunction, Invoke, InvokeWithResponseStream, PublishLayerVersion,
            UpdateFunctionCode,
        };
        match self {
            Operation::Lambda(CreateFunction | UpdateFunctionCode | PublishLayerVersion) => {
                CODE_BODY_BYTES_MAX
            }
            Operation::Lambda(Invoke | InvokeWithResponseStream) => limits::SYNC_PAYLOAD_BYTES_MAX,
            Operation::Scheduler(_) => SCHEDULER_BODY_BYTES_MAX,
            Operation::Events(_) | Operation::Sns(_) | Operation::Sqs(_) => MESSAGES_BODY_BYTES_MAX,
            Operation::Lambda(_)
            | Operation::ApiGateway(_)
            | Operation::Iam(_)
            | Operation::Logs(_)
            | Operation::SecretsManager(_)
            | Operation::Ssm(_)
            | Operation::Sts(_) => BODY_BYTES_MAX,
        }
    }

    /// What a caller is told whose body is larger.
    pub(crate) fn too_large(self) -> ApiError {
        // In this message AWS calls the operation by an older name.
        let name = match self {
            Operation::Lambda(lambda::generated::Operation::Invoke) => "InvokeFunction",
            other => other.name(),
        };
        let message = format!(
            "Request must be smaller than {} bytes for the {name} operation",
            self.body_bytes_max()
        );
        ApiError::new(Exception::RequestEntityTooLarge, message)
    }
}

/// The largest body, also where the operation is told by the body itself.
pub(crate) fn body_bytes_max(service: Service, found: Option<&Found>) -> usize {
    match (service, found) {
        (_, Some(found)) => found.operation.body_bytes_max(),
        (Service::Sns | Service::Sqs, None) => MESSAGES_BODY_BYTES_MAX,
        (_, None) => BODY_BYTES_MAX,
    }
}

/// The query protocol's operation: `Action`, in the form or in the query string.
pub(crate) fn find_in_form(service: Service, head: &Parts, form: &[u8]) -> Result<Found> {
    let form = String::from_utf8_lossy(form);
    let mut pairs =
        percent::pairs(head.uri.query().unwrap_or_default()).chain(percent::pairs(&form));
    let Some((_, action)) = pairs.find(|(name, _)| name == "Action") else {
        return Err(ApiError::new(
            Exception::UnknownOperation,
            "The request names no Action.",
        ));
    };
    let version = match service {
        Service::Iam => "2010-05-08",
        Service::Sns => "2010-03-31",
        Service::Sqs => "2012-11-05",
        _ => "2011-06-15",
    };
    let Some(operation) = service.operation(&action) else {
        let message = format!("Could not find operation {action} for version {version}");
        return Err(ApiError::new(Exception::UnknownOperation, message));
    };
    Ok(Found {
        operation,
        labels: queue_label(service, head),
    })
}

/// A request to a queue's own address names the queue by that.
fn queue_label(service: Service, head: &Parts) -> Vec<(&'static str, String)> {
    let path = head.uri.path();
    match service {
        Service::Sqs if path != "/" => vec![("QueueUrl", path.to_owned())],
        _ => Vec::new(),
    }
}

/// The service that `X-Amz-Target` tells.
fn by_target(head: &Parts) -> Option<Service> {
    let target = header(&head.headers, "x-amz-target");
    let found = TARGETS
        .iter()
        .find(|(_, _, prefix)| target.starts_with(prefix));
    found.map(|(service, _, _)| *service)
}

/// Finds the operation that `X-Amz-Target` names.
fn find_by_target(service: Service, head: &Parts) -> Result<Found> {
    let target = header(&head.headers, "x-amz-target");
    let known = TARGETS.iter().find(|(known, _, _)| *known == service);
    let (_, title, prefix) = known.expect("only services of the table come here");
    let name = target.strip_prefix(prefix);
    match name.and_then(|name| service.operation(name)) {
        Some(operation) => Ok(Found {
            operation,
            labels: queue_label(service, head),
        }),
        None => {
            let message = format!("{title} has no operation '{target}' (the X-Amz-Target header)");
            Err(ApiError::new(Exception::UnknownOperation, message))
        }
    }
}

/// Whether the path of a request that nobody signed is one of an API.
pub(crate) fn is_of_other_service(head: &Parts) -> bool {
    let path = head.uri.path();
    // The paths of Lambda and its like begin with the date of a version.
    let begins_with_date = path.strip_prefix('/').is_some_and(|path| {
        let (date, rest) = path.split_at_checked(10).unwrap_or((path, ""));
        rest.starts_with('/') && date.parse::<jiff::civil::Date>().is_ok()
    });
    begins_with_date
        || path.starts_with("/_kiln/")
        || path.starts_with(HTTP_APIS)
        || sqs::is_queue_path(path)
        || head.headers.contains_key("x-amz-target")
}

/// Whose function URL a host names: `<id>.lambda-url.<anything>`.
pub(crate) fn url_id(head: &Parts) -> Option<UrlId> {
    let (id, rest) = host(head).split_once('.')?;
    if !rest.starts_with("lambda-url.") {
        return None;
    }
    id.to_ascii_lowercase().parse().ok()
}

/// The host that was called, with the port if one was told. A request has one: see [`settle_host`].
pub(crate) fn host(head: &Parts) -> &str {
    header(&head.headers, "host")
}

/// Makes the `Host` header what the request is for, also where its first line names that: what is signed and what is
/// answered is the same host then. Whoever names another in `Host` finds it replaced (RFC 9112, 3.2.2), and with it whatever
/// signature there was.
pub(crate) fn settle_host(head: &mut Parts) {
    let Some(authority) = head.uri.authority() else {
        return;
    };
    let host = match authority.port_u16() {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    };
    if let Ok(host) = HeaderValue::from_str(&host) {
        head.headers.insert(http::header::HOST, host);
    }
}

/// Whether a query string holds this `name=value` pair.
pub(crate) fn has_parameter(query: &str, pair: &str) -> bool {
    query.split('&').any(|present| present == pair)
}

fn is_form(headers: &HeaderMap) -> bool {
    header(headers, "content-type").starts_with("application/x-www-form-urlencoded")
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::path::{find_api_gateway, find_lambda};
    use super::*;

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_host_is_the_one_that_the_request_is_for() {
        for (uri, expected) in [
            ("/k", "b.localhost"),
            ("http://secret.localhost/k", "secret.localhost"),
            (
                "http://u:p@secret.localhost:4566/k",
                "secret.localhost:4566",
            ),
        ] {
            let mut head = head("GET", uri, &[("host", "b.localhost")]);
            settle_host(&mut head);
            assert_eq!(host(&head), expected);
            assert_eq!(head.headers.get_all("host").iter().count(), 1);
        }
    }

    #[test]
    fn paths_of_apis_are_not_those_of_buckets() {
        for path in [
            "/2015-03-31/functions",
            "/000000000000/orders",
            "/_kiln/health",
            "/v2/apis",
        ] {
            assert!(is_of_other_service(&head("GET", path, &[])), "{path}");
        }
        for path in ["/photos/cat.jpg", "/", "/2015-03-31", "/2015-99-31/x"] {
            assert!(!is_of_other_service(&head("GET", path, &[])), "{path}");
        }
    }

    fn lambda_operation(method: &str, uri: &str) -> String {
        let found = find_lambda(&head(method, uri, &[])).unwrap();
        found.operation.name().to_owned()
    }

    /// The table is botocore's, taken from the model without the generator.
    #[test]
    fn every_operation_of_lambda_is_found_by_its_own_path() {
        let table = include_str!("models/lambda_routes.tsv");
        let mut count = 0;
        for line in table.lines() {
            let [name, method, path] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("three columns: {line}")
            };
            let filled = path.replace(['{', '}'], "x");
            assert_eq!(lambda_operation(method, &filled), name);
            count += 1;
        }
        assert_eq!(count, lambda::generated::Operation::ALL.len());
    }

    /// As above: botocore's, without the generator.
    #[test]
    fn every_operation_of_api_gateway_is_found_by_its_own_path() {
        let table = include_str!("models/apigatewayv2_routes.tsv");
        let mut count = 0;
        for line in table.lines() {
            let [name, method, path] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("three columns: {line}")
            };
            let filled = path.replace(['{', '}'], "x");
            let found = find_api_gateway(&head(method, &filled, &[])).unwrap();
            assert_eq!(found.operation.name(), name);
            count += 1;
        }
        assert_eq!(count, apigatewayv2::generated::Operation::ALL.len());
        let rest = find_api_gateway(&head("GET", "/restapis", &[])).unwrap_err();
        assert_eq!(rest.message, "Kiln does not have REST APIs yet.");
    }

    #[test]
    fn a_label_may_be_an_arn_encoded_or_not() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:sum";
        let encoded = arn.replace(':', "%3A");
        for written in [arn, encoded.as_str()] {
            let uri = format!("/2015-03-31/functions/{written}/invocations");
            let found = find_lambda(&head("POST", &uri, &[])).unwrap();
            assert_eq!(found.labels, [("FunctionName", arn.to_owned())]);
        }
        let found = find_lambda(&head("GET", "/2017-03-31/tags/a%2Fb", &[])).unwrap();
        assert_eq!(found.labels, [("Resource", "a/b".to_owned())]);
    }

    #[test]
    fn a_final_slash_changes_nothing_and_other_paths_are_unknown() {
        assert_eq!(
            lambda_operation("GET", "/2015-03-31/functions/"),
            "ListFunctions"
        );
        for uri in ["/", "/2015-03-31", "/2015-03-31/functions/f/nonsense"] {
            let error = find_lambda(&head("GET", uri, &[])).unwrap_err();
            assert_eq!(error.exception, Exception::UnknownOperation, "{uri}");
        }
    }

    #[test]
    fn the_service_is_told_by_scope_target_form_or_path() {
        let plain = head("GET", "/2015-03-31/functions", &[]);
        assert_eq!(Service::of(&plain, Some("logs")), Ok(Service::Logs));
        assert_eq!(Service::of(&plain, None), Ok(Service::Lambda));
        let apis = head("GET", "/v2/apis", &[]);
        assert_eq!(Service::of(&apis, None), Ok(Service::ApiGateway));
        let scheduler = Service::of(&plain, Some("scheduler")).unwrap();
        let schedule = head("PUT", "/schedules/nightly", &[]);
        let found = scheduler.find(&schedule).unwrap().unwrap();
        assert_eq!(found.operation.name(), "UpdateSchedule");
        assert_eq!(found.labels, [("Name", "nightly".to_owned())]);
        assert!(scheduler.find(&plain).is_err());
        let target = head(
            "POST",
            "/",
            &[("x-amz-target", "Logs_20140328.GetLogEvents")],
        );
        assert_eq!(Service::of(&target, None), Ok(Service::Logs));
        let target = head("POST", "/", &[("x-amz-target", "AWSEvents.PutEvents")]);
        assert_eq!(Service::of(&target, None), Ok(Service::Events));
        let form = head(
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
        );
        assert_eq!(Service::of(&form, None), Ok(Service::Sts));
        let error = Service::of(&plain, Some("s3express")).unwrap_err();
        assert_eq!(
            error.message,
            "Kiln does not have the service s3express yet."
        );
    }

    #[test]
    fn function_urls_are_told_by_host_whatever_the_port() {
        let id = "0123456789abcdef0123456789abcdef";
        let host = format!("{id}.lambda-url.us-east-1.localhost:4566");
        let found = url_id(&head("GET", "/", &[("host", &host)]));
        assert_eq!(found.unwrap().as_str(), id);
        for host in [
            "localhost:4566",
            "127.0.0.1",
            "short.lambda-url.us-east-1.localhost",
        ] {
            assert_eq!(url_id(&head("GET", "/", &[("host", host)])), None, "{host}");
        }
    }

    #[test]
    fn too_large_a_body_is_refused_as_recorded_from_aws() {
        let operation = Operation::Lambda(lambda::generated::Operation::CreateFunction);
        let expected =
            "Request must be smaller than 70167211 bytes for the CreateFunction operation";
        assert_eq!(operation.too_large().message, expected);
    }

    #[test]
    fn a_service_that_kiln_lacks_is_refused_in_the_form_of_its_requests() {
        let form = |scope, headers: &[(&str, &str)]| {
            let head = head("POST", "/", headers);
            assert!(Service::of(&head, Some(scope)).is_err());
            form_of_unknown(&head, Some(scope))
        };
        let target = ("x-amz-target", "DynamoDB_20120810.ListTables");
        assert_eq!(form("dynamodb", &[target]), Form::Of(Protocol::Json));
        let coded = (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        let query = form("elasticloadbalancing", &[coded]);
        assert!(
            matches!(query, Form::Of(Protocol::Query { .. })),
            "{query:?}"
        );
        assert_eq!(form("route53", &[]), Form::RestXml);
        let json = ("content-type", "application/json");
        assert_eq!(form("batch", &[json]), Form::Of(Protocol::RestJson));
    }

    #[test]
    fn the_action_is_in_the_form_or_in_the_query_string() {
        let get = head("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", &[]);
        assert_eq!(
            find_in_form(Service::Sts, &get, b"")
                .unwrap()
                .operation
                .name(),
            "GetCallerIdentity"
        );
        let post = head("POST", "/", &[]);
        let form = b"Action=GetCallerIdentity&Version=2011-06-15";
        assert_eq!(
            find_in_form(Service::Sts, &post, form)
                .unwrap()
                .operation
                .name(),
            "GetCallerIdentity"
        );
        assert!(find_in_form(Service::Sts, &post, b"Action=Nonsense").is_err());
    }
}
