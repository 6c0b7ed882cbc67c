//! The edge over real connections: TLS, and administration at an address of its own.

use std::io::{Read as _, Write as _};

use kiln_testkit::authority::Authority;

use super::*;
use crate::{Tls, TlsFiles};

const HEALTH: &str = "GET /_kiln/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

async fn secured(limits: Limits) -> (Server, Arc<Authority>) {
    let authority = Arc::new(Authority::new());
    let files = TlsFiles {
        certificate: authority.path("server.pem"),
        key: authority.path("server.key"),
    };
    let tls = Tls::open(files, Arc::new(SystemClock::start())).unwrap();
    let server = Server::start_at(Auth::Enforce, limits, Some(tls), None).await;
    (server, authority)
}

/// What the server answers over TLS.
async fn ask(server: &Server, authority: &Arc<Authority>) -> String {
    let (port, authority) = (server.address.port(), authority.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = authority.connect(port);
        stream.write_all(HEALTH.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    asked.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_over_tls_are_answered_and_the_connection_ends_as_tls_wants() {
    let (server, authority) = secured(Limits::default()).await;
    // Reading to the end fails unless the server says that it is the end.
    let answer = ask(&server, &authority).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_and_senseless_handshakes_keep_nobody_waiting_and_end() {
    let limits = Limits {
        handshake_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let (server, authority) = secured(limits).await;
    let mut strangers = Vec::new();
    for number in 0..60_u8 {
        let mut stranger = TcpStream::connect(server.address).await.unwrap();
        let bytes: &[u8] = match number % 3 {
            0 => &[],
            1 => &[0x16, 3, 1, 2, 0, 1],
            _ => &[0; 64],
        };
        stranger.write_all(bytes).await.unwrap();
        strangers.push(stranger);
    }
    let answer = ask(&server, &authority).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for mut stranger in strangers {
        let mut read = Vec::new();
        let ended = stranger.read_to_end(&mut read);
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert!(ended.is_ok(), "it is still connected");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_count_as_connections() {
    let limits = Limits {
        connections_max: 2,
        handshake_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let (server, authority) = secured(limits).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    let begun = server.clock.now();
    let answer = ask(&server, &authority).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let waited = server.clock.now().since(begun);
    assert!(waited > Duration::from_millis(300), "{waited:?}");
    drop((first, second));
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_is_not_encrypted_is_told_so() {
    let (server, _authority) = secured(Limits::default()).await;
    let answer = server.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("https://"), "{}", answer.body);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_waits_for_no_handshake() {
    let (server, _authority) = secured(Limits::default()).await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::timeout(Duration::from_secs(5), server.stop())
        .await
        .unwrap();
}

#[tokio::test]
async fn administration_with_an_address_of_its_own_is_answered_there_alone() {
    let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let apart = admin.local_addr().unwrap();
    let server = Server::start_at(Auth::Enforce, Limits::default(), None, Some(admin)).await;
    let at_admin = async |method: &str, uri: &str, service: &str| {
        let mut stream = TcpStream::connect(apart).await.unwrap();
        let request = server.signed(service, method, uri, &[], "");
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer::read(&mut stream).await.status
    };
    let at_public = async |method: &str, uri: &str, service: &str| {
        let request = server.signed(service, method, uri, &[], "");
        server.send(&request).await.status
    };
    for (method, uri, admin, public) in [
        ("GET", "/_kiln/status", 200, 404),
        ("GET", "/_kiln/usage", 200, 404),
        ("GET", "/_kiln/events", 200, 404),
        ("POST", "/_kiln/events/purge?all=true", 200, 404),
        ("GET", "/_kiln/runtimes", 200, 200),
        ("GET", "/_kiln/health", 200, 200),
        ("GET", "/_kiln/nothing", 404, 404),
    ] {
        assert_eq!(at_admin(method, uri, "kiln").await, admin, "{uri}");
        assert_eq!(at_public(method, uri, "kiln").await, public, "{uri}");
    }
    let functions = "/2015-03-31/functions";
    assert_eq!(at_admin("GET", functions, "lambda").await, 404);
    assert_eq!(at_public("GET", functions, "lambda").await, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_path_that_looks_like_administration_still_belongs_to_its_host() {
    let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start_at(Auth::Enforce, Limits::default(), None, Some(admin)).await;
    for host in [
        "0123456789abcdef0123456789abcdef.lambda-url.us-east-1.localhost",
        "abc.execute-api.us-east-1.localhost",
        "bucket.s3.localhost",
    ] {
        let request = format!("GET /_kiln/status HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let answer = server.send(&request).await;
        assert!(!answer.body.contains("--admin-listen"), "{}", answer.body);
    }
    server.stop().await;
}
