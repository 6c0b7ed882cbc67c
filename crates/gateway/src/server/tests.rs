//! The server over real connections: signed calls, limits and shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kiln_store::{AccessKey, Store};
use kiln_types::{
    Clock, Configuration, FunctionId, InvocationReport, InvocationStatus, Outcome, SystemClock,
    Timestamp, Version,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Auth, Config, Deps, Gateway, Invoke, Invoking, Limits};

mod bodies;
mod framing;
mod perimeter;

/// Answers nothing until it is told to go on.
struct Slow {
    go_on: CancellationToken,
    asked: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
}

impl Invoke for Slow {
    fn invoke(&self, request: kiln_invoke::Request) -> Invoking<'_> {
        Box::pin(async move {
            self.asked.fetch_add(1, SeqCst);
            self.go_on.cancelled().await;
            self.done.fetch_add(1, SeqCst);
            Ok(Outcome {
                request_id: request.request_id,
                executed_version: Version::Latest,
                report: Some(InvocationReport {
                    status: InvocationStatus::Success,
                    payload: request.payload,
                    started: Timestamp::default(),
                    duration: Duration::from_millis(1),
                    share: None,
                    init: None,
                    restore: None,
                    memory_peak_bytes: 1,
                    cpu: Duration::ZERO,
                    traffic: Default::default(),
                    log_tail: None,
                }),
            })
        })
    }
    fn stream(&self, _: kiln_invoke::Request) -> Result<kiln_invoke::Stream, kiln_invoke::Error> {
        unreachable!("these tests stream nothing")
    }
    fn readiness(&self, _: &FunctionId, _: &Configuration) -> Option<kiln_invoke::Readiness> {
        None
    }
}

struct Server {
    address: SocketAddr,
    key: Arc<AccessKey>,
    clock: Arc<SystemClock>,
    store: Store,
    shutdown: CancellationToken,
    go_on: CancellationToken,
    asked: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    served: tokio::task::JoinHandle<Result<(), crate::Error>>,
    _dir: tempfile::TempDir,
}

impl Server {
    async fn start(auth: Auth, limits: Limits) -> Self {
        Self::start_at(auth, limits, None, None).await
    }

    /// With TLS, with a listener for administration, or with both.
    async fn start_at(
        auth: Auth,
        limits: Limits,
        tls: Option<crate::Tls>,
        admin: Option<TcpListener>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::start());
        let config = kiln_store::Config::new(dir.path());
        let store = Store::open(config, clock.clone()).unwrap();
        let account = "000000000000".parse().unwrap();
        let key = store
            .keys()
            .create(&account, "administrator")
            .await
            .unwrap();
        let go_on = CancellationToken::new();
        let (asked, done) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let tracker = TaskTracker::new();
        let deps = Deps {
            fan_out: kiln_invoke::FanOut::new(store.clone(), Default::default()),
            store: store.clone(),
            invoker: Arc::new(Slow {
                go_on: go_on.clone(),
                asked: asked.clone(),
                done: done.clone(),
            }),
            clock: clock.clone(),
            images: kiln_image::Sources::new(Default::default()).unwrap(),
            fetches: Default::default(),
            stopping: Default::default(),
            tracker: tracker.clone(),
            runtimes: vec!["python3.11".to_owned()],
            compile: None,
            status: Box::new(Default::default),
        };
        let config = Config {
            region: "us-east-1".parse().unwrap(),
            account,
            auth,
            audits_data: false,
            functions: crate::config::FunctionRights::Role,
            endpoint: "http://localhost:4566".parse().unwrap(),
            account_concurrency: 1_000,
            memory_budget_mb: 4_096,
            file_systems: Default::default(),
            host_services: Default::default(),
            is_administered_apart: admin.is_some(),
            limits,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let gateway = Gateway::new(config, deps);
        let listeners = crate::Listeners {
            public: listener,
            admin,
            tls,
        };
        let served = tracker.spawn(gateway.serve(listeners, shutdown.clone()));
        Self {
            address,
            key,
            clock,
            store,
            shutdown,
            go_on,
            asked,
            done,
            served,
            _dir: dir,
        }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
        self.store.close().await.unwrap();
    }

    /// A request's bytes, signed with the server's key.
    fn signed(
        &self,
        service: &str,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let credentials = Credentials::new(&self.key.id, &self.key.secret, None, None, "test");
        let identity = credentials.into();
        let millis = self.clock.timestamp().as_millis().unsigned_abs();
        let params = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(std::time::UNIX_EPOCH + Duration::from_millis(millis))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let url = format!("http://{}{uri}", self.address);
        let signable = SignableRequest::new(
            method,
            &url,
            headers.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        );
        let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
        let mut text = format!("{method} {uri} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            text += &format!("{name}: {value}\r\n");
        }
        text + &format!("content-length: {}\r\n\r\n{body}", body.len())
    }

    async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }

    async fn call(&self, method: &str, uri: &str, body: &str) -> Answer {
        self.send(&self.signed("lambda", method, uri, &[], body))
            .await
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    let status = head[9..12].parse().unwrap();
                    return Self {
                        status,
                        head,
                        body: body.to_owned(),
                    };
                }
            }
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).await.unwrap();
            assert!(count > 0, "the connection ended after {text:?}");
            bytes.extend_from_slice(&chunk[..count]);
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[tokio::test]
async fn health_needs_no_signature_and_everything_else_does() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let health = server
        .send("GET /_kiln/health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert_eq!(
        (health.status, health.json()),
        (200, json!({"live": true, "ready": true}))
    );
    for path in ["/2015-03-31/functions", "/_kiln/usage", "/"] {
        let answer = server
            .send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(
            answer
                .head
                .contains("x-amzn-errortype: missingauthenticationtokenexception")
        );
        assert_eq!(
            answer.json(),
            json!({"message": "Missing Authentication Token"})
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let signed = server.call("GET", "/2015-03-31/functions", "").await;
    let refused = server.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    for answer in [signed, refused] {
        let id = answer.head.split("x-amzn-requestid: ").nth(1).unwrap();
        assert!(id[..36].parse::<kiln_types::RequestId>().is_ok(), "{id}");
    }
    server.stop().await;
}

#[tokio::test]
async fn each_service_is_reached_and_answers_in_its_own_protocol() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let list = server.call("GET", "/2015-03-31/functions", "").await;
    assert_eq!(
        (list.status, list.json()["Functions"].clone()),
        (200, json!([]))
    );
    let target = [
        ("x-amz-target", "Logs_20140328.DescribeLogGroups"),
        ("content-type", "application/x-amz-json-1.1"),
    ];
    let groups = server
        .send(&server.signed("logs", "POST", "/", &target, "{}"))
        .await;
    assert_eq!(
        (groups.status, groups.json()),
        (200, json!({"logGroups": []}))
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let identity = server
        .send(&server.signed("sts", "POST", "/", &form, body))
        .await;
    assert_eq!(identity.status, 200);
    let expected = "<Arn>arn:aws:iam::000000000000:user/administrator</Arn>";
    assert!(identity.body.contains(expected), "{}", identity.body);
    let wrong = server
        .send(&server.signed("sts", "POST", "/", &form, "Action=Nonsense"))
        .await;
    assert!(
        wrong.body.contains("<Code>InvalidAction</Code>"),
        "{}",
        wrong.body
    );
    server.stop().await;
}

#[tokio::test]
async fn an_operation_without_a_handler_is_named_in_a_plain_sentence() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let answer = server
        .call("GET", "/2025-11-30/capacity-providers", "")
        .await;
    assert_eq!(answer.status, 501);
    assert_eq!(
        answer.json(),
        json!({"message": "Kiln does not have ListCapacityProviders yet."})
    );
    let dns = server
        .send(&server.signed("route53", "GET", "/2013-04-01/hostedzone", &[], ""))
        .await;
    let expected = "<Error><Code>NotImplementedException</Code>\
                    <Message>Kiln does not have the service route53 yet.</Message>";
    assert!(dns.body.contains(expected), "{}", dns.body);
    let unknown = server.call("GET", "/nonsense", "").await;
    assert_eq!(unknown.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_tampered_body_is_refused() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let request = server.signed("lambda", "POST", "/2015-03-31/functions", &[], "{\"a\":1}");
    let answer = server
        .send(&request.replace("{\"a\":1}", "{\"a\":2}"))
        .await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.head.contains("invalidsignatureexception"),
        "{}",
        answer.head
    );
    server.stop().await;
}

#[tokio::test]
async fn any_credentials_will_do_for_development_but_not_from_a_web_page() {
    let server = Server::start(Auth::AnyCredentials, Limits::default()).await;
    let request = server.signed("lambda", "GET", "/2015-03-31/functions", &[], "");
    assert_eq!(
        server
            .send(&request.replace("Signature=", "Signature=0"))
            .await
            .status,
        200
    );
    let unsigned = "GET /2015-03-31/functions HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert_eq!(server.send(unsigned).await.status, 200);
    let page = unsigned.replace("localhost", "localhost\r\norigin: https://example.com");
    assert_eq!(server.send(&page).await.status, 403);
    let rebound = unsigned.replace("localhost", "example.com:4566");
    assert_eq!(server.send(&rebound).await.status, 403);
    server.stop().await;
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let limits = Limits {
        head_timeout: Duration::from_millis(100),
        body_pause_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Server::start(Auth::Enforce, limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /2015-").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"));
    let whole = server.signed(
        "lambda",
        "POST",
        "/2015-03-31/functions",
        &[],
        "{\"abc\":1}",
    );
    let answer = server.send(&whole[..whole.len() - 3]).await;
    assert_eq!(answer.status, 408);
    server.stop().await;
}

#[tokio::test]
async fn heads_with_too_much_in_them_are_refused() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let many: String = (0..200).map(|index| format!("x-{index}: y\r\n")).collect();
    let answer = server
        .send(&format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"))
        .await;
    assert_eq!(answer.status, 431);
    let long = "y".repeat(300 * 1024);
    let answer = server
        .send(&format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n"))
        .await;
    assert_eq!(answer.status, 431);
    server.stop().await;
}

/// An invocation that the slow invoker has accepted and does not answer yet.
async fn invocation(server: &Server) -> TcpStream {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("index.py", zip::write::SimpleFileOptions::default())
        .unwrap();
    let zip = STANDARD.encode(zip.finish().unwrap().into_inner());
    let function = json!({
        "FunctionName": "sum", "Runtime": "python3.11", "Handler": "index.handler",
        "Role": "arn:aws:iam::000000000000:role/r", "Code": {"ZipFile": zip},
    });
    let created = server
        .call("POST", "/2015-03-31/functions", &function.to_string())
        .await;
    assert_eq!(created.status, 201, "{}", created.body);
    let uri = "/2015-03-31/functions/sum/invocations";
    let request = server.signed("lambda", "POST", uri, &[], "{}");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    while server.asked.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stream
}

#[tokio::test]
async fn shutdown_lets_requests_in_flight_finish() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let mut stream = invocation(&server).await;
    server.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(server.address).await.is_err());
    server.go_on.cancel();
    assert_eq!(Answer::read(&mut stream).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_cuts_off_what_takes_too_long() {
    let limits = Limits {
        shutdown_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Server::start(Auth::Enforce, limits).await;
    let mut stream = invocation(&server).await;
    server.shutdown.cancel();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    server.go_on.cancel();
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_nothing() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    drop(invocation(&server).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.go_on.cancel();
    let done = async {
        while server.done.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), done)
        .await
        .unwrap();
    server.stop().await;
}
