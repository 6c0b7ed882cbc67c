//! Prices put on sums of usage.

use kiln_store::UsageSummary;
use kiln_types::Architecture;
use serde::Serialize;

use crate::money::Money;
use crate::price::{PriceSheet, Provisioned, Tier};

/// MiB·ms in a GB-second: AWS's GB is 1,024 MB.
const MB_MS_PER_GB_SECOND: u128 = 1024 * 1000;

/// What usage costs, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cost {
    /// Requests.
    pub requests: Money,
    /// Memory times time of invocations.
    pub compute: Money,
    /// Memory times time of instances kept ready.
    pub provisioned: Money,
    /// `/tmp` beyond 512 MB, times time.
    pub ephemeral: Money,
}

impl Cost {
    /// All of it.
    pub fn total(&self) -> Money {
        self.requests + self.compute + self.provisioned + self.ephemeral
    }
}

/// What this usage costs together, exact to a trillionth of a dollar.
///
/// Volume tiers and the free tier are for all usage of an account in a month: give all of it. The
/// free tier is taken from x86 first, and as on AWS it is not for invocations on instances kept ready.
/// The cost of one function alone is what it would be without the others, so the costs of functions need
/// not add up to the account's.
pub fn cost<'a>(usage: impl IntoIterator<Item = &'a UsageSummary>, sheet: &PriceSheet) -> Cost {
    let (mut requests, mut ephemeral) = (0, 0);
    let (mut x86, mut arm) = (Memory::default(), Memory::default());
    for summary in usage {
        requests += u128::from(summary.count);
        ephemeral += u128::from(summary.ephemeral_extra_mb_ms);
        match summary.architecture {
            Architecture::X86_64 => x86.add(summary),
            Architecture::Arm64 => arm.add(summary),
        }
    }
    if let Some(free) = sheet.free_tier {
        requests = requests.saturating_sub(free.requests.into());
        let free = u128::from(free.gb_seconds) * MB_MS_PER_GB_SECOND;
        let free_arm = free.saturating_sub(x86.on_demand);
        x86.on_demand = x86.on_demand.saturating_sub(free);
        arm.on_demand = arm.on_demand.saturating_sub(free_arm);
    }
    let (provisioned_x86, provisioned_arm) = (&sheet.provisioned_x86_64, &sheet.provisioned_arm64);
    Cost {
        requests: sheet.million_requests.times(requests, 1_000_000),
        compute: x86.compute(&sheet.x86_64, provisioned_x86)
            + arm.compute(&sheet.arm64, provisioned_arm),
        provisioned: x86.kept(provisioned_x86) + arm.kept(provisioned_arm),
        ephemeral: sheet
            .ephemeral_gb_second
            .times(ephemeral, MB_MS_PER_GB_SECOND),
    }
}

/// Memory times time on one architecture, in MiB·ms, by what it costs.
#[derive(Default)]
struct Memory {
    on_demand: u128,
    on_provisioned: u128,
    kept: u128,
}

impl Memory {
    fn add(&mut self, summary: &UsageSummary) {
        let on_provisioned = summary.memory_on_provisioned_mb_ms;
        self.on_demand += u128::from(summary.memory_mb_ms.saturating_sub(on_provisioned));
        self.on_provisioned += u128::from(on_provisioned);
        self.kept += u128::from(summary.provisioned_mb_ms);
    }

    fn compute(&self, tiers: &[Tier], provisioned: &Provisioned) -> Money {
        let price = provisioned.gb_second;
        tiered(self.on_demand, tiers) + price.times(self.on_provisioned, MB_MS_PER_GB_SECOND)
    }

    fn kept(&self, provisioned: &Provisioned) -> Money {
        let price = provisioned.kept_gb_second;
        price.times(self.kept, MB_MS_PER_GB_SECOND)
    }
}

fn tiered(mb_ms: u128, tiers: &[Tier]) -> Money {
    let mut priced = 0;
    let mut sum = Money::default();
    for (at, tier) in tiers.iter().enumerate() {
        let end = match tier.up_to_gb_seconds {
            Some(end) if at + 1 < tiers.len() => u128::from(end) * MB_MS_PER_GB_SECOND,
            _ => u128::MAX,
        };
        let within = mb_ms.min(end).saturating_sub(priced);
        sum = sum + tier.gb_second.times(within, MB_MS_PER_GB_SECOND);
        priced += within;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::FreeTier;
    use crate::sample;

    fn usage(architecture: Architecture, count: u64, ms: u64, memory_mb: u64) -> UsageSummary {
        UsageSummary {
            count,
            billed_ms: count * ms,
            memory_mb_ms: count * ms * memory_mb,
            ..UsageSummary::new(sample::id("sum"), architecture)
        }
    }

    fn with_free_tier() -> PriceSheet {
        PriceSheet {
            free_tier: Some(FreeTier::AWS),
            ..PriceSheet::default()
        }
    }

    /// AWS's own example: 3 million requests of 1 s with 512 MB are 1,500,000 GB-s.
    #[test]
    fn the_example_of_awss_pricing_page_costs_what_it_says() {
        let usage = usage(Architecture::X86_64, 3_000_000, 1000, 512);
        // The page computes with the price rounded to four digits.
        let mut sheet = with_free_tier();
        sheet.x86_64[0].gb_second = "0.00001667".parse().unwrap();
        let cost = cost([&usage], &sheet);
        assert_eq!(cost.compute.to_string(), "18.337");
        assert_eq!(cost.requests.to_string(), "0.40");
        assert_eq!(cost.total().rounded(2).to_string(), "18.74");
    }

    #[test]
    fn the_same_example_by_the_unrounded_list_price() {
        let usage = usage(Architecture::X86_64, 3_000_000, 1000, 512);
        assert_eq!(
            cost([&usage], &with_free_tier()).total().to_string(),
            "18.73337"
        );
    }

    /// 3 million requests of 120 ms with 1,536 MB are 540,000 GB-s.
    #[test]
    fn a_short_and_large_function_costs_2_733_dollars() {
        let usage = usage(Architecture::X86_64, 3_000_000, 120, 1536);
        let cost = cost([&usage], &with_free_tier());
        assert_eq!(cost.total().to_string(), "2.733338");
        assert_eq!(cost.total().rounded(3).to_string(), "2.733");
    }

    #[test]
    fn each_tier_has_its_price_for_its_part() {
        // 20 billion GB-s: 6 at list price, 9 at 10 % less, 5 at 20 % less.
        let usage = usage(Architecture::X86_64, 1_000, 20_000_000_000, 1024);
        let compute = cost([&usage], &PriceSheet::default()).compute;
        let expected = 6_000_000_000 * 16_666_700 + 9_000_000_000 * 15_000_000;
        assert_eq!(compute.picos(), expected + 5_000_000_000 * 13_333_400);
    }

    #[test]
    fn the_free_tier_goes_to_x86_first_and_then_to_arm() {
        // 100,000 GB-s of x86 are free whole, and 300,000 of the 400,000 GB-s of Arm.
        let x86 = usage(Architecture::X86_64, 100_000, 1000, 1024);
        let arm = usage(Architecture::Arm64, 400_000, 1000, 1024);
        let cost = cost([&x86, &arm], &with_free_tier());
        assert_eq!(cost.compute.picos(), 100_000 * 13_333_400);
        assert_eq!(cost.requests, Money::default());
    }

    #[test]
    fn large_tmp_is_charged_beyond_what_is_free() {
        let mut usage = usage(Architecture::Arm64, 1, 1000, 128);
        usage.ephemeral_extra_mb_ms = 1024 * 1000 * 1_000_000;
        let ephemeral = cost([&usage], &PriceSheet::default()).ephemeral;
        assert_eq!(ephemeral.to_string(), "0.0309");
    }

    /// 100 instances of 1 GB for two hours, and in them 1.2 million invocations of 0.4 s, of which every
    /// tenth spilled over.
    #[test]
    fn what_is_kept_ready_is_paid_by_the_hour_and_its_invocations_less() {
        let mut usage = usage(Architecture::X86_64, 1_200_000, 400, 1024);
        usage.memory_on_provisioned_mb_ms = usage.memory_mb_ms / 10 * 9;
        usage.provisioned_mb_ms = 100 * 1024 * 2 * 3600 * 1000;
        let cost = cost([&usage], &with_free_tier());
        assert_eq!(cost.provisioned.picos(), 100 * 7200 * 4_166_700);
        // 48,000 GB-s on demand are free; of the 432,000 on instances kept ready, none.
        assert_eq!(cost.compute.picos(), 432_000 * 9_722_200);
        assert_eq!(cost.requests.to_string(), "0.04");
        let all = cost.requests + cost.compute + cost.provisioned;
        assert_eq!(cost.total(), all);
    }

    #[test]
    fn arm_has_prices_of_its_own_for_what_is_kept_ready() {
        let mut usage = usage(Architecture::Arm64, 1, 1000, 1024);
        usage.memory_on_provisioned_mb_ms = usage.memory_mb_ms;
        usage.provisioned_mb_ms = usage.memory_mb_ms;
        let cost = cost([&usage], &PriceSheet::default());
        assert_eq!(cost.compute.picos(), 7_777_800);
        assert_eq!(cost.provisioned.picos(), 3_333_400);
    }
}
