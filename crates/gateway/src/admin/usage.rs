//! `GET /_kiln/usage`: what functions used since a time, and what that costs by the price sheet.

use std::collections::BTreeMap;

use kiln_metering::{PriceSheet, cost};
use kiln_store::UsageSummary;
use kiln_types::Timestamp;
use serde::Serialize;

use super::parameter;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// What is counted when the caller does not say: the last day.
const PERIOD_MS: i64 = 24 * 3600 * 1000;

/// What the account's functions used within a period.
#[derive(Debug, Serialize)]
pub(super) struct Usage {
    since: i64,
    until: i64,
    functions: Vec<FunctionUsage>,
}

/// What one function used.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionUsage {
    function_name: String,
    invocations: u64,
    errors: u64,
    cold_starts: u64,
    restores: u64,
    billed_ms: u64,
    billed_restore_ms: u64,
    gb_seconds: f64,
    provisioned_gb_seconds: f64,
    cpu_ms: u64,
    memory_peak_bytes: u64,
    received_bytes: u64,
    sent_bytes: u64,
    duration_p50_ms: f64,
    duration_p99_ms: f64,
    cost_usd: String,
}

pub(super) async fn handle(context: &Context, query: &str) -> Result<Usage> {
    let now = context.now.as_millis();
    let since = time(query, "since")?.unwrap_or(now - PERIOD_MS);
    // The end is exclusive, and what started this very millisecond counts.
    let until = time(query, "until")?.unwrap_or(now + 1);
    let name = parameter(query, "function");
    let (account, store) = (&context.caller.account, &context.deps.store);
    let period = (Timestamp::from_millis(since), Timestamp::from_millis(until));
    let summaries = store.usage().summary(account, period.0, period.1).await?;
    let mut by_name: BTreeMap<String, Vec<UsageSummary>> = BTreeMap::new();
    for summary in summaries {
        by_name
            .entry(summary.function.name.to_string())
            .or_default()
            .push(summary);
    }
    by_name.retain(|known, _| name.as_ref().is_none_or(|name| known == name));
    Ok(Usage {
        since,
        until,
        functions: by_name.into_iter().map(of_function).collect(),
    })
}

/// Adds up a function's summaries, one for each architecture it ran on. Percentiles cannot be
/// added: those of the architecture with the most invocations stand for all.
fn of_function((function_name, summaries): (String, Vec<UsageSummary>)) -> FunctionUsage {
    let price = cost(&summaries, &PriceSheet::default()).total();
    let sum = |of: fn(&UsageSummary) -> u64| summaries.iter().map(of).sum::<u64>();
    let main = summaries.iter().max_by_key(|summary| summary.count);
    let millis = |of: fn(&UsageSummary) -> u64| main.map_or(0.0, |main| of(main) as f64 / 1e3);
    let peak_mb = summaries
        .iter()
        .map(|summary| summary.memory_peak_mb)
        .max()
        .unwrap_or(0);
    FunctionUsage {
        function_name,
        invocations: sum(|summary| summary.count),
        errors: sum(|summary| summary.errors),
        cold_starts: sum(|summary| summary.inits),
        restores: sum(|summary| summary.restores),
        billed_ms: sum(|summary| summary.billed_ms),
        billed_restore_ms: sum(|summary| summary.restore_billed_ms),
        gb_seconds: gb_seconds(sum(|summary| summary.memory_mb_ms)),
        provisioned_gb_seconds: gb_seconds(sum(|summary| summary.provisioned_mb_ms)),
        cpu_ms: sum(|summary| summary.cpu_us) / 1_000,
        memory_peak_bytes: u64::from(peak_mb) << 20,
        received_bytes: sum(|summary| summary.traffic.received_bytes),
        sent_bytes: sum(|summary| summary.traffic.sent_bytes),
        duration_p50_ms: millis(|summary| summary.duration_p50_us),
        duration_p99_ms: millis(|summary| summary.duration_p99_us),
        cost_usd: price.to_string(),
    }
}

fn gb_seconds(mb_ms: u64) -> f64 {
    mb_ms as f64 / (1024.0 * 1e3)
}

fn time(query: &str, name: &str) -> Result<Option<i64>> {
    let Some(text) = parameter(query, name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let message = format!("{name} must be a time in milliseconds since 1970, not '{text}'.");
        ApiError::new(Exception::Validation, message)
    })
}

#[cfg(test)]
mod tests {
    use kiln_types::{
        Architecture, InvocationStatus, ProvisionedRecord, RequestId, UsageRecord, Version,
    };

    use super::*;
    use crate::lambda::fixture::Fixture;

    fn record(fixture: &Fixture, name: &str, status: InvocationStatus, at: i64) -> UsageRecord {
        UsageRecord {
            request_id: RequestId::random(),
            function: fixture.id(name),
            version: Version::Latest,
            started: Timestamp::from_millis(at),
            init_us: Some(2_000),
            restore: None,
            duration_us: 98_000,
            billed_ms: 100,
            memory: kiln_types::MemoryMb::new(1_024).unwrap(),
            memory_peak_mb: 64,
            ephemeral: Default::default(),
            architecture: Architecture::X86_64,
            cpu_us: 5_000,
            traffic: kiln_types::Traffic {
                received_bytes: 700,
                sent_bytes: 30,
            },
            status,
            provisioned: false,
        }
    }

    #[tokio::test]
    async fn usage_is_summed_by_function_with_its_cost() {
        let fixture = Fixture::new().await;
        let now = fixture.context.now.as_millis();
        let mut restored = record(&fixture, "a", InvocationStatus::Error, now);
        restored.init_us = None;
        restored.restore = Some(kiln_types::RestoreUsage {
            duration_us: 3_000,
            billed_ms: 2,
        });
        let records = vec![
            record(&fixture, "a", InvocationStatus::Success, now - 1_000),
            restored,
            record(
                &fixture,
                "b",
                InvocationStatus::Success,
                now - 2 * PERIOD_MS,
            ),
        ];
        fixture
            .context
            .deps
            .store
            .usage()
            .append(records)
            .await
            .unwrap();
        let usage = handle(&fixture.context, "").await.unwrap();
        assert_eq!(usage.functions.len(), 1);
        let a = serde_json::to_value(&usage.functions[0]).unwrap();
        assert_eq!(a["functionName"], "a");
        assert_eq!(a["invocations"], 2);
        assert_eq!(a["errors"], 1);
        assert_eq!((&a["coldStarts"], &a["restores"]), (&1.into(), &1.into()));
        assert_eq!(
            (&a["billedMs"], &a["billedRestoreMs"]),
            (&200.into(), &2.into())
        );
        assert_eq!(a["gbSeconds"], 0.2);
        assert_eq!(a["cpuMs"], 10);
        assert_eq!(
            (&a["receivedBytes"], &a["sentBytes"]),
            (&1_400.into(), &60.into())
        );
        assert_eq!(a["memoryPeakBytes"], 64 << 20);
        assert_eq!(a["durationP50Ms"], 98.0);
        // 2 requests at 0.2 millionths, and 0.2 GB-s at 16.6667 millionths of a dollar.
        assert_eq!(
            a["costUsd"].as_str().unwrap().parse::<f64>().unwrap(),
            0.00000373334
        );
        let since = format!("since={}", now - 3 * PERIOD_MS);
        assert_eq!(
            handle(&fixture.context, &since)
                .await
                .unwrap()
                .functions
                .len(),
            2
        );
        let only = format!("{since}&function=b");
        assert_eq!(
            handle(&fixture.context, &only).await.unwrap().functions[0].function_name,
            "b"
        );
    }

    #[tokio::test]
    async fn what_is_kept_ready_is_a_part_of_usage_and_its_cost() {
        let fixture = Fixture::new().await;
        let now = fixture.context.now;
        let mut served = record(&fixture, "a", InvocationStatus::Success, now.as_millis());
        served.provisioned = true;
        let kept = ProvisionedRecord {
            function: fixture.id("a"),
            version: Version::Published(1),
            started: Timestamp::from_millis(now.as_millis() - 60_000),
            duration_ms: 60_000,
            instances: 2,
            memory: kiln_types::MemoryMb::new(1_024).unwrap(),
            architecture: Architecture::X86_64,
        };
        let idle = ProvisionedRecord {
            function: fixture.id("idle"),
            ..kept.clone()
        };
        let usage = fixture.context.deps.store.usage();
        usage.append(vec![served]).await.unwrap();
        usage.append_provisioned(vec![kept, idle]).await.unwrap();
        let usage = handle(&fixture.context, "").await.unwrap();
        let [a, idle] = &usage.functions[..] else {
            panic!("{usage:?}")
        };
        assert_eq!((a.gb_seconds, a.provisioned_gb_seconds), (0.1, 120.0));
        assert_eq!((idle.invocations, idle.provisioned_gb_seconds), (0, 120.0));
        // 120 GB-s at 4.1667 millionths of a dollar, a request, and 0.1 GB-s at 9.7222 millionths.
        assert_eq!(idle.cost_usd, "0.000500004");
        assert_eq!(a.cost_usd, "0.00050117622");
    }

    #[tokio::test]
    async fn a_time_that_is_no_number_is_refused() {
        let fixture = Fixture::new().await;
        let refused = handle(&fixture.context, "since=yesterday")
            .await
            .unwrap_err();
        assert_eq!(refused.exception, Exception::Validation);
    }
}
