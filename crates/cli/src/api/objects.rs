//! Calls of the Simple Storage Service.

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;

use super::{Answer, Call, Client, Service, encode};

/// A bucket.
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) created: String,
}

/// An object in a list.
pub(crate) struct Object {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) modified: String,
}

/// What is in a bucket.
#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) objects: Vec<Object>,
    /// What keys below have in common, up to a slash.
    pub(crate) prefixes: Vec<String>,
}

impl Client {
    /// All buckets.
    pub(crate) async fn buckets(&self) -> Result<Vec<Bucket>> {
        let mut buckets = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/?continuation-token={}", encode(&after));
            let text = text(&self.object_call("ListBuckets", Method::GET, path).await?);
            for bucket in elements(&text, "Bucket") {
                buckets.push(Bucket {
                    name: element(bucket, "Name"),
                    created: element(bucket, "CreationDate"),
                });
            }
            after = element(&text, "ContinuationToken");
            if after.is_empty() {
                return Ok(buckets);
            }
        }
    }

    /// Makes a bucket.
    pub(crate) async fn make_bucket(&self, bucket: &str) -> Result<()> {
        let path = format!("/{}", encode(bucket));
        self.object_call("CreateBucket", Method::PUT, path)
            .await
            .map(|_| ())
    }

    /// Removes a bucket that is empty.
    pub(crate) async fn remove_bucket(&self, bucket: &str) -> Result<()> {
        let path = format!("/{}", encode(bucket));
        self.object_call("DeleteBucket", Method::DELETE, path)
            .await
            .map(|_| ())
    }

    /// The objects whose keys begin so; with `is_deep` also those below further slashes.
    pub(crate) async fn objects(
        &self,
        bucket: &str,
        prefix: &str,
        is_deep: bool,
    ) -> Result<Objects> {
        let mut all = Objects::default();
        let delimiter = if is_deep { "" } else { "&delimiter=%2F" };
        let mut token = String::new();
        loop {
            let path = format!(
                "/{}?list-type=2&encoding-type=url&prefix={}{delimiter}{token}",
                encode(bucket),
                encode(prefix)
            );
            let text = text(&self.object_call("ListObjectsV2", Method::GET, path).await?);
            for object in elements(&text, "Contents") {
                all.objects.push(Object {
                    key: decoded(&element(object, "Key")),
                    size: element(object, "Size").parse().unwrap_or_default(),
                    modified: element(object, "LastModified"),
                });
            }
            for prefix in elements(&text, "CommonPrefixes") {
                all.prefixes.push(decoded(&element(prefix, "Prefix")));
            }
            let next = element(&text, "NextContinuationToken");
            if next.is_empty() {
                return Ok(all);
            }
            token = format!("&continuation-token={}", encode(&next));
        }
    }

    /// Puts an object.
    pub(crate) async fn put_object(&self, bucket: &str, key: &str, body: Bytes) -> Result<()> {
        let mut call = Call::new("PutObject", Service::S3, Method::PUT, path_of(bucket, key));
        call.body = body;
        self.send(call).await.map(|_| ())
    }

    /// An object's bytes.
    pub(crate) async fn get_object(&self, bucket: &str, key: &str) -> Result<Bytes> {
        let answer = self
            .object_call("GetObject", Method::GET, path_of(bucket, key))
            .await?;
        Ok(answer.body)
    }

    /// Removes an object.
    pub(crate) async fn remove_object(&self, bucket: &str, key: &str) -> Result<()> {
        let path = path_of(bucket, key);
        self.object_call("DeleteObject", Method::DELETE, path)
            .await
            .map(|_| ())
    }

    async fn object_call(
        &self,
        operation: &'static str,
        method: Method,
        path: String,
    ) -> Result<Answer> {
        self.send(Call::new(operation, Service::S3, method, path))
            .await
    }
}

fn path_of(bucket: &str, key: &str) -> String {
    let key: Vec<String> = key.split('/').map(encode).collect();
    format!("/{}/{}", encode(bucket), key.join("/"))
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What stands in each element of this name. The server's documents have no attributes where this is asked, and no
/// element within one of the same name.
fn elements<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = text.split(&*open).skip(1);
    parts
        .filter_map(|part| part.split_once(&*close).map(|(inner, _)| inner))
        .collect()
}

fn element(text: &str, name: &str) -> String {
    elements(text, name)
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_their_order() {
        let text = "<A><B><C>1</C></B><B><C>2</C></B><D/></A>";
        let all: Vec<String> = elements(text, "B")
            .into_iter()
            .map(|it| element(it, "C"))
            .collect();
        assert_eq!(all, ["1", "2"]);
        assert_eq!(element(text, "E"), "");
    }

    #[test]
    fn keys_keep_their_slashes_in_paths() {
        assert_eq!(path_of("b", "a b/c?d"), "/b/a%20b/c%3Fd");
    }
}
