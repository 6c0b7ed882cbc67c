//! A server for tests that answers from a script and remembers what it was asked.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::api::Client;
use crate::target::Target;

/// One request: `GET /path?query`, and its body where that is JSON.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) document: Value,
    pub(crate) authorization: String,
}

/// Status, AWS's exception (empty for none) and body.
pub(crate) type Reply = (u16, &'static str, String);

/// A success with this document.
pub(crate) fn ok(document: &Value) -> Reply {
    (200, "", document.to_string())
}

/// A 404 as AWS sends it.
pub(crate) fn not_found() -> Reply {
    (
        404,
        "ResourceNotFoundException",
        "{\"Message\":\"absent\"}".to_owned(),
    )
}

/// Runs `work` with a client of a server that answers with `script`; gives what was asked.
pub(crate) async fn serve<T, W>(
    script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    work: impl FnOnce(Client) -> W,
) -> (T, Vec<Asked>)
where
    W: Future<Output = T>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let (script, asked) = (Arc::new(script), Arc::new(Mutex::new(Vec::new())));
    let accept = async {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (script, asked) = (script.clone(), asked.clone());
            let service = service_fn(move |request| answer(request, script.clone(), asked.clone()));
            let builder = hyper::server::conn::http1::Builder::new();
            connections.spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    };
    let result = tokio::select! {
        never = accept => never,
        result = work(client) => result,
    };
    let asked = asked.lock().unwrap().clone();
    (result, asked)
}

/// A client of the server at this address.
pub(crate) fn client(endpoint: &str) -> Client {
    let credentials = Credentials::new("AKTEST", "secret", None, None, "test");
    let target = Target {
        endpoint: endpoint.to_owned(),
        admin_endpoint: None,
        ca_bundle: None,
        region: "us-east-1".to_owned(),
        credentials,
    };
    Client::new(target).unwrap()
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<impl Fn(&Asked) -> Reply>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    let authorization = request.headers()["authorization"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let document = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let seen = Asked {
        line,
        document,
        authorization,
    };
    let (status, exception, body) = script(&seen);
    asked.lock().unwrap().push(seen);
    let mut response = Response::builder().status(status);
    if !exception.is_empty() {
        response = response.header("x-amzn-errortype", exception);
    }
    Ok(response.body(Full::from(body)).unwrap())
}
