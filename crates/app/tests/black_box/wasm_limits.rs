//! WebAssembly at its limits: guests that use all the memory there is, modules that are hard to compile, and
//! code that is larger than the server.

use std::fs;
use std::time::Duration;

use kiln_testkit::{Response, Server, archive};
use serde_json::json;

use super::wasm::function;

/// What of a function's memory is not its guest's, in MiB.
const OWN_MB: u32 = 24;
/// Pages of 64 KiB in a MiB.
const PAGES_PER_MB: u32 = 16;

/// Grows its memory until it is refused, writes to every page of 4 KiB, and then does this. The global `size` has
/// its size in pages.
fn filler(then: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "true false file")
        (global $size (mut i32) (i32.const 0))
        (func $write (param $fd i32) (param $from i32) (param $count i32) (result i32)
            (i32.store (i32.const 0) (local.get $from))
            (i32.store (i32.const 4) (local.get $count))
            (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
        (func (export "_start") (local $at i32)
            (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            (global.set $size (memory.size))
            (local.set $at (i32.const 4096))
            (loop $touch
                (i32.store (local.get $at) (i32.const 7))
                (local.set $at (i32.add (local.get $at) (i32.const 4096)))
                (br_if $touch (i32.lt_u (local.get $at)
                    (i32.mul (global.get $size) (i32.const 65536)))))
            {then}))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn a_guest_may_use_all_of_its_memory_and_then_has_no_more() {
    let server = Server::start();
    for memory_mb in [128, 1024] {
        let pages = (memory_mb - OWN_MB) * PAGES_PER_MB;
        let all = format!(
            "(if (i32.eq (global.get $size) (i32.const {pages}))
                (then (drop (call $write (i32.const 1) (i32.const 64) (i32.const 4))))
                (else (drop (call $write (i32.const 1) (i32.const 69) (i32.const 5)))))"
        );
        let name = format!("all-{memory_mb}");
        function(&server, &name, filler(&all))
            .memory(memory_mb)
            .create();
        let past = "(i32.store (i32.mul (global.get $size) (i32.const 65536)) (i32.const 1))";
        let beyond = format!("past-{memory_mb}");
        function(&server, &beyond, filler(past))
            .memory(memory_mb)
            .create();
        for number in 0..3 {
            let done = server.invoke(&name, &json!({}));
            assert_eq!(done.success(), json!(true));
            assert_eq!(done.log.contains("Init Duration"), number == 0);
            let failed = server.invoke(&beyond, &json!({}));
            let document = failed.failure();
            assert_eq!(document["errorType"], "Wasm.Trap", "{document}");
            let message = document["errorMessage"].as_str().unwrap();
            let limit = format!("limit of {} MiB for WebAssembly memory", memory_mb - OWN_MB);
            assert!(message.contains("out of bounds"), "{message}");
            assert!(message.contains(&limit), "{message}");
            assert_eq!(failed.log.contains("Init Duration"), number == 0);
        }
    }
}

#[test]
fn a_guest_that_fills_its_sandbox_ends_as_on_aws_and_alone() {
    let server = Server::start();
    // /tmp is memory too: until it is full, or there is none.
    let file = "(drop (call $path_open (i32.const 4) (i32.const 0) (i32.const 75) (i32.const 4)
            (i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 16)))
        (loop $fill
            (br_if $fill (i32.eqz
                (call $write (i32.load (i32.const 16)) (i32.const 65536) (i32.const 65536)))))";
    function(&server, "full", filler(file)).memory(128).create();
    function(&server, "other", filler("")).memory(128).create();
    server.invoke("other", &json!({})).success();
    for _ in 0..2 {
        let failed = server.invoke("full", &json!({}));
        let document = failed.failure();
        assert_eq!(document["errorType"], "Runtime.OutOfMemory", "{document}");
        let message = document["errorMessage"].as_str().unwrap();
        assert!(message.contains("signal: killed"), "{message}");
    }
    let other = server.invoke("other", &json!({}));
    other.success();
    assert!(!other.log.contains("Init Duration"), "its neighbour stays");
}

/// A number as WebAssembly writes it.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn sized(content: &[u8]) -> Vec<u8> {
    [&leb128(content.len())[..], content].concat()
}

/// A module of functions with these bodies, of which the first is `_start`, with a memory and a table.
fn module_of(bodies: &[Vec<u8>]) -> Vec<u8> {
    let count = leb128(bodies.len());
    let types = vec![0; bodies.len()];
    let bodies: Vec<u8> = bodies.iter().flat_map(|body| sized(body)).collect();
    let sections = [
        (1, vec![1, 0x60, 0, 0]),
        (3, [&count[..], &types].concat()),
        (4, vec![1, 0x70, 0, 1]),
        (5, vec![1, 0, 1]),
        (7, [&[1, 6][..], b"_start", &[0, 0]].concat()),
        (10, [&count[..], &bodies].concat()),
    ];
    let sections = sections.map(|(id, content)| [vec![id], sized(&content)].concat());
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

/// Nothing.
const EMPTY: [u8; 2] = [0, 0x0b];

/// So many loads, each from where the one before says.
fn loads(count: usize) -> Vec<u8> {
    let (begin, end) = ([1, 1, 0x7f, 0x20, 0], [0x21, 0, 0x0b]);
    [&begin[..], &[0x28, 2, 0].repeat(count), &end].concat()
}

/// So many calls through a table.
fn calls(count: usize) -> Vec<u8> {
    [&[0][..], &[0x41, 0, 0x11, 0, 0].repeat(count), &[0x0b]].concat()
}

/// A module whose code is large because its data is.
fn large(megabytes: usize) -> Vec<u8> {
    let pages = megabytes * PAGES_PER_MB as usize;
    let text = format!("(module (memory {pages}) (func (export \"_start\")))");
    // What zips well, and is not nothing.
    let data: Vec<u8> = (0..megabytes << 20)
        .map(|at| (at % 251) as u8 + 1)
        .collect();
    let segment = [&[1, 0, 0x41, 0, 0x0b][..], &sized(&data)].concat();
    [wat::parse_str(text).unwrap(), vec![11], sized(&segment)].concat()
}

fn create(server: &Server, name: &str, module: &[u8]) -> Response {
    let package = archive::zip(&[("main.wasm", module)]);
    function(server, name, package).memory(256).try_create()
}

fn refused_with(refused: &Response, reason: &str) {
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(refused.error_type(), "InvalidParameterValueException");
    let message = format!("The uploaded file cannot be used as WebAssembly: {reason}.");
    assert_eq!(refused.message(), message);
}

#[test]
fn a_module_that_takes_much_memory_to_compile_is_refused_and_the_server_stays() {
    let server = Server::start();
    let module = module_of(&[loads(2_400_000)]);
    let refused = create(&server, "f", &module);
    refused_with(&refused, "compiling it takes more than 1024 MiB of memory");
    let created = create(&server, "f", &module_of(&[EMPTY.to_vec()]));
    assert_eq!(created.status, 201, "{}", created.text());
}

#[test]
fn modules_that_take_long_to_compile_are_refused_and_others_are_told_to_come_again() {
    let server = Server::start();
    // Each takes seconds, and little memory.
    let slow = module_of(&vec![calls(10_000); 40]);
    std::thread::scope(|scope| {
        let compile = |name| {
            let (server, slow) = (&server, &slow);
            scope.spawn(move || create(server, name, slow))
        };
        let compiling = [compile("a"), compile("b")];
        std::thread::sleep(Duration::from_secs(5));
        let busy = create(&server, "c", &module_of(&[EMPTY.to_vec()]));
        assert_eq!(busy.status, 429, "{}", busy.text());
        assert_eq!(busy.error_type(), "TooManyRequestsException");
        assert!(!busy.header("retry-after").is_empty());
        for slow in compiling {
            let refused = slow.join().unwrap();
            refused_with(&refused, "compiling it takes longer than 50 seconds");
        }
    });
    let created = create(&server, "c", &module_of(&[EMPTY.to_vec()]));
    assert_eq!(created.status, 201, "{}", created.text());
    let drafts = server.home().data_dir().join("artifacts/tmp");
    assert_eq!(fs::read_dir(drafts).unwrap().count(), 0);
}

/// The most memory that the server has had, in KiB.
fn peak_kib(server: &Server) -> u64 {
    let status = format!("/proc/{}/status", server.process().pid);
    let status = fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse().unwrap()
}

#[test]
fn compiled_code_does_not_pass_through_the_server_s_memory() {
    const MEGABYTES: usize = 96;
    let server = Server::start();
    create(&server, "small", &module_of(&[EMPTY.to_vec()])).expect_status(201);
    let clear = format!("/proc/{}/clear_refs", server.process().pid);
    fs::write(clear, "5").unwrap();
    let before = peak_kib(&server);
    create(&server, "large", &large(MEGABYTES)).expect_status(201);
    let grown = peak_kib(&server).saturating_sub(before);
    assert!(grown < (MEGABYTES as u64 / 2) << 10, "{grown} KiB");
    server.wait_until_active("large");
    server.invoke("large", &json!({})).success();
}
