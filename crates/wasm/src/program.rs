//! A function's module, linked, and one call of it.

use std::convert::Infallible;
use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderName, Request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tokio::sync::oneshot;
use wasmtime::component::{Component, Linker as ComponentLinker};
use wasmtime::{Engine, InstancePre, Linker, Module, Precompiled, Store};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::answer::{Answer, BODY_BYTES_MAX, EXIT, Failure, HTTP, TRAP, json_of};
use crate::guest::{Guest, Surroundings};
use crate::http_event::{self, Shape};
use crate::output::Output;
use crate::trusted;

/// Of what a guest wrote to its log, so much is told with an error.
const TAIL_BYTES: usize = 2 << 10;
/// What a component begins with, and a core module: the fields for layer and version.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A module that can be called.
pub(crate) struct Program {
    engine: Engine,
    entry: Entry,
}

/// What is called in it.
enum Entry {
    /// `_start` of a core module.
    Start(InstancePre<Guest>),
    /// `wasi:cli/run` of a component.
    Run(CommandPre<Guest>),
    /// `wasi:http/incoming-handler` of a component.
    Handle(ProxyPre<Guest>),
}

/// One invocation: what the Runtime API tells in headers, by their names, and the event.
pub(crate) struct Call {
    pub(crate) context: Vec<(HeaderName, String)>,
    pub(crate) event: Bytes,
}

/// A module's code, before it is linked.
enum Code {
    Component(Component),
    Module(Module),
}

impl Program {
    /// Compiles a module: minutes for a large one, so `kiln-wasm compile` does it once. The error is
    /// for the user. Gives the code to be kept besides.
    pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<(Self, Vec<u8>), String> {
        let code = if bytes.starts_with(COMPONENT) {
            Component::new(engine, bytes).map(Code::Component)
        } else if bytes.starts_with(CORE_MODULE) {
            Module::new(engine, bytes).map(Code::Module)
        } else {
            return Err("it is not WebAssembly of version 1, or is in text form".to_owned());
        };
        let code = code.map_err(|error| format!("{error:#}"))?;
        let kept = match &code {
            Code::Component(component) => component.serialize(),
            Code::Module(module) => module.serialize(),
        };
        let kept = kept.map_err(|error| format!("{error:#}"))?;
        Ok((Self::link(engine, &code)?, kept))
    }

    /// Loads what was compiled before.
    pub(crate) fn load(engine: &Engine, file: &Path) -> Result<Self, String> {
        let why = |error: wasmtime::Error| format!("{error:#}");
        let code = match Engine::detect_precompiled_file(file).map_err(why)? {
            Some(Precompiled::Component) => {
                Code::Component(trusted::load_component(engine, file).map_err(why)?)
            }
            Some(Precompiled::Module) => {
                Code::Module(trusted::load_module(engine, file).map_err(why)?)
            }
            None => return Err("it is not compiled code".to_owned()),
        };
        Self::link(engine, &code)
    }

    fn link(engine: &Engine, code: &Code) -> Result<Self, String> {
        let entry = match code {
            Code::Component(component) => entry_of_component(engine, component),
            Code::Module(module) => entry_of_module(engine, module),
        };
        let entry = entry.map_err(|error| format!("{error:#}"))?;
        let engine = engine.clone();
        Ok(Self { engine, entry })
    }

    /// Runs one invocation in an instance of its own.
    pub(crate) async fn call(&self, around: &Surroundings, call: &Call) -> Answer {
        let done = match &self.entry {
            Entry::Handle(handler) => self.handle(around, handler, call).await,
            _ => self.run(around, call).await,
        };
        done.unwrap_or_else(Answer::Failed)
    }

    /// An instance that is not called, in its store: for measurements.
    pub(crate) async fn instantiate(&self, around: &Surroundings) -> wasmtime::Result<impl Sized> {
        let mut store = around.store(&self.engine, &mut around.wasi()?);
        // The instance lives in the store; what is given is only a way to it.
        match &self.entry {
            Entry::Start(start) => {
                start.instantiate_async(&mut store).await?;
            }
            Entry::Run(run) => {
                run.instantiate_async(&mut store).await?;
            }
            Entry::Handle(handler) => {
                handler.instantiate_async(&mut store).await?;
            }
        }
        Ok(store)
    }

    /// A command: the event is its standard input and the result its standard output.
    async fn run(&self, around: &Surroundings, call: &Call) -> Result<Answer, Failure> {
        let (stdout, stderr) = (Output::kept(BODY_BYTES_MAX), Output::logged(TAIL_BYTES));
        let mut wasi = around.wasi().map_err(trap)?;
        for (name, value) in &call.context {
            wasi.env(variable(name), value);
        }
        wasi.arg("main.wasm")
            .stdin(MemoryInputPipe::new(call.event.clone()))
            .stdout(stdout.clone())
            .stderr(stderr.clone());
        let mut store = around.store(&self.engine, &mut wasi);
        let ended = self.start(&mut store).await;
        let status = ended.or_else(|error| match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(status)) => Ok(*status),
            None => Err(trap_in(&store, error)),
        })?;
        if status != 0 {
            let (tail, _) = stderr.take();
            let tail = String::from_utf8_lossy(&tail);
            let message = format!("exit status {status}: {}", tail.trim());
            let message = message.trim_end_matches(": ").to_owned();
            return Err(Failure {
                kind: EXIT,
                message,
            });
        }
        Ok(match stdout.take() {
            (_, true) => Answer::TooLarge,
            (written, false) => Answer::result(json_of(written)),
        })
    }

    /// The exit status, or that of a program that ends without one.
    async fn start(&self, store: &mut Store<Guest>) -> wasmtime::Result<i32> {
        match &self.entry {
            Entry::Start(start) => {
                let instance = start.instantiate_async(&mut *store).await?;
                let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
                start.call_async(&mut *store, ()).await?;
                Ok(0)
            }
            Entry::Run(run) => {
                let command = run.instantiate_async(&mut *store).await?;
                let ended = command.wasi_cli_run().call_run(&mut *store).await?;
                Ok(i32::from(ended.is_err()))
            }
            Entry::Handle(_) => unreachable!("requests are handled, not run"),
        }
    }

    /// A component that handles requests: the event is one, the result a response.
    async fn handle(
        &self,
        around: &Surroundings,
        handler: &ProxyPre<Guest>,
        call: &Call,
    ) -> Result<Answer, Failure> {
        let (request, shape) = http_event::request(&call.event, &call.context)?;
        let log = Output::logged(0);
        let mut wasi = around.wasi().map_err(trap)?;
        wasi.stdout(log.clone()).stderr(log);
        let store = around.store(&self.engine, &mut wasi);
        let (sender, response) = oneshot::channel();
        let handled = handle_request(handler, store, request, sender);
        // The guest may write its body only as fast as it is read.
        let (handled, response) = tokio::join!(handled, collect(response, shape));
        handled?;
        response
    }
}

fn entry_of_component(engine: &Engine, component: &Component) -> wasmtime::Result<Entry> {
    let mut linker = ComponentLinker::<Guest>::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    let linked = linker.instantiate_pre(component)?;
    if let Ok(handler) = ProxyPre::new(linked.clone()) {
        return Ok(Entry::Handle(handler));
    }
    match CommandPre::new(linked) {
        Ok(command) => Ok(Entry::Run(command)),
        Err(_) => wasmtime::bail!(
            "the component exports neither wasi:http/incoming-handler@0.2 nor wasi:cli/run@0.2"
        ),
    }
}

fn entry_of_module(engine: &Engine, module: &Module) -> wasmtime::Result<Entry> {
    let start = module.get_export("_start");
    let start = start.as_ref().and_then(|start| start.func());
    if !start.is_some_and(|start| start.params().len() == 0 && start.results().len() == 0) {
        wasmtime::bail!(
            "the module exports no function _start: build it as a WASI command (wasm32-wasip1), or as a component"
        );
    }
    let mut linker = Linker::<Guest>::new(engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, Guest::preview1)?;
    Ok(Entry::Start(linker.instantiate_pre(module)?))
}

type Outgoing = Result<http::Response<HyperOutgoingBody>, ErrorCode>;

/// Lets the guest handle a request. Owns the store: when the guest ends without a response, whoever
/// waits for one must learn it.
async fn handle_request(
    handler: &ProxyPre<Guest>,
    mut store: Store<Guest>,
    request: Request<Bytes>,
    sender: oneshot::Sender<Outgoing>,
) -> Result<(), Failure> {
    let scheme = match request.headers().get("x-forwarded-proto") {
        Some(scheme) if scheme == "https" => Scheme::Https,
        _ => Scheme::Http,
    };
    let request = request.map(|body| {
        Full::new(body).map_err(|never: Infallible| -> wasmtime_wasi_http::Error { match never {} })
    });
    let handled = async {
        let http = &mut store.data_mut().http();
        let request = http.new_incoming_request::<_>(scheme, request)?;
        let out = http.new_response_outparam(sender)?;
        let proxy = handler.instantiate_async(&mut store).await?;
        let handler = proxy.wasi_http_incoming_handler();
        handler.call_handle(&mut store, request, out).await
    };
    let handled: wasmtime::Result<()> = handled.await;
    handled.map_err(|error| match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(status)) => Failure {
            kind: EXIT,
            message: format!("exit status {status}"),
        },
        None => trap_in(&store, error),
    })
}

/// The whole response as a result.
async fn collect(response: oneshot::Receiver<Outgoing>, shape: Shape) -> Result<Answer, Failure> {
    let failed = |message: String| Failure {
        kind: HTTP,
        message,
    };
    let response = match response.await {
        Ok(Ok(response)) => response,
        Ok(Err(code)) => return Err(failed(format!("the handler answered with {code:?}"))),
        Err(_) => return Err(failed("the handler ended without a response".to_owned())),
    };
    let (parts, body) = response.into_parts();
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(http_event::result(parts, body.to_bytes().into(), shape)),
        Err(error) if error.is::<LengthLimitError>() => Ok(Answer::TooLarge),
        Err(error) => Err(failed(format!("the response ended early: {error}"))),
    }
}

/// `lambda-runtime-deadline-ms` as a variable: `LAMBDA_RUNTIME_DEADLINE_MS`.
fn variable(header: &HeaderName) -> String {
    header.as_str().to_ascii_uppercase().replace('-', "_")
}

fn trap(error: wasmtime::Error) -> Failure {
    Failure {
        kind: TRAP,
        message: format!("{error:#}"),
    }
}

/// Why a guest trapped, and its memory limit where that is likely why.
fn trap_in(store: &Store<Guest>, error: wasmtime::Error) -> Failure {
    let mut failure = trap(error);
    let memory = &store.data().memory;
    if memory.was_reached {
        failure.message += &format!(
            "; the function's limit of {} MiB for WebAssembly memory was reached",
            memory.bytes_max() >> 20
        );
    }
    failure
}

/// The headers in which the Runtime API tells of an invocation.
pub(crate) static CONTEXT: LazyLock<[HeaderName; 4]> = LazyLock::new(|| {
    [
        "lambda-runtime-aws-request-id",
        "lambda-runtime-deadline-ms",
        "lambda-runtime-invoked-function-arn",
        "lambda-runtime-trace-id",
    ]
    .map(HeaderName::from_static)
});
