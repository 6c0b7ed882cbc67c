//! Messages through a queue: sends a second, and receives with deletes a second, beside Redis streams.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future;
use kiln_testkit::{Keys, Redis, Server, sign};
use kiln_types::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::load::{Connection, IsWhole, http_answer, request};
use crate::report::{Report, Row, Section, Target};
use crate::statistics::median;
use crate::subject::{Scale, Subject};

mod redis;

use redis::Stream;

const CONNECTIONS: usize = 32;
const MESSAGE_BYTES: usize = 1_024;
/// Messages a receive takes: as many as SQS gives.
const BATCH: usize = 10;

/// Something that messages go through.
trait Queue {
    /// Says whether an answer is whole.
    const IS_WHOLE: IsWhole;

    fn address(&self) -> SocketAddr;

    /// What sends one message, as it goes over the wire.
    fn message(&self) -> &[u8];

    /// Takes up to `BATCH` messages and says that they are done; how many there were.
    async fn take(&self, connection: &mut Connection) -> anyhow::Result<usize>;
}

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&["--queue-max-mb", "65536"]);
    let ours = Sqs::create(&subject.server)?;
    let redis = Redis::start_with(&["--appendfsync", "always"]);
    let theirs = Stream::create(&redis)?;
    let (mut sends, mut takes) = ((vec![], vec![]), (vec![], vec![]));
    for _ in 0..scale.rounds {
        let (sent, taken) = through(&theirs, scale.round)?;
        sends.1.push(sent);
        takes.1.push(taken);
        let (sent, taken) = through(&ours, scale.round)?;
        sends.0.push(sent);
        takes.0.push(taken);
    }
    report.add(Section {
        title: "Queues",
        method: format!(
            "{CONNECTIONS} connections send messages of {MESSAGE_BYTES} bytes to a standard queue, one a request, for \
             {} ms; then they receive them, {BATCH} a request, and delete each batch. {} rounds in turn with the \
             floor, a Redis stream with `appendfsync always` in the same way (XADD, then XREADGROUP and XACK): both \
             have a message on disk before they say so. Kiln's requests are HTTP, signed, and checked; Redis' are not.",
            scale.round.as_millis(),
            scale.rounds,
        ),
        rows: vec![
            Row {
                name: "sqs_send",
                value: median(&sends.0),
                unit: "messages/s",
                floor: Some(median(&sends.1)),
                target: Target::RatioAtLeast(0.1),
            },
            Row {
                name: "sqs_receive_delete",
                value: median(&takes.0),
                unit: "messages/s",
                floor: Some(median(&takes.1)),
                target: Target::RatioAtLeast(0.1),
            },
        ],
        detail: vec![],
    });
    Ok(())
}

/// Messages sent and messages taken in a second.
fn through(queue: &impl Queue, time: Duration) -> anyhow::Result<(f64, f64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(open(queue).await?);
        }
        let clock = SystemClock::start();
        let sends = connections.iter_mut().map(async |connection| {
            let mut sent = 0;
            while clock.now().since_start() < time {
                connection.ask(queue.message()).await?;
                sent += 1;
            }
            anyhow::Ok(sent)
        });
        let sent: usize = future::try_join_all(sends).await?.into_iter().sum();
        let sending = clock.now().since_start();
        let takes = connections.iter_mut().map(async |connection| {
            let mut taken = 0;
            loop {
                match queue.take(connection).await? {
                    0 => return anyhow::Ok(taken),
                    count => taken += count,
                }
            }
        });
        let taken: usize = future::try_join_all(takes).await?.into_iter().sum();
        let taking = clock.now().since_start() - sending;
        anyhow::ensure!(taken == sent, "{taken} of {sent} messages came back");
        Ok((
            sent as f64 / sending.as_secs_f64(),
            taken as f64 / taking.as_secs_f64(),
        ))
    })
}

async fn open<Q: Queue>(queue: &Q) -> anyhow::Result<Connection> {
    Connection::open(queue.address(), Q::IS_WHOLE).await
}

/// A standard queue of Kiln's.
struct Sqs {
    address: SocketAddr,
    keys: Keys,
    url: String,
    /// Signed beforehand.
    send: Vec<u8>,
    receive: Vec<u8>,
}

impl Sqs {
    fn create(server: &Server) -> anyhow::Result<Self> {
        let mut queue = Self {
            address: server.authority().parse()?,
            keys: server.keys().clone(),
            url: String::new(),
            send: Vec::new(),
            receive: Vec::new(),
        };
        let made = server
            .request("POST", "/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonSQS.CreateQueue")
            .body(json!({"QueueName": "measured"}).to_string())
            .signed("sqs")
            .send()
            .expect_status(200)
            .json();
        made["QueueUrl"]
            .as_str()
            .context("a URL")?
            .clone_into(&mut queue.url);
        let message = json!({"QueueUrl": queue.url, "MessageBody": "x".repeat(MESSAGE_BYTES)});
        queue.send = queue.call("SendMessage", &message);
        let most = json!({"QueueUrl": queue.url, "MaxNumberOfMessages": BATCH});
        queue.receive = queue.call("ReceiveMessage", &most);
        Ok(queue)
    }

    /// A signed call as it goes over the wire.
    fn call(&self, operation: &str, input: &Value) -> Vec<u8> {
        let body = input.to_string();
        let url = format!("{}/", self.keys.endpoint);
        let mut headers = vec![
            (
                "content-type".to_owned(),
                "application/x-amz-json-1.0".to_owned(),
            ),
            ("x-amz-target".to_owned(), format!("AmazonSQS.{operation}")),
        ];
        let signed = sign(&self.keys, "sqs", "POST", &url, &headers, body.as_bytes());
        headers.extend(signed.headers);
        let host = self.address.to_string();
        request("POST", "/", &host, &headers, body.as_bytes())
    }
}

impl Queue for Sqs {
    const IS_WHOLE: IsWhole = http_answer;

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn message(&self) -> &[u8] {
        &self.send
    }

    async fn take(&self, connection: &mut Connection) -> anyhow::Result<usize> {
        let received = document(connection.ask(&self.receive).await?)?;
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            return Ok(0);
        }
        let entries: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| {
                json!({"Id": index.to_string(), "ReceiptHandle": message["ReceiptHandle"]})
            })
            .collect();
        let entries = json!({"QueueUrl": self.url, "Entries": entries});
        let delete = self.call("DeleteMessageBatch", &entries);
        let deleted = document(connection.ask(&delete).await?)?;
        let count = deleted["Successful"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(count == messages.len(), "not all were deleted: {deleted}");
        Ok(messages.len())
    }
}

/// What an answer says.
fn document(answer: &[u8]) -> anyhow::Result<Value> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n");
    Ok(serde_json::from_slice(
        &answer[head.context("a head")? + 4..],
    )?)
}
