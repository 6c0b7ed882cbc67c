//! Names that have a form: what is read is the same when it is written and read again.

use std::fmt::Display;
use std::str::FromStr;

use kiln_types::api::route_key::RouteKey;
use kiln_types::iam::PolicyArn;
use kiln_types::network::{Allowed, Cidr, DomainPattern, Network, ServiceName};
use kiln_types::{
    AccessPointArn, FunctionArn, FunctionRef, LayerVersionArn, QueueArn, SecretArn, TopicArn, Trace,
};

fn check<T: FromStr + Display>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let written = read.to_string();
        let again = written.parse::<T>().map(|again| again.to_string());
        assert_eq!(again.ok().as_ref(), Some(&written), "{text}");
    }
}

/// A name.
pub(crate) fn names(data: &[u8]) {
    let text = &String::from_utf8_lossy(data);
    check::<FunctionArn>(text);
    check::<LayerVersionArn>(text);
    check::<QueueArn>(text);
    check::<TopicArn>(text);
    check::<SecretArn>(text);
    check::<PolicyArn>(text);
    check::<AccessPointArn>(text);
    check::<Network>(text);
    check::<Allowed>(text);
    check::<Cidr>(text);
    check::<DomainPattern>(text);
    check::<ServiceName>(text);
    check::<RouteKey>(text);
    let _ = text.parse::<FunctionRef>();
    let trace = Trace::read(text).to_string();
    assert_eq!(Trace::read(&trace).to_string(), trace, "{text}");
}
