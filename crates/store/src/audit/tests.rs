//! What the chain finds.

use tempfile::TempDir;

use super::*;

struct Log {
    audit: Audit,
    dir: TempDir,
}

fn account() -> AccountId {
    "000000000000".parse().unwrap()
}

async fn log(count: i64) -> Log {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    for number in 1..=count {
        let time = Timestamp::from_millis(number * 1_000);
        let record = format!("{{\"number\":{number}}}");
        audit.append(&account(), time, record).await.unwrap();
    }
    Log { audit, dir }
}

impl Log {
    /// What somebody does who has the file.
    fn tamper(&self, sql: &str) {
        let file = Connection::open(self.dir.path().join(AUDIT.file)).unwrap();
        file.execute_batch(sql).unwrap();
    }

    async fn verify(&self, known: Option<Head>) -> Result<Head, Broken> {
        self.audit.verify(known).await.unwrap()
    }

    async fn list(&self, before: Option<i64>, count_max: u32) -> Vec<i64> {
        let query = AuditQuery {
            account: account(),
            before,
            since: Timestamp::from_millis(0),
            until: Timestamp::from_millis(i64::MAX),
            count_max,
        };
        let listed = self.audit.list(query).await.unwrap();
        listed.iter().map(|record| record.number).collect()
    }
}

#[tokio::test]
async fn records_are_listed_from_the_last_one_back() {
    let log = log(5).await;
    assert_eq!(log.list(None, 2).await, [5, 4]);
    assert_eq!(log.list(Some(4), 9).await, [3, 2, 1]);
    assert_eq!(log.verify(None).await.unwrap().number, 5);
}

#[tokio::test]
async fn the_chain_goes_on_after_a_restart() {
    let log = log(2).await;
    let head = log.verify(None).await.unwrap();
    log.audit.close().await.unwrap();
    let again = Audit::open(log.dir.path()).unwrap();
    again
        .append(&account(), Timestamp::from_millis(0), "{}".into())
        .await
        .unwrap();
    let later = again.verify(Some(head)).await.unwrap().unwrap();
    assert_eq!(later.number, 3);
}

#[tokio::test]
async fn an_edit_a_gap_and_a_new_record_in_between_are_found() {
    for (sql, broken) in [
        (
            "UPDATE audit SET record = '{}' WHERE number = 3",
            Broken::Altered(3),
        ),
        (
            "UPDATE audit SET account = '111111111111' WHERE number = 3",
            Broken::Altered(3),
        ),
        (
            "UPDATE audit SET time = 0 WHERE number = 3",
            Broken::Altered(3),
        ),
        (
            "UPDATE audit SET format = 1 WHERE number = 3",
            Broken::Altered(3),
        ),
        (
            "UPDATE audit SET format = 9 WHERE number = 3",
            Broken::Altered(3),
        ),
        (
            "UPDATE audit SET record = CAST(x'7bff7d' AS TEXT) WHERE number = 3",
            Broken::Altered(3),
        ),
        (
            "UPDATE audit SET account = substr(account, 1, 11), record = substr(account, 12) || record
             WHERE number = 3",
            Broken::Altered(3),
        ),
        (
            "UPDATE audit SET hash = zeroblob(32) WHERE number = 3",
            Broken::Altered(3),
        ),
        ("DELETE FROM audit WHERE number = 3", Broken::Missing(3)),
        ("DELETE FROM audit WHERE number = 1", Broken::Missing(1)),
        (
            "DELETE FROM audit WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 4",
            Broken::Altered(3),
        ),
    ] {
        let log = log(5).await;
        log.tamper(sql);
        assert_eq!(log.verify(None).await, Err(broken), "{sql}");
    }
}

#[tokio::test]
async fn an_end_that_was_cut_off_is_found_by_who_noted_the_head() {
    let log = log(5).await;
    let head = log.verify(None).await.unwrap();
    assert_eq!(head.to_string().parse(), Ok(head.clone()));
    log.tamper("DELETE FROM audit WHERE number > 3");
    assert_eq!(log.verify(None).await.unwrap().number, 3);
    let found = log.verify(Some(head.clone())).await;
    assert_eq!(found, Err(Broken::Unknown(head)));
}

#[tokio::test]
async fn what_is_old_goes_from_the_front_and_the_rest_still_holds() {
    let log = log(5).await;
    let early = log.audit.verify(None).await.unwrap().unwrap();
    let removed = log
        .audit
        .expire(Timestamp::from_millis(3_000))
        .await
        .unwrap();
    assert_eq!((removed, log.list(None, 9).await), (2, vec![5, 4, 3]));
    assert_eq!(log.verify(Some(early)).await.unwrap().number, 5);
    let removed = log
        .audit
        .expire(Timestamp::from_millis(9_000))
        .await
        .unwrap();
    assert_eq!(removed, 3);
    let end = log.verify(None).await.unwrap();
    assert_eq!(end.number, 5, "numbers are not given again");
    log.tamper("UPDATE audit_start SET number = 4");
    log.audit
        .append(&account(), Timestamp::from_millis(0), "{}".into())
        .await
        .unwrap();
    assert!(log.verify(Some(end)).await.is_err());
}

#[tokio::test]
async fn records_whose_times_were_altered_are_not_removed_as_old() {
    let log = log(5).await;
    log.tamper("UPDATE audit SET time = 0 WHERE number <= 3");
    let cutoff = Timestamp::from_millis(500);
    assert!(log.audit.expire(cutoff).await.is_err());
    assert_eq!(log.list(None, 9).await, [5, 4, 3, 2, 1]);
    assert_eq!(log.verify(None).await, Err(Broken::Altered(1)));
}

#[tokio::test]
async fn what_an_older_kiln_wrote_is_covered_as_it_was() {
    let log = log(1).await;
    let mut head = log.verify(None).await.unwrap();
    for format in [Format::Record, Format::Joined] {
        let entry = Entry {
            time_ms: 2_000,
            account: account().to_string(),
            record: "{}".to_owned(),
            format,
        };
        let hash = head.next(&entry);
        log.tamper(&format!(
            "INSERT INTO audit (number, time, account, record, hash, format)
             VALUES ({}, 2000, '{}', '{{}}', x'{hash}', {})",
            head.number + 1,
            account(),
            format as i64
        ));
        head = log.verify(None).await.unwrap();
    }
    assert_eq!(head.number, 3);
    log.audit
        .append(&account(), Timestamp::from_millis(3_000), "{}".into())
        .await
        .unwrap();
    assert_eq!(log.verify(None).await.unwrap().number, 4);
}
