//! The port without TLS at which an authority asks by HTTP-01. It answers nothing else: who comes with a request that was meant for
//! Kiln has sent it in the clear, and is told so instead of being led on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::challenges::Challenges;
use crate::server::accept;

/// Where the authority asks.
const PREFIX: &str = "/.well-known/acme-challenge/";
/// What everybody else is told.
const ELSEWHERE: &str = "Nothing but questions of the certificate authority is answered here: begin the address with https:// and not http://\n";
/// Connections at a time; further ones wait until one ends.
const CONNECTIONS_MAX: usize = 100;
/// How long one may last, with its one request.
const CONNECTION_MAX: Duration = Duration::from_secs(10);
/// How long the head of the request may take: the room is for authorities, and who says nothing gives it back soon.
const HEAD_MAX: Duration = Duration::from_secs(2);
/// Bytes of a request's head, the least that hyper takes.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Answers until stopped.
pub(super) async fn answer(listener: TcpListener, challenges: Challenges, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, _, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "questions of the authority are answered no more: start the server again");
                break;
            }
        };
        let (challenges, stop) = (challenges.clone(), stop.clone());
        connections.spawn(async move {
            let _permit = permit;
            let served = tokio::time::timeout(CONNECTION_MAX, serve(stream, challenges));
            stop.run_until_cancelled(served).await;
        });
    }
    connections.close();
    connections.wait().await;
}

async fn serve(stream: TcpStream, challenges: Challenges) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&challenges, request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX);
    let served = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        debug!(%error, "a connection without TLS ended early");
    }
}

fn respond(challenges: &Challenges, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let token = path.strip_prefix(PREFIX).filter(|_| method == Method::GET);
    let (status, text) = match token.and_then(|token| challenges.text_for(token)) {
        Some(text) => (StatusCode::OK, text),
        None => (StatusCode::NOT_FOUND, ELSEWHERE.to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn tokens_are_answered_and_everybody_else_is_sent_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (challenges, stop) = (Challenges::default(), CancellationToken::new());
        let answering = challenges.open();
        answering.by_http("t0k-en", "t0k-en.thumb");
        let tracker = TaskTracker::new();
        tracker.spawn(answer(listener, challenges.clone(), stop.clone()));
        let ask = async |request: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = ask("GET /.well-known/acme-challenge/t0k-en").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nt0k-en.thumb"), "{answer}");
        for other in [
            "GET /.well-known/acme-challenge/other",
            "GET /.well-known/acme-challenge/",
            "POST /.well-known/acme-challenge/t0k-en",
            "GET /t0k-en",
            "GET /2015-03-31/functions",
        ] {
            let answer = ask(other).await;
            assert!(answer.starts_with("HTTP/1.1 404"), "{other}: {answer}");
            assert!(answer.contains("https://"), "{other}: {answer}");
        }
        drop(answering);
        let answer = ask("GET /.well-known/acme-challenge/t0k-en").await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut nothing = Vec::new();
        let ended = silent.read_to_end(&mut nothing);
        let ended = tokio::time::timeout(Duration::from_secs(6), ended).await;
        ended.expect("who says nothing is not waited for").unwrap();
        let _silent = TcpStream::connect(address).await.unwrap();
        stop.cancel();
        tracker.close();
        let ended = tokio::time::timeout(Duration::from_secs(5), tracker.wait());
        ended.await.unwrap();
    }
}
