//! What things cost.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// Prices, and what of them is free. The default is AWS's list of prices in us-east-1;
/// an operator may set the prices of the own machines instead, any field at a time. Tiers and the prices
/// of what is kept ready are such fields: who sets one says all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriceSheet {
    /// A million requests.
    pub million_requests: Money,
    /// Compute on x86, by volume.
    pub x86_64: Vec<Tier>,
    /// Compute on Arm, by volume.
    pub arm64: Vec<Tier>,
    /// What is kept ready on x86.
    pub provisioned_x86_64: Provisioned,
    /// What is kept ready on Arm.
    pub provisioned_arm64: Provisioned,
    /// A GB-second of `/tmp` beyond 512 MB.
    pub ephemeral_gb_second: Money,
    /// What a month has free; none by default, because a period need not be a month.
    pub free_tier: Option<FreeTier>,
}

/// A price that holds up to a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The price of one GB-second.
    pub gb_second: Money,
    /// GB-seconds of the period, counted from its start, up to which it holds. None has no end; what
    /// lies beyond the last tier has the last tier's price.
    #[serde(default)]
    pub up_to_gb_seconds: Option<u64>,
}

/// Prices of provisioned concurrency, which have no tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioned {
    /// A GB-second for which an instance is asked to be kept ready, used or not.
    pub kept_gb_second: Money,
    /// A GB-second of invocations on one: less than on demand, because the instance is paid for.
    pub gb_second: Money,
}

/// What a month has free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeTier {
    /// Requests.
    pub requests: u64,
    /// GB-seconds of compute.
    pub gb_seconds: u64,
}

impl FreeTier {
    /// AWS's, which every account has every month.
    pub const AWS: FreeTier = FreeTier {
        requests: 1_000_000,
        gb_seconds: 400_000,
    };
}

/// AWS's list (aws.amazon.com/lambda/pricing): 10 % and 20 % less for high volumes.
impl Default for PriceSheet {
    fn default() -> Self {
        const BILLION: u64 = 1_000_000_000;
        let tier = |picos, up_to_gb_seconds| Tier {
            gb_second: Money::from_picos(picos),
            up_to_gb_seconds,
        };
        Self {
            million_requests: Money::from_picos(200_000_000_000),
            x86_64: vec![
                tier(16_666_700, Some(6 * BILLION)),
                tier(15_000_000, Some(15 * BILLION)),
                tier(13_333_400, None),
            ],
            arm64: vec![
                tier(13_333_400, Some(7_500_000_000)),
                tier(12_000_100, Some(18_750_000_000)),
                tier(10_666_700, None),
            ],
            provisioned_x86_64: Provisioned {
                kept_gb_second: Money::from_picos(4_166_700),
                gb_second: Money::from_picos(9_722_200),
            },
            provisioned_arm64: Provisioned {
                kept_gb_second: Money::from_picos(3_333_400),
                gb_second: Money::from_picos(7_777_800),
            },
            ephemeral_gb_second: Money::from_picos(30_900),
            free_tier: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_sets_single_prices_and_keeps_the_rest() {
        let sheet: PriceSheet = serde_json::from_str(
            r#"{"million_requests": "0.05", "x86_64": [{"gb_second": "0.000002"}]}"#,
        )
        .unwrap();
        assert_eq!(sheet.million_requests.to_string(), "0.05");
        assert_eq!(sheet.x86_64.len(), 1);
        assert_eq!(sheet.arm64, PriceSheet::default().arm64);
    }

    #[test]
    fn prices_of_what_is_kept_ready_are_set_together() {
        let of = |prices: &str| format!(r#"{{"provisioned_x86_64": {prices}}}"#);
        let both = of(r#"{"kept_gb_second": "0.1", "gb_second": "0.2"}"#);
        let sheet: PriceSheet = serde_json::from_str(&both).unwrap();
        assert_eq!(sheet.provisioned_x86_64.gb_second.to_string(), "0.20");
        let default = PriceSheet::default();
        assert_eq!(sheet.provisioned_arm64, default.provisioned_arm64);
        let one = of(r#"{"kept_gb_second": "0.1"}"#);
        assert!(serde_json::from_str::<PriceSheet>(&one).is_err());
    }

    #[test]
    fn a_misspelt_price_is_refused() {
        assert!(serde_json::from_str::<PriceSheet>(r#"{"milion_requests": "0.05"}"#).is_err());
    }
}
