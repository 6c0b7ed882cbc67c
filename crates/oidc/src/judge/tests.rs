//! Tokens and an issuer on this machine.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kiln_types::ManualClock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::key::tests::Signer;
use crate::limits::{DOCUMENT_BYTES_MAX, KEYS_AGE_MAX, KEYS_FRESH, REFETCH_PAUSE};

/// An issuer that publishes what it is told to.
struct Site {
    address: SocketAddr,
    keys: Arc<Mutex<Vec<Value>>>,
    /// What it answers in place of its keys.
    instead: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let keys = Arc::<Mutex<Vec<Value>>>::default();
        let instead = Arc::<Mutex<Option<String>>>::default();
        let asked = Arc::<AtomicUsize>::default();
        let (published, replaced, counted) = (keys.clone(), instead.clone(), asked.clone());
        #[allow(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 2_048];
                let count = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..count]).into_owned();
                let body = if request.starts_with("GET /.well-known/openid-configuration ") {
                    json!({"jwks_uri": format!("http://{address}/keys")}).to_string()
                } else {
                    counted.fetch_add(1, Ordering::SeqCst);
                    json!({"keys": *published.lock().unwrap()}).to_string()
                };
                let usual = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let answer = replaced.lock().unwrap().clone().unwrap_or(usual);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self {
            address,
            keys,
            instead,
            asked,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn publish(&self, keys: &[(&str, &Signer)]) {
        let keys = keys.iter().map(|(id, signer)| signer.published(id));
        *self.keys.lock().unwrap() = keys.collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn claims(&self) -> Value {
        json!({"iss": self.url(), "aud": "pets", "exp": 4_000_000_000_i64, "sub": "ann"})
    }
}

struct Court {
    site: Site,
    clock: Arc<ManualClock>,
    judge: Judge,
}

impl Court {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let judge = Judge::new(clock.clone());
        Self {
            site: Site::start().await,
            clock,
            judge,
        }
    }

    async fn judge(&self, token: &str) -> Result<Claims, Refused> {
        let expected = Expected {
            issuer: &self.site.url(),
            audience: &["pets".to_owned()],
        };
        self.judge.judge(token, expected).await
    }
}

#[tokio::test]
async fn a_token_signed_by_its_issuer_is_accepted_and_its_keys_are_kept() {
    let court = Court::new().await;
    let (rsa, curve) = (Signer::rsa(), Signer::p256());
    court.site.publish(&[("one", &rsa), ("two", &curve)]);
    for token in [
        rsa.sign("RS256", "one", &court.site.claims()),
        curve.sign("ES256", "two", &court.site.claims()),
    ] {
        let claims = court.judge(&token).await.unwrap();
        assert_eq!(claims.texts()["sub"], "ann");
    }
    assert_eq!(court.site.asked(), 1);
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    let court = Court::new().await;
    let (own, other) = (Signer::p256(), Signer::p256());
    court.site.publish(&[("one", &own)]);
    let forged = other.sign("ES256", "one", &court.site.claims());
    assert_eq!(court.judge(&forged).await, Err(Refused::Signature));
    let mut claims = court.site.claims();
    claims["aud"] = "shop".into();
    let elsewhere = own.sign("ES256", "one", &claims);
    assert_eq!(court.judge(&elsewhere).await, Err(Refused::Audience));
}

#[tokio::test]
async fn new_keys_are_found_and_strangers_do_not_have_the_issuer_asked_all_the_time() {
    let court = Court::new().await;
    let (old, new) = (Signer::p256(), Signer::p256());
    court.site.publish(&[("old", &old)]);
    let token = old.sign("ES256", "old", &court.site.claims());
    court.judge(&token).await.unwrap();
    court.site.publish(&[("new", &new)]);
    let token = new.sign("ES256", "new", &court.site.claims());
    for _ in 0..3 {
        assert_eq!(court.judge(&token).await, Err(Refused::UnknownKey));
    }
    assert_eq!(court.site.asked(), 1);
    court.clock.advance(REFETCH_PAUSE);
    court.judge(&token).await.unwrap();
    assert_eq!(court.site.asked(), 2);
}

#[tokio::test]
async fn everybody_who_waits_has_the_issuer_asked_once() {
    let court = Court::new().await;
    let signer = Signer::p256();
    court.site.publish(&[("one", &signer)]);
    let token = signer.sign("ES256", "one", &court.site.claims());
    let (a, b, c) = tokio::join!(
        court.judge(&token),
        court.judge(&token),
        court.judge(&token)
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(court.site.asked(), 1);
}

#[tokio::test]
async fn keys_outlive_their_issuer_for_a_while() {
    let court = Court::new().await;
    let signer = Signer::p256();
    court.site.publish(&[("one", &signer)]);
    let token = signer.sign("ES256", "one", &court.site.claims());
    court.judge(&token).await.unwrap();
    let error = "HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    *court.site.instead.lock().unwrap() = Some(error.to_owned());
    court.clock.advance(KEYS_FRESH);
    court.judge(&token).await.unwrap();
    court.clock.advance(KEYS_AGE_MAX);
    assert_eq!(court.judge(&token).await, Err(Refused::Unreachable));
}

#[tokio::test]
async fn an_issuer_that_answers_too_much_or_sends_elsewhere_is_unreachable() {
    let large = " ".repeat(DOCUMENT_BYTES_MAX + 1);
    let large = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{large}",
        large.len()
    );
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n";
    for answer in [large, moved.to_owned()] {
        let court = Court::new().await;
        *court.site.instead.lock().unwrap() = Some(answer);
        let token = Signer::p256().sign("ES256", "one", &court.site.claims());
        assert_eq!(court.judge(&token).await, Err(Refused::Unreachable));
    }
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let judge = Judge::new(Arc::new(ManualClock::default()));
    let expected = Expected {
        issuer: &url,
        audience: &[],
    };
    let token = Signer::p256().sign("ES256", "one", &json!({}));
    let judged = tokio::time::timeout(Duration::from_secs(10), judge.judge(&token, expected));
    assert_eq!(judged.await.unwrap(), Err(Refused::Unreachable));
}

#[tokio::test]
async fn issuers_are_forgotten_when_there_are_too_many() {
    let clock = Arc::new(ManualClock::default());
    let judge = Judge::new(clock.clone());
    for number in 0..=ISSUERS_MAX {
        clock.advance(Duration::from_millis(1));
        judge.issuer(&format!("https://{number}.example"));
    }
    let issuers = judge.shared.issuers.lock().unwrap();
    assert_eq!(issuers.len(), ISSUERS_MAX);
    assert!(!issuers.contains_key("https://0.example"));
}
