//! Init that takes too long, and the end of the log.

use super::*;

#[tokio::test]
async fn an_init_that_is_too_slow_runs_again_on_the_invocation_s_time() {
    let config = Config {
        init_timeout: Duration::from_millis(50),
        ..config()
    };
    let world = World::new(config, spec("provided.al2"), |peer: Peer| async move {
        if peer.lease == 1 {
            std::future::pending::<()>().await;
        }
        echo(peer).await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Success);
    assert_eq!(report.init, None);
}

#[tokio::test]
async fn the_tail_of_the_log_ends_with_the_report_of_the_whole_invocation() {
    let world = World::custom(echo);
    let mut wanted = invocation("1");
    wanted.wants_log_tail = true;
    let report = world.handle.invoke(wanted).await.unwrap();
    let tail = String::from_utf8(report.log_tail.unwrap().to_vec()).unwrap();
    assert!(
        tail.lines()
            .last()
            .unwrap()
            .starts_with("REPORT RequestId: "),
        "{tail}"
    );
    // The report says it all already.
    assert_eq!(world.handle.settled().await, Duration::ZERO);
}
