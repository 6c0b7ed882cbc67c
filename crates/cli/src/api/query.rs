//! The query protocol: calls are forms, answers are XML.

use anyhow::Result;
use bytes::Bytes;
use http::Method;

use super::refusal::element;
use super::{Call, Client, Service, encode};

impl Client {
    /// Calls an operation; gives its XML.
    pub(super) async fn query(
        &self,
        service: Service,
        version: &str,
        operation: &'static str,
        form: &[(String, String)],
    ) -> Result<String> {
        let mut body = format!("Action={operation}&Version={version}");
        for (name, value) in form {
            body.push_str(&format!("&{name}={}", encode(value)));
        }
        let mut call = Call::new(operation, service, Method::POST, "/")
            .header("content-type", "application/x-www-form-urlencoded");
        call.body = Bytes::from(body);
        let answer = self.send(call).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

/// All pages of a list. `marker` names what an answer says of the next page, and the next request of where it begins.
pub(super) async fn pages<F>(
    marker: &str,
    form: &[(String, String)],
    mut call: impl FnMut(Vec<(String, String)>) -> F,
) -> Result<Vec<String>>
where
    F: Future<Output = Result<String>>,
{
    let mut pages = Vec::new();
    let mut next = None;
    loop {
        let mut form = form.to_vec();
        form.extend(next.map(|next| (marker.to_owned(), next)));
        let page = call(form).await?;
        next = text(&page, marker).filter(|next| !next.is_empty());
        pages.push(page);
        if next.is_none() {
            return Ok(pages);
        }
    }
}

/// The elements of a list whose elements hold no lists.
pub(super) fn members(xml: &str) -> impl Iterator<Item = &str> {
    let rest = xml.split("<member>").skip(1);
    rest.filter_map(|rest| rest.split_once("</member>").map(|(member, _)| member))
}

/// The text of an element.
pub(super) fn text(xml: &str, name: &str) -> Option<String> {
    Some(unescaped(&element(xml, name)?))
}

/// A text as it was before it stood in XML.
pub(super) fn unescaped(text: &str) -> String {
    let replaced = text.replace("&lt;", "<").replace("&gt;", ">");
    replaced.replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_out_of_xml() {
        let xml = "<A><Topics><member><TopicArn>a&amp;b</TopicArn></member>\
                   <member><TopicArn>c</TopicArn></member></Topics></A>";
        let arns: Vec<_> = members(xml)
            .filter_map(|one| text(one, "TopicArn"))
            .collect();
        assert_eq!(arns, ["a&b", "c"]);
        assert_eq!(text(xml, "NextToken"), None);
    }
}
