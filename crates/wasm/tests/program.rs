//! The program as the daemon starts it.

#![allow(clippy::unwrap_used, reason = "a test's own set-up may stop it")]

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kiln-wasm");

/// What `kiln-wasm compile` says of a package with this file: the frame's kind, header and body.
fn compiled(file: &str, content: &[u8]) -> (u8, String, Vec<u8>) {
    let package = tempfile::tempdir().unwrap();
    std::fs::write(package.path().join(file), content).unwrap();
    let (mut here, there) = UnixStream::pair().unwrap();
    // The shell makes descriptor 3 of it, which a test cannot.
    let mut program = Command::new("sh")
        .args(["-c", "exec \"$@\" 3<&0", "sh", PROGRAM, "compile"])
        .arg(package.path())
        .arg(file)
        .stdin(Stdio::from(OwnedFd::from(there)))
        .spawn()
        .unwrap();
    let mut frame = Vec::new();
    here.read_to_end(&mut frame).unwrap();
    assert!(program.wait().unwrap().success());
    let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(number(0), frame.len() - 4);
    let body = 9 + number(5);
    let header = String::from_utf8(frame[9..body].to_vec()).unwrap();
    (frame[4], header, frame[body..].to_vec())
}

#[test]
fn modules_and_components_become_code() {
    for text in ["hello.wat", "http.wat"] {
        let example = format!("{}/../../examples/wasm/{text}", env!("CARGO_MANIFEST_DIR"));
        let module = wat::parse_file(example).unwrap();
        let (kind, header, code) = compiled("f.wasm", &module);
        assert_eq!(
            (kind, header.as_str()),
            (32, r#"{"file":"f.wasm.compiled"}"#)
        );
        assert!(code.starts_with(b"\x7fELF"), "{text}");
    }
}

#[test]
fn what_cannot_run_is_refused_with_the_reason() {
    let of = |text: &str| wat::parse_str(text).unwrap();
    let unknown = "(module (import \"env\" \"f\" (func)) (func (export \"_start\")))";
    for (module, reason) in [
        (b"\0asm".to_vec(), "it is not WebAssembly of version 1"),
        (b"(module)".to_vec(), "it is not WebAssembly of version 1"),
        (b"\0asm\x01\0\0\0\x01".to_vec(), "failed to parse"),
        (of("(module)"), "exports no function _start"),
        (
            of("(component)"),
            "exports neither wasi:http/incoming-handler",
        ),
        (of(unknown), "unknown import: `env::f`"),
    ] {
        let (kind, _, said) = compiled("f.wasm", &module);
        let said = String::from_utf8(said).unwrap();
        assert_eq!(kind, 33, "{said}");
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_person_who_starts_it_is_told_what_it_is() {
    let output = Command::new(PROGRAM).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("kiln-wasm is started by Kiln")
    );
}
