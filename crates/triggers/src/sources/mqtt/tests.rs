//! Against a real broker: what is heard, what is made and removed, and what survives.

use std::path::Path;
use std::time::Duration;

use kiln_testkit::Mqtt as Server;
use kiln_types::{EventSource, MappingId, SystemClock};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::record::Position;
use crate::source::Item;
use crate::tests::listener::Listener;

mod topics;

/// A broker, and a mapping's source of it.
struct Rig {
    server: Server,
    source: Arc<Mqtt>,
    secrets: TempDir,
    store: Store,
    _dir: TempDir,
}

async fn source(endpoint: &str, filters: &[&str], secrets: &Path, store: &Store) -> Mqtt {
    let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:shop";
    let source = MqttSource {
        endpoint: endpoint.parse().unwrap(),
        filters: filters.iter().map(|text| text.parse().unwrap()).collect(),
        credentials: Some(arn.parse().unwrap()),
        root_certificates: None,
    };
    let mapping = Mapping {
        id: MappingId::random(),
        source: EventSource::Mqtt(source.clone()),
        ..crate::tests::rig::mapping("sum", "orders")
    };
    store.mappings().create(mapping.clone()).await.unwrap();
    let config = Config {
        secrets_dir: Some(secrets.to_owned()),
        ..Config::default()
    };
    let own = Secrets::new(config.secrets_dir.clone());
    let clock = Arc::new(SystemClock::start());
    Mqtt::new(&mapping, source, own, &config, store.clone(), clock)
}

impl Rig {
    async fn new(filters: &[&str]) -> Self {
        Self::of(Server::start(), filters).await
    }

    async fn of(server: Server, filters: &[&str]) -> Self {
        let secrets = tempfile::tempdir().unwrap();
        server.write_secret(secrets.path(), "shop");
        let (store, dir) = crate::tests::rig::store();
        let endpoint = server.endpoint();
        let source = source(&endpoint, filters, secrets.path(), &store).await;
        Self {
            source: Arc::new(source),
            server,
            secrets,
            store,
            _dir: dir,
        }
    }

    fn listen(&self) -> Listener {
        self.listen_from(None)
    }

    fn listen_from(&self, position: Option<Position>) -> Listener {
        Listener::to(self.source.clone(), "mqtt", position)
    }

    /// Whether the broker has a session for the mapping, which begins one.
    async fn has_session(&self) -> bool {
        let (mut connection, login) = self.source.connect().await.unwrap();
        let resumed = connection.resume(&self.source.name, login, 10);
        resumed.await.unwrap()
    }
}

#[tokio::test]
async fn a_broker_that_speaks_tls_proves_its_name() {
    let (server, port, certificate) = Server::start_with_tls();
    let rig = Rig::of(server, &["a"]).await;
    let password = Server::PASSWORD;
    for host in ["localhost", "127.0.0.1"] {
        let secret = json!({"username": "kiln", "password": password, "host": host});
        std::fs::write(rig.secrets.path().join(host), secret.to_string()).unwrap();
    }
    let root = json!({"certificate": certificate}).to_string();
    std::fs::write(rig.secrets.path().join("root"), root).unwrap();
    let arn = |name: &str| {
        let text = format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}");
        text.parse().unwrap()
    };
    for (topic, host, mode, vouched, works) in [
        ("1", "localhost", "verify-full", true, true),
        ("2", "127.0.0.1", "require", false, true),
        ("3", "127.0.0.1", "verify-full", true, false),
        ("4", "localhost", "verify-full", false, false),
    ] {
        let endpoint = format!("mqtt://{host}:{port}?sslmode={mode}");
        let mut mqtt = source(&endpoint, &[topic], rig.secrets.path(), &rig.store).await;
        mqtt.source.credentials = Some(arn(host));
        mqtt.source.root_certificates = vouched.then(|| arn("root"));
        let cleaned = mqtt.clean_up().await.map_err(|trouble| trouble.to_string());
        match works {
            true => cleaned.unwrap(),
            false => {
                let told = cleaned.unwrap_err();
                assert!(told.starts_with("Connection error. TLS: "), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_is_said_in_a_sentence() {
    let rig = Rig::new(&["a"]).await;
    let write = |secret: &str| {
        std::fs::write(rig.secrets.path().join("shop"), secret).unwrap();
    };
    write(r#"{"username":"kiln","password":"wrong","host":"127.0.0.1"}"#);
    let told = rig.listen().ended().await.to_string();
    assert!(
        told.starts_with("the server does not let the mapping in"),
        "{told}"
    );
    rig.source.clean_up().await.expect("nothing was made");
    write(r#"{"username":"kiln","password":"secret","host":"mq.example.com"}"#);
    let told = rig.listen().ended().await.to_string();
    assert_eq!(
        told,
        "the secret 'shop' is for another \"host\" than '127.0.0.1'"
    );
    write(r#"{"username":"kiln","password":"secret","host":"192.0.2.1"}"#);
    let far = "mqtt://192.0.2.1?sslmode=require";
    let far = source(far, &["a"], rig.secrets.path(), &rig.store).await;
    let told = far.clean_up().await.unwrap_err().to_string();
    assert!(told.contains("use ?sslmode=verify-full"), "{told}");
}
