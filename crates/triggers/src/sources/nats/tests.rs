//! Against a real server: what is heard, what is made and removed, and what survives.

use std::path::Path;
use std::time::Duration;

use kiln_testkit::Nats as Server;
use kiln_types::mapping::Begin;
use kiln_types::{EventSource, MappingId, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::record::Position;
use crate::source::Item;
use crate::tests::listener::{Listener, until};

mod published;
mod streams;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and a mapping's source of it.
struct Rig {
    server: Server,
    source: Arc<Nats>,
    secrets: TempDir,
}

fn source(endpoint: &str, heard: Heard, secrets: &Path) -> Nats {
    let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
    let source = NatsSource {
        endpoint: endpoint.parse().unwrap(),
        heard,
        credentials: Some(arn.parse().unwrap()),
        root_certificates: None,
    };
    let mapping = Mapping {
        id: MappingId::random(),
        source: EventSource::Nats(source.clone()),
        ..crate::tests::rig::mapping("sum", "orders")
    };
    let config = Config {
        secrets_dir: Some(secrets.to_owned()),
        ..Config::default()
    };
    let own = Secrets::new(config.secrets_dir.clone());
    let clock = Arc::new(SystemClock::start());
    Nats::new(&mapping, source, own, &config, clock)
}

fn stream(subject: &str, begin: Begin) -> Heard {
    Heard::Stream {
        stream: "ORDERS".parse().unwrap(),
        subject: subject.parse().unwrap(),
        begin,
    }
}

impl Rig {
    fn new(heard: Heard) -> Self {
        Self::of(Server::start(), heard)
    }

    fn of(server: Server, heard: Heard) -> Self {
        let secrets = tempfile::tempdir().unwrap();
        server.write_secret(secrets.path(), "shop");
        Self {
            source: Arc::new(source(&server.endpoint(), heard, secrets.path())),
            server,
            secrets,
        }
    }

    /// With a stream that keeps `orders.>`.
    fn with_stream(subject: &str, begin: Begin) -> Self {
        let server = Server::start();
        server.make_stream("ORDERS", &["orders.>"]);
        Self::of(server, stream(subject, begin))
    }

    fn listen(&self) -> Listener {
        self.listen_from(None)
    }

    fn listen_from(&self, position: Option<Position>) -> Listener {
        Listener::to(self.source.clone(), "nats", position).patient(PATIENCE)
    }

    /// What the server says of the mapping's consumer.
    fn consumer(&self) -> Value {
        let what = format!("CONSUMER.INFO.ORDERS.{}", self.source.name);
        self.server.ask(&what, &json!({}))
    }

    /// Messages that were handed out and not acknowledged.
    fn pending(&self) -> u64 {
        self.consumer()["num_ack_pending"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn a_server_that_speaks_tls_proves_its_name() {
    let (server, certificate) = Server::start_with_tls();
    server.make_stream("ORDERS", &["orders.>"]);
    let secrets = tempfile::tempdir().unwrap();
    let password = Server::PASSWORD;
    for host in ["localhost", "127.0.0.1"] {
        let secret = json!({"username": "kiln", "password": password, "host": host});
        std::fs::write(secrets.path().join(host), secret.to_string()).unwrap();
    }
    let root = json!({"certificate": certificate}).to_string();
    std::fs::write(secrets.path().join("root"), root).unwrap();
    let arn = |name: &str| {
        let text = format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}");
        text.parse().unwrap()
    };
    let port = server.port();
    for (host, mode, vouched, told) in [
        ("localhost", "verify-full", true, None),
        ("127.0.0.1", "require", false, None),
        ("127.0.0.1", "verify-full", true, Some("Connection error.")),
        ("localhost", "verify-full", false, Some("Connection error.")),
    ] {
        let endpoint = format!("nats://{host}:{port}/ORDERS?sslmode={mode}");
        let mut nats = source(&endpoint, stream(">", Begin::Latest), secrets.path());
        nats.source.credentials = Some(arn(host));
        nats.source.root_certificates = vouched.then(|| arn("root"));
        let looked = nats.look().await.map_err(|trouble| trouble.to_string());
        match told {
            None => assert!(looked.unwrap().unwrap().ends_with("is gone"), "{endpoint}"),
            Some(told) => assert!(looked.unwrap_err().starts_with(told), "{endpoint}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_is_said_in_a_sentence() {
    let rig = Rig::new(stream("orders.>", Begin::Latest));
    let told = rig.listen().ended().await.to_string();
    assert_eq!(told, "the server has no stream ORDERS");
    let write = |secret: &str| {
        std::fs::write(rig.secrets.path().join("shop"), secret).unwrap();
    };
    write(r#"{"username":"kiln","password":"wrong","host":"127.0.0.1"}"#);
    let told = rig.listen().ended().await.to_string();
    assert!(told.contains("authorization violation"), "{told}");
    write(r#"{"token":"wrong","host":"127.0.0.1"}"#);
    let told = rig.listen().ended().await.to_string();
    assert!(told.contains("authorization violation"), "{told}");
    write(r#"{"username":"kiln","password":"secret","host":"mq.example.com"}"#);
    let told = rig.listen().ended().await.to_string();
    assert_eq!(
        told,
        "the secret 'shop' is for another \"host\" than '127.0.0.1'"
    );
    write(r#"{"username":"kiln","password":"secret","host":"192.0.2.1"}"#);
    let far = "nats://192.0.2.1/ORDERS?sslmode=require";
    let far = source(far, stream(">", Begin::Latest), rig.secrets.path());
    let told = far.look().await.unwrap_err().to_string();
    assert!(told.contains("use ?sslmode=verify-full"), "{told}");
    let secure = format!("{}?sslmode=require", rig.server.endpoint());
    write(r#"{"username":"kiln","password":"secret","host":"127.0.0.1"}"#);
    let secure = source(&secure, stream(">", Begin::Latest), rig.secrets.path());
    let told = secure.look().await.unwrap_err().to_string();
    assert!(told.starts_with("Connection error."), "{told}");
}
