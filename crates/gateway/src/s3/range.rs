//! Parts of objects: ranges of bytes, and the parts that an upload had.

use kiln_store::objects::Object;

use super::fault::{self, Result};

/// Some bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) size: u64,
    /// Whether it was asked for, so that the answer says which it is.
    pub(super) is_partial: bool,
}

impl Span {
    /// What a request wants of an object. Several ranges at once are none: S3 sends the whole object then.
    pub(super) fn of(object: &Object, range: Option<&str>, part: Option<&str>) -> Result<Self> {
        match (range, part) {
            (Some(_), Some(_)) => Err(fault::invalid_request(
                "Cannot specify both Range header and partNumber query parameter",
            )),
            (None, Some(part)) => of_part(object, part),
            (Some(range), None) => of_range(object.size, range),
            (None, None) => Ok(Self::whole(object.size)),
        }
    }

    /// All of it.
    fn whole(size: u64) -> Self {
        Self {
            offset: 0,
            size,
            is_partial: false,
        }
    }

    /// `bytes 0-4/10`.
    pub(super) fn content_range(&self, whole: u64) -> Option<String> {
        let end = (self.offset + self.size).checked_sub(1)?;
        self.is_partial
            .then(|| format!("bytes {}-{end}/{whole}", self.offset))
    }
}

fn of_range(size: u64, range: &str) -> Result<Span> {
    let whole = Ok(Span::whole(size));
    let Some(range) = range.trim().strip_prefix("bytes=") else {
        return whole;
    };
    let Some((from, to)) = range.split_once('-').filter(|_| !range.contains(',')) else {
        return whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (from, end) = match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => (from, to.saturating_add(1).min(size)),
        (Some(from), None) if to.trim().is_empty() => (from, size),
        (None, Some(last)) if from.trim().is_empty() => (size - last.min(size), size),
        _ => return whole,
    };
    if from >= end {
        return Err(fault::invalid_range()
            .of("RangeRequested", format!("bytes={range}"))
            .of("ActualObjectSize", size.to_string())
            .with_header("content-range", format!("bytes */{size}")));
    }
    Ok(Span {
        offset: from,
        size: end - from,
        is_partial: true,
    })
}

fn of_part(object: &Object, part: &str) -> Result<Span> {
    let number = part
        .parse::<usize>()
        .ok()
        .filter(|number| (1..=10_000).contains(number));
    let number = number.ok_or_else(|| {
        fault::invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
    })?;
    let pieces = &object.about.pieces;
    let is_whole = object.about.upload.is_none();
    let Some(piece) = pieces.get(number - 1).filter(|_| !is_whole || number == 1) else {
        let message = "The requested partnumber is not satisfiable";
        return Err(fault::Fault::new("InvalidPartNumber", 416, message));
    };
    Ok(Span {
        offset: pieces[..number - 1].iter().map(|piece| piece.size).sum(),
        size: piece.size,
        is_partial: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(size: u64, range: &str) -> Option<(u64, u64, bool)> {
        let span = of_range(size, range).ok()?;
        Some((span.offset, span.size, span.is_partial))
    }

    #[test]
    fn ranges_are_cut_to_what_there_is() {
        assert_eq!(span(10, "bytes=0-4"), Some((0, 5, true)));
        assert_eq!(span(10, "bytes=5-"), Some((5, 5, true)));
        assert_eq!(span(10, "bytes=-3"), Some((7, 3, true)));
        assert_eq!(span(10, "bytes=-30"), Some((0, 10, true)));
        assert_eq!(span(10, "bytes=9-100"), Some((9, 1, true)));
        assert_eq!(
            span(10, &format!("bytes=0-{}", u64::MAX)),
            Some((0, 10, true))
        );
    }

    #[test]
    fn what_is_no_range_is_the_whole_and_what_is_not_there_is_refused() {
        for range in [
            "bytes=5-3",
            "bytes=a-b",
            "lines=0-1",
            "bytes=0-1,3-4",
            "bytes=-",
            "bytes=1",
        ] {
            assert_eq!(span(10, range), Some((0, 10, false)), "{range}");
        }
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(span(10, range), None, "{range}");
        }
        assert_eq!(span(0, "bytes=0-"), None);
    }
}
