//! Reserved concurrency: from the answer of its change on, not from when the scheduler is told.

use super::*;

/// Sets a reservation while this thread does nothing else: whoever follows changes has not seen it when
/// this returns, since it runs on this thread too.
fn reserve(fixture: &Fixture, concurrency: Option<u32>) {
    let change = move |function: &mut Function| {
        function.reserved_concurrency = concurrency;
        Ok::<_, kiln_store::Error>(())
    };
    std::thread::scope(|scope| {
        let changed = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let id = id("sum");
            let changed = fixture.store.update_function(&id, change);
            runtime.unwrap().block_on(changed).unwrap();
        });
        changed.join().unwrap();
    });
}

/// Why so many invocations at once were refused.
async fn refused(fixture: &Fixture, at_once: usize) -> Vec<ThrottleReason> {
    let invoke = || {
        let invoker = fixture.invoker.clone();
        fixture
            .tracker
            .spawn(async move { invoker.invoke(request("sum")).await })
    };
    let invocations: Vec<_> = (0..at_once).map(|_| invoke()).collect();
    let mut refused = Vec::new();
    for invocation in invocations {
        match invocation.await.unwrap() {
            Ok(_) => {}
            Err(Error::Throttled { reason, .. }) => refused.push(reason),
            Err(error) => panic!("got {error:?}"),
        }
    }
    refused
}

#[tokio::test]
async fn a_reservation_holds_for_the_invocations_right_after_it() {
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum")]).await;
    for _ in 0..20 {
        reserve(&fixture, Some(1));
        let one = refused(&fixture, 2).await;
        assert_eq!(one, [ThrottleReason::ReservedConcurrency]);
        reserve(&fixture, Some(2));
        assert_eq!(refused(&fixture, 2).await, []);
        reserve(&fixture, None);
        assert_eq!(refused(&fixture, 3).await, []);
        reserve(&fixture, Some(0));
        let all = refused(&fixture, 2).await;
        assert_eq!(all, [ThrottleReason::ReservedConcurrency; 2]);
    }
    fixture.close().await;
}

#[tokio::test]
async fn a_dry_run_takes_no_concurrency() {
    let stopped = Function {
        reserved_concurrency: Some(0),
        ..function("sum")
    };
    let fixture = Fixture::new(Behaviour::default(), vec![stopped]).await;
    let dry = Request {
        kind: Kind::DryRun,
        ..request("sum")
    };
    assert!(fixture.invoker.invoke(dry).await.is_ok());
    fixture.close().await;
}

#[tokio::test]
async fn reserved_concurrency_of_zero_throttles() {
    let stopped = Function {
        reserved_concurrency: Some(0),
        ..function("sum")
    };
    let fixture = Fixture::new(Behaviour::default(), vec![stopped]).await;
    let error = fixture.invoke("sum").await.unwrap_err();
    let Error::Throttled {
        reason,
        retry_after,
    } = error
    else {
        panic!("got {error:?}")
    };
    assert_eq!(reason, ThrottleReason::ReservedConcurrency);
    assert!(retry_after > Duration::ZERO);
    fixture.close().await;
}

#[tokio::test]
async fn reservation_of_a_function_nobody_called_counts() {
    let greedy = Function {
        reserved_concurrency: Some(10),
        ..function("greedy")
    };
    let fixture = Fixture::new(Behaviour::default(), vec![function("sum"), greedy]).await;
    let error = fixture.invoke("sum").await.unwrap_err();
    let Error::Throttled { reason, .. } = error else {
        panic!("got {error:?}")
    };
    assert_eq!(reason, ThrottleReason::AccountConcurrency);
    fixture.close().await;
}
