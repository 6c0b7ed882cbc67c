//! What a sandbox may use, and what is known of its use.

use std::time::Duration;

use kiln_sandbox::{Exit, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::rig::{LIMITS, PATIENCE, Rig, cgroups, until};

#[tokio::test(flavor = "multi_thread")]
async fn memory_beyond_the_limit_kills_and_is_counted() {
    let rig = Rig::start().await;
    let limits = Limits {
        memory_bytes: 64 << 20,
        ..LIMITS
    };
    let argv = ["/usr/bin/python3", "-I", "-S", "-c", "bytearray(200 << 20)"];
    let mut sandbox = rig.exec(&argv, limits, vec![]).await;
    let exit = timeout(PATIENCE, sandbox.exited())
        .await
        .expect("it is killed");
    assert_eq!(exit, Exit::Signal(9));
    assert_eq!(sandbox.out_of_memory_kills(), 1);
    let peak = sandbox.memory_peak_bytes();
    assert!((60 << 20..=64 << 20).contains(&peak), "{peak}");
    drop(sandbox);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_ends_functions_before_anything_else() {
    let rig = Rig::start().await;
    let ran = rig.sh("cat /proc/self/oom_score_adj").await;
    assert_eq!(ran.output.trim(), "1000");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_tmp_says_so() {
    let rig = Rig::start().await;
    let ran = rig
        .sh("head -c 20000000 /dev/zero > /tmp/big; echo $?; rm /tmp/big; df -k /tmp")
        .await;
    assert!(
        ran.output.contains("No space left on device"),
        "{}",
        ran.output
    );
    assert!(ran.output.contains("16384"), "{}", ran.output);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_processes_are_refused() {
    let rig = Rig::start().await;
    let program = "import os, time
made = 0
try:
    while made < 100:
        if os.fork() == 0: time.sleep(1000)
        made += 1
except BlockingIOError: print('refused after', made)";
    let limits = Limits {
        processes: 10,
        ..LIMITS
    };
    let ran = rig
        .run(&["/usr/bin/python3", "-I", "-S", "-c", program], limits)
        .await;
    assert_eq!(ran.output, "refused after 9\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processor_share_is_kept() {
    let rig = Rig::start().await;
    let limits = Limits {
        cpu_millis: 100,
        ..LIMITS
    };
    let program = "import time
while time.process_time() < 0.2: pass
print('worked', flush=True)
time.sleep(1000)";
    let argv = ["/usr/bin/python3", "-I", "-S", "-c", program];
    let mut sandbox = rig.exec(&argv, limits, vec![]).await;
    let mut worked = [0; 6];
    let reading = sandbox.take_output().read_exact(&mut worked).await;
    reading.expect("it gets its share");
    // 0.2 s of work at 10 ms in each period of 100 ms: stopped 20 times, less some at the edges.
    let stopped = times_stopped(&rig.name, sandbox.id());
    assert!(stopped >= 15, "{stopped}");
    drop(sandbox);
    rig.end().await;
}

/// In how many periods the kernel kept a sandbox from running on.
fn times_stopped(server: &str, id: u64) -> u64 {
    let files = cgroups(server)
        .into_iter()
        .map(|group| group.join(id.to_string()).join("cpu.stat"));
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    let counts = texts.filter_map(|text| {
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("nr_throttled "));
        count.map(|count| count.parse::<u64>().expect("a number"))
    });
    counts
        .max()
        .expect("a tree with the cpu controller counts this")
}

#[tokio::test(flavor = "multi_thread")]
async fn processor_time_is_known() {
    let rig = Rig::start().await;
    let argv = [
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 1000",
    ];
    let sandbox = rig.exec(&argv, LIMITS, vec![]).await;
    until("it has worked", || {
        sandbox.cpu() > Duration::from_millis(50)
    })
    .await;
    drop(sandbox);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_sandbox_stands_still_until_thawed() {
    let rig = Rig::start().await;
    let echo = "import socket
channel = socket.socket(fileno=3)
while True: channel.sendall(channel.recv(10))";
    let argv = ["/usr/bin/python3", "-I", "-S", "-c", echo];
    let mut sandbox = rig.exec(&argv, LIMITS, vec![]).await;
    let mut channel = sandbox.take_channel();
    let mut byte = [0];
    channel.write_all(b"a").await.expect("it listens");
    channel.read_exact(&mut byte).await.expect("it answers");
    for _ in 0..3 {
        sandbox.freeze().expect("it can be frozen");
        channel.write_all(b"b").await.expect("the socket takes it");
        let answer = timeout(Duration::from_millis(300), channel.read_exact(&mut byte)).await;
        assert!(answer.is_err(), "a frozen sandbox answered");
        sandbox.thaw().expect("it can be thawed");
        let answer = timeout(PATIENCE, channel.read_exact(&mut byte)).await;
        answer.expect("a thawed sandbox answers").expect("it lives");
    }
    sandbox.freeze().expect("it can be frozen");
    drop(sandbox);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_status_and_signal_are_told_apart() {
    let rig = Rig::start().await;
    assert_eq!(rig.sh("exit 3").await.exit, Exit::Code(3));
    assert_eq!(rig.sh("kill -TERM $$").await.exit, Exit::Signal(15));
    assert_eq!(rig.sh("kill -KILL $$").await.exit, Exit::Signal(9));
    let mut sandbox = rig.exec(&["/bin/sleep", "1000"], LIMITS, vec![]).await;
    sandbox.kill();
    let exit = timeout(PATIENCE, sandbox.exited())
        .await
        .expect("it is killed");
    assert_eq!(exit, Exit::Signal(9));
    drop(sandbox);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_pass_through_the_channel() {
    let rig = Rig::start().await;
    let program = "import socket
channel = socket.socket(fileno=3)
left = 6 << 20
while left: left -= len(channel.recv(left))
channel.sendall(bytes(6 << 20))";
    let argv = ["/usr/bin/python3", "-I", "-S", "-c", program];
    let mut sandbox = rig.exec(&argv, LIMITS, vec![]).await;
    let mut channel = sandbox.take_channel();
    let talk = async {
        channel
            .write_all(&vec![1; 6 << 20])
            .await
            .expect("it reads");
        let mut answer = Vec::new();
        channel.read_to_end(&mut answer).await.expect("it writes");
        answer.len()
    };
    assert_eq!(timeout(PATIENCE, talk).await.expect("in time"), 6 << 20);
    drop(sandbox);
    rig.end().await;
}
