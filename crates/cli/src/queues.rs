//! `kiln queues`: message queues and how many messages they have.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  kiln queues create orders --dead-letters orders-dead
  kiln queues list
  kiln queues show orders
  kiln queues send orders '{\"order\": 7}'
  kiln queues purge orders                forget all that is in it

Everything else that can be set of a queue is set with any AWS client: aws sqs set-queue-attributes";

/// What to do with queues.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List queues with their messages: visible, in flight and delayed
    List {
        /// Only those whose names begin so
        #[arg(long, value_name = "PREFIX", default_value = "")]
        prefix: String,
    },
    /// Make a queue; one that is there already stays
    Create {
        /// Its name; one that ends in .fifo keeps the order
        name: String,
        /// How long a message is hidden that was received [default: 30]
        #[arg(long, value_name = "SECONDS")]
        visibility: Option<u32>,
        /// The queue that gets what was received too often
        #[arg(long, value_name = "QUEUE")]
        dead_letters: Option<String>,
        /// How often that is
        #[arg(
            long,
            value_name = "COUNT",
            default_value_t = 5,
            requires = "dead_letters"
        )]
        receives: u32,
    },
    /// Delete a queue with all that is in it
    Delete {
        /// Its name
        name: String,
    },
    /// Show everything about one queue
    Show {
        /// Its name
        name: String,
    },
    /// Send a message
    Send {
        /// The queue's name
        name: String,
        /// What it says
        body: String,
        /// Its group, in a FIFO queue
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
        /// By what a FIFO queue knows it again, unless the queue does so by its body
        #[arg(long, value_name = "ID")]
        deduplication_id: Option<String>,
    },
    /// Forget all messages of a queue for good
    Purge {
        /// Its name
        name: String,
    },
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::List { prefix } => list(client, format, prefix).await?,
        What::Create {
            name,
            visibility,
            dead_letters,
            receives,
        } => {
            let mut attributes = Map::new();
            if name.ends_with(".fifo") {
                attributes.insert("FifoQueue".to_owned(), "true".into());
            }
            if let Some(secs) = visibility {
                attributes.insert("VisibilityTimeout".to_owned(), secs.to_string().into());
            }
            if let Some(queue) = dead_letters {
                let url = client.queue_url(queue).await?;
                let arn = client.queue_attributes(&url).await?["QueueArn"].take();
                let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": receives});
                attributes.insert("RedrivePolicy".to_owned(), policy.to_string().into());
            }
            let url = client.create_queue(name, attributes).await?;
            output::tell(format, &json!({"queue": name, "url": url}), || {
                format!("{url}\n")
            })?;
        }
        What::Delete { name } => {
            client.delete_queue(&client.queue_url(name).await?).await?;
            output::tell(format, &json!({"queue": name}), || {
                format!("{name} is deleted\n")
            })?;
        }
        What::Show { name } => {
            let queue = describe(client, &client.queue_url(name).await?).await?;
            output::tell(format, &queue, || pairs(&queue))?;
        }
        What::Send {
            name,
            body,
            group,
            deduplication_id,
        } => {
            let url = client.queue_url(name).await?;
            let (group, known) = (group.as_deref(), deduplication_id.as_deref());
            let id = client.send_message(&url, body, group, known).await?;
            output::tell(format, &json!({"messageId": id}), || format!("{id}\n"))?;
        }
        What::Purge { name } => {
            client.purge_queue(&client.queue_url(name).await?).await?;
            output::tell(format, &json!({"queue": name}), || {
                format!("{name} is empty\n")
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, format: Format, prefix: &str) -> Result<()> {
    let mut queues = Vec::new();
    for url in client.queues(prefix).await? {
        let attributes = client.queue_attributes(&url).await?;
        queues.push(counted(&url, &attributes));
    }
    match format {
        Format::Json => output::print_json(&Value::Array(queues)),
        Format::Table => output::print(&table(&queues)),
    }
}

/// A queue's name, address and counts.
fn counted(url: &str, attributes: &Value) -> Value {
    let count = |name: &str| {
        attributes[name]
            .as_str()
            .and_then(|text| text.parse::<u64>().ok())
    };
    json!({
        "name": url.rsplit('/').next(),
        "url": url,
        "messages": count("ApproximateNumberOfMessages"),
        "inFlight": count("ApproximateNumberOfMessagesNotVisible"),
        "delayed": count("ApproximateNumberOfMessagesDelayed"),
    })
}

async fn describe(client: &Client, url: &str) -> Result<Value> {
    let attributes = client.queue_attributes(url).await?;
    let mut queue = counted(url, &attributes);
    queue["attributes"] = attributes;
    queue["tags"] = match client.queue_tags(url).await? {
        Value::Null => json!({}),
        tags => tags,
    };
    Ok(queue)
}

fn table(queues: &[Value]) -> String {
    let mut rows = Rows::new(&["NAME", ">MESSAGES", ">IN FLIGHT", ">DELAYED"]);
    for queue in queues {
        let cells = ["name", "messages", "inFlight", "delayed"];
        rows.push(cells.map(|cell| show(&queue[cell])));
    }
    rows.render()
}

fn pairs(queue: &Value) -> String {
    let mut rows = Rows::pairs();
    for name in ["name", "url", "messages", "inFlight", "delayed"] {
        rows.push([name.to_owned(), show(&queue[name])]);
    }
    let empty = Map::new();
    for (what, prefix) in [("attributes", ""), ("tags", "tag ")] {
        for (name, value) in queue[what].as_object().unwrap_or(&empty) {
            // Shown above, by shorter names.
            if !name.starts_with("Approximate") {
                rows.push([format!("{prefix}{name}"), show(value)]);
            }
        }
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_shown_with_its_counts_once() {
        let attributes = json!({
            "ApproximateNumberOfMessages": "7",
            "ApproximateNumberOfMessagesNotVisible": "2",
            "ApproximateNumberOfMessagesDelayed": "0",
            "VisibilityTimeout": "30",
        });
        let mut queue = counted("http://localhost:4566/000000000000/orders", &attributes);
        assert_eq!(
            (&queue["name"], &queue["messages"]),
            (&json!("orders"), &json!(7))
        );
        assert!(table(std::slice::from_ref(&queue)).contains("orders"));
        queue["attributes"] = attributes;
        queue["tags"] = json!({"team": "a"});
        let shown = pairs(&queue);
        assert!(
            shown.contains("VisibilityTimeout") && shown.contains("tag team"),
            "{shown}"
        );
        assert!(!shown.contains("Approximate"), "{shown}");
    }
}
