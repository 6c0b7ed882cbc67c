//! Compiles a WebAssembly function's code, in a sandbox of its own.
//!
//! A compiler is a large program that reads what users send. It gets a sandbox like a function's: no
//! network, no files but the package, a limit for its memory, a limit for its time. What it sends
//! back is not trusted either: it is code that only ever runs in the sandbox of its own function. It goes
//! to a file as it arrives, so what the server holds of it does not grow with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kiln_sandbox::{Limits, Mount, Program, Request, Sandbox, Sandboxes, Start};
use kiln_types::limits;
use kiln_types::runtime::WASM;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::channel::PREFIX_BYTES;

/// Compilations at a time; further ones wait.
const COMPILATIONS_MAX: usize = 2;
/// How long one waits before it gets [`NotCompiled::Busy`]: a client tries again, and most take less.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// How many wait. Further ones would hardly have their turn in that time, and get it at once.
const WAITING_MAX: usize = 8;
/// Where the compiler finds the package.
const PACKAGE: &str = "/var/task";
/// What one may use.
const MEMORY_BYTES: u64 = 1 << 30;
/// All of one core, but no more: functions run beside it.
const CPU_MILLIS: u32 = 1_000;
const TMP_BYTES: u64 = 1 << 20;
/// How long one may take. Clients of the API wait for a minute, for this, [`WAIT_MAX`] and what is around
/// them: who answers them has an eye on the whole.
const TIME_MAX: Duration = Duration::from_secs(50);
/// The largest code that is kept: as large as a package may be.
const CODE_BYTES_MAX: usize = limits::UNZIPPED_BYTES_MAX as usize;
/// Of which so much is held at a time.
const PIECE_BYTES: usize = 64 << 10;
/// The longest text that is passed on of why there is none.
const REASON_BYTES_MAX: usize = 2 << 10;

/// The kinds of frames of `kiln-wasm compile`, which are those of a [`channel`].
const COMPILED: u8 = 32;
const REFUSED: u8 = 33;
const HEADER_BYTES_MAX: usize = 4 << 10;
const FILE_BYTES_MAX: usize = 255;

/// Compiles code. Clones share its limits.
#[derive(Debug, Clone)]
pub struct Compiler {
    sandboxes: Sandboxes,
    program: String,
    /// For those that compile and those that wait.
    places: Arc<Semaphore>,
    /// For those that compile.
    permits: Arc<Semaphore>,
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
    /// More came out than is kept; the package's fault too.
    #[error("its compiled code is larger than {} MiB", CODE_BYTES_MAX >> 20)]
    CodeTooLarge,
    /// Others are compiled, and others wait. The same package may be compiled later.
    #[error("other modules are being compiled")]
    Busy,
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
            places: Arc::new(Semaphore::new(COMPILATIONS_MAX + WAITING_MAX)),
            permits: Arc::new(Semaphore::new(COMPILATIONS_MAX)),
        }
    }

    /// Compiles the module that the handler names in a package. The code goes to `into`, and is whole
    /// when this succeeds; gives what its file is to be called, where the runtime looks for it.
    pub async fn compile(
        &self,
        package: &Path,
        handler: &str,
        into: &mut (impl AsyncWrite + Unpin),
    ) -> Result<String, NotCompiled> {
        let _place = self.places.try_acquire().map_err(|_| NotCompiled::Busy)?;
        let permit = timeout(WAIT_MAX, self.permits.acquire()).await;
        let permit = permit.map_err(|_| NotCompiled::Busy)?;
        let _permit = permit.expect("the semaphore is never closed");
        let leased = self.sandboxes.lease(self.request(package, handler)).await;
        let mut sandbox = leased.map_err(|error| NotCompiled::Failed(error.to_string()))?;
        let mut channel = sandbox.take_channel();
        match timeout(TIME_MAX, receive(&mut channel, into)).await {
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

/// Its one frame, of which code goes to `into`. What is not one is an error.
async fn receive(
    channel: &mut UnixStream,
    into: &mut (impl AsyncWrite + Unpin),
) -> Result<Result<String, NotCompiled>, std::io::Error> {
    let malformed = || std::io::Error::other("the compiler sent no answer");
    let length = channel.read_u32().await? as usize;
    let kind = channel.read_u8().await?;
    let header_bytes = channel.read_u32().await? as usize;
    let body_bytes = length.checked_sub(PREFIX_BYTES + header_bytes);
    let body_bytes = body_bytes.ok_or_else(malformed)?;
    if header_bytes > HEADER_BYTES_MAX {
        return Err(malformed());
    }
    let mut header = vec![0; header_bytes];
    channel.read_exact(&mut header).await?;
    match kind {
        COMPILED => {
            let file = file_name(&header).ok_or_else(malformed)?;
            if body_bytes > CODE_BYTES_MAX {
                return Ok(Err(NotCompiled::CodeTooLarge));
            }
            Ok(pass_on(channel, body_bytes, into).await?.map(|()| file))
        }
        REFUSED => {
            let mut reason = vec![0; body_bytes.min(REASON_BYTES_MAX)];
            channel.read_exact(&mut reason).await?;
            let reason = String::from_utf8_lossy(&reason).into_owned();
            Ok(Err(NotCompiled::Refused(reason)))
        }
        _ => Err(malformed()),
    }
}

/// Passes so many bytes on, a piece at a time. The compiler waits where writing is slower.
async fn pass_on(
    channel: &mut UnixStream,
    bytes: usize,
    into: &mut (impl AsyncWrite + Unpin),
) -> Result<Result<(), NotCompiled>, std::io::Error> {
    let not_kept = |error| Ok(Err(NotCompiled::Failed(format!("write its code: {error}"))));
    let mut piece = vec![0; PIECE_BYTES.min(bytes)];
    let mut left = bytes;
    while left > 0 {
        let room = left.min(PIECE_BYTES);
        let read = channel.read(&mut piece[..room]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        left -= read;
        if let Err(error) = into.write_all(&piece[..read]).await {
            return not_kept(error);
        }
    }
    // A file says only now how its last write went.
    match into.flush().await {
        Ok(()) => Ok(Ok(())),
        Err(error) => not_kept(error),
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
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    async fn received(bytes: &[u8]) -> (io::Result<Result<String, NotCompiled>>, Vec<u8>) {
        let (mut here, mut there) = UnixStream::pair().expect("two sockets");
        there.write_all(bytes).await.expect("it fits");
        drop(there);
        let mut code = Vec::new();
        let answer = receive(&mut here, &mut code).await;
        (answer, code)
    }

    fn head(kind: u8, header: &str, body_bytes: usize) -> Vec<u8> {
        let length = (PREFIX_BYTES + header.len() + body_bytes) as u32;
        let mut head = length.to_be_bytes().to_vec();
        head.push(kind);
        head.extend((header.len() as u32).to_be_bytes());
        head.extend(header.bytes());
        head
    }

    fn frame(kind: u8, header: &str, body: &[u8]) -> Vec<u8> {
        [&head(kind, header, body.len()), body].concat()
    }

    #[tokio::test]
    async fn code_and_reasons_are_told_apart() {
        let (compiled, code) =
            received(&frame(COMPILED, r#"{"file":"a.compiled"}"#, b"code")).await;
        assert_eq!(compiled.expect("a frame"), Ok("a.compiled".to_owned()));
        assert_eq!(code, b"code");
        let (refused, code) = received(&frame(REFUSED, r#"{"file":""}"#, b"no")).await;
        let expected = NotCompiled::Refused("no".to_owned());
        assert_eq!(refused.expect("a frame"), Err(expected));
        assert_eq!(code, b"");
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
            assert!(received(&bytes).await.0.is_err(), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn more_code_than_is_kept_is_refused_before_it_arrives() {
        let too_large = head(COMPILED, r#"{"file":"a"}"#, CODE_BYTES_MAX + 1);
        let (answer, code) = received(&too_large).await;
        assert_eq!(answer.expect("a frame"), Err(NotCompiled::CodeTooLarge));
        assert_eq!(code, b"");
    }

    /// Takes the first pieces, as a disk does that fills up.
    struct Full(usize);

    impl AsyncWrite for Full {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            piece: &[u8],
        ) -> Poll<io::Result<usize>> {
            assert!(piece.len() <= PIECE_BYTES, "a piece at a time");
            if self.0 == 0 {
                return Poll::Ready(Err(io::ErrorKind::StorageFull.into()));
            }
            self.0 -= 1;
            Poll::Ready(Ok(piece.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn code_that_cannot_be_written_is_not_the_package_s_fault() {
        let (mut here, mut there) = UnixStream::pair().expect("two sockets");
        let code = frame(COMPILED, r#"{"file":"a"}"#, &vec![7; 8 * PIECE_BYTES]);
        let sent = async move {
            // Nobody reads the rest.
            let _ = there.write_all(&code).await;
        };
        let answer = async {
            let answer = receive(&mut here, &mut Full(3)).await;
            drop(here);
            answer
        };
        let (answer, ()) = tokio::join!(answer, sent);
        let answer = answer.expect("a frame");
        assert!(matches!(answer, Err(NotCompiled::Failed(_))), "{answer:?}");
    }
}
