//! AWS's own Python client behind a Runtime API on hyper: what a platform that speaks HTTP to its
//! runtimes gets, without sandboxes, signatures or logs.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use super::hyper::{announce, wait_for_end_of_input};

/// The folders and the number of runtime processes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    python: PathBuf,
    /// The folder with awslambdaric and boto3 in it.
    #[arg(long)]
    pack: PathBuf,
    /// The folder with `index.py`.
    #[arg(long)]
    task: PathBuf,
    #[arg(long)]
    workers: usize,
}

type Events = mpsc::UnboundedReceiver<(u64, Bytes)>;

struct Api {
    id: AtomicU64,
    send: mpsc::UnboundedSender<(u64, Bytes)>,
    receive: Mutex<Events>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Bytes>>>,
}

/// Serves until standard input closes, with the runtime processes as children.
pub(crate) fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let (send, receive) = mpsc::unbounded_channel();
    let api = Arc::new(Api {
        id: AtomicU64::new(0),
        send,
        receive: Mutex::new(receive),
        waiting: Mutex::new(HashMap::new()),
    });
    let serving = runtime.spawn(accept(listener, api));
    let mut workers = Vec::new();
    for _ in 0..arguments.workers {
        workers.push(worker(arguments, &address.to_string())?);
    }
    announce(address);
    wait_for_end_of_input();
    for worker in &mut workers {
        let _ = worker.kill();
        let _ = worker.wait();
    }
    serving.abort();
    Ok(())
}

fn worker(arguments: &Arguments, api: &str) -> anyhow::Result<Child> {
    Command::new(&arguments.python)
        .args(["-m", "awslambdaric", "index.handler"])
        .current_dir(&arguments.task)
        .env("PYTHONPATH", &arguments.pack)
        .env("LAMBDA_TASK_ROOT", &arguments.task)
        .env("AWS_LAMBDA_RUNTIME_API", api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "sum")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_REGION", "us-east-1")
        .stdout(std::process::Stdio::null())
        .spawn()
        .with_context(|| format!("start {}", arguments.python.display()))
}

async fn accept(listener: TcpListener, api: Arc<Api>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let api = api.clone();
        let service = service_fn(move |request| answer(request, api.clone()));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    api: Arc<Api>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map_or(Bytes::new(), |body| body.to_bytes());
    let mut words = path
        .trim_start_matches("/2018-06-01/runtime/invocation/")
        .split('/');
    Ok(match (path.as_str(), words.next(), words.next()) {
        ("/invoke", ..) => Response::new(Full::new(api.invoke(body).await)),
        (_, Some("next"), _) => api.next().await,
        (_, Some(id), Some("response")) => {
            api.complete(id.parse().unwrap_or_default(), body).await;
            status(202)
        }
        _ => status(404),
    })
}

impl Api {
    async fn invoke(&self, event: Bytes) -> Bytes {
        let id = self.id.fetch_add(1, Ordering::Relaxed);
        let (send, result) = oneshot::channel();
        self.waiting.lock().await.insert(id, send);
        let _ = self.send.send((id, event));
        result.await.unwrap_or_default()
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let Some((id, event)) = self.receive.lock().await.recv().await else {
            return status(500);
        };
        Response::builder()
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", "4102444800000")
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:000000000000:function:sum",
            )
            .header("content-type", "application/json")
            .body(Full::new(event))
            .unwrap_or_default()
    }

    async fn complete(&self, id: u64, result: Bytes) {
        if let Some(send) = self.waiting.lock().await.remove(&id) {
            let _ = send.send(result);
        }
    }
}

fn status(code: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"status\":\"OK\"}")));
    *response.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or_default();
    response
}
