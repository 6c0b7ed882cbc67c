//! Bodies over real connections: how large, how slow, and how many at a time.

use super::*;

#[tokio::test]
async fn too_large_a_body_is_refused_while_the_client_still_writes() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let body = "x".repeat(6 * 1024 * 1024 + 1);
    let answer = server
        .call("POST", "/2015-03-31/functions/sum/invocations", &body)
        .await;
    assert_eq!(answer.status, 413);
    let expected = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
    assert_eq!(answer.json()["message"], expected);
    server.stop().await;
}

#[tokio::test]
async fn a_strangers_body_is_not_waited_for() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let head = "POST /2015-03-31/functions HTTP/1.1\r\nhost: x\r\ncontent-length: 50000000\r\n\r\n";
    assert_eq!(server.send(head).await.status, 403);
    server.stop().await;
}

#[tokio::test]
async fn a_body_for_no_function_url_is_not_waited_for() {
    let server = Server::start(Auth::Enforce, Limits::default()).await;
    let head = "POST / HTTP/1.1\r\nhost: 0123456789abcdef0123456789abcdef.lambda-url.x\r\n\
                content-length: 5000000\r\n\r\n";
    let answer = server.send(head).await;
    assert_eq!(
        (answer.status, answer.json()),
        (403, json!({"Message": null}))
    );
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off() {
    let limits = Limits {
        body_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Server::start(Auth::Enforce, limits).await;
    let body = format!("{{\"abc\":{}}}", "1".repeat(200));
    let whole = server.signed("lambda", "POST", "/2015-03-31/functions", &[], &body);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (head, body) = whole.split_at(whole.len() - body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let trickle = async {
        for byte in body.as_bytes() {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await
    };
    let mut start = [0; 12];
    tokio::select! {
        answered = read.read_exact(&mut start) => { answered.unwrap(); }
        () = trickle => {}
    }
    assert_eq!(&start, b"HTTP/1.1 408");
    server.stop().await;
}

#[tokio::test]
async fn bodies_together_have_a_bound_and_give_it_back() {
    let limits = Limits {
        body_bytes_in_flight_max: 64 * 1024,
        ..Limits::default()
    };
    let server = Server::start(Auth::Enforce, limits).await;
    let path = "/2015-03-31/functions/absent/invocations";
    let refused = server.call("POST", path, &"1".repeat(65 * 1024)).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    for _ in 0..3 {
        let fits = server.call("POST", path, &"1".repeat(60 * 1024)).await;
        assert_eq!(fits.status, 404, "{}", fits.body);
    }
    server.stop().await;
}
