//! The life of a runtime process: boot, load one function, run its invocations.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use wasmtime::Engine;

use crate::alarm::{Alarm, GRACE};
use crate::answer::{Answer, Failure, INVALID_MODULE, TRAP};
use crate::frames::{self, Channel, Frame};
use crate::guest::Surroundings;
use crate::program::{CONTEXT, Call, Program};
use crate::{engine, module, trusted};

/// Where the compiled code is, if there is any.
const COMPILED_DIR: &str = "/var/lang";
const PACKAGE_DIR: &str = "/var/task";
const TMP_DIR: &str = "/tmp";
/// Of a function's memory, what the process itself, the code and events take: the rest is the guest's.
const OWN_MEMORY_BYTES: usize = 24 << 20;
/// What a function has when nobody says.
const MEMORY_MB: usize = 128;

/// For whom a process boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Nobody yet: it waits to be told.
    Ahead,
    /// One function, which waits.
    Now,
}

#[derive(Deserialize)]
struct Init {
    handler: String,
    env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Invoke {
    request_id: String,
    deadline_ms: Option<i64>,
    timeout_ms: Option<i64>,
    invoked_arn: String,
    trace: Option<String>,
}

#[derive(Default, Serialize)]
struct Reply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    too_large: bool,
}

/// A process with its function in it.
struct Worker {
    channel: Channel,
    runtime: Runtime,
    alarm: Alarm,
    program: Program,
    around: Surroundings,
}

/// Runs one function until the daemon closes the channel.
pub fn live(boot: Boot) -> io::Result<ExitCode> {
    let mut channel = Channel::new(trusted::channel());
    let engine = engine::new().map_err(io::Error::other)?;
    // No I/O driver: guests have no sockets.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    if boot == Boot::Ahead {
        rehearse(&engine);
    }
    channel.send(frames::READY, &Reply::default(), &[])?;
    let Some(frame) = channel.receive()? else {
        return Ok(ExitCode::SUCCESS);
    };
    if frame.kind != frames::INIT {
        return Err(io::Error::other("the first frame must be the function"));
    }
    let init: Init = frame.header()?;
    let program = match load(&engine, &init.handler) {
        Ok(program) => program,
        Err(failure) => return refuse(&mut channel, &failure),
    };
    channel.send(frames::INIT_DONE, &Reply::default(), &[])?;
    let worker = Worker {
        channel,
        runtime,
        alarm: Alarm::start(&engine)?,
        program,
        around: surroundings(init.env),
    };
    worker.work()
}

/// Compiles and links something small, so that what that needs is in memory.
fn rehearse(engine: &Engine) {
    const NOTHING: &[u8] = b"\0asm\x01\0\0\0";
    // That it has no `_start` is found last.
    let _ = Program::compile(engine, NOTHING);
}

/// The function's module: as it was compiled at its upload, or else from the package. That takes longer
/// and is needed after the handler, the runtime or this program has changed.
fn load(engine: &Engine, handler: &str) -> Result<Program, Failure> {
    let refused = |message: String| Failure {
        kind: INVALID_MODULE,
        message,
    };
    let package = Path::new(PACKAGE_DIR);
    let file = module::find(package, handler).map_err(refused)?;
    let compiled = Path::new(COMPILED_DIR).join(module::compiled_name(package, &file));
    if compiled.exists()
        && let Ok(program) = Program::load(engine, &compiled)
    {
        return Ok(program);
    }
    let bytes = fs::read(&file).map_err(|error| refused(error.to_string()))?;
    let (program, _) = Program::compile(engine, &bytes).map_err(refused)?;
    Ok(program)
}

fn refuse(channel: &mut Channel, failure: &Failure) -> io::Result<ExitCode> {
    log(failure);
    let header = Reply {
        error_type: Some(failure.kind),
        ..Reply::default()
    };
    channel.send(frames::INIT_ERROR, &header, &failure.document())?;
    Ok(ExitCode::FAILURE)
}

fn surroundings(env: BTreeMap<String, String>) -> Surroundings {
    let memory = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    let memory = memory.and_then(|memory| memory.parse().ok());
    let memory_bytes = memory.unwrap_or(MEMORY_MB) << 20;
    Surroundings {
        env: env.into_iter().collect(),
        package: PACKAGE_DIR.into(),
        tmp: TMP_DIR.into(),
        memory_bytes: memory_bytes.saturating_sub(OWN_MEMORY_BYTES),
    }
}

impl Worker {
    fn work(mut self) -> io::Result<ExitCode> {
        while let Some(frame) = self.channel.receive()? {
            if frame.kind == frames::INVOKE {
                self.invoke(frame)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn invoke(&mut self, frame: Frame) -> io::Result<()> {
        let invoke: Invoke = frame.header()?;
        let deadline_ms = invoke.deadline_ms();
        let call = Call {
            context: invoke.context(deadline_ms),
            event: frame.body,
        };
        let left = deadline_ms.saturating_sub(now_ms()).max(0) as u64;
        let answer = self.call(&call, Duration::from_millis(left) + GRACE);
        self.answer(&invoke.request_id, answer)
    }

    fn call(&self, call: &Call, limit: Duration) -> Answer {
        self.alarm.set(limit);
        let called = self.program.call(&self.around, call);
        // For a guest that sleeps, which no epoch wakes.
        let limited = async { tokio::time::timeout(limit, called).await };
        let answer = self.runtime.block_on(limited);
        self.alarm.clear();
        answer.unwrap_or_else(|_| Answer::failed(TRAP, "the function's time is up"))
    }

    fn answer(&mut self, request_id: &str, answer: Answer) -> io::Result<()> {
        let mut header = Reply {
            request_id: Some(request_id),
            ..Reply::default()
        };
        match answer {
            Answer::Result(body) => self.channel.send(frames::RESPONSE, &header, &body),
            Answer::TooLarge => {
                header.too_large = true;
                self.channel.send(frames::RESPONSE, &header, &[])
            }
            Answer::Failed(failure) => {
                log(&failure);
                header.error_type = Some(failure.kind);
                self.channel
                    .send(frames::ERROR, &header, &failure.document())
            }
        }
    }
}

impl Invoke {
    fn deadline_ms(&self) -> i64 {
        self.deadline_ms
            .unwrap_or_else(|| now_ms() + self.timeout_ms.unwrap_or_default())
    }

    /// In the order of [`CONTEXT`].
    fn context(&self, deadline_ms: i64) -> Vec<(http::HeaderName, String)> {
        let values = [
            Some(self.request_id.clone()),
            Some(deadline_ms.to_string()),
            Some(self.invoked_arn.clone()),
            self.trace.clone(),
        ];
        let named = CONTEXT.iter().cloned().zip(values);
        named
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// An error goes to the function's log too, as other runtimes write it.
fn log(failure: &Failure) {
    eprintln!("[ERROR] {}: {}", failure.kind, failure.message);
}

#[allow(
    clippy::disallowed_methods,
    reason = "the daemon tells deadlines by the machine's own time"
)]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
