//! Amounts of money, exact to a trillionth of a dollar.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not an amount: write digits with at most {DECIMALS} decimals, such as 0.0000166667"
)]
pub struct NotMoney(String);

/// Decimals of a dollar that an amount keeps: AWS's smallest list price has ten.
const DECIMALS: usize = 12;
const PICOS_PER_DOLLAR: u128 = 10u128.pow(DECIMALS as u32);

/// Dollars, or whatever currency the price sheet is in; written and read as a decimal number in a
/// string, because a float would not be exact.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money {
    picos: u128,
}

impl Money {
    /// From trillionths of a dollar.
    pub const fn from_picos(picos: u128) -> Self {
        Self { picos }
    }

    /// In trillionths of a dollar.
    pub const fn picos(self) -> u128 {
        self.picos
    }

    /// This price for `amount` units of which `per` make the priced one, to the nearest trillionth.
    pub(crate) fn times(self, amount: u128, per: u128) -> Self {
        Self {
            picos: (self.picos * amount + per / 2) / per,
        }
    }

    /// Rounded half up to this many decimals, as on a bill.
    pub fn rounded(self, decimals: usize) -> Self {
        let unit = 10u128.pow(DECIMALS.saturating_sub(decimals) as u32);
        Self {
            picos: (self.picos + unit / 2) / unit * unit,
        }
    }
}

impl Add for Money {
    type Output = Money;

    fn add(self, other: Money) -> Money {
        Self {
            picos: self.picos + other.picos,
        }
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::default(), Add::add)
    }
}

/// The number with the decimals it needs, two at least: `18.74`, `2.733338`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:012}", self.picos % PICOS_PER_DOLLAR);
        let needed = decimals.trim_end_matches('0').len().max(2);
        write!(
            f,
            "{}.{}",
            self.picos / PICOS_PER_DOLLAR,
            &decimals[..needed]
        )
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let not_money = || NotMoney(text.to_owned());
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let short = whole.len() <= 12 && decimals.len() <= DECIMALS;
        if whole.is_empty() || !short || !digits(whole) || !digits(decimals) {
            return Err(not_money());
        }
        let all = format!("{whole}{decimals:0<DECIMALS$}");
        Ok(Self {
            picos: all.parse().map_err(|_| not_money())?,
        })
    }
}

impl TryFrom<String> for Money {
    type Error = NotMoney;

    fn try_from(text: String) -> Result<Self, NotMoney> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> String {
        money.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_back_as_written() {
        for text in ["0.00", "18.74", "0.0000166667", "1000000.000000000001"] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), text);
        }
        assert_eq!("3".parse::<Money>().unwrap().to_string(), "3.00");
    }

    #[test]
    fn what_is_not_a_plain_decimal_number_is_refused() {
        for text in [
            "",
            ".",
            ".5",
            "-1",
            "1e3",
            "1,5",
            "0.0000000000001",
            "$1",
            "1.2.3",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    #[test]
    fn rounding_is_half_up() {
        let money: Money = "2.735".parse().unwrap();
        assert_eq!(money.rounded(2).to_string(), "2.74");
        assert_eq!(
            "2.7349".parse::<Money>().unwrap().rounded(2).to_string(),
            "2.73"
        );
    }
}
