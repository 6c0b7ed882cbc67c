//! `UploadPartCopy`.

use super::super::body::PUT_BYTES_MAX;
use super::super::fault::{self, Result};
use super::super::object::copy_object::answer;
use super::super::object::copy_source::{Source, copy};
use super::super::request::{Answer, Request};

pub(in super::super) async fn handle(request: Request) -> Answer {
    let place = super::place(&request)?;
    let number = super::part_number(&request)?;
    let upload = request.objects().upload(&place).await?;
    let source = Source::read(&request)?;
    let object = source.find(&request).await?;
    let (offset, size) = match request.header("x-amz-copy-source-range") {
        None => (0, object.size),
        Some(range) => span(range, object.size)?,
    };
    if size > PUT_BYTES_MAX {
        return Err(fault::too_large());
    }
    let reader = request
        .objects()
        .read(&object, offset, size)
        .ok_or_else(fault::aborted)?;
    let received = copy(&request, reader, super::algorithm(&upload)).await?;
    let response = answer(&request, &received, "CopyPartResult");
    let part = (number, received.md5, Some(received.checksum));
    let now = request.now();
    request
        .objects()
        .put_part(&place, part, received.content, now)
        .await?;
    Ok(response)
}

/// Unlike that of a read, this range must be whole and within the object.
fn span(range: &str, size: u64) -> Result<(u64, u64)> {
    let wrong = || {
        fault::invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        )
    };
    let (first, last) = range
        .strip_prefix("bytes=")
        .and_then(|it| it.split_once('-'))
        .ok_or_else(wrong)?;
    let (first, last): (u64, u64) = match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => (first, last),
        _ => return Err(wrong()),
    };
    if last >= size {
        let message = format!("Range specified is not valid for source object of size: {size}");
        return Err(fault::invalid_argument(message));
    }
    Ok((first, last - first + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_lies_within_the_object() {
        assert_eq!(span("bytes=0-4", 5).unwrap(), (0, 5));
        assert_eq!(span("bytes=2-2", 5).unwrap(), (2, 1));
        for range in [
            "bytes=0-5",
            "bytes=3-2",
            "bytes=1-",
            "bytes=-1",
            "0-1",
            "bytes=0-18446744073709551615",
        ] {
            assert!(span(range, 5).is_err(), "{range}");
        }
    }
}
