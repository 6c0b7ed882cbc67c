//! Takes the code of a function from a request or a bucket into the artifact store.

use bytes::Bytes;
use kiln_store::ArtifactError;
use kiln_types::function::Code;
use kiln_types::{Container, Image, ImageConfig, limits};

use super::{image, stored};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};
use crate::lambda::generated as wire;
use crate::lambda::refusal::{code_storage_full, invalid};
use crate::lambda::signing;

/// What a function is made of.
#[derive(Debug)]
pub(crate) enum Package {
    /// A zip.
    Zip(Code),
    /// A container image that is pinned, and may not be here yet.
    Image(Box<Container>),
}

/// Where the caller says the code is.
#[derive(Debug, Default)]
pub(crate) struct Source {
    zip_file: Option<Bytes>,
    s3_bucket: Option<String>,
    s3_key: Option<String>,
    s3_object_version: Option<String>,
    /// Whether a WebAssembly module will do instead of a zip.
    or_module: bool,
}

/// How a WebAssembly module begins.
const MODULE_SIGNATURE: &[u8] = b"\0asm";

impl Package {
    /// Finds the image that a request to create a function names.
    pub(crate) async fn image_of_new(
        context: &Context,
        code: wire::FunctionCode,
        config: Option<ImageConfig>,
    ) -> Result<Self> {
        refuse(&code.source_kms_key_arn, &code.s3_object_storage_mode)?;
        let others = [&code.s3_bucket, &code.s3_key, &code.s3_object_version];
        let has_zip = code.zip_file.is_some() || others.into_iter().any(Option::is_some);
        let Some(uri) = code.image_uri.filter(|_| !has_zip) else {
            return Err(invalid(
                "Please provide ImageUri when creating a function with packageType Image.",
            ));
        };
        let image = image::resolve(context, &uri).await?;
        let container = Container::new(image, config.unwrap_or_default());
        Ok(Self::Image(Box::new(container)))
    }

    /// The same of a request to update one that is an image.
    pub(crate) async fn image_of_update(
        context: &Context,
        request: &mut wire::UpdateFunctionCodeRequest,
    ) -> Result<Image> {
        refuse(&request.source_kms_key_arn, &request.s3_object_storage_mode)?;
        let others = [
            &request.s3_bucket,
            &request.s3_key,
            &request.s3_object_version,
        ];
        let has_zip = request.zip_file.is_some() || others.into_iter().any(Option::is_some);
        match request.image_uri.take().filter(|_| !has_zip) {
            Some(uri) => image::resolve(context, &uri).await,
            None => Err(invalid(
                "Please provide ImageUri when updating a function with packageType Image.",
            )),
        }
    }

    /// What a configuration keeps of it.
    pub(crate) fn into_parts(self) -> (Code, Option<Container>) {
        match self {
            Self::Zip(code) => (code, None),
            Self::Image(container) => (Code::of_image(&container.image), Some(*container)),
        }
    }
}
impl Source {
    /// Takes the source out of a request to create a function.
    pub(crate) fn of_new(code: wire::FunctionCode) -> Result<Self> {
        refuse(&code.source_kms_key_arn, &code.s3_object_storage_mode)?;
        if code.image_uri.is_some() {
            return Err(invalid(
                "Please don't provide ImageUri when creating a function with packageType Zip.",
            ));
        }
        Ok(Self {
            zip_file: code.zip_file,
            s3_bucket: code.s3_bucket,
            s3_key: code.s3_key,
            s3_object_version: code.s3_object_version,
            or_module: false,
        })
    }

    /// Takes the source out of a request to update a function.
    pub(crate) fn of_update(request: &mut wire::UpdateFunctionCodeRequest) -> Result<Self> {
        refuse(&request.source_kms_key_arn, &request.s3_object_storage_mode)?;
        if request.image_uri.is_some() {
            return Err(invalid(
                "Please don't provide ImageUri when updating a function with packageType Zip.",
            ));
        }
        Ok(Self {
            zip_file: request.zip_file.take(),
            s3_bucket: request.s3_bucket.take(),
            s3_key: request.s3_key.take(),
            s3_object_version: request.s3_object_version.take(),
            or_module: false,
        })
    }

    /// Takes the source out of a request to publish a layer.
    pub(crate) fn of_layer(content: wire::LayerVersionContentInput) -> Result<Self> {
        refuse(&None, &content.s3_object_storage_mode)?;
        Ok(Self {
            zip_file: content.zip_file,
            s3_bucket: content.s3_bucket,
            s3_key: content.s3_key,
            s3_object_version: content.s3_object_version,
            or_module: false,
        })
    }

    /// Whether the code may be a WebAssembly module instead of a zip.
    pub(super) fn or_module(self, or_module: bool) -> Self {
        Self { or_module, ..self }
    }

    /// Checks the code and keeps it.
    pub(crate) async fn take(self, context: &Context) -> Result<Code> {
        self.refuse_two_sources()?;
        let store = &context.deps.store;
        let (zip, zipped_bytes_max) = match (self.zip_file, self.s3_bucket, self.s3_key) {
            (Some(zip), _, _) => (zip, limits::ZIPPED_BYTES_MAX),
            (None, Some(bucket), Some(key)) => {
                let version = self.s3_object_version.as_deref();
                let zip = stored::read(context, &bucket, &key, version).await?;
                (zip, limits::UNZIPPED_BYTES_MAX)
            }
            _ => return Err(invalid("Please provide a source for function code.")),
        };
        if zip.starts_with(MODULE_SIGNATURE) && !self.or_module {
            return Err(not_a_zip());
        }
        let code = store.artifacts().put_zip(zip, zipped_bytes_max).await;
        let code = code.map_err(unusable)?;
        let account = &context.caller.account;
        store.note_package(account, &code.sha256).await?;
        signing::with_signer(context, code).await
    }

    fn refuse_two_sources(&self) -> Result<()> {
        let others = [&self.s3_bucket, &self.s3_key, &self.s3_object_version];
        if self.zip_file.is_some() && others.into_iter().any(Option::is_some) {
            return Err(invalid(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            ));
        }
        Ok(())
    }
}

fn refuse(key: &Option<String>, storage_mode: &Option<String>) -> Result<()> {
    if key.as_ref().is_some_and(|key| !key.is_empty()) {
        return Err(ApiError::not_implemented("customer managed keys"));
    }
    match storage_mode.as_deref() {
        Some("REFERENCE") => Err(ApiError::not_implemented("code that stays in its bucket")),
        _ => Ok(()),
    }
}

fn unusable(error: ArtifactError) -> ApiError {
    match error {
        ArtifactError::TooLargeZipped { max, .. } => too_large(max),
        ArtifactError::TooLargeUnzipped { max } => {
            invalid(format!("Unzipped size must be smaller than {max} bytes"))
        }
        ArtifactError::Empty => invalid("Uploaded file must be a non-empty zip"),
        ArtifactError::NotAZip { .. } => not_a_zip(),
        ArtifactError::TooManyEntries { .. } | ArtifactError::Unsafe { .. } => {
            invalid(format!("The uploaded file cannot be used: {error}."))
        }
        ArtifactError::StorageFull { .. } => code_storage_full(),
        ArtifactError::Crowded => crowded(),
        ArtifactError::NotFound(_) | ArtifactError::NotIntact { .. } => ApiError::internal(),
        ArtifactError::Store(error) => error.into(),
    }
}

/// Others hold what packages may take of the memory.
pub(crate) fn crowded() -> ApiError {
    ApiError::new(Exception::TooManyRequests, "Rate exceeded")
}

fn not_a_zip() -> ApiError {
    invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
}

pub(super) fn too_large(max: u64) -> ApiError {
    let message = format!("Zipped size must be smaller than {max} bytes");
    ApiError::new(Exception::RequestEntityTooLarge, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::{Fixture, zip_of};

    async fn refusal(fixture: &Fixture, source: Source) -> ApiError {
        source.take(&fixture.context).await.unwrap_err()
    }

    fn object(bucket: &str, key: &str) -> Source {
        Source {
            s3_bucket: Some(bucket.into()),
            s3_key: Some(key.into()),
            ..Source::default()
        }
    }

    #[tokio::test]
    async fn code_comes_from_the_request_or_a_bucket() {
        let fixture = Fixture::new().await;
        let zip = zip_of(&[("index.py", b"def handler(e, c): return 1")]);
        let from_request = Source {
            zip_file: Some(zip.clone()),
            ..Source::default()
        };
        let code = from_request.take(&fixture.context).await.unwrap();
        assert_eq!(code.zipped_bytes, zip.len() as u64);
        fixture.put_object("code", "a/f.zip", &zip);
        assert_eq!(
            object("code", "a/f.zip")
                .take(&fixture.context)
                .await
                .unwrap(),
            code
        );
    }

    #[tokio::test]
    async fn code_in_the_request_and_in_a_bucket_is_refused() {
        let fixture = Fixture::new().await;
        let zip_file = Some(zip_of(&[("index.py", b"x = 1")]));
        let versioned = Source {
            s3_object_version: Some("1".into()),
            ..Source::default()
        };
        for other in [object("code", "f.zip"), versioned] {
            let both = Source {
                zip_file: zip_file.clone(),
                ..other
            };
            let refused = refusal(&fixture, both).await;
            assert_eq!(refused.exception, Exception::InvalidParameterValue);
            assert_eq!(
                refused.message,
                "Please do not provide other FunctionCode parameters when providing a ZipFile."
            );
        }
    }

    #[tokio::test]
    async fn missing_objects_are_reported_in_the_words_of_s3() {
        let fixture = Fixture::new().await;
        fixture.put_object("code", "f.zip", b"x");
        let bucket = refusal(&fixture, object("nowhere", "f.zip")).await;
        assert_eq!(bucket.exception, Exception::InvalidParameterValue);
        assert!(
            bucket.message.starts_with("Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"),
            "{}", bucket.message
        );
        assert!(bucket.message.contains("directory"), "{}", bucket.message);
        assert!(
            refusal(&fixture, object("code", "g.zip"))
                .await
                .message
                .contains("NoSuchKey")
        );
        let versioned = Source {
            s3_object_version: Some("1".into()),
            ..object("code", "f.zip")
        };
        assert!(
            refusal(&fixture, versioned)
                .await
                .message
                .contains("NoSuchVersion")
        );
    }

    #[tokio::test]
    async fn unusable_code_is_refused_in_the_words_of_lambda() {
        let fixture = Fixture::new().await;
        let zip = |zip: Bytes| Source {
            zip_file: Some(zip),
            ..Source::default()
        };
        let refused = refusal(&fixture, zip(Bytes::from_static(b"not a zip"))).await;
        assert_eq!(
            refused.message,
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        );
        for empty in [Bytes::new(), zip_of(&[])] {
            assert_eq!(
                refusal(&fixture, zip(empty)).await.message,
                "Uploaded file must be a non-empty zip"
            );
        }
        let climbing = zip_of(&[("../evil.py", b"x")]);
        assert!(
            refusal(&fixture, zip(climbing))
                .await
                .message
                .contains("../evil.py")
        );
        let large = zip(vec![0; limits::ZIPPED_BYTES_MAX as usize + 1].into());
        let large = refusal(&fixture, large).await;
        assert_eq!(large.exception, Exception::RequestEntityTooLarge);
        assert_eq!(
            large.message,
            "Zipped size must be smaller than 52428800 bytes"
        );
        let nothing = refusal(&fixture, Source::default()).await;
        assert_eq!(
            nothing.message,
            "Please provide a source for function code."
        );
    }
}
