//! Takes batches to one subscriber: one at a time, over one connection that is kept.
//!
//! There is no time limit: a subscriber that takes no batch keeps only its own records waiting, and one
//! that is frozen with its instance may take hours.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::buffer::Lost;
use super::subscription::Destination;
use crate::isolation::{Future, Network};

/// How often a batch is tried. An extension may subscribe before it listens.
const ATTEMPTS_MAX: u32 = 8;
/// The pause after the first attempt, doubled with each.
const PAUSE: Duration = Duration::from_millis(25);
/// How much of a subscriber's response is read.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// Carries batches to one destination.
pub(super) struct Courier {
    route: Arc<Route>,
    /// The connection, while nothing is carried.
    connection: Option<Connection>,
    carrying: Option<Future<'static, Carried>>,
    timer: Option<Pin<Box<Sleep>>>,
}

struct Route {
    destination: Destination,
    network: Arc<dyn Network>,
}

struct Carried {
    connection: Option<Connection>,
    lost: Lost,
}

enum Connection {
    Http {
        sender: SendRequest<Full<Bytes>>,
        served: Future<'static, ()>,
    },
    Tcp(TcpStream),
}

impl Courier {
    pub(super) fn new(destination: &Destination, network: Arc<dyn Network>) -> Self {
        let destination = destination.clone();
        Self {
            route: Arc::new(Route {
                destination,
                network,
            }),
            connection: None,
            carrying: None,
            timer: None,
        }
    }

    /// Ready when nothing is being carried, with what was lost meanwhile.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Lost> {
        let Some(carrying) = &mut self.carrying else {
            return Poll::Ready(Lost::default());
        };
        let carried = std::task::ready!(carrying.as_mut().poll(context));
        self.carrying = None;
        self.connection = carried.connection;
        Poll::Ready(carried.lost)
    }

    /// Begins to carry a batch; nothing must be carried.
    pub(super) fn carry(&mut self, batch: Vec<String>) {
        let route = Arc::clone(&self.route);
        let connection = self.connection.take();
        self.carrying = Some(Box::pin(route.carry(connection, batch)));
    }

    /// Ready after this time.
    pub(super) fn wait(&mut self, time: Duration, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.insert(Box::pin(sleep(time)));
        timer.as_mut().poll(context)
    }
}

impl Route {
    async fn carry(
        self: Arc<Self>,
        mut connection: Option<Connection>,
        batch: Vec<String>,
    ) -> Carried {
        let lost = Lost {
            records: batch.len(),
            bytes: batch.iter().map(String::len).sum(),
        };
        let body = self.body(&batch);
        drop(batch);
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            match self.attempt(connection.take(), body.clone()).await {
                Ok(connection) => {
                    return Carried {
                        connection: Some(connection),
                        lost: Lost::default(),
                    };
                }
                Err(error) => tracing::debug!(%error, "telemetry was not taken"),
            }
        }
        Carried {
            connection: None,
            lost,
        }
    }

    fn body(&self, batch: &[String]) -> Bytes {
        let text = match self.destination {
            Destination::Http { .. } => format!("[{}]", batch.join(",")),
            Destination::Tcp { .. } => format!("{}\n", batch.join("\n")),
        };
        text.into()
    }

    async fn attempt(
        &self,
        connection: Option<Connection>,
        body: Bytes,
    ) -> Result<Connection, String> {
        let connection = match connection {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match connection {
            Connection::Http { sender, served } => self.post(sender, served, body).await,
            Connection::Tcp(mut stream) => {
                let written = stream.write_all(&body).await;
                written.map_err(|error| error.to_string())?;
                Ok(Connection::Tcp(stream))
            }
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.destination.port()));
        let stream = self.network.connect(address).await?;
        let Destination::Http { .. } = self.destination else {
            return Ok(Connection::Tcp(stream));
        };
        let (sender, served) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        Ok(Connection::Http {
            sender,
            // What went wrong shows in the response too.
            served: Box::pin(async { drop(served.await) }),
        })
    }

    async fn post(
        &self,
        mut sender: SendRequest<Full<Bytes>>,
        mut served: Future<'static, ()>,
        body: Bytes,
    ) -> Result<Connection, String> {
        let Destination::Http {
            authority, path, ..
        } = &self.destination
        else {
            return Err("not a destination for HTTP".to_owned());
        };
        let request = Request::post(path)
            .header("host", authority)
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let status = {
            let mut exchange = pin!(async {
                let response = sender.send_request(request).await?;
                let status = response.status();
                let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX);
                // One that goes on for longer has taken the records all the same.
                let _ = body.collect().await;
                Ok::<_, hyper::Error>(status)
            });
            let mut open = true;
            loop {
                tokio::select! {
                    biased;
                    status = &mut exchange => break status.map_err(|error| error.to_string())?,
                    () = &mut served, if open => open = false,
                }
            }
        };
        match status.is_success() {
            true => Ok(Connection::Http { sender, served }),
            false => Err(format!("the subscriber said {status}")),
        }
    }
}
