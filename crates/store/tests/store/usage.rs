//! Usage records and their sums.

use kiln_types::{
    Architecture, EphemeralMb, InvocationStatus, MemoryMb, ProvisionedRecord, RequestId,
    RestoreUsage, Timestamp, Traffic, UsageRecord, Version,
};

use crate::sample::{Sample, account, id};

pub fn record(name: &str, started_ms: i64) -> UsageRecord {
    UsageRecord {
        request_id: RequestId::random(),
        function: id(name),
        version: Version::Latest,
        started: Timestamp::from_millis(started_ms),
        init_us: None,
        restore: None,
        duration_us: 1_500,
        billed_ms: 2,
        memory: MemoryMb::new(128).unwrap(),
        memory_peak_mb: 40,
        ephemeral: EphemeralMb::new(512).unwrap(),
        architecture: Architecture::X86_64,
        cpu_us: 900,
        traffic: Traffic {
            received_bytes: 5_000,
            sent_bytes: 300,
        },
        status: InvocationStatus::Success,
        provisioned: false,
    }
}

/// Two instances of version 1 with 128 MB, kept ready for so long.
fn kept(name: &str, started_ms: i64, duration_ms: u64) -> ProvisionedRecord {
    ProvisionedRecord {
        function: id(name),
        version: Version::Published(1),
        started: Timestamp::from_millis(started_ms),
        duration_ms,
        instances: 2,
        memory: MemoryMb::new(128).unwrap(),
        architecture: Architecture::X86_64,
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

#[tokio::test]
async fn records_read_back_the_latest_first_also_after_a_restart() {
    let sample = Sample::new();
    let mut records: Vec<_> = (0..5).map(|i| record("sum", i)).collect();
    records[1].init_us = Some(70_000);
    records[0].restore = Some(RestoreUsage {
        duration_us: 2_900,
        billed_ms: 1,
    });
    records[0].status = InvocationStatus::RestoreTimeout;
    records[2].status = InvocationStatus::OutOfMemory;
    records[3].version = Version::Published(7);
    records[4].architecture = Architecture::Arm64;
    records[4].provisioned = true;
    sample.store.usage().append(records.clone()).await.unwrap();
    sample
        .store
        .usage()
        .append(vec![record("other", 9)])
        .await
        .unwrap();
    let sample = sample.reopened().await;
    records.reverse();
    assert_eq!(
        sample.store.usage().recent(&id("sum"), 100).await.unwrap(),
        records
    );
    assert_eq!(
        sample.store.usage().recent(&id("sum"), 2).await.unwrap(),
        records[..2]
    );
}

#[tokio::test]
async fn a_summary_adds_up_what_started_within_the_period() {
    let sample = Sample::new();
    let mut failed = record("sum", 20);
    failed.status = InvocationStatus::Timeout;
    failed.memory = MemoryMb::new(1_024).unwrap();
    failed.billed_ms = 3_000;
    failed.duration_us = 3_000_000;
    failed.ephemeral = EphemeralMb::new(1_512).unwrap();
    failed.memory_peak_mb = 900;
    failed.init_us = Some(5);
    let mut restored = record("sum", 10);
    restored.restore = Some(RestoreUsage {
        duration_us: 2_900,
        billed_ms: 1,
    });
    let records = vec![record("sum", 9), restored, failed, record("sum", 30)];
    sample.store.usage().append(records).await.unwrap();
    let sums = sample
        .store
        .usage()
        .summary(&account(), at(10), at(30))
        .await
        .unwrap();
    let [sum] = sums.as_slice() else {
        panic!("one function, one summary: {sums:?}")
    };
    assert_eq!(sum.function, id("sum"));
    assert_eq!((sum.count, sum.errors, sum.inits), (2, 1, 1));
    assert_eq!((sum.restores, sum.restore_billed_ms), (1, 1));
    assert_eq!(sum.billed_ms, 3_002);
    assert_eq!(sum.memory_mb_ms, 128 * 2 + 1_024 * 3_000);
    assert_eq!(sum.ephemeral_extra_mb_ms, 1_000 * 3_000);
    assert_eq!((sum.cpu_us, sum.memory_peak_mb), (1_800, 900));
    let traffic = Traffic {
        received_bytes: 10_000,
        sent_bytes: 600,
    };
    assert_eq!(sum.traffic, traffic);
    assert_eq!(
        (sum.duration_p50_us, sum.duration_p99_us),
        (1_500, 3_000_000)
    );
}

#[tokio::test]
async fn summaries_are_per_function_and_architecture_and_account() {
    let sample = Sample::new();
    let mut arm = record("b", 2);
    arm.architecture = Architecture::Arm64;
    let mut foreign = record("a", 2);
    foreign.function.account = "123456789012".parse().unwrap();
    let records = vec![record("b", 1), arm, record("b", 3), record("a", 4), foreign];
    sample.store.usage().append(records).await.unwrap();
    let sums = sample
        .store
        .usage()
        .summary(&account(), at(0), at(100))
        .await
        .unwrap();
    let found: Vec<_> = sums
        .iter()
        .map(|sum| {
            (
                sum.function.name.as_str(),
                sum.architecture.as_str(),
                sum.count,
            )
        })
        .collect();
    assert_eq!(
        found,
        [("a", "x86_64", 1), ("b", "x86_64", 2), ("b", "arm64", 1)]
    );
}

#[tokio::test]
async fn usage_from_before_the_cutoff_is_forgotten() {
    let sample = Sample::new();
    let usage = sample.store.usage();
    // More than one transaction removes.
    let records = (0..10_050).map(|i| record("sum", i)).collect();
    usage.append(records).await.unwrap();
    assert_eq!(usage.expire(at(10_048)).await.unwrap(), 10_048);
    assert_eq!(usage.expire(at(10_048)).await.unwrap(), 0);
    let left = usage.recent(&id("sum"), 9).await.unwrap();
    let left: Vec<_> = left.iter().map(|left| left.started).collect();
    assert_eq!(left, [at(10_049), at(10_048)]);
}

#[tokio::test]
async fn what_was_kept_ready_is_added_up_once_also_after_a_restart() {
    let sample = Sample::new();
    let usage = sample.store.usage();
    let mut served = record("b", 15);
    served.provisioned = true;
    let invocations = vec![record("b", 15), served, record("c", 15)];
    usage.append(invocations).await.unwrap();
    let arm = ProvisionedRecord {
        version: Version::Published(2),
        architecture: Architecture::Arm64,
        ..kept("b", 11, 1)
    };
    let records = vec![
        kept("a", 10, 1_000),
        kept("b", 9, 5),
        kept("b", 10, 60_000),
        kept("b", 60_010, 7),
        arm,
        kept("b", 70_000, 5),
    ];
    usage.append_provisioned(records.clone()).await.unwrap();
    let sample = sample.reopened().await;
    // Somebody who does not know that they are there.
    let usage = sample.store.usage();
    usage.append_provisioned(records).await.unwrap();
    let summary = usage.summary(&account(), at(10), at(70_000)).await.unwrap();
    let sums: Vec<_> = summary
        .iter()
        .map(|sum| {
            let name = sum.function.name.as_str();
            let invoked = (sum.count, sum.memory_mb_ms, sum.memory_on_provisioned_mb_ms);
            (name, sum.architecture, invoked, sum.provisioned_mb_ms)
        })
        .collect();
    let (x86, arm) = (Architecture::X86_64, Architecture::Arm64);
    assert_eq!(
        sums,
        [
            ("a", x86, (0, 0, 0), 256 * 1_000),
            ("b", arm, (0, 0, 0), 256),
            ("b", x86, (2, 512, 256), 256 * (4 + 60_000 + 7)),
            ("c", x86, (1, 256, 0), 0),
        ]
    );
}

#[tokio::test]
async fn a_record_that_grows_is_one_and_counts_where_it_was() {
    let sample = Sample::new();
    let usage = sample.store.usage();
    for minute in [1, 3, 2] {
        let records = vec![kept("a", 1_000, minute * 60_000)];
        usage.append_provisioned(records).await.unwrap();
    }
    let sum = async |since, until| {
        let sums = usage.summary(&account(), at(since), at(until)).await;
        sums.unwrap().first().map(|sum| sum.provisioned_mb_ms / 256)
    };
    assert_eq!(sum(0, 1_000_000).await, Some(180_000));
    assert_eq!(sum(0, 2_000).await, Some(1_000));
    assert_eq!(sum(171_000, 1_000_000).await, Some(10_000));
    assert_eq!(sum(10_000, 11_000).await, Some(1_000));
    assert_eq!(sum(181_000, 1_000_000).await, None);
}

#[tokio::test]
async fn what_was_kept_ready_is_forgotten_with_the_invocations_of_its_time() {
    let sample = Sample::new();
    let usage = sample.store.usage();
    usage.append(vec![record("a", 9)]).await.unwrap();
    let records = vec![kept("a", 9, 1), kept("a", 10, 1)];
    usage.append_provisioned(records).await.unwrap();
    assert_eq!(usage.expire(at(10)).await.unwrap(), 2);
    let left = usage.summary(&account(), at(0), at(100)).await.unwrap();
    assert_eq!((left[0].count, left[0].provisioned_mb_ms), (0, 256));
}
