//! What could be read as one request or as two, what is malformed, and what clients do not read.

use super::*;

/// A request that nobody is to find in another.
const HIDDEN: &str = "GET /_kiln/health HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// What nobody signed: the answer is 403.
const POST: &str = "POST /2015-03-31/functions HTTP/1.1\r\nhost: localhost\r\n";
const INVOCATIONS: &str = "/2015-03-31/functions/sum/invocations";

/// Connections that wait for another request are closed soon.
async fn start() -> Server {
    let limits = Limits {
        head_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    Server::start(Auth::Enforce, limits).await
}

/// All that comes back, until the server closes the connection.
async fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answers = Vec::new();
    let read = stream.read_to_end(&mut answers);
    let read = tokio::time::timeout(Duration::from_secs(30), read).await;
    // A connection that is closed with bytes of ours unread is reset.
    let _ = read.expect("the server closes it");
    String::from_utf8_lossy(&answers).into_owned()
}

/// The statuses of the answers.
async fn statuses(server: &Server, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let answers = exchange(server, bytes.as_ref()).await;
    let status = |answer: &str| answer[..3].parse().unwrap();
    answers.split("HTTP/1.1 ").skip(1).map(status).collect()
}

#[tokio::test]
async fn a_body_with_a_length_and_in_chunks_is_the_last_of_its_connection() {
    let server = start().await;
    let alone = format!("{POST}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}");
    assert_eq!(statuses(&server, alone).await, [403]);
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "content-length: 400\r\ntransfer-encoding: chunked",
    ] {
        let both = format!("{POST}{headers}\r\n\r\n0\r\n\r\n{HIDDEN}");
        assert_eq!(statuses(&server, both).await, [403], "{headers}");
    }
    server.stop().await;
}

#[tokio::test]
async fn lengths_that_differ_or_are_none_are_refused() {
    let server = start().await;
    for length in [
        "4\r\ncontent-length: 5",
        "4, 5",
        "4,4",
        "+4",
        "-1",
        "0x4",
        "4 4",
        "",
        "18446744073709551616",
    ] {
        let request = format!("{POST}content-length: {length}\r\n\r\nabcd{HIDDEN}");
        assert_eq!(statuses(&server, request).await, [400], "{length}");
    }
    // One that is said twice is the same.
    let twice = format!("{POST}content-length: 4\r\ncontent-length: 4\r\n\r\nabcd{HIDDEN}");
    assert_eq!(statuses(&server, twice).await, [403, 200]);
    server.stop().await;
}

#[tokio::test]
async fn codings_other_than_chunked_alone_are_refused() {
    let server = start().await;
    for (coding, status) in [
        ("identity", 400),
        ("chunked, identity", 400),
        ("xchunked", 400),
        ("chunked;q=1", 400),
        ("gzip", 400),
        ("gzip, chunked", 501),
        ("chunked, chunked", 501),
        ("chunked\r\ntransfer-encoding: chunked", 501),
        ("identity\r\ntransfer-encoding: chunked", 501),
    ] {
        let request = format!("{POST}transfer-encoding: {coding}\r\n\r\n0\r\n\r\n{HIDDEN}");
        assert_eq!(statuses(&server, request).await, [status], "{coding}");
    }
    let old = POST.replace("1.1", "1.0");
    let old = format!("{old}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}");
    assert_eq!(
        exchange(&server, old.as_bytes())
            .await
            .matches("HTTP/1.")
            .count(),
        1
    );
    server.stop().await;
}

#[tokio::test]
async fn heads_that_are_malformed_are_refused() {
    let server = start().await;
    for head in [
        "GET / HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nx: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\n host: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nx : a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nx\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nx: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nx\u{e4}: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nhost: other\r\n\r\n",
        "GET http://localhost/ HTTP/1.1\r\nhost: localhost\r\nhost: other\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.2\r\nhost: localhost\r\n\r\n",
        "GET / HTTP/11\r\nhost: localhost\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "G\u{e4}T / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\r\n\r\n",
    ] {
        let request = format!("{head}{HIDDEN}");
        assert_eq!(statuses(&server, request).await, [400], "{head:?}");
    }
    // What HTTP/2 begins with gets no answer that it would not understand.
    let preface = exchange(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!preface.contains(" 200 "), "{preface}");
    server.stop().await;
}

#[tokio::test]
async fn lines_may_end_without_a_carriage_return() {
    let server = start().await;
    let request = HIDDEN.replace("\r\n", "\n");
    assert_eq!(statuses(&server, request).await, [200]);
    // The one that hides behind such a line is a header of its own, here as for those before us that know such lines.
    let request = format!("{POST}x: a\ncontent-length: 4\r\n\r\nabcd{HIDDEN}");
    assert_eq!(statuses(&server, request).await, [403, 200]);
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_is_too_long_is_refused() {
    let server = start().await;
    for (length, status) in [(8 * 1024, 403), (300 * 1024, 431)] {
        let path = "a".repeat(length);
        let request = format!("GET /2015-03-31/{path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        assert_eq!(statuses(&server, request).await, [status], "{length}");
    }
    server.stop().await;
}

#[tokio::test]
async fn requests_that_are_sent_at_once_are_answered_in_turn() {
    let server = start().await;
    let three = format!("{HIDDEN}{POST}content-length: 4\r\n\r\nabcd{HIDDEN}");
    assert_eq!(statuses(&server, three).await, [200, 403, 200]);
    // What is behind a body is another request, or none.
    let garbage = format!("{POST}content-length: 4\r\n\r\nabcdefgh\r\n\r\n{HIDDEN}");
    assert_eq!(statuses(&server, garbage).await, [403, 400]);
    server.stop().await;
}

/// A signed request whose body comes in chunks, as it is given.
fn in_chunks(server: &Server, body: &str) -> String {
    let whole = server.signed("lambda", "POST", INVOCATIONS, &[], "{}");
    let head = whole.replace(
        "content-length: 2\r\n\r\n{}",
        "transfer-encoding: chunked\r\n\r\n",
    );
    assert_ne!(head, whole);
    format!("{head}{body}")
}

#[tokio::test]
async fn chunks_are_read_with_their_extensions_and_trailers() {
    let server = start().await;
    for body in [
        "2\r\n{}\r\n0\r\n\r\n",
        "1\r\n{\r\n01\r\n}\r\n00\r\n\r\n",
        "2;a=b;c=\"d\"\r\n{}\r\n0;e\r\n\r\n",
        "2\r\n{}\r\n0\r\ncontent-length: 5\r\nhost: other\r\n\r\n",
    ] {
        // There is no such function: the body was read, and was the one that was signed.
        let request = in_chunks(&server, body);
        assert_eq!(statuses(&server, request).await, [404], "{body:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn chunks_that_are_malformed_are_refused() {
    let server = start().await;
    let extension = "x".repeat(64 * 1024);
    let long_extension = format!("2;{extension}\r\n{{}}\r\n0\r\n\r\n");
    let long_trailer = format!("2\r\n{{}}\r\n0\r\nx: {extension}\r\n\r\n");
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        &long_extension,
        &long_trailer,
    ] {
        let request = in_chunks(&server, &format!("{body}{HIDDEN}"));
        let shown = &body[..body.len().min(40)];
        assert_eq!(statuses(&server, request).await, [400], "{shown:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_chunk_is_no_larger_than_a_body_may_be() {
    let server = start().await;
    let body = format!(
        "{:x}\r\n{}",
        usize::MAX >> 1,
        "x".repeat(6 * 1024 * 1024 + 1)
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = in_chunks(&server, &body);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 413);
    server.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let limits = Limits {
        connections_max: 1,
        head_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let server = Server::start(Auth::Enforce, limits).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(HIDDEN.as_bytes()).await.unwrap();
    let answered = Answer::read(&mut other);
    let early = tokio::time::timeout(Duration::from_millis(100), answered).await;
    assert!(early.is_err(), "it did not wait");
    // The first has said nothing for too long.
    assert_eq!(Answer::read(&mut other).await.status, 200);
    drop(idle);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let limits = Limits {
        connections_max: 1,
        answer_pause_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let server = Server::start(Auth::Enforce, limits).await;
    server.go_on.cancel();
    drop(invocation(&server).await);
    // The function answers with what it was sent, which is more than sockets hold.
    let body = format!("\"{}\"", "x".repeat(5 * 1024 * 1024));
    let request = server.signed("lambda", "POST", INVOCATIONS, &[], &body);
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    silent.write_all(request.as_bytes()).await.unwrap();
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(HIDDEN.as_bytes()).await.unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(30), Answer::read(&mut other)).await;
    assert_eq!(
        answered.expect("the other's connection was closed").status,
        200
    );
    let mut rest = Vec::new();
    let read = silent.read_to_end(&mut rest).await;
    assert!(
        read.is_err() || rest.len() < body.len(),
        "all of it was there"
    );
    server.stop().await;
}
