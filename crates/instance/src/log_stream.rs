//! Names of log streams, one for each instance.

use std::sync::Arc;

use kiln_types::log::LogStream;
use kiln_types::{RequestId, Timestamp};

use crate::spec::Spec;

/// A new stream in the function's log group, named as AWS names them:
/// `2026/11/23/[$LATEST]6f0c9a…` (date, version, 32 hexadecimal digits).
pub(crate) fn new(spec: &Spec, now: Timestamp) -> Arc<LogStream> {
    let date = now.to_jiff().strftime("%Y/%m/%d");
    let unique = RequestId::random().to_string().replace('-', "");
    Arc::new(LogStream {
        account: spec.id.account.clone(),
        group: spec.configuration.logging.group.clone(),
        name: format!("{date}/[{}]{unique}", spec.configuration.version),
    })
}
