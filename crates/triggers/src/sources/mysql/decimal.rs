//! `DECIMAL` as the servers keep it (`decimal2bin` of `strings/decimal.c`): nine digits in four bytes, the rest in fewer,
//! the greatest first, and the sign in the first bit.

use super::reader::{Reader, Short};

/// Bytes of so many digits that are left over.
const LEFT_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const DIGITS: usize = 9;

/// Reads a number of so many digits, of which so many are behind the point, and keeps all of these.
pub(super) fn read(reader: &mut Reader, precision: usize, scale: usize) -> Result<String, Short> {
    let whole = precision.checked_sub(scale).ok_or(Short)?;
    let groups = groups(whole, scale);
    let count: usize = groups.iter().map(|digits| LEFT_BYTES[*digits]).sum();
    let mut bytes = reader.take(count)?.to_vec();
    let first = bytes.first_mut().ok_or(Short)?;
    let is_negative = *first & 0x80 == 0;
    *first ^= 0x80;
    if is_negative {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let mut digits = String::with_capacity(precision);
    let mut rest = Reader::new(bytes.into());
    for group in groups {
        let number = rest.uint_be(LEFT_BYTES[group])?;
        digits.push_str(&format!("{number:0group$}"));
    }
    // More digits than a group has would move the point.
    if digits.len() != precision {
        return Err(Short);
    }
    let (before, behind) = digits.split_at(whole);
    let before = match before.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    };
    let sign = if is_negative { "-" } else { "" };
    Ok(match behind {
        "" => format!("{sign}{before}"),
        _ => format!("{sign}{before}.{behind}"),
    })
}

/// The digits of each group: the short one is the first before the point and the last behind it.
fn groups(whole: usize, scale: usize) -> Vec<usize> {
    let full = |digits: usize| std::iter::repeat_n(DIGITS, digits / DIGITS);
    let groups = [whole % DIGITS].into_iter().chain(full(whole));
    let groups = groups.chain(full(scale)).chain([scale % DIGITS]);
    groups.filter(|digits| *digits > 0).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_as_the_servers_write_them() {
        // 1234567890.1234 of DECIMAL(14, 4), from the source of the servers, and its negative.
        let positive = [0x81, 0x0D, 0xFB, 0x38, 0xD2, 0x04, 0xD2];
        let negative = positive.map(|byte: u8| !byte);
        for (bytes, expected) in [
            (positive, "1234567890.1234"),
            (negative, "-1234567890.1234"),
        ] {
            let mut reader = Reader::new(bytes.to_vec().into());
            assert_eq!(read(&mut reader, 14, 4).unwrap(), expected);
        }
        let mut reader = Reader::new(vec![0x80].into());
        assert_eq!(read(&mut reader, 2, 0).unwrap(), "0");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_number_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..40), precision in 0usize..70, scale in 0usize..40,
        ) {
            if let Ok(text) = read(&mut Reader::new(bytes.into()), precision, scale) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            }
        }
    }
}
