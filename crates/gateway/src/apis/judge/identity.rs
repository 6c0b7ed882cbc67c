//! What an authorizer judges by: places in a request, and what stands there.

use kiln_types::api::IdentitySource;

use crate::apis::Call;
use crate::wire::percent;

/// What stands at each place; nothing when one of them is empty.
pub(super) fn values(call: &Call, sources: &[IdentitySource]) -> Option<Vec<String>> {
    let value = |source| value(call, source).filter(|value| !value.is_empty());
    sources.iter().map(value).collect()
}

/// What stands at a place.
pub(super) fn value(call: &Call, source: &IdentitySource) -> Option<String> {
    match source {
        IdentitySource::Header(name) => {
            let values = call.head.headers.get_all(name.to_ascii_lowercase());
            let values: Vec<&str> = values
                .iter()
                .filter_map(|value| value.to_str().ok())
                .collect();
            (!values.is_empty()).then(|| values.join(","))
        }
        IdentitySource::Query(name) => {
            let query = call.head.uri.query().unwrap_or_default();
            let values = percent::pairs(query).filter(|(given, _)| given == name);
            let values: Vec<String> = values.map(|(_, value)| value.into_owned()).collect();
            (!values.is_empty()).then(|| values.join(","))
        }
        IdentitySource::StageVariable(name) => call.target.stage().variables.get(name).cloned(),
        IdentitySource::Context(name) => context(call, name),
    }
}

/// What is known of the request under AWS's names of context variables.
fn context(call: &Call, name: &str) -> Option<String> {
    let incoming = call.incoming("", b"");
    let target = &call.target;
    let known = match name {
        "accountId" => target.api.account.to_string(),
        "apiId" => target.api.id.to_string(),
        "domainName" => call.domain.clone(),
        "domainPrefix" => call.domain.split('.').next()?.to_owned(),
        "extendedRequestId" | "requestId" => call.id.clone(),
        "httpMethod" => call.head.method.to_string(),
        "identity.sourceIp" => call.peer.address().ip().to_string(),
        "identity.userAgent" => incoming.user_agent()?.into_owned(),
        "path" => target.path.clone(),
        "protocol" => incoming.protocol().to_owned(),
        "requestTime" => incoming.time_text(),
        "requestTimeEpoch" => call.time.as_millis().to_string(),
        "routeKey" => target.route_key.clone(),
        "stage" => target.stage.to_string(),
        _ => return None,
    };
    Some(known)
}
