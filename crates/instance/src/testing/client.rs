//! A client of the Runtime API, as a runtime's: one connection, one request at a time.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use kiln_types::RequestId;
use serde_json::Value;
use tokio::net::TcpStream;

/// A connection to the API.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinHandle<()>,
}

/// What the API said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) async fn connect(api: SocketAddr) -> Self {
        let stream = TcpStream::connect(api).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        let connection = tokio::spawn(async { drop(connection.await) });
        Self { sender, connection }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Said {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Said {
        self.send(Method::POST, path, &[], body).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Said {
        let mut request = Request::builder()
            .method(method)
            .uri(match path.starts_with("/20") {
                true => path.to_owned(),
                false => format!("/2018-06-01{path}"),
            });
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        Said {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Waits for the next event.
    pub(crate) async fn next(&mut self) -> Said {
        let said = self.get("/runtime/invocation/next").await;
        assert_eq!(said.status, 200, "{:?}", said.body);
        said
    }

    /// Answers an event.
    pub(crate) async fn respond(&mut self, event: &Said, body: &str) {
        let said = self.post(&event.path("response"), body.to_owned()).await;
        assert_eq!(
            (said.status, &said.body[..]),
            (202, &b"{\"status\":\"OK\"}"[..])
        );
    }

    /// Takes one event after the other and gives it back.
    pub(crate) async fn echo(mut self) -> ! {
        loop {
            let event = self.next().await;
            let body = format!("{{\"echo\":{}}}", event.text());
            self.respond(&event, &body).await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Said {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn request_id(&self) -> RequestId {
        let id = self.header("lambda-runtime-aws-request-id");
        id.unwrap().parse().unwrap()
    }

    /// Where an event is answered.
    pub(crate) fn path(&self, kind: &str) -> String {
        format!("/runtime/invocation/{}/{kind}", self.request_id())
    }

    /// The status and the class of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let document: Value = serde_json::from_slice(&self.body).unwrap();
        let class = document["errorType"].as_str().unwrap();
        (self.status, class.to_owned())
    }
}
