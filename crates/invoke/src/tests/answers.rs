//! Answers that come before their instances are done.

use super::*;

#[tokio::test]
async fn caller_has_its_answer_before_its_instance_is_done_with_it() {
    let tail = Duration::from_millis(1500)..Duration::from_millis(1501);
    let behaviour = Behaviour {
        tail: tail.clone(),
        ..Behaviour::default()
    };
    let fixture = Fixture::new(behaviour, vec![function("sum")]).await;
    let answer = fixture.invoke("sum").await.unwrap().report.unwrap();
    assert!(answer.duration < tail.start);
    // The instance is not free: who comes now gets another.
    assert_eq!(fixture.scheduler.statistics().total().busy, 1);
    fixture.invoke("sum").await.unwrap();
    assert_eq!(fixture.starts().await, 2);
    fixture
        .until("the return of both", |fixture| {
            fixture.scheduler.statistics().total().idle == 2
        })
        .await;
    fixture.meter.flush().await.unwrap();
    let kept = fixture.store.usage().recent(&id("sum"), 10).await.unwrap();
    let tail_us = tail.start.as_micros() as u64;
    assert!(kept.iter().all(|record| record.duration_us >= tail_us));
    fixture.close().await;
}

#[tokio::test]
async fn instance_that_is_done_soon_after_its_answer_is_found_by_the_same_caller() {
    let tail = Duration::from_millis(1)..Duration::from_millis(2);
    let behaviour = Behaviour {
        tail,
        ..Behaviour::default()
    };
    let fixture = Fixture::new(behaviour, vec![function("sum")]).await;
    for _ in 0..20 {
        fixture.invoke("sum").await.unwrap();
    }
    assert_eq!(fixture.starts().await, 1);
    assert_eq!(fixture.host.seen().overlaps, 0);
    fixture.close().await;
}
