//! What one guest has: its part of WASI, its memory limit, and no requests of its own.

use std::path::PathBuf;

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Elements that a table may grow to; the engine reserves no more.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// What all guests of this process have in common.
pub(crate) struct Surroundings {
    /// The function's variables.
    pub(crate) env: Vec<(String, String)>,
    /// The package, to be read.
    pub(crate) package: PathBuf,
    /// Where the guest may write.
    pub(crate) tmp: PathBuf,
    /// Its linear memories together may have so much.
    pub(crate) memory_bytes: usize,
}

/// The state of one guest.
pub(crate) struct Guest {
    wasi: WasiP1Ctx,
    http: WasiHttpCtx,
    hooks: NoRequests,
    pub(crate) memory: MemoryLimit,
}

/// The linear memories of one guest.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    bytes: usize,
    bytes_max: usize,
    /// Whether a wish was refused.
    pub(crate) was_reached: bool,
}

/// Requests of a guest are refused, as its sockets are: it has no network, whatever its sandbox has.
struct NoRequests;

impl Surroundings {
    /// A builder with the function's environment in it.
    pub(crate) fn wasi(&self) -> wasmtime::Result<WasiCtxBuilder> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.envs(&self.env)
            // One guest at a time: nobody else waits for this thread.
            .allow_blocking_current_thread(true)
            .allow_tcp(false)
            .allow_udp(false)
            .preopened_dir(&self.package, "/var/task", FsPerms::ReadOnly)?
            .preopened_dir(&self.tmp, "/tmp", FsPerms::ReadWrite)?;
        Ok(wasi)
    }

    /// A store for one guest.
    pub(crate) fn store(&self, engine: &Engine, wasi: &mut WasiCtxBuilder) -> Store<Guest> {
        let guest = Guest {
            wasi: wasi.build_p1(),
            http: WasiHttpCtx::new(),
            hooks: NoRequests,
            memory: MemoryLimit {
                bytes: 0,
                bytes_max: self.memory_bytes,
                was_reached: false,
            },
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        store
    }
}

impl Guest {
    /// What WASI preview 1 works on.
    pub(crate) fn preview1(&mut self) -> &mut WasiP1Ctx {
        &mut self.wasi
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let table: &mut ResourceTable = self.wasi.ctx().table;
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table,
            ctx: &mut self.http,
        }
    }
}

type Ended = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answered = Result<(http::Response<WasiBody>, Ended), Error>;

impl WasiHttpHooks for NoRequests {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Ended,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

impl MemoryLimit {
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes + desired.saturating_sub(current);
        if bytes > self.bytes_max {
            self.was_reached = true;
            return Ok(false);
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}
