//! Extensions that fail take the instance with them, and the caller is told why.

use super::*;

/// What the caller of a function with this extension gets.
async fn failure_with<E>(
    name: &'static str,
    extension: impl Fn(Peer) -> E + Send + Sync + 'static,
) -> (World, Value)
where
    E: Future<Output = Exit> + Send + 'static,
{
    let spec = spec("provided.al2023");
    let world = World::with_extensions(config(), spec, &[name], echo, extension);
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    let document = serde_json::from_slice(&report.payload).unwrap();
    (world, document)
}

fn error(document: &Value) -> (&str, &str) {
    let message = document["errorMessage"].as_str().unwrap();
    let sentence = message.split(" Error: ").nth(1).unwrap();
    (document["errorType"].as_str().unwrap(), sentence)
}

#[tokio::test]
async fn one_that_ends_in_an_invocation_is_a_crash() {
    let spec = spec("provided.al2023");
    let runtime = |peer: Peer| async move {
        let mut client = Client::connect(peer.api).await;
        client.next().await;
        std::future::pending().await
    };
    let world = World::with_extensions(config(), spec, &["ends"], runtime, |peer| async move {
        let mut extension = Extension::register(&peer, "ends", &["INVOKE"]).await;
        extension.next().await;
        Exit::Code(3)
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    assert_eq!(report.status, InvocationStatus::Crash);
    let document = serde_json::from_slice(&report.payload).unwrap();
    assert_eq!(error(&document), ("Extension.Crash", "exit status 3"));
    world.handle.stopped().await;
    let lines = world.sink.lines();
    let is_said = |line: &String| line.ends_with("exit status 3\nExtension.Crash");
    assert!(lines.iter().any(is_said), "{lines:?}");
}

#[tokio::test]
async fn one_that_ends_before_it_registers_fails_init_twice() {
    let (world, document) = failure_with("ends", |_| async { Exit::Code(0) }).await;
    assert_eq!(error(&document), ("Extension.Crash", "exit code 0"));
    world.handle.stopped().await;
    assert_eq!(
        world.seen.leases.load(std::sync::atomic::Ordering::Relaxed),
        2
    );
    let lines = world.sink.lines();
    let reports = lines
        .iter()
        .filter(|line| line.contains("Error Type: Extension.Crash"))
        .count();
    assert!(reports >= 2, "{lines:?}");
}

#[tokio::test]
async fn what_an_extension_has_said_before_it_ends_is_the_class() {
    for (path, class) in [
        ("init/error", "Extension.InitError"),
        ("exit/error", "Extension.ExitError"),
    ] {
        let (_world, document) = failure_with("fails", move |peer| async move {
            let mut extension = Extension::register(&peer, "fails", &["INVOKE"]).await;
            let said = extension.send(Method::POST, path).await;
            assert_eq!(said.status, 202);
            Exit::Code(1)
        })
        .await;
        assert_eq!(error(&document), (class, "exit status 1"));
    }
}

#[tokio::test]
async fn one_that_cannot_be_executed_is_a_launch_error() {
    let (world, document) = failure_with("not-executable", |_| async { Exit::Code(0) }).await;
    let expected = "fork/exec /opt/extensions/not-executable: permission denied";
    assert_eq!(error(&document), ("Extension.LaunchError", expected));
    world.handle.stopped().await;
}

#[tokio::test]
async fn more_than_ten_are_too_many() {
    let names: Vec<String> = (0..11).map(|number| format!("e{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let spec = spec("provided.al2023");
    let world = World::with_extensions(config(), spec, &names, echo, witness);
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    let document = serde_json::from_slice(&report.payload).unwrap();
    let expected = ("TooManyExtensions", "Extension limit (10) reached");
    assert_eq!(error(&document), expected);
}

#[tokio::test]
async fn one_that_never_registers_is_a_timeout_of_init() {
    let config = crate::Config {
        init_timeout: Duration::from_millis(50),
        ..config()
    };
    let spec = spec("provided.al2023");
    let world = World::with_extensions(config, spec, &["hangs"], echo, |_| async {
        std::future::pending().await
    });
    let report = world.handle.invoke(invocation("1")).await.unwrap();
    let document: Value = serde_json::from_slice(&report.payload).unwrap();
    assert_eq!(document["errorType"], "Sandbox.Timedout");
    assert!(!world.seen.noted().contains(&"runtime".to_owned()));
}

#[tokio::test]
async fn an_instance_whose_extension_ends_between_invocations_takes_no_more() {
    let spec = spec("provided.al2023");
    let world = World::with_extensions(config(), spec, &["ends"], custom, |peer| async move {
        let mut extension = Extension::register(&peer, "ends", &["INVOKE"]).await;
        extension.next().await;
        // Its next request says that it is done, and then it ends.
        let _ = tokio::time::timeout(Duration::from_millis(100), extension.next()).await;
        Exit::Code(0)
    });
    world.handle.invoke(invocation("1")).await.unwrap();
    world.handle.stopped().await;
    let refused = world.handle.invoke(invocation("1")).await;
    assert_eq!(refused.unwrap_err(), crate::Error::Lost);
}
