//! What `fuzz/` gives bytes to: every function reads them as a stranger's, and panics where something that is promised does
//! not hold. Those that need what is private to a module stand there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use http::request::Parts;
use kiln_types::{AccountId, Region, Timestamp};
use serde_json::Value;

pub use crate::auth::fuzzing::{aws_chunked, sigv4};
pub use crate::s3::fuzzing::{s3_head, s3_xml};
pub use crate::wire::fuzzing::{aws_form, aws_json};

use crate::config::{Auth, Config, FunctionRights, Limits};
use crate::logs::filter::Filter;
use crate::proxy::incoming::{Incoming, domain_and_port, trace_of};
use crate::proxy::response::Dialect;
use crate::proxy::{Place, Who, v1, v2};
use crate::router::{self, Service};

/// Between the parts of an input that has several.
const BREAK: &str = "\n%%\n";

/// A server that nobody calls.
pub(crate) static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
    region: Region::default(),
    account: AccountId::default(),
    auth: Auth::Enforce,
    is_administered_apart: false,
    audits_data: false,
    functions: FunctionRights::Role,
    endpoint: "http://localhost:4566".parse().expect("it is one"),
    account_concurrency: 1_000,
    memory_budget_mb: 4_096,
    file_systems: Default::default(),
    host_services: Default::default(),
    limits: Limits::default(),
});

/// When all of it happens: 2026-11-23T13:23:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_440_180_000);

/// A request: its first line without the version, a line for each header, an empty line, its body.
pub(crate) fn request(data: &[u8]) -> Option<(Parts, Bytes)> {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, uri) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = http::Request::builder().method(method).uri(uri);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    let (mut head, ()) = request.body(()).ok()?.into_parts();
    router::settle_host(&mut head);
    Some((head, Bytes::copy_from_slice(body)))
}

/// Which service and operation a request is for, and the event that a function URL or an HTTP API would make of it.
pub fn http_head(data: &[u8]) {
    let Some((head, body)) = request(data) else {
        return;
    };
    let scopes = [None, Some("lambda"), Some("apigateway"), Some("sqs")];
    for scope in scopes {
        let Ok(service) = Service::of(&head, scope) else {
            continue;
        };
        let found = service.find(&head);
        let found = match found {
            Ok(None) => router::find_in_form(service, &head, &body).ok(),
            found => found.ok().flatten(),
        };
        let most = router::body_bytes_max(service, found.as_ref());
        assert!(most > 0, "no body would be small enough");
        let _ = service.protocol(&head);
    }
    let _ = (router::url_id(&head), router::is_of_other_service(&head));
    let _ = router::form_of_unknown(&head, None);
    events(&head, &body);
}

fn events(head: &Parts, body: &[u8]) {
    let (domain, port) = domain_and_port(head, 80);
    let trace = trace_of(&head.headers, NOW);
    let incoming = Incoming {
        domain: &domain,
        port,
        scheme: "http",
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        version: head.version,
        headers: &head.headers,
        body,
        source_ip: [127, 0, 0, 1].into(),
        time: NOW,
        request_id: "id",
        trace: &trace,
    };
    let place = Place {
        account: "000000000000",
        api: "a",
        domain_prefix: "a",
        route_key: "$default",
        resource: "$default",
        stage: "$default",
        path: head.uri.path(),
        path_parameters: &BTreeMap::new(),
        stage_variables: &BTreeMap::new(),
        who: Who::Anybody,
    };
    for event in [v1::event(&incoming, &place), v2::event(&incoming, &place)] {
        let event: Value = serde_json::from_slice(&event).expect("an event is JSON");
        assert!(event.is_object(), "an event is an object");
    }
}

/// What a function answers to an HTTP request.
pub fn http_answer(data: &[u8]) {
    for dialect in [Dialect::Url, Dialect::V2, Dialect::V1] {
        if let Ok(response) = dialect.render(data) {
            let status = response.status().as_u16();
            assert!((200..600).contains(&status), "a client would wait on");
        }
    }
}

/// A filter pattern of logs, and an event that it is tried on.
pub fn log_filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, event) = text.split_once(BREAK).unwrap_or((&text, "{}"));
    // The model's limit is kept before.
    if pattern.chars().count() > 1_024 {
        return;
    }
    if let Ok(filter) = pattern.parse::<Filter>() {
        assert_eq!(
            filter.matches(event),
            filter.matches(event),
            "it wants an event or not"
        );
    }
}
