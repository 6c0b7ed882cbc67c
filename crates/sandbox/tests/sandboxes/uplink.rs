//! The way out of a sandbox: what programs are told, and what they cannot get round.

use std::net::{IpAddr, SocketAddr};

use kiln_sandbox::{Answer, Program, Request, Sandbox, Start, Uplink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::rig::{LIMITS, PATIENCE, Rig, finish};

/// Tries each `host port` of its arguments and prints what it gets.
const CONNECT: &str = "import errno, socket, sys
for place in sys.argv[1:]:
    host, port = place.rsplit(' ', 1)
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
    s.settimeout(30)
    try:
        s.connect((host, int(port))); s.sendall(b'ping'); print(s.recv(100).decode(), s.getpeername()[:2])
    except OSError as error: print(errno.errorcode[error.errno])";

async fn python(rig: &Rig, program: &str, arguments: &[&str]) -> Sandbox {
    let argv = ["/usr/bin/python3", "-I", "-S", "-B", "-c", program];
    let argv = argv.iter().chain(arguments).map(|&word| word.to_owned());
    let request = Request {
        image: "plain".into(),
        start: Start::Exec(Program {
            argv: argv.collect(),
            env: vec![],
            cwd: "/tmp".into(),
        }),
        limits: LIMITS,
        mounts: vec![],
        volumes: vec![],
        listeners: vec![],
        network: true,
        companions: false,
    };
    let leased = timeout(PATIENCE, rig.sandboxes.lease(request)).await;
    leased.expect("a lease does not hang").expect("a sandbox")
}

fn uplink(rig: &Rig, sandbox: &mut Sandbox) -> Uplink {
    assert!(
        rig.sandboxes.has_network(),
        "this test needs nftables: see kiln doctor"
    );
    let taken = sandbox.take_uplink().expect("it was asked for");
    assert!(sandbox.take_uplink().is_none());
    Uplink::new(taken).expect("it can be watched")
}

/// Answers attempts by their port until the program ends; whoever is let through gets an echo.
async fn serve(uplink: Uplink, answer: impl Fn(SocketAddr) -> Answer) {
    loop {
        tokio::select! {
            attempt = uplink.attempt() => {
                let attempt = attempt.expect("a packet");
                uplink.answer(&attempt, answer(attempt.to)).expect("it is waited for");
            }
            accepted = uplink.accept() => {
                let (mut stream, _, to) = accepted.expect("a connection");
                let mut said = [0; 4];
                stream.read_exact(&mut said).await.expect("it speaks");
                let text = format!("{} at {to}", String::from_utf8_lossy(&said));
                stream.write_all(text.as_bytes()).await.expect("it listens");
            }
        }
    }
}

async fn output(
    rig: &Rig,
    program: &str,
    arguments: &[&str],
    answer: impl Fn(SocketAddr) -> Answer,
) -> String {
    let mut sandbox = python(rig, program, arguments).await;
    let uplink = uplink(rig, &mut sandbox);
    tokio::select! {
        () = serve(uplink, answer) => unreachable!("it serves for ever"),
        ran = finish(sandbox) => ran.output,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_says_what_the_daemon_answers() {
    let rig = Rig::start().await;
    let answer = |to: SocketAddr| match to.port() {
        80 => Answer::Accept,
        81 => Answer::Refuse,
        82 => Answer::HostUnreachable,
        _ => Answer::NetUnreachable,
    };
    let places: Vec<String> = ["1.2.3.4", "2001:db8::7"]
        .iter()
        .flat_map(|host| (80..84).map(move |port| format!("{host} {port}")))
        .collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let said = output(&rig, CONNECT, &places, answer).await;
    let errors = "ECONNREFUSED\nEHOSTUNREACH\nENETUNREACH\n";
    let expected = format!(
        "ping at 1.2.3.4:80 ('1.2.3.4', 80)\n{errors}\
         ping at [2001:db8::7]:80 ('2001:db8::7', 80)\n{errors}"
    );
    assert_eq!(said, expected);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_is_the_sandbox_s_own_and_is_not_asked_about() {
    let rig = Rig::start().await;
    let places = [
        "127.0.0.1 80",
        "127.8.8.8 80",
        "::1 80",
        "::ffff:127.0.0.1 80",
    ];
    let said = output(&rig, CONNECT, &places, |to| panic!("asked about {to}")).await;
    assert_eq!(said, "ECONNREFUSED\n".repeat(4));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_go_to_the_name_server_and_nowhere_else() {
    let rig = Rig::start().await;
    let program = "import errno, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for place in ('8.8.8.8', 53), ('169.254.169.253', 54), ('10.0.0.1', 123):
    try: s.sendto(b'x', place); print('sent')
    except OSError as error: print(errno.errorcode[error.errno])
print(open('/etc/resolv.conf').read(), end='')
s.sendto(b'who', ('169.254.169.253', 53)); print(s.recvfrom(100))";
    let mut sandbox = python(&rig, program, &[]).await;
    let uplink = uplink(&rig, &mut sandbox);
    let answered = async {
        let mut asked = [0; 100];
        let names = uplink.names();
        let (length, from) = names.recv_from(&mut asked).await.expect("a question");
        assert_eq!(&asked[..length], b"who");
        names.send_to(b"me", from).await.expect("it listens");
    };
    let (ran, ()) = tokio::join!(finish(sandbox), answered);
    let expected = "EPERM\nEPERM\nEPERM\nnameserver 169.254.169.253\n\
                    (b'me', ('169.254.169.253', 53))\n";
    assert_eq!(ran.output, expected);
    assert_eq!(
        IpAddr::from(kiln_sandbox::NAME_SERVER).to_string(),
        "169.254.169.253"
    );
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_cannot_change_the_network_or_mark_its_packets() {
    let rig = Rig::start().await;
    let program = "import errno, fcntl, socket, struct
def tried(what):
    try: what(); print('done')
    except OSError as error: print(errno.errorcode[error.errno])
for protocol in 0, 12:
    tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol))
s = socket.socket()
tried(lambda: s.setsockopt(socket.SOL_SOCKET, 36, 1))
tried(lambda: s.setsockopt(socket.SOL_IP, 19, 1))
tried(lambda: fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 0)))
tried(lambda: s.bind(('0.0.0.0', 65053)))";
    let said = output(&rig, program, &[], |to| panic!("asked about {to}")).await;
    assert_eq!(said, "EPERM\nEPERM\nEPERM\nEPERM\nEPERM\nEADDRINUSE\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_not_let_through_is_not_accepted_as_if() {
    let rig = Rig::start().await;
    // The daemon's listener is there for every program; what it says it wanted is the listener.
    let said = output(&rig, CONNECT, &["127.0.0.1 65053"], |to| {
        panic!("asked about {to}")
    })
    .await;
    assert_eq!(said, "ping at 127.0.0.1:65053 ('127.0.0.1', 65053)\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_are_refused_when_nobody_serves_them_any_more() {
    let rig = Rig::start().await;
    let mut sandbox = python(&rig, CONNECT, &["1.2.3.4 80"]).await;
    let uplink = uplink(&rig, &mut sandbox);
    drop(uplink);
    let ran = finish(sandbox).await;
    assert_eq!(ran.output, "ECONNREFUSED\n");
    rig.end().await;
}
