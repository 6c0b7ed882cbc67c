//! Sockets inside a sandbox's network namespace that the daemon accepts from.

use std::net::SocketAddr;

use kiln_sandbox::{Error, Exit, Program, Request, Sandbox, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::rig::{LIMITS, LISTENERS, PATIENCE, Rig, finish};

/// Says its argument to port 9001 and prints what it is told.
const SPEAK: &str = "import socket, sys
s = socket.create_connection(('127.0.0.1', 9001))
s.sendall(sys.argv[1].encode()); s.shutdown(socket.SHUT_WR)
print(s.makefile().read())";
/// Says of both ports whether somebody listens.
const PROBE: &str = "import socket
for port in 9001, 9002:
    s = socket.socket()
    print(port, s.connect_ex(('127.0.0.1', port)))";

async fn python(rig: &Rig, program: &str, argument: &str, listeners: &[SocketAddr]) -> Sandbox {
    let argv = [
        "/usr/bin/python3",
        "-I",
        "-S",
        "-B",
        "-c",
        program,
        argument,
    ];
    rig.exec_with(&argv, LIMITS, vec![], listeners).await
}

/// Answers one connection with what it says, backwards.
async fn answer(listener: TcpListener) {
    let accepted = timeout(PATIENCE, listener.accept()).await;
    let (mut connection, from) = accepted.expect("it connects").expect("a connection");
    assert!(from.ip().is_loopback());
    let mut said = String::new();
    let read = timeout(PATIENCE, connection.read_to_string(&mut said)).await;
    read.expect("it speaks").expect("text");
    let backwards: String = said.chars().rev().collect();
    let written = connection.write_all(backwards.as_bytes()).await;
    written.expect("it listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_hears_its_own_sandbox_only() {
    let rig = Rig::start().await;
    let mut one = python(&rig, SPEAK, "one", &LISTENERS).await;
    let mut two = python(&rig, SPEAK, "two", &LISTENERS).await;
    let listener = |sandbox: &mut Sandbox| sandbox.take_listener(LISTENERS[0]).expect("asked for");
    let (first, second) = (listener(&mut one), listener(&mut two));
    // The other way round: neither can be answered by the other's listener.
    tokio::join!(answer(second), answer(first));
    assert_eq!(finish(one).await.output, "eno\n");
    assert_eq!(finish(two).await.output, "owt\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_that_was_not_asked_for_is_closed() {
    let rig = Rig::start().await;
    let mut sandbox = python(&rig, PROBE, "", &LISTENERS[..1]).await;
    assert!(matches!(
        sandbox.take_listener(LISTENERS[1]),
        Err(Error::NotListening(_))
    ));
    let _first = sandbox.take_listener(LISTENERS[0]).expect("asked for");
    assert!(sandbox.take_listener(LISTENERS[0]).is_err(), "taken before");
    let refused = rustix::io::Errno::CONNREFUSED.raw_os_error();
    let expected = format!("9001 0\n9002 {refused}\n");
    assert_eq!(finish(sandbox).await.output, expected);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn program_cannot_listen_in_the_daemon_s_place() {
    let rig = Rig::start().await;
    let program = "import socket
s = socket.socket()
for option in socket.SO_REUSEADDR, socket.SO_REUSEPORT:
    s.setsockopt(socket.SOL_SOCKET, option, 1)
try: s.bind(('0.0.0.0', 9001))
except OSError as error: print(error.errno)";
    let sandbox = python(&rig, program, "", &LISTENERS).await;
    let taken = rustix::io::Errno::ADDRINUSE.raw_os_error();
    assert_eq!(finish(sandbox).await.output, format!("{taken}\n"));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn address_that_no_sandbox_is_listened_on_is_refused() {
    let rig = Rig::start().await;
    let other: SocketAddr = "127.0.0.1:9003".parse().expect("an address");
    let request = Request {
        image: "plain".into(),
        start: Start::Exec(Program {
            argv: vec!["/bin/true".into()],
            env: vec![],
            cwd: "/".into(),
        }),
        limits: LIMITS,
        mounts: vec![],
        volumes: vec![],
        listeners: vec![other],
        network: false,
        companions: false,
    };
    let error = rig.sandboxes.lease(request).await.expect_err("not there");
    assert!(
        matches!(error, Error::NotListening(at) if at == other),
        "{error}"
    );
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptor_of_a_listener_is_not_the_program_s() {
    let rig = Rig::start().await;
    let script = "ls -l /proc/self/fd | grep -c socket; true";
    let argv = ["/bin/sh", "-c", script];
    let sandbox = rig.exec_with(&argv, LIMITS, vec![], &LISTENERS).await;
    let ran = finish(sandbox).await;
    // The channel.
    assert_eq!((ran.output.as_str(), ran.exit), ("1\n", Exit::Code(0)));
    rig.end().await;
}
