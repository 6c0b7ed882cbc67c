//! What code in a sandbox can see and do.

use std::fs;

use kiln_sandbox::{Config, Error, Exit, Mount, Program, Request, Start};

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::rig::{LIMITS, Rig, finish};

#[tokio::test(flavor = "multi_thread")]
async fn program_sees_only_its_own_environment() {
    let rig = Rig::start().await;
    let ran = rig
        .sh("env | sort | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=; pwd")
        .await;
    assert_eq!(ran.output, "COLOUR=blue\nPATH=/usr/bin:/bin\n/tmp\n");
    assert_eq!(ran.exit, Exit::Code(0));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn root_is_read_only_and_holds_nothing_of_the_host() {
    let rig = Rig::start().await;
    let secret = tempfile::NamedTempFile::new_in("/var/tmp").expect("a file");
    let ran = rig.sh("ls /; ls -A /var /opt /mnt /tmp /etc").await;
    let lines: Vec<&str> = ran.output.lines().collect();
    for absent in [
        "root", "home", "boot", "srv", "run", "sys", "shadow", "sudoers", "ssh", "spool",
    ] {
        assert!(!lines.contains(&absent), "{absent}: {}", ran.output);
    }
    let path = secret.path().display();
    let ran = rig
        .sh(&format!(
            "cat {path}; cat /etc/shadow; cat /etc/hostname /etc/passwd"
        ))
        .await;
    assert_eq!(
        ran.output.matches("No such file").count(),
        2,
        "{}",
        ran.output
    );
    assert!(ran.output.contains("kiln\nroot:x:0:0"), "{}", ran.output);
    let script = "for d in / /usr/bin /etc /dev /var/task /proc /opt /mnt; do \
                  touch $d/new 2>/dev/null && echo wrote $d; done; touch /tmp/new && echo tmp; \
                  touch /dev/shm/new && echo shm; echo x > /dev/null && echo null";
    let ran = rig.sh(script).await;
    assert_eq!(ran.output, "tmp\nshm\nnull\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_has_a_name_and_a_home_where_it_can_write() {
    let rig = Rig::start().await;
    let ran = rig
        .sh("id -un | cut -c 1-8; id -gn | cut -c 1-8; grep \"^$(id -un):\" /etc/passwd | cut -d : -f 6")
        .await;
    assert_eq!(ran.output, "sbx_user\nsbx_user\n/tmp\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn program_has_no_rights_and_no_other_groups() {
    let rig = Rig::start().await;
    let ran = rig
        .sh("grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid)' /proc/self/status")
        .await;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            ran.output.contains(&format!("{set}:\t0000000000000000")),
            "{}",
            ran.output
        );
    }
    assert!(ran.output.contains("NoNewPrivs:\t1"), "{}", ran.output);
    assert!(ran.output.contains("Seccomp:\t2"), "{}", ran.output);
    assert!(ran.output.contains("Groups:\t \n"), "{}", ran.output);
    // The test's first sandbox has the first user id or, when the pool was faster, the next.
    let its_own = format!("Uid:\t{}", Config::UID_BASE / 100);
    assert!(ran.output.contains(&its_own), "{}", ran.output);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_run_as_different_users() {
    let rig = Rig::start().await;
    let mut first = rig
        .exec(&["/bin/sh", "-c", "id -u; sleep 1000"], LIMITS, vec![])
        .await;
    let mut uid = String::new();
    let mut output = BufReader::new(first.take_output());
    output.read_line(&mut uid).await.expect("it writes");
    let uid = uid.trim();
    let second = rig.sh("id -u; id -g").await;
    assert_ne!(second.output, format!("{uid}\n{uid}\n"));
    let ids: Vec<&str> = second.output.lines().collect();
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0].parse::<u32>().expect("a number") >= Config::UID_BASE);
    drop(first);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_processes_are_seen() {
    let rig = Rig::start().await;
    let ran = rig
        .sh("ls -d /proc/[0-9]* | wc -l; echo $$; ls /proc/1 2>&1; kill -9 1")
        .await;
    let lines: Vec<&str> = ran.output.lines().collect();
    let processes: usize = lines[0].trim().parse().expect("a number");
    assert!(processes <= 3, "the shell, ls and wc: {}", ran.output);
    assert!(
        lines[1].parse::<u32>().expect("a pid") < 10,
        "{}",
        ran.output
    );
    assert!(
        lines[2].contains("No such file"),
        "init is hidden: {}",
        ran.output
    );
    assert!(ran.output.contains("not permitted"), "{}", ran.output);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_is_the_only_network() {
    let rig = Rig::start().await;
    let program = "import socket
s = socket.socket(); s.bind(('127.0.0.1', 9001)); s.listen()
c = socket.create_connection(('127.0.0.1', 9001)); print('loopback works')
for family, kind in ((socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_NETLINK, socket.SOCK_RAW),
                     (socket.AF_INET, socket.SOCK_RAW)):
    try: socket.socket(family, kind); print('made')
    except PermissionError: print('refused')
try: socket.create_connection(('192.0.2.1', 80), 1)
except OSError as error: print(error.strerror)
print(open('/proc/net/dev').read().count(':'))";
    let ran = rig.python(program).await;
    let expected = "loopback works\nrefused\nrefused\nrefused\nNetwork is unreachable\n1\n";
    assert_eq!(ran.output, expected);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_descriptor_leaks_in() {
    let rig = Rig::start().await;
    let ran = rig
        .python("import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))")
        .await;
    // 4 is the listing's own.
    assert_eq!(ran.output, "[0, 1, 2, 3, 4]\n");
    let ran = rig
        .sh("readlink /proc/self/fd/0; readlink /proc/self/fd/3")
        .await;
    assert!(
        ran.output.starts_with("/dev/null\nsocket:"),
        "{}",
        ran.output
    );
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mounts_are_read_only_where_asked() {
    let rig = Rig::start().await;
    let code = rig.directory.path().join("code");
    fs::create_dir_all(&code).expect("the directory is ours");
    fs::write(code.join("greeting"), "hello\n").expect("the directory is ours");
    let mounts = vec![Mount {
        source: code,
        target: "/var/task".into(),
    }];
    let script = "cat /var/task/greeting; touch /var/task/new 2>&1; rm -f /var/task/greeting 2>&1; \
                  mount | grep /var/task";
    let sandbox = rig.exec(&["/bin/sh", "-c", script], LIMITS, mounts).await;
    let ran = finish(sandbox).await;
    assert!(ran.output.starts_with("hello\n"), "{}", ran.output);
    assert!(ran.output.contains("(ro,nosuid,nodev"), "{}", ran.output);
    assert!(rig.directory.path().join("code/greeting").exists());
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_at_one_place_are_seen_as_one_and_later_ones_win() {
    let rig = Rig::start().await;
    let mut mounts = Vec::new();
    // More than fit one option of the kernel by their names, which it would also misread.
    for number in 0..5 {
        let layer = rig
            .directory
            .path()
            .join(format!("a:b,c\\{}-{number}", "x".repeat(100)));
        fs::create_dir_all(layer.join("lib")).expect("the directory is ours");
        fs::write(layer.join("winner"), format!("{number}\n")).expect("the directory is ours");
        fs::write(layer.join(format!("lib/{number}")), "").expect("the directory is ours");
        mounts.push(Mount {
            source: layer,
            target: "/opt".into(),
        });
    }
    fs::write(mounts[1].source.join("below"), "1\n").expect("the directory is ours");
    let script = "cat /opt/winner /opt/below; ls /opt/lib | tr '\\n' ' '; echo; \
                  touch /opt/new /opt/winner 2>&1; rm -rf /opt/lib 2>&1 | wc -l; mount | grep /opt";
    let sandbox = rig.exec(&["/bin/sh", "-c", script], LIMITS, mounts).await;
    let ran = finish(sandbox).await;
    let begins = "4\n1\n0 1 2 3 4 \n";
    assert!(ran.output.starts_with(begins), "{}", ran.output);
    assert_eq!(
        ran.output.matches("Read-only file system").count(),
        2,
        "{}",
        ran.output
    );
    let mounted = ran.output.lines().last().unwrap_or_default();
    assert!(
        mounted.contains("type overlay (ro,nosuid,nodev"),
        "{mounted}"
    );
    assert!(!mounted.contains("xxx"), "a path of the host: {mounted}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mount_of_a_missing_directory_names_it() {
    let rig = Rig::start().await;
    let start = Start::Exec(Program {
        argv: vec!["/bin/true".into()],
        env: vec![],
        cwd: "/".into(),
    });
    let mounts = vec![Mount {
        source: "/no/such/place".into(),
        target: "/var/task".into(),
    }];
    let request = Request {
        image: "plain".into(),
        start,
        limits: LIMITS,
        mounts,
        volumes: vec![],
        listeners: vec![],
        network: false,
        companions: false,
    };
    let error = rig
        .sandboxes
        .lease(request)
        .await
        .expect_err("there is no such place");
    assert!(matches!(error, Error::Mount { .. }), "{error}");
    assert_eq!(error.to_string(), "mount /no/such/place at /var/task");
    rig.end().await;
}

/// Why a program cannot be started in a sandbox that has this directory as its code.
async fn refusal(rig: &Rig, program: &str, cwd: &str, code: &std::path::Path) -> Error {
    let start = Start::Exec(Program {
        argv: vec![program.into()],
        env: vec![],
        cwd: cwd.into(),
    });
    let mounts = vec![Mount {
        source: code.to_owned(),
        target: "/var/task".into(),
    }];
    let request = Request {
        image: "plain".into(),
        start,
        limits: LIMITS,
        mounts,
        volumes: vec![],
        listeners: vec![],
        network: false,
        companions: false,
    };
    let leased = rig.sandboxes.lease(request).await;
    leased.expect_err("it cannot be started")
}

#[tokio::test(flavor = "multi_thread")]
async fn program_that_cannot_be_run_is_named_with_the_reason() {
    let rig = Rig::start().await;
    let code = tempfile::tempdir().expect("a directory");
    let write = |name: &str, content: &[u8], mode: u32| {
        let path = code.path().join(name);
        fs::write(&path, content).expect("the directory is ours");
        rustix::fs::chmod(path, mode.into()).expect("the file is ours");
    };
    rustix::fs::chmod(code.path(), 0o755.into()).expect("the directory is ours");
    write("not-executable", b"#!/bin/sh\n", 0o644);
    write("foreign", b"\x7fELF\x02 of another machine", 0o755);
    write("no-interpreter", b"#!/no/such/shell\n", 0o755);
    let table = [
        ("/no/such/program", "No such file or directory"),
        ("/var/task/no-interpreter", "No such file or directory"),
        ("/var/task/not-executable", "Permission denied"),
        ("/var/task", "Permission denied"),
        ("/var/task/foreign", "Exec format error"),
    ];
    for (program, reason) in table {
        let error = refusal(&rig, program, "/", code.path()).await;
        assert!(matches!(error, Error::NotExecutable { .. }), "{error}");
        let expected = format!("execute `{program}`: {reason} (os error ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    // Not the program's fault.
    let error = refusal(&rig, "/bin/true", "/no/such/place", code.path()).await;
    let expected = "enter `/no/such/place`: No such file or directory (os error 2)";
    assert_eq!(error.to_string(), expected);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forbidden_calls_fail_and_the_program_lives_on() {
    let calls = "import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, *arguments):
    result = libc[name](*arguments)
    print(name, 'done' if result >= 0 else errno.errorcode[ctypes.get_errno()])
attempt('unshare', 0x10000000)
attempt('mount', b'none', b'/tmp', b'tmpfs', 0, None)
attempt('ptrace', 0, 0, 0, 0)
attempt('setns', 0, 0)
attempt('personality', 0x0040000)
attempt('syncfs', 1)
attempt('sched_yield')";
    let rig = Rig::start().await;
    let ran = rig.python(calls).await;
    let expected = "unshare EPERM\nmount EPERM\nptrace EPERM\nsetns EPERM\npersonality EPERM\n\
                    syncfs EPERM\nsched_yield done\n";
    assert_eq!(ran.output, expected);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_and_child_processes_work() {
    let program = "import threading, subprocess, multiprocessing.pool, ssl, sqlite3, ctypes, os
t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()
print(subprocess.run(['/bin/echo', 'child'], capture_output=True, text=True).stdout.strip())
print(multiprocessing.pool.Pool(2).map(abs, [-1, -2]))
print(len(ssl.create_default_context().get_ca_certs()) > 0)
print(open('/tmp/a', 'w').write('abc'), os.listdir('/tmp'))";
    let rig = Rig::start().await;
    let ran = rig.python(program).await;
    assert_eq!(ran.output, "thread\nchild\n[1, 2]\nTrue\n3 ['a']\n");
    assert_eq!(ran.exit, Exit::Code(0));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_runs() {
    let node = ["/usr/bin/node", "/usr/local/bin/node"]
        .into_iter()
        .find(|n| fs::exists(n).is_ok_and(|e| e))
        .expect("this test requires Node: apt-get install nodejs");
    let rig = Rig::start().await;
    let image_mount = Mount {
        source: "/usr/local".into(),
        target: "/var/lang".into(),
    };
    let (program, mounts) = match node.strip_prefix("/usr/local") {
        Some(rest) => (format!("/var/lang{rest}"), vec![image_mount]),
        None => (node.to_owned(), vec![]),
    };
    let script = "const fs=require('fs');fs.writeFileSync('/tmp/x','y');\
                  setTimeout(()=>console.log(fs.readFileSync('/tmp/x')+''+[1,2].map(n=>n*2)),5)";
    let ran = finish(rig.exec(&[&program, "-e", script], LIMITS, mounts).await).await;
    assert_eq!(ran.output, "y2,4\n");
    rig.end().await;
}
