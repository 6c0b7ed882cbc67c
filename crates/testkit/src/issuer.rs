//! An issuer of tokens for one test: it publishes its keys as OpenID Connect wants it, and signs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

/// An issuer on a port of its own. Its thread lives as long as the test's process.
#[derive(Debug, Clone)]
pub struct Issuer {
    url: String,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    key: Mutex<Key>,
    /// How often its keys were asked for.
    asked: AtomicUsize,
}

#[derive(Debug)]
struct Key {
    id: String,
    pair: KeyPair,
}

impl Issuer {
    /// One with a key.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let issuer = Self {
            url: format!("http://{address}"),
            state: Arc::new(State {
                key: Mutex::new(Key::new("first")),
                asked: AtomicUsize::new(0),
            }),
        };
        let serving = issuer.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 4_096];
                let count = stream.read(&mut request).unwrap_or_default();
                let answer = serving.answer(&String::from_utf8_lossy(&request[..count]));
                // A client that goes away is none of the test's business.
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        issuer
    }

    /// Its URL, as tokens name it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often its keys were asked for.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Has another key from now on, and not the one before.
    pub fn rotate(&self, id: &str) {
        *self.key() = Key::new(id);
    }

    /// A token with these claims and the issuer's name, signed.
    pub fn token(&self, claims: &Value) -> String {
        let key = self.key();
        let mut claims = claims.clone();
        claims["iss"] = self.url.as_str().into();
        let header = json!({"alg": "RS256", "kid": key.id, "typ": "JWT"});
        let parts = [&header, &claims].map(|part| BASE64.encode(part.to_string()));
        let signed = parts.join(".");
        let mut signature = vec![0; key.pair.public_modulus_len()];
        let random = SystemRandom::new();
        let made = key.pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            signed.as_bytes(),
            &mut signature,
        );
        made.expect("a key signs");
        format!("{signed}.{}", BASE64.encode(signature))
    }

    fn answer(&self, request: &str) -> String {
        let body = if request.starts_with("GET /.well-known/openid-configuration ") {
            json!({"issuer": self.url, "jwks_uri": format!("{}/keys", self.url)})
        } else if request.starts_with("GET /keys ") {
            self.state.asked.fetch_add(1, Ordering::SeqCst);
            json!({"keys": [self.key().published()]})
        } else {
            return "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                .into();
        };
        let body = body.to_string();
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn key(&self) -> std::sync::MutexGuard<'_, Key> {
        self.state.key.lock().expect("no holder panics")
    }
}

impl Key {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            pair: KeyPair::generate(KeySize::Rsa2048).expect("a key can be made"),
        }
    }

    fn published(&self) -> Value {
        let public = self.pair.public_key();
        let encode = |bytes: &[u8]| BASE64.encode(bytes);
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id,
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        })
    }
}
