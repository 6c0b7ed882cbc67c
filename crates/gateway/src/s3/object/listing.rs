//! What the three lists of objects have in common.

use kiln_store::objects::{Cursor, Entry, ListObjects, Listed};
use kiln_types::Bucket;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::about::STANDARD;
use super::super::fault::{self, Result};
use super::super::request::{Request, iso, quoted};
use super::super::xml::Xml;

/// Entries of a page, at most.
const PAGE_MAX: usize = 1_000;
/// What encoded keys have as it is.
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// How a list was asked for.
pub(in super::super) struct Listing {
    pub(in super::super) prefix: String,
    pub(in super::super) delimiter: Option<String>,
    pub(in super::super) count_max: usize,
    is_encoded: bool,
}

impl Listing {
    pub(in super::super) fn read(request: &Request) -> Result<Self> {
        let encoding = request.query.filled("encoding-type");
        if encoding.is_some_and(|encoding| encoding != "url") {
            return Err(
                fault::invalid_argument("Invalid Encoding Method specified in Request")
                    .of("ArgumentName", "encoding-type"),
            );
        }
        Ok(Self {
            prefix: request.query.get("prefix").unwrap_or_default().to_owned(),
            delimiter: request.query.filled("delimiter").map(str::to_owned),
            count_max: request.query.number("max-keys", PAGE_MAX)?,
            is_encoded: encoding.is_some(),
        })
    }

    /// Reads a page of it.
    pub(in super::super) async fn page(
        &self,
        request: &Request,
        bucket: &Bucket,
        after: Cursor,
        is_of_versions: bool,
    ) -> Result<Listed> {
        let query = ListObjects {
            prefix: self.prefix.clone(),
            delimiter: self.delimiter.clone(),
            after,
            count_max: self.count_max,
            is_of_versions,
        };
        Ok(request.objects().list(&bucket.id(), query).await?)
    }

    /// A key, or a part of one, as the list shows it.
    pub(in super::super) fn shown(&self, text: &str) -> String {
        match self.is_encoded {
            true => utf8_percent_encode(text, UNESCAPED).to_string(),
            false => text.to_owned(),
        }
    }

    /// What a key has in common with others, up to and with the delimiter.
    pub(in super::super) fn shared<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref()?;
        let at = key.strip_prefix(&*self.prefix)?.find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }

    /// What was asked for.
    pub(in super::super) fn write_head(&self, xml: &mut Xml, bucket: &Bucket) {
        xml.leaf("Name", &bucket.name)
            .leaf("Prefix", self.shown(&self.prefix))
            .maybe(
                "Delimiter",
                self.delimiter.as_ref().map(|it| self.shown(it)),
            )
            .leaf("MaxKeys", self.count_max)
            .maybe("EncodingType", self.is_encoded.then_some("url"));
    }

    /// The objects and the prefixes.
    pub(in super::super) fn write(&self, xml: &mut Xml, listed: &Listed, owner: Option<&Bucket>) {
        for entry in &listed.entries {
            xml.open("Contents");
            self.write_entry(xml, entry);
            if let Some(owner) = owner {
                write_owner(xml, owner);
            }
            xml.close();
        }
        self.write_prefixes(xml, listed);
    }

    pub(in super::super) fn write_prefixes(&self, xml: &mut Xml, listed: &Listed) {
        for prefix in &listed.prefixes {
            xml.open("CommonPrefixes")
                .leaf("Prefix", self.shown(prefix))
                .close();
        }
    }

    pub(in super::super) fn write_entry(&self, xml: &mut Xml, entry: &Entry) {
        xml.leaf("Key", self.shown(&entry.key))
            .leaf("LastModified", iso(entry.modified))
            .leaf("ETag", quoted(&entry.etag))
            .leaf("Size", entry.size)
            .leaf("StorageClass", entry.class.as_deref().unwrap_or(STANDARD));
    }
}

pub(in super::super) fn write_owner(xml: &mut Xml, bucket: &Bucket) {
    xml.open("Owner").leaf("ID", &bucket.account).close();
}
