//! Compiles a WebAssembly function's code, in a sandbox of its own.
//!
//! A compiler is a large program that reads what users send. It gets a sandbox like a function's: no
//! network, no files but the package, a limit for its memory, a limit for its time. What it sends
//! back is not trusted either: it is code that only ever runs in the sandbox of its own function.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_sandbox::{Limits, Mount, Program, Request, Sandbox, Sandboxes, Start};
use kiln_types::limits;
use kiln_types::runtime::WASM;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::channel::{self, PREFIX_BYTES};

/// Compilations at a time; further ones wait.
const COMPILATIONS_MAX: usize = 2;
/// Where the compiler finds the package.
const PACKAGE: &str = "/var/task";
/// What one may use.
const MEMORY_BYTES: u64 = 1 << 30;
/// All of one core, but no more: functions run beside it.
const CPU_MILLIS: u32 = 1_000;
const TMP_BYTES: u64 = 1 << 20;
/// How long one may take. Clients of the API wait for a minute.
const TIME_MAX: Duration = Duration::from_secs(50);
/// The largest code that is kept: as large as a package may be.
const CODE_BYTES_MAX: usize = limits::UNZIPPED_BYTES_MAX as usize;
/// The longest text that is passed on of why there is none.
const REASON_BYTES_MAX: usize = 2 << 10;

/// The kinds of frames of `kiln-wasm compile`, which are those of a [`channel`].
const COMPILED: u8 = 32;
const REFUSED: u8 = 33;
const HEADER_BYTES_MAX: usize = 4 << 10;
const FILE_BYTES_MAX: usize = 255;

/// Compiles code. Clones share its limit.
#[derive(Debug, Clone)]
pub struct Compiler {
    sandboxes: Sandboxes,
    program: String,
    permits: Arc<Semaphore>,
}

/// Compiled code.
#[derive(Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What its file is called, where the runtime looks for it.
    pub file: String,
    /// The code.
    pub code: Bytes,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotCompiled {
    /// The package's fault.
    #[error("{0}")]
    Refused(String),
    /// It took too long; the package's fault too.
    #[error("compiling it takes longer than {} seconds", TIME_MAX.as_secs())]
    TooSlow,
    /// It took too much memory; the package's fault too.
    #[error("compiling it takes more than {} MiB of memory", MEMORY_BYTES >> 20)]
    TooLarge,
    /// Something of Kiln's own.
    #[error("compile: {0}")]
    Failed(String),
}

impl Compiler {
    /// Compiles with this program, as seen inside a sandbox of the image named for the runtime.
    pub fn new(sandboxes: Sandboxes, program: &str) -> Self {
        Self {
            sandboxes,
            program: program.to_owned(),
            permits: Arc::new(Semaphore::new(COMPILATIONS_MAX)),
        }
    }

    /// Compiles the module that the handler names in a package.
    pub async fn compile(&self, package: &Path, handler: &str) -> Result<Compiled, NotCompiled> {
        let permit = self.permits.acquire().await;
        let _permit = permit.expect("the semaphore is never closed");
        let leased = self.sandboxes.lease(self.request(package, handler)).await;
        let mut sandbox = leased.map_err(|error| NotCompiled::Failed(error.to_string()))?;
        let mut channel = sandbox.take_channel();
        match timeout(TIME_MAX, receive(&mut channel)).await {
            Err(_) => Err(NotCompiled::TooSlow),
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => Err(why_it_ended(&mut sandbox, why).await),
        }
    }

    fn request(&self, package: &Path, handler: &str) -> Request {
        let argv = [&self.program, "compile", PACKAGE, handler].map(str::to_owned);
        Request {
            image: WASM.to_owned(),
            start: Start::Exec(Program {
                argv: argv.to_vec(),
                env: Vec::new(),
                cwd: PathBuf::from("/"),
            }),
            limits: Limits {
                memory_bytes: MEMORY_BYTES,
                cpu_millis: CPU_MILLIS,
                processes: limits::PROCESSES_MAX,
                tmp_bytes: TMP_BYTES,
            },
            mounts: vec![Mount {
                source: package.to_owned(),
                target: PathBuf::from(PACKAGE),
            }],
            volumes: Vec::new(),
            listeners: Vec::new(),
            companions: false,
            network: false,
        }
    }
}

/// A compiler that ended without an answer was most likely killed for its memory.
async fn why_it_ended(sandbox: &mut Sandbox, why: std::io::Error) -> NotCompiled {
    let was_killed = sandbox.out_of_memory_kills() > 0;
    match was_killed {
        true => NotCompiled::TooLarge,
        false => {
            let exit = timeout(Duration::from_secs(1), sandbox.exited()).await;
            NotCompiled::Failed(format!("{why}; the compiler ended with {exit:?}"))
        }
    }
}

/// Its one frame. What is not one is an error.
async fn receive(
    channel: &mut UnixStream,
) -> Result<Result<Compiled, NotCompiled>, std::io::Error> {
    let malformed = || std::io::Error::other("the compiler sent no answer");
    let length = channel.read_u32().await? as usize;
    if !(PREFIX_BYTES..=PREFIX_BYTES + HEADER_BYTES_MAX + CODE_BYTES_MAX).contains(&length) {
        return Err(malformed());
    }
    let mut frame = Vec::new();
    // Grows with what arrives, not with what was claimed.
    let read = channel.take(length as u64).read_to_end(&mut frame).await?;
    if read < length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let parts = channel::parts(frame.into(), HEADER_BYTES_MAX);
    let (kind, header, body) = parts.ok_or_else(malformed)?;
    match kind {
        COMPILED => {
            let file = file_name(&header).ok_or_else(malformed)?;
            Ok(Ok(Compiled { file, code: body }))
        }
        REFUSED => {
            let reason = &body[..body.len().min(REASON_BYTES_MAX)];
            let reason = String::from_utf8_lossy(reason).into_owned();
            Ok(Err(NotCompiled::Refused(reason)))
        }
        _ => Err(malformed()),
    }
}

/// The name of a file and nothing that leads elsewhere.
fn file_name(header: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Header {
        file: String,
    }
    let Header { file } = serde_json::from_slice(header).ok()?;
    let is_plain = !file.is_empty()
        && file.len() <= FILE_BYTES_MAX
        && !file.starts_with('.')
        && !file.contains(['/', '\0']);
    is_plain.then_some(file)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn received(bytes: &[u8]) -> Result<Result<Compiled, NotCompiled>, std::io::Error> {
        let (mut here, mut there) = UnixStream::pair().expect("two sockets");
        there.write_all(bytes).await.expect("it fits");
        drop(there);
        receive(&mut here).await
    }

    fn frame(kind: u8, header: &str, body: &[u8]) -> Vec<u8> {
        let length = (PREFIX_BYTES + header.len() + body.len()) as u32;
        let mut frame = length.to_be_bytes().to_vec();
        frame.push(kind);
        frame.extend((header.len() as u32).to_be_bytes());
        frame.extend(header.bytes());
        frame.extend(body);
        frame
    }

    #[tokio::test]
    async fn code_and_reasons_are_told_apart() {
        let compiled = received(&frame(COMPILED, r#"{"file":"a.compiled"}"#, b"code")).await;
        let expected = Compiled {
            file: "a.compiled".to_owned(),
            code: Bytes::from_static(b"code"),
        };
        assert_eq!(compiled.expect("a frame"), Ok(expected));
        let refused = received(&frame(REFUSED, r#"{"file":""}"#, b"no")).await;
        let expected = NotCompiled::Refused("no".to_owned());
        assert_eq!(refused.expect("a frame"), Err(expected));
    }

    #[tokio::test]
    async fn nothing_else_is_taken() {
        let mut cut = frame(COMPILED, r#"{"file":"a"}"#, b"code");
        cut.pop();
        let mut long = frame(COMPILED, r#"{"file":"a"}"#, b"");
        long[5..9].copy_from_slice(&u32::MAX.to_be_bytes());
        for bytes in [
            cut,
            long,
            Vec::new(),
            u32::MAX.to_be_bytes().to_vec(),
            vec![0; 4],
            frame(7, "{}", b""),
            frame(COMPILED, r#"{"file":"../a"}"#, b""),
            frame(COMPILED, r#"{"file":".a"}"#, b""),
            frame(COMPILED, r#"{"file":""}"#, b""),
            frame(COMPILED, "x", b""),
        ] {
            assert!(received(&bytes).await.is_err(), "{bytes:?}");
        }
    }
}
