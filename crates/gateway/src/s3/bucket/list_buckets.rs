//! `ListBuckets`.

use super::super::request::{Answer, Request, document, iso};
use super::super::xml::Xml;

/// Buckets in a page, at most.
const PAGE_MAX: usize = 10_000;

pub(in super::super) async fn handle(request: Request) -> Answer {
    let caller = &request.context.caller;
    let count_max = request.query.number("max-buckets", PAGE_MAX)?.max(1);
    let prefix = request.query.get("prefix").unwrap_or_default();
    let after = request.query.filled("continuation-token");
    let all = request.objects().buckets(&caller.account);
    let mut wanted = all.iter().filter(|bucket| {
        let name = bucket.name.as_str();
        name.starts_with(prefix) && after.is_none_or(|after| name > after)
    });
    let mut xml = Xml::answer("ListAllMyBucketsResult");
    xml.open("Owner")
        .leaf("ID", &caller.account)
        .close()
        .open("Buckets");
    let mut last = None;
    for bucket in wanted.by_ref().take(count_max) {
        xml.open("Bucket")
            .leaf("Name", &bucket.name)
            .leaf("CreationDate", iso(bucket.created))
            .leaf("BucketRegion", &request.context.config.region)
            .close();
        last = Some(bucket.name.as_str());
    }
    xml.close();
    let has_more = wanted.next().is_some();
    xml.maybe("Prefix", request.query.get("prefix"));
    xml.maybe("ContinuationToken", last.filter(|_| has_more));
    Ok(document(xml))
}
