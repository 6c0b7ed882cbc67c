//! Operations on tags, and their rules. Functions have tags, event source mappings, and code-signing configurations.
//!
//! Kiln's own: the tag `kiln:start` with `zygote` or `fresh` chooses how instances of the function
//! start, `kiln:network` what it may reach, and `kiln:concurrency` with 1 to 128 how many invocations an
//! instance may be given at a time, because no setting of the API can say it.
//!
//! AWS differs: the message for tags that are too long, or that begin with `aws:`, is Kiln's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kiln_types::function::StartMode;
use kiln_types::limits::{self, TAG_KEY_LENGTH_MAX, TAG_VALUE_LENGTH_MAX};
use kiln_types::network::InvalidNetwork;
use kiln_types::{
    CodeSigningConfig, Configuration, Function, Language, MappingId, Network, RevisionId, Slots,
};

use super::event_source::find;
use super::function::prepare::is_unfinished;
use super::function::tenancy;
use super::refusal::{invalid, resource_not_found, update_in_progress};
use super::signing;
use super::target::Target;
use crate::context::Context;
use crate::error::Result;

pub(crate) mod list_tags;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;

/// The tag that chooses how instances start.
pub(crate) const START: &str = "kiln:start";
/// The tag that says what the function may reach over the network.
pub(crate) const NETWORK: &str = "kiln:network";
/// The tag that says how many invocations an instance may be given at a time.
pub(crate) const CONCURRENCY: &str = "kiln:concurrency";

/// Checks a function's whole set of tags.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<()> {
    check_plain(tags)?;
    start_mode(tags)?;
    network(tags)?;
    slots(tags).map(|_| ())
}

/// Checks a whole set of tags, of whatever they are: their number, and how long they are.
pub(crate) fn check_plain(tags: &BTreeMap<String, String>) -> Result<()> {
    if tags.len() > limits::TAGS_MAX {
        return Err(invalid("Number of tags exceeds resource tag limit."));
    }
    let mut folded = BTreeSet::new();
    for (key, value) in tags {
        // Conditions of policies read keys in any case.
        if !folded.insert(key.to_lowercase()) {
            return Err(invalid(format!(
                "The tag key '{key}' is given twice: keys that differ by case alone are the same."
            )));
        }
        if key.is_empty() || key.chars().count() > TAG_KEY_LENGTH_MAX {
            return Err(invalid(format!(
                "The tag key '{key}' must have 1 to {TAG_KEY_LENGTH_MAX} characters."
            )));
        }
        if value.chars().count() > TAG_VALUE_LENGTH_MAX {
            return Err(invalid(format!(
                "The value of the tag '{key}' must have at most {TAG_VALUE_LENGTH_MAX} characters."
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!(
                "The tag key '{key}' is reserved: choose one that does not begin with aws:."
            )));
        }
    }
    Ok(())
}

/// How instances of a function with these tags start; none means the server's default.
pub(crate) fn start_mode(tags: &BTreeMap<String, String>) -> Result<Option<StartMode>> {
    match tags.get(START).map(String::as_str) {
        None => Ok(None),
        Some("zygote") => Ok(Some(StartMode::Zygote)),
        Some("fresh") => Ok(Some(StartMode::Fresh)),
        Some(other) => Err(invalid(format!(
            "The tag {START} must be zygote or fresh, not '{other}'."
        ))),
    }
}

/// What a function with these tags may reach over the network; none means the server's default.
pub(crate) fn network(tags: &BTreeMap<String, String>) -> Result<Option<Network>> {
    let read = tags.get(NETWORK).map(|text| text.parse()).transpose();
    let refuse = |why: String| invalid(format!("The tag {NETWORK} cannot be read: {why}."));
    let read: Option<Network> = read.map_err(|error: InvalidNetwork| refuse(error.to_string()))?;
    match read.as_ref().and_then(Network::loopback) {
        Some(own) => Err(refuse(format!(
            "'{own}' is a function's own loopback: name a service of the host with host-services"
        ))),
        None => Ok(read),
    }
}

/// Refuses services of the host that its operator has not named.
pub(crate) fn check_services(context: &Context, tags: &BTreeMap<String, String>) -> Result<()> {
    let known = &context.config.host_services;
    let network = network(tags)?;
    let mut services = network.iter().flat_map(Network::services);
    match services.find(|name| !known.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(invalid(format!(
            "The tag {NETWORK} names the service '{name}', which this server does not have: \
             its operator names services with --host-service."
        ))),
    }
}

/// How many invocations an instance of a function with these tags may be given at a time.
fn slots(tags: &BTreeMap<String, String>) -> Result<Slots> {
    let Some(value) = tags.get(CONCURRENCY) else {
        return Ok(Slots::default());
    };
    let slots = value.parse().ok().and_then(|value| Slots::new(value).ok());
    slots.ok_or_else(|| {
        invalid(format!(
            "The tag {CONCURRENCY} must be a whole number from 1 to {}, not '{value}'.",
            limits::SLOTS_MAX
        ))
    })
}

/// Has a version run as its function's tags say.
pub(crate) fn settle(latest: &mut Configuration, tags: &BTreeMap<String, String>) -> Result<()> {
    latest.start = start_mode(tags)?;
    latest.network = network(tags)?;
    latest.slots = slots(tags)?;
    tenancy::check(latest)?;
    check_slots(latest)
}

/// Whether the version's runtime can take as many invocations at a time as its tags say: those that
/// Kiln brings take one.
pub(crate) fn check_slots(latest: &Configuration) -> Result<()> {
    let built_in = latest.runtime.as_ref();
    let built_in = built_in.filter(|runtime| runtime.language() != Language::Provided);
    match built_in {
        Some(runtime) if latest.slots.are_shared() => Err(invalid(format!(
            "The tag {CONCURRENCY} is for runtimes that can take more than one invocation at a time, and \
             {runtime} takes one. Remove the tag or set it to 1, or deploy the function with its own \
             runtime client and the runtime provided.al2023."
        ))),
        _ => Ok(()),
    }
}

/// Puts a changed set of tags in force. A new way to run is a change of `$LATEST`, so it has to
/// wait like any other: what finishes the change before knows it by its revision.
fn apply(
    function: &mut Function,
    tags: BTreeMap<String, String>,
    arn: impl std::fmt::Display,
) -> Result<()> {
    check(&tags)?;
    let mut latest = Configuration::clone(&function.latest);
    settle(&mut latest, &tags)?;
    if latest != *function.latest {
        if is_unfinished(function) {
            return Err(update_in_progress(arn));
        }
        // Instances that run the other way must not be used any more.
        latest.revision = RevisionId::random();
        function.latest = Arc::new(latest);
    }
    function.tags = tags;
    Ok(())
}

/// Something that has tags.
#[derive(Debug)]
enum Tagged {
    Function(Target),
    Mapping(MappingId),
    Signing(Arc<CodeSigningConfig>),
}

impl Tagged {
    fn tags(&self, context: &Context) -> Result<BTreeMap<String, String>> {
        match self {
            Tagged::Function(target) => Ok(target.function(context)?.tags.clone()),
            Tagged::Mapping(id) => {
                let mapping = context.deps.store.mappings().get(*id);
                Ok(mapping.ok_or_else(resource_not_found)?.tags.clone())
            }
            Tagged::Signing(config) => Ok(config.tags.clone()),
        }
    }

    async fn change(
        self,
        context: &Context,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send + 'static,
    ) -> Result<()> {
        let store = &context.deps.store;
        match self {
            Tagged::Function(target) => {
                let (id, arn) = (target.id(), target.arn);
                let changed = store.update_function(&id, move |function| {
                    let mut tags = function.tags.clone();
                    change(&mut tags);
                    apply(function, tags, arn)
                });
                changed.await.map(|_| ())
            }
            // Nothing that works for it needs to know.
            Tagged::Mapping(id) => {
                let changed = store.mappings().update(id, move |mapping| {
                    change(&mut mapping.tags);
                    check_plain(&mapping.tags)
                });
                changed.await.map(|_| ())
            }
            Tagged::Signing(config) => {
                let signing = store.signing();
                let changed = signing.update_config(&config.account, &config.id, move |config| {
                    change(&mut config.tags);
                    check_plain(&config.tags)
                });
                changed.await?.map(|_| ()).ok_or_else(resource_not_found)
            }
        }
    }
}

/// Reads the ARN of something that has tags.
fn tagged(context: &Context, arn: &str) -> Result<Tagged> {
    if let Some((of, uuid)) = arn.split_once(":event-source-mapping:") {
        let (region, account) = (&context.config.region, &context.caller.account);
        return match of == format!("arn:aws:lambda:{region}:{account}") {
            true => find(context, uuid).map(Tagged::Mapping),
            false => Err(resource_not_found()),
        };
    }
    if arn.contains(":code-signing-config:") {
        return signing::find(context, arn).map(Tagged::Signing);
    }
    if !arn.contains(":function:") {
        return Err(resource_not_found());
    }
    let target = Target::read(context, arn, None)?;
    if target.qualifier.is_some() {
        return Err(invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    target.function(context)?;
    Ok(Tagged::Function(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exception;
    use crate::lambda::fixture::Fixture;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn fifty_tags_and_no_more() {
        let many = |count: usize| {
            (0..count)
                .map(|n| (format!("k{n}"), String::new()))
                .collect()
        };
        assert!(check(&many(50)).is_ok());
        let refused = check(&many(51)).unwrap_err();
        assert_eq!(
            refused.message,
            "Number of tags exceeds resource tag limit."
        );
    }

    #[test]
    fn keys_and_values_have_bounds() {
        assert!(check(&tags(&[(&"k".repeat(128), &"v".repeat(256))])).is_ok());
        assert!(check(&tags(&[(&"k".repeat(129), "")])).is_err());
        assert!(check(&tags(&[("k", &"v".repeat(257))])).is_err());
        assert!(check(&tags(&[("", "v")])).is_err());
        assert!(check(&tags(&[("AWS:k", "v")])).is_err());
    }

    #[test]
    fn the_start_tag_is_read() {
        assert_eq!(start_mode(&tags(&[])).unwrap(), None);
        assert_eq!(
            start_mode(&tags(&[(START, "fresh")])).unwrap(),
            Some(StartMode::Fresh)
        );
        assert!(check(&tags(&[(START, "slow")])).is_err());
    }

    #[test]
    fn the_network_tag_is_read() {
        assert_eq!(network(&tags(&[])).unwrap(), None);
        let read = network(&tags(&[(NETWORK, "allow 10.1.0.0/16 example.com:443")]));
        assert_eq!(
            read.unwrap().unwrap().to_string(),
            "allow 10.1.0.0/16 example.com:443"
        );
        let refused = check(&tags(&[(NETWORK, "allow 10.0.0.1/8")])).unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert_eq!(
            refused.message,
            "The tag kiln:network cannot be read: '10.0.0.1/8' is not where its range begins: \
             write 10.0.0.0/8."
        );
    }

    #[tokio::test]
    async fn services_that_the_operator_has_not_named_are_refused() {
        let fixture = Fixture::new().await;
        for named in ["host-services db", "allow public db.host.kiln.internal"] {
            let refused = check_services(&fixture.context, &tags(&[(NETWORK, named)])).unwrap_err();
            assert!(
                refused.message.contains("the service 'db'"),
                "{}",
                refused.message
            );
        }
        let other = tags(&[(NETWORK, "egress")]);
        assert!(check_services(&fixture.context, &other).is_ok());
    }

    #[test]
    fn the_concurrency_tag_is_a_number_in_its_range() {
        assert_eq!(slots(&tags(&[])).unwrap().get(), 1);
        for (value, expected) in [("1", 1), ("16", 16), ("128", 128)] {
            assert_eq!(
                slots(&tags(&[(CONCURRENCY, value)])).unwrap().get(),
                expected
            );
        }
        for value in ["", "0", "129", "-1", "1.5", "many"] {
            let refused = check(&tags(&[(CONCURRENCY, value)])).unwrap_err();
            assert_eq!(refused.exception, Exception::InvalidParameterValue);
            assert_eq!(
                refused.message,
                format!(
                    "The tag kiln:concurrency must be a whole number from 1 to 128, not '{value}'."
                )
            );
        }
    }

    #[tokio::test]
    async fn only_whole_functions_are_tagged() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let arn = |rest: &str| format!("arn:aws:lambda:us-east-1:000000000000:{rest}");
        assert!(tagged(&fixture.context, &arn("function:sum")).is_ok());
        let qualified = tagged(&fixture.context, &arn("function:sum:live")).unwrap_err();
        assert_eq!(
            qualified.message,
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        );
        for missing in ["function:other", "layer:l"] {
            let refused = tagged(&fixture.context, &arn(missing)).unwrap_err();
            assert_eq!(refused.exception, Exception::ResourceNotFound, "{missing}");
        }
    }
}
