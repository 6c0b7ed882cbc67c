//! Programs beside the main process, and what the daemon can do from within a sandbox's network.

use std::net::{Ipv4Addr, SocketAddr};

use kiln_sandbox::{Companion, Error, Exit, Program, Request, Sandbox, Start};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::rig::{LIMITS, PATIENCE, Rig, finish, until};

const PORT: u16 = 4000;

fn shell(script: &str) -> Program {
    Program {
        argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/tmp".into(),
    }
}

fn python(program: &str) -> Program {
    let argv = ["/usr/bin/python3", "-I", "-S", "-B", "-c", program];
    Program {
        argv: argv.map(str::to_owned).to_vec(),
        ..shell("")
    }
}

async fn lease(rig: &Rig, main: Program, companions: bool) -> Sandbox {
    let request = Request {
        image: "plain".into(),
        start: Start::Exec(main),
        limits: LIMITS,
        mounts: vec![],
        volumes: vec![],
        listeners: vec![],
        network: false,
        companions,
    };
    let leased = timeout(PATIENCE, rig.sandboxes.lease(request)).await;
    leased.expect("a lease does not hang").expect("a sandbox")
}

async fn beside(sandbox: &Sandbox, program: Program) -> Companion {
    let started = timeout(PATIENCE, sandbox.start_beside(program)).await;
    started.expect("it does not hang").expect("it starts")
}

async fn begin(sandbox: &mut Sandbox) {
    let begun = timeout(PATIENCE, sandbox.begin()).await;
    begun.expect("it does not hang").expect("it begins");
}

async fn output(companion: &mut Companion) -> String {
    let mut text = String::new();
    let mut pipe = companion.take_output();
    let read = timeout(PATIENCE, pipe.read_to_string(&mut text)).await;
    read.expect("it ends").expect("text");
    text
}

async fn exit(companion: &mut Companion) -> Exit {
    let exited = timeout(PATIENCE, companion.exited()).await;
    exited.expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn main_program_begins_when_told_and_shares_the_sandbox_with_its_companions() {
    let rig = Rig::start().await;
    let main = shell("cat /tmp/note; id -u; ls /proc/self/fd | tr '\\n' ' '");
    let mut sandbox = lease(&rig, main, true).await;
    let script = "echo from beside > /tmp/note; id -u; ls /proc/self/fd | tr '\\n' ' '; exit 3";
    let mut companion = beside(&sandbox, shell(script)).await;
    assert_eq!(exit(&mut companion).await, Exit::Code(3));
    let said = output(&mut companion).await;
    begin(&mut sandbox).await;
    let ran = finish(sandbox).await;
    assert_eq!(ran.exit, Exit::Code(0));
    let user = said.lines().next().expect("its uid");
    // Without a channel: 3 is what `ls` opens.
    assert_eq!(said, format!("{user}\n0 1 2 3 "));
    assert_eq!(ran.output, format!("from beside\n{user}\n0 1 2 3 4 "));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn companion_outlives_the_main_process_and_ends_with_the_sandbox() {
    let rig = Rig::start().await;
    let mut sandbox = lease(&rig, shell("exit 0"), true).await;
    let mut companion = beside(&sandbox, shell("sleep 1000")).await;
    begin(&mut sandbox).await;
    assert_eq!(sandbox.exited().await, Exit::Code(0));
    let mut late = beside(&sandbox, shell("echo still here")).await;
    assert_eq!(output(&mut late).await, "still here\n");
    drop(sandbox);
    assert_eq!(exit(&mut companion).await, Exit::Signal(9));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn main_process_is_terminated_and_a_companion_killed_each_alone() {
    let rig = Rig::start().await;
    // A shell with a child of its own: the signal reaches the group.
    let main = shell("trap 'echo asked to end; exit 5' TERM; echo up > /tmp/up; sleep 1000 & wait");
    let mut sandbox = lease(&rig, main, true).await;
    let mut companion = beside(&sandbox, shell("sleep 1000")).await;
    begin(&mut sandbox).await;
    let mut ready = beside(
        &sandbox,
        shell("until test -e /tmp/up; do sleep 0.01; done"),
    )
    .await;
    exit(&mut ready).await;
    sandbox.terminate();
    assert_eq!(sandbox.exited().await, Exit::Code(5));
    companion.kill();
    assert_eq!(exit(&mut companion).await, Exit::Signal(9));
    assert_eq!(finish(sandbox).await.output, "asked to end\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn main_process_alone_is_killed() {
    let rig = Rig::start().await;
    let mut sandbox = lease(&rig, shell("sleep 1000"), true).await;
    begin(&mut sandbox).await;
    sandbox.kill_main();
    assert_eq!(sandbox.exited().await, Exit::Signal(9));
    let mut companion = beside(&sandbox, shell("echo alive")).await;
    assert_eq!(output(&mut companion).await, "alive\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn program_that_cannot_be_executed_is_told_from_one_that_may_not_be_started() {
    let rig = Rig::start().await;
    let missing = Program {
        argv: vec!["/opt/missing".into()],
        ..shell("")
    };
    let sandbox = lease(&rig, shell("sleep 1000"), true).await;
    let refused = sandbox.start_beside(missing.clone()).await;
    assert!(
        matches!(refused, Err(Error::NotExecutable { .. })),
        "{refused:?}"
    );
    let alone = lease(&rig, shell("sleep 1000"), false).await;
    let refused = alone.start_beside(shell("exit 0")).await;
    assert!(matches!(refused, Err(Error::NoCompanions)), "{refused:?}");
    let mut sandbox = lease(&rig, missing, true).await;
    let refused = sandbox.begin().await;
    assert!(
        matches!(refused, Err(Error::NotExecutable { .. })),
        "{refused:?}"
    );
    drop((sandbox, alone));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn daemon_connects_to_what_listens_in_the_sandbox_it_names() {
    let rig = Rig::start().await;
    let serve = "import socket, sys
server = socket.create_server(('sandbox.localdomain', 4000)); print('up', flush=True)
server.accept()[0].sendall(b'hello')";
    let mut sandbox = lease(&rig, python(serve), false).await;
    let empty = lease(&rig, shell("sleep 1000"), false).await;
    let mut pipe = sandbox.take_output();
    let mut up = [0; 3];
    let read = timeout(PATIENCE, pipe.read_exact(&mut up)).await;
    read.expect("it listens").expect("it says so");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    assert!(empty.network().connect(address).await.is_err());
    let mut connection = sandbox
        .network()
        .connect(address)
        .await
        .expect("it listens");
    let mut said = String::new();
    let read = timeout(PATIENCE, connection.read_to_string(&mut said)).await;
    read.expect("it ends").expect("text");
    assert_eq!(said, "hello");
    // The daemon itself is at home again.
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    drop((sandbox, empty));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_companions_whose_sandbox_is_dropped() {
    let rig = Rig::start().await;
    for _ in 0..5 {
        let sandbox = lease(&rig, shell("sleep 1000"), true).await;
        let _first = beside(&sandbox, shell("sleep 1000 & sleep 1000")).await;
        let _second = beside(&sandbox, shell("exit 0")).await;
    }
    let sandboxes = rig.sandboxes.clone();
    until("all but the pool is gone", || {
        sandboxes.statistics().live <= 1
    })
    .await;
    rig.end().await;
}
