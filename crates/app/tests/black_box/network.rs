//! What functions reach over the network: nothing of this machine unless they say so, what their list
//! names, and the services that the operator has named. No test leaves this machine: an address of
//! its own plays the world.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use kiln_testkit::{FunctionBuilder, Server, archive, programs, runtimes, wait_for};
use serde_json::{Value, json};

/// Connects to each `[host, port]` of its event and says what it got.
const CONNECT: &str = "import errno, socket
def attempt(host, port):
    try:
        with socket.create_connection((host, port), 20) as s:
            s.sendall(b'ping')
            return s.recv(100).decode()
    except socket.gaierror as error:
        return {socket.EAI_NONAME: 'unknown', socket.EAI_AGAIN: 'unanswered', socket.EAI_FAIL: 'unanswered'}.get(error.errno, str(error))
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def handler(event, context):
    return [attempt(host, port) for host, port in event]
";

/// An address of this machine that is not loopback.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent.
    let found = socket
        .connect("203.0.113.1:9")
        .and_then(|()| socket.local_addr());
    found
        .expect("these tests need an address of this machine beside loopback")
        .ip()
}

/// A server that answers every first message in its own words. Lives as long as the tests.
fn answering(address: IpAddr, answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut buffer = [0; 65_536];
                if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(answer);
                }
            });
        }
    });
    address
}

const PONG: &[u8] = b"pong";
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

/// A name server that knows these names, of IPv4 only. Lives as long as the tests.
fn name_server(known: &[(&str, IpAddr)]) -> SocketAddr {
    let known: HashMap<String, IpAddr> = known
        .iter()
        .map(|(name, at)| ((*name).to_owned(), *at))
        .collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let answer = answer(&buffer[..length], &known);
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

fn answer(query: &[u8], known: &HashMap<String, IpAddr>) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] > 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..at + 1 + length]).into_owned());
        at += 1 + length;
    }
    let end = at + 5;
    let kind = query[at + 2];
    let mut message = query[..end].to_vec();
    message[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    match known.get(&labels.join(".").to_lowercase()) {
        None => message[3] |= 3,
        Some(IpAddr::V4(address)) if kind == 1 => {
            message[7] = 1;
            message.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            message.extend(address.octets());
        }
        Some(_) => {}
    }
    message
}

fn with_network<'a>(server: &'a Server, name: &str, network: &str) -> FunctionBuilder<'a> {
    let tags = json!({"kiln:network": network});
    server.function(name, CONNECT).timeout(60).set("Tags", tags)
}

fn port(server: &Server) -> u16 {
    server.authority().parse::<SocketAddr>().unwrap().port()
}

#[test]
fn by_default_nothing_of_this_machine_and_nothing_private_is_reached() {
    let loopback = answering(Ipv4Addr::LOCALHOST.into(), PONG);
    let own = answering(own_address(), PONG);
    let server = Server::start();
    server.function("default", CONNECT).timeout(60).create();
    let kiln = port(&server);
    let places = json!([
        [own.ip().to_string(), own.port()],
        [own.ip().to_string(), kiln],
        ["64:ff9b::127.0.0.1", loopback.port()],
        ["64:ff9b::127.0.0.1", kiln],
        ["2002:7f00:1::", kiln],
        ["169.254.169.254", 80],
        ["10.0.0.1", 80],
        ["192.168.1.1", 80],
        ["fd00::1", 80],
        ["169.254.64.1", 80],
        // Their own loopback, where nobody listens.
        ["127.0.0.1", loopback.port()],
        ["127.0.0.1", kiln],
        ["::ffff:127.0.0.1", kiln],
    ]);
    let invoked = server.invoke("default", &places);
    let unreachable = std::iter::repeat_n("ENETUNREACH", 10);
    let expected: Vec<_> = unreachable
        .chain(std::iter::repeat_n("ECONNREFUSED", 3))
        .collect();
    assert_eq!(invoked.success(), json!(expected));
    let said = "Network: 169.254.169.254:80 is not reachable: link-local addresses and cloud metadata are not public";
    assert!(invoked.log.contains(said), "{}", invoked.log);
    let said = format!("127.0.0.1]:{kiln} is not reachable: it is Kiln's own port");
    assert!(
        invoked.log.contains("it is Kiln's own port"),
        "{said}: {}",
        invoked.log
    );
}

#[test]
fn a_function_without_a_network_has_none_and_its_runtime_api_all_the_same() {
    let server = Server::start();
    with_network(&server, "none", "none").create();
    let places = json!([
        ["1.1.1.1", 443],
        ["2606:4700::1111", 443],
        ["169.254.169.253", 53],
        ["example.com", 80]
    ]);
    let found = server.invoke("none", &places).success();
    assert_eq!(
        found,
        json!(["ENETUNREACH", "ENETUNREACH", "ENETUNREACH", "unanswered"])
    );
    let bootstrap = "#!/usr/bin/env python3
import os, urllib.request
API = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/'
while True:
    with urllib.request.urlopen(API + 'next') as event:
        id = event.headers['Lambda-Runtime-Aws-Request-Id']
        urllib.request.urlopen(API + id + '/response', event.read()).read()
";
    for (number, network) in ["none", "egress", "allow 10.0.0.0/8"].iter().enumerate() {
        let name = format!("custom{number}");
        with_network(&server, &name, network)
            .zip(archive::programs(&[("bootstrap", bootstrap.as_bytes())]))
            .set("Runtime", json!("provided.al2023"))
            .create();
        let echoed = server.invoke(&name, &json!({"n": number})).success();
        assert_eq!(echoed, json!({"n": number}), "{network}");
    }
}

#[test]
fn public_addresses_are_reached_and_errors_are_those_of_the_world() {
    let own = answering(own_address(), PONG);
    let closed = TcpListener::bind((own.ip(), 0)).unwrap();
    let closed_at = closed.local_addr().unwrap();
    drop(closed);
    let cidr = format!("{}/32", own.ip());
    let server = Server::builder().args(&["--network-egress", &cidr]).start();
    server.function("egress", CONNECT).timeout(60).create();
    let places = json!([
        [own.ip().to_string(), own.port()],
        [closed_at.ip().to_string(), closed_at.port()]
    ]);
    let found = server.invoke("egress", &places).success();
    assert_eq!(found, json!(["pong", "ECONNREFUSED"]));
    let kiln = json!([[own.ip().to_string(), port(&server)]]);
    assert_eq!(
        server.invoke("egress", &kiln).success(),
        json!(["ENETUNREACH"])
    );
}

#[test]
fn a_list_of_addresses_opens_what_is_on_it() {
    let own = answering(own_address(), PONG);
    let other = answering(own_address(), PONG);
    let server = Server::start();
    let network = format!("allow {}:{}", own.ip(), own.port());
    with_network(&server, "listed", &network).create();
    let place = |at: SocketAddr| json!([at.ip().to_string(), at.port()]);
    let places = json!([
        place(own),
        place(other),
        ["1.1.1.1", 443],
        ["example.com", 80]
    ]);
    let invoked = server.invoke("listed", &places);
    let found = invoked.success();
    assert_eq!(
        found.as_array().unwrap()[..3],
        json!(["pong", "ENETUNREACH", "ENETUNREACH"])
            .as_array()
            .unwrap()[..]
    );
    assert_ne!(found[3], "pong");
    assert!(
        invoked
            .log
            .contains("1.1.1.1:443 is not reachable: it is not on the function's list"),
        "{}",
        invoked.log
    );
}

#[test]
fn names_resolve_and_open_what_they_resolve_to_unless_it_is_private() {
    let own = answering(own_address(), PAGE);
    let names = name_server(&[
        ("service.test", own.ip()),
        ("other.test", own.ip()),
        ("rebound.test", "10.0.0.1".parse().unwrap()),
        ("metadata.test", "169.254.169.254".parse().unwrap()),
        ("loopback.test", "127.0.0.1".parse().unwrap()),
    ]);
    let cidr = format!("{}/32", own.ip());
    let server = Server::builder()
        .args(&[
            "--network-egress",
            &cidr,
            "--nameserver",
            &names.to_string(),
        ])
        .start();
    let source = "import urllib.request\ndef handler(url, context):\n    \
                  return urllib.request.urlopen(url, timeout=20).read().decode()\n";
    server.function("http", source).timeout(60).create();
    let url = format!("http://service.test:{}/", own.port());
    assert_eq!(server.invoke("http", &json!(url)).success(), "hello");

    let network = format!(
        "allow service.test:{} rebound.test metadata.test loopback.test",
        own.port()
    );
    with_network(&server, "named", &network).create();
    // Before it is looked up, its address means nothing.
    let place = json!([own.ip().to_string(), own.port()]);
    let places = json!([
        place,
        ["SERVICE.test", own.port()],
        place,
        ["service.test", port(&server)],
        ["other.test", own.port()],
        ["rebound.test", 80],
        ["metadata.test", 80],
        ["loopback.test", port(&server)],
    ]);
    let found = server.invoke("named", &places).success();
    let page = String::from_utf8_lossy(PAGE);
    assert_eq!(found[0], "ENETUNREACH", "{found}");
    assert_eq!(
        (&found[1], &found[2]),
        (&json!(page), &json!(page)),
        "{found}"
    );
    assert_eq!(found[3], "ENETUNREACH", "{found}");
    assert!(
        ["unknown", "unanswered"].contains(&found[4].as_str().unwrap()),
        "{found}"
    );
    assert_eq!(
        (&found[5], &found[6]),
        (&json!("ENETUNREACH"), &json!("ENETUNREACH")),
        "{found}"
    );
    assert_eq!(
        found[7], "ECONNREFUSED",
        "the function's own loopback: {found}"
    );
}

#[test]
fn services_of_the_host_are_reached_by_name_from_python_and_node() {
    let page = answering(Ipv4Addr::LOCALHOST.into(), PAGE);
    let setting = format!("page=localhost:{}", page.port());
    let server = Server::builder()
        .nodes(vec![runtimes::newest_node()])
        .args(&[
            "--host-service",
            &setting,
            "--host-service",
            "other=127.0.0.1:1",
        ])
        .start();
    let tags = json!({"kiln:network": "host-services page"});
    let url = format!("http://page.host.kiln.internal:{}/", page.port());
    let python = "import urllib.request\ndef handler(url, context):\n    \
                  return urllib.request.urlopen(url, timeout=20).read().decode()\n";
    server
        .function("python", python)
        .set("Tags", tags.clone())
        .create();
    assert_eq!(server.invoke("python", &json!(url)).success(), "hello");
    let node = "exports.handler = async (url) => (await fetch(url)).text();\n";
    server
        .function("node", "")
        .zip(archive::zip(&[("index.js", node.as_bytes())]))
        .set("Runtime", json!(runtimes::newest_node().runtime()))
        .set("Tags", tags)
        .create();
    assert_eq!(server.invoke("node", &json!(url)).success(), "hello");
    with_network(&server, "others", "host-services page").create();
    let places = json!([
        ["other.host.kiln.internal", 1],
        ["page.host.kiln.internal", 1],
        ["1.1.1.1", 443],
    ]);
    let found = server.invoke("others", &places).success();
    assert_eq!(found, json!(["unknown", "ENETUNREACH", "ENETUNREACH"]));
}

#[test]
fn bytes_in_and_out_are_metered() {
    let own = answering(own_address(), &[b'x'; 50_000]);
    let cidr = format!("{}/32", own.ip());
    let server = Server::builder().args(&["--network-egress", &cidr]).start();
    let source = "import socket\ndef handler(place, context):\n    \
                  s = socket.create_connection(place); s.sendall(b'y' * 1000); n = 0\n    \
                  while chunk := s.recv(65536): n += len(chunk)\n    return n\n";
    server.function("metered", source).create();
    let place = json!([own.ip().to_string(), own.port()]);
    for _ in 0..2 {
        assert_eq!(server.invoke("metered", &place).success(), 50_000);
    }
    let usage = wait_for("the usage", Duration::from_secs(10), || {
        let output = programs::run(&mut server.kiln(&["usage", "--output", "json"]));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let function = document["functions"].as_array()?.first()?.clone();
        (function["invocations"] == 2).then_some(function)
    });
    assert_eq!(
        (&usage["receivedBytes"], &usage["sentBytes"]),
        (&json!(100_000), &json!(2_000)),
        "{usage}"
    );
    let table = programs::run(&mut server.kiln(&["usage"]));
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("97.7 KiB"), "{table}");
}

#[test]
fn too_many_connections_are_refused_and_the_log_says_why() {
    let own = answering(own_address(), PONG);
    let cidr = format!("{}/32", own.ip());
    let server = Server::builder()
        .args(&["--network-egress", &cidr, "--network-connections", "3"])
        .args(&["--network-connections-per-second", "6"])
        .start();
    let source = "import errno, socket\ndef attempt(place):\n    \
                  try: return socket.create_connection(place, 20)\n    \
                  except OSError as error: return errno.errorcode[error.errno]\n\
                  def handler(place, context):\n    \
                  held = [attempt(place) for _ in range(5)]\n    \
                  for s in held:\n        if not isinstance(s, str): s.close()\n    \
                  burst = [attempt(place) for _ in range(20)]\n    \
                  return [s if isinstance(s, str) else 'open' for s in held + burst]\n";
    server.function("many", source).timeout(60).create();
    let invoked = server.invoke("many", &json!([own.ip().to_string(), own.port()]));
    let found = invoked.success();
    let found: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        found[..5],
        ["open", "open", "open", "ECONNREFUSED", "ECONNREFUSED"]
    );
    assert!(found[5..].contains(&"ECONNREFUSED"), "{found:?}");
    for limit in ["3 connections at once", "6 new connections per second"] {
        let said = format!("Network: the limit of {limit} is reached");
        assert!(invoked.log.contains(&said), "{}", invoked.log);
    }
}

#[test]
fn the_tag_is_checked_and_takes_effect_with_the_next_instance() {
    let own = answering(own_address(), PONG);
    let server = Server::builder()
        .args(&["--host-service", "db=127.0.0.1:5432"])
        .start();
    for (network, part) in [
        ("some", "'some' is none of none, egress, allow"),
        ("allow 10.0.0.1/8", "write 10.0.0.0/8"),
        ("allow 127.0.0.1", "is a function's own loopback"),
        ("host-services cache", "the service 'cache'"),
    ] {
        let refused = with_network(&server, "wrong", network).try_create();
        let refused = refused.expect_status(400);
        assert_eq!(
            refused.header("x-amzn-errortype"),
            "InvalidParameterValueException"
        );
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(part), "{network}: {message}");
    }
    with_network(&server, "changing", "host-services db").create();
    let place = json!([[own.ip().to_string(), own.port()]]);
    assert_eq!(
        server.invoke("changing", &place).success(),
        json!(["ENETUNREACH"])
    );
    let network = format!("allow {}", own.ip());
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:changing";
    server
        .lambda("POST", &format!("/2017-03-31/tags/{arn}"))
        .json(&json!({"Tags": {"kiln:network": network}}))
        .send()
        .expect_status(204);
    assert_eq!(server.invoke("changing", &place).success(), json!(["pong"]));
}

#[test]
fn the_default_is_the_operator_s() {
    let server = Server::builder().args(&["--network", "none"]).start();
    server.function("default", CONNECT).create();
    let found = server
        .invoke("default", &json!([["1.1.1.1", 443]]))
        .success();
    assert_eq!(found, json!(["ENETUNREACH"]));
}
