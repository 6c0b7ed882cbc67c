//! Answers that callers read while functions make them: through the API, function URLs and the command line.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use kiln_testkit::{Server, archive, programs, runtimes, wait_for};
use kiln_types::{Clock as _, SystemClock, limits};
use serde_json::{Value, json};

use crate::custom_runtimes::custom;
use crate::{client, function_urls, rust_sdk};

/// Streams words with pauses, so many bytes, or what it was told; and fails where it should.
const STREAMING: &str = "
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  event = { ...event, ...JSON.parse(event.body ?? '{}') };
  if (event.head) stream = awslambda.HttpResponseStream.from(stream, event.head);
  if (event.type) stream.setContentType(event.type);
  if (event.tells) stream.write(JSON.stringify(context.clientContext.custom));
  for (const word of event.words ?? []) {
    stream.write(word);
    if (event.pause) await new Promise((resolve) => setTimeout(resolve, event.pause));
  }
  for (let left = event.bytes ?? 0; left > 0; left -= 100_000) {
    const more = stream.write(Buffer.alloc(Math.min(left, 100_000), 'x'));
    if (!more) await new Promise((resolve) => stream.once('drain', resolve));
  }
  if (event.exits) process.exit(3);
  if (event.fails) throw new Error('midway');
  console.log('the stream has ended');
  stream.end();
});
";

fn server() -> Server {
    Server::builder()
        .nodes(vec![runtimes::newest_node()])
        .start()
}

fn deploy(server: &Server, name: &str, timeout: u32) {
    server
        .function(name, "")
        .zip(archive::zip(&[("index.js", STREAMING.as_bytes())]))
        .set("Runtime", json!(runtimes::newest_node().runtime()))
        .timeout(timeout)
        .create();
}

/// Gives a function a URL that streams; gives its host.
fn open(server: &Server, name: &str) -> String {
    let url = json!({"AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM"});
    let host = function_urls::give_url(server, name, url);
    function_urls::open_to_everybody(server, name);
    host
}

/// Tells how long ago it was made.
fn watch() -> impl Fn() -> Duration {
    let clock = SystemClock::start();
    let begun = clock.now();
    move || clock.now().since(begun)
}

/// A response of a URL, read as its bytes come.
struct Response {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Response {
    fn of(server: &Server, host: &str, event: &Value) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let body = event.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let received = Vec::new();
        Self { stream, received }
    }

    /// Reads on until this has come; false when the connection ends before.
    fn comes(&mut self, text: &str) -> bool {
        let mut buffer = [0; 64 * 1024];
        let is_there = |bytes: &[u8]| bytes.windows(text.len()).any(|one| one == text.as_bytes());
        while !is_there(&self.received) {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => self.received.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
                Err(error) => panic!("{error}: {}", self.text()),
            }
        }
        true
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

/// The end of a body that came whole.
const END: &str = "\r\n0\r\n\r\n";

#[test]
fn boto3_reads_what_functions_stream() {
    let server = server();
    deploy(&server, "streaming", 10);
    deploy(&server, "limited", 1);
    let plain = "def handler(event, context):\n    if event.get('fails'):\n        raise ValueError('no')\n    return event\n";
    server.function("plain", plain).create();
    let args = ["streaming", "plain", "limited"];
    client::python(&server, "boto3_streaming.py", &args);
}

#[test]
fn the_javascript_sdk_reads_what_functions_stream() {
    let server = server();
    deploy(&server, "streaming", 10);
    client::javascript(&server, "streaming.mjs");
}

#[test]
fn a_url_sends_pieces_before_the_function_has_ended() {
    let server = server();
    deploy(&server, "streaming", 20);
    let host = open(&server, "streaming");
    let head = json!({"statusCode": 201, "headers": {"x-own": "1", "content-type": "text/html"}, "cookies": ["a=1"]});
    let event = json!({"head": head, "words": ["first", "second"], "pause": 1_000});
    let mut response = Response::of(&server, &host, &event);
    assert!(response.comes("first"));
    let since = watch();
    let text = response.text();
    assert!(text.starts_with("HTTP/1.1 201 "), "{text}");
    for header in [
        "x-own: 1",
        "content-type: text/html",
        "set-cookie: a=1",
        "transfer-encoding: chunked",
    ] {
        assert!(
            text.contains(&format!("\r\n{header}\r\n")),
            "{header}: {text}"
        );
    }
    assert!(!text.contains("second"), "{text}");
    assert!(response.comes("second"));
    assert!(since() > Duration::from_millis(500), "it came at once");
    assert!(response.comes(END));
    // Without a head, the content type is what the function said.
    let event = json!({"type": "text/event-stream", "words": ["data: 1\n\n"]});
    let mut events = Response::of(&server, &host, &event);
    assert!(events.comes(END));
    let text = events.text();
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(
        text.contains("\r\ncontent-type: text/event-stream\r\n"),
        "{text}"
    );
    // Who invokes the function gets all of it at once, as ever.
    let whole = server.invoke("streaming", &json!({"words": ["one", "two"]}));
    assert_eq!(&whole.payload[..], b"onetwo");
}

#[test]
fn a_stream_that_fails_ends_without_its_end() {
    let server = server();
    deploy(&server, "streaming", 20);
    deploy(&server, "limited", 1);
    let streaming = open(&server, "streaming");
    let limited = open(&server, "limited");
    for (host, event) in [
        (&streaming, json!({"words": ["half"], "fails": true})),
        (
            &streaming,
            json!({"words": ["half"], "pause": 50, "exits": true}),
        ),
        (
            &limited,
            json!({"words": ["half", "never"], "pause": 60_000}),
        ),
    ] {
        let mut response = Response::of(&server, host, &event);
        assert!(response.comes("half"), "{event}");
        assert!(!response.comes(END), "{event}: {}", response.text());
        assert!(response.text().starts_with("HTTP/1.1 200 "), "{event}");
    }
    // What fails before it has a head has a status that says so.
    let head = json!({"words": [], "fails": true});
    let mut response = Response::of(&server, &streaming, &head);
    assert!(response.comes("Internal Server Error"));
    assert!(response.text().starts_with("HTTP/1.1 502 "));
}

#[test]
fn a_function_that_does_not_stream_is_answered_for_when_it_ends() {
    let server = Server::start();
    let source = "def handler(event, context):\n    return {'statusCode': 201, 'body': 'whole'}\n";
    server.function("plain", source).create();
    let host = open(&server, "plain");
    let response = server.request("GET", "/").host(&host).send();
    assert_eq!((response.status, &response.body[..]), (201, &b"whole"[..]));
}

#[test]
fn an_invocation_goes_on_without_its_caller_and_is_billed() {
    let server = server();
    deploy(&server, "streaming", 20);
    let host = open(&server, "streaming");
    let event = json!({"words": ["first", "second", "third"], "pause": 300, "bytes": 10_000_000});
    let mut response = Response::of(&server, &host, &event);
    assert!(response.comes("first"));
    response.stream.shutdown(Shutdown::Both).unwrap();
    drop(response);
    server.log_until("/aws/lambda/streaming", "the stream has ended");
    let report = server.log_until("/aws/lambda/streaming", "REPORT RequestId");
    let report = report
        .iter()
        .find(|line| line.starts_with("REPORT"))
        .unwrap();
    let duration = report.split("Duration: ").nth(1).unwrap();
    let duration: f64 = duration.split(' ').next().unwrap().parse().unwrap();
    assert!(duration >= 900.0, "{report}");
    let usage = wait_for("the usage record", Duration::from_secs(10), || {
        let usage = programs::run(&mut server.kiln(&["usage", "--output", "json"]));
        let usage = String::from_utf8(usage.stdout).unwrap();
        usage.contains("streaming").then_some(usage)
    });
    assert!(usage.contains("streaming"), "{usage}");
    // Its instance takes the next.
    let next = server.invoke("streaming", &json!({"words": ["next"]}));
    assert_eq!(&next.payload[..], b"next");
    assert!(!next.log.contains("Init Duration"), "{}", next.log);
}

#[test]
fn a_slow_reader_holds_up_the_function_and_not_the_server_s_memory() {
    let server = server();
    deploy(&server, "streaming", 60);
    let host = open(&server, "streaming");
    let before = server.process().resident_bytes();
    let bytes = 100_000_000_u64;
    let event = json!({"bytes": bytes, "type": "text/plain"});
    let mut response = Response::of(&server, &host, &event);
    std::thread::sleep(Duration::from_secs(2));
    let held = server.process().resident_bytes().saturating_sub(before);
    assert!(held < 30_000_000, "{held} bytes more while nobody reads");
    // It goes on where it waits, and all of it comes.
    let mut buffer = vec![0; 256 * 1024];
    let mut received = Vec::new();
    let mut count = 0_u64;
    loop {
        let read = response.stream.read(&mut buffer).unwrap();
        assert!(read > 0, "it ended after {count} bytes");
        count += buffer[..read].iter().filter(|byte| **byte == b'x').count() as u64;
        received.extend_from_slice(&buffer[read.saturating_sub(16)..read]);
        let from = received.len().saturating_sub(END.len());
        if received[from..] == *END.as_bytes() {
            break;
        }
        received.drain(..from);
    }
    // One x stands in a header's name.
    assert!((bytes..bytes + 8).contains(&count), "{count}");
    let held = server.process().resident_bytes().saturating_sub(before);
    assert!(held < 60_000_000, "{held} bytes more at the end");
}

#[test]
fn a_stream_that_is_too_long_ends_there_and_its_instance_takes_the_next() {
    let server = server();
    deploy(&server, "streaming", 60);
    let payload = json!({"bytes": 250_000_000}).to_string();
    let invoke = ["invoke", "streaming", "--stream", "--payload", &payload];
    let mut child = server
        .kiln(&invoke)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let count = std::io::copy(&mut child.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.contains("Function.ResponseSizeTooLarge"), "{told}");
    let bytes_max = limits::STREAMED_RESPONSE_BYTES_MAX;
    assert!(
        (bytes_max - 64 * 1024..=bytes_max).contains(&count),
        "{count}"
    );
    let next = server.invoke("streaming", &json!({"words": ["next"]}));
    assert_eq!(&next.payload[..], b"next");
    assert!(!next.log.contains("Init Duration"), "{}", next.log);
}

#[test]
fn a_function_in_rust_streams() {
    let server = Server::start();
    let program = std::fs::read(programs::example("rust_streaming")).unwrap();
    custom(&server, "count", &[("bootstrap", &program)]).create();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = rust_sdk::client(&server);
        let event = json!({"to": 3, "pause_ms": 400}).to_string();
        let answer = client
            .invoke_with_response_stream()
            .function_name("count")
            .payload(Blob::new(event))
            .send()
            .await
            .unwrap();
        let mut events = answer.event_stream;
        let (mut text, mut first) = (Vec::new(), None);
        while let Some(event) = events.recv().await.unwrap() {
            match event {
                Event::PayloadChunk(chunk) => {
                    text.extend_from_slice(chunk.payload.unwrap().as_ref());
                    if text.ends_with(b"1\n") {
                        first.get_or_insert_with(watch);
                    }
                }
                Event::InvokeComplete(end) => assert_eq!(end.error_code, None),
                other => panic!("{other:?}"),
            }
        }
        assert!(text.ends_with(b"\0\0\0\0\0\0\0\x001\n2\n3\n"), "{text:?}");
        let since = first.unwrap();
        assert!(since() > Duration::from_millis(700));
    });
    let host = open(&server, "count");
    let mut response = Response::of(&server, &host, &json!({}));
    assert!(response.comes("\r\n1\n"), "{}", response.text());
    let text = response.text();
    assert!(text.contains("\r\ncontent-type: text/plain\r\n"), "{text}");
    assert!(!text.contains("\0"), "{text}");
    assert!(response.comes(END));
}

#[test]
fn the_command_line_prints_what_streams_and_opens_urls_that_stream() {
    let server = server();
    let example = programs::repository().join("examples/storyteller");
    let example = example.to_str().unwrap();
    let deploy = [
        "deploy",
        example,
        "--timeout",
        "30",
        "--url",
        "--stream",
        "--output",
        "json",
    ];
    let deployed = programs::run(&mut server.kiln(&deploy));
    let deployed: Value = serde_json::from_slice(&deployed.stdout).unwrap();
    let url = server
        .lambda("GET", "/2021-10-31/functions/storyteller/url")
        .send()
        .json();
    assert_eq!(url["InvokeMode"], "RESPONSE_STREAM", "{deployed}");
    let payload = json!({"pause": "100"}).to_string();
    let invoke = ["invoke", "storyteller", "--stream", "--payload", &payload];
    let mut child = server.kiln(&invoke).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 4];
    stdout.read_exact(&mut first).unwrap();
    let since = watch();
    assert_eq!(&first, b"Once");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(since() > Duration::from_millis(800), "it came at once");
    assert!(rest.ends_with("everything . \n"), "{rest}");
    assert!(child.wait().unwrap().success());
    let payload = json!({"pause": "0", "ending": "sad"}).to_string();
    let invoke = [
        "invoke",
        "storyteller",
        "--stream",
        "--tail",
        "--payload",
        &payload,
    ];
    let failed = server.kiln(&invoke).output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stdout.starts_with(b"Once upon a time "));
    let told = String::from_utf8(failed.stderr).unwrap();
    assert!(told.contains("the story has no happy ending"), "{told}");
    assert!(told.contains("REPORT RequestId: "), "{told}");
}
