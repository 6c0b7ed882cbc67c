//! `kiln topics`: topics, who has subscribed to them, and messages to them.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::api::{Client, Subscription};
use crate::output::{Rows, show};
use crate::{Format, output};

const AFTER_HELP: &str = "\
Examples:
  kiln topics create orders
  kiln topics subscribe orders --function bill
  kiln topics subscribe orders --queue parcels --raw
  kiln topics subscribe orders --queue dear --filter '{\"price\": [{\"numeric\": [\">\", 100]}]}'
  kiln topics subscribe orders --url https://shop.example/hooks
  kiln topics publish orders '{\"order\": 7}'
  kiln topics show orders                 who has subscribed
  kiln topics unsubscribe arn:aws:sns:us-east-1:000000000000:orders:7f5f2a0c-...";

/// What to do with topics.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List topics with the number of their subscriptions
    List,
    /// Show who has subscribed to a topic
    Show {
        /// Its name
        name: String,
    },
    /// Make a topic; one whose name ends in .fifo keeps the order of its messages
    Create {
        /// Its name
        name: String,
        /// Have a FIFO topic know messages again by what they say
        #[arg(long)]
        deduplicate_by_content: bool,
    },
    /// Delete a topic and its subscriptions
    Delete {
        /// Its name
        name: String,
    },
    /// Have a function, a queue or an HTTP endpoint get what is published
    Subscribe(Subscribe),
    /// Have somebody get nothing more
    Unsubscribe {
        /// The subscription's ARN
        arn: String,
    },
    /// Publish a message
    Publish {
        /// The topic's name
        name: String,
        /// What it says
        message: String,
        /// Its subject
        #[arg(long, value_name = "TEXT")]
        subject: Option<String>,
        /// Its group, in a FIFO topic
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
        /// By what a FIFO topic knows it again, unless the topic does so by what it says
        #[arg(long, value_name = "ID")]
        deduplication_id: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Subscribe {
    /// The topic's name
    name: String,
    /// A function, by name or ARN
    #[arg(long, value_name = "FUNCTION", conflicts_with_all = ["queue", "url"])]
    function: Option<String>,
    /// A message queue, by name or ARN
    #[arg(long, value_name = "QUEUE", conflicts_with = "url")]
    queue: Option<String>,
    /// An HTTP endpoint; it is asked, and gets messages once it has agreed
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Which messages: a filter policy
    #[arg(long, value_name = "POLICY")]
    filter: Option<String>,
    /// Have the filter look at what messages say, in the place of their attributes
    #[arg(long, requires = "filter")]
    filter_body: bool,
    /// Give the queue or the endpoint messages as they were published, without an envelope
    #[arg(long, conflicts_with = "function")]
    raw: bool,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::List => list(client, format).await?,
        What::Show { name } => {
            let arn = client.topic_arn(name).await?;
            let all = client.subscriptions(&arn).await?;
            output::tell(format, &described(&arn, &all), || subscribers(&all))?;
        }
        What::Create {
            name,
            deduplicate_by_content,
        } => {
            let mut given = Vec::new();
            if name.ends_with(".fifo") {
                given.push(("FifoTopic", "true"));
            }
            if *deduplicate_by_content {
                given.push(("ContentBasedDeduplication", "true"));
            }
            let arn = client.create_topic(name, &given).await?;
            say(format, "topicArn", &arn)?;
        }
        What::Delete { name } => {
            let arn = client.topic_arn(name).await?;
            client.delete_topic(&arn).await?;
            output::tell(format, &json!({"topic": name}), || {
                format!("{name} is deleted\n")
            })?;
        }
        What::Subscribe(args) => {
            let arn = subscribe(client, args).await?;
            say(format, "subscriptionArn", &arn)?;
        }
        What::Unsubscribe { arn } => {
            client.unsubscribe(arn).await?;
            match format {
                Format::Json => output::print_json(&json!({"subscription": arn}))?,
                Format::Table => output::print("it gets nothing more\n")?,
            }
        }
        What::Publish {
            name,
            message,
            subject,
            group,
            deduplication_id,
        } => {
            let arn = client.topic_arn(name).await?;
            let given = [
                ("Subject", subject.as_deref()),
                ("MessageGroupId", group.as_deref()),
                ("MessageDeduplicationId", deduplication_id.as_deref()),
            ];
            let id = client.publish_message(&arn, message, &given).await?;
            say(format, "messageId", &id)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what something is called.
fn say(format: Format, name: &str, value: &str) -> Result<()> {
    output::tell(format, &json!({name: value}), || format!("{value}\n"))
}

async fn list(client: &Client, format: Format) -> Result<()> {
    let mut topics = Vec::new();
    for arn in client.topics().await? {
        let all = client.subscriptions(&arn).await?;
        topics.push(described(&arn, &all));
    }
    match format {
        Format::Json => output::print_json(&Value::Array(topics)),
        Format::Table => output::print(&table(&topics)),
    }
}

async fn subscribe(client: &Client, args: &Subscribe) -> Result<String> {
    let topic = client.topic_arn(&args.name).await?;
    let (protocol, endpoint) = match (&args.function, &args.queue, &args.url) {
        (Some(function), ..) => ("lambda", endpoint(&topic, "lambda", function)),
        (None, Some(queue), _) => ("sqs", endpoint(&topic, "sqs", queue)),
        (None, None, Some(url)) if url.starts_with("https:") => ("https", url.clone()),
        (None, None, Some(url)) => ("http", url.clone()),
        (None, None, None) => {
            bail!("say who subscribes: --function FUNCTION, --queue QUEUE or --url URL")
        }
    };
    // The server takes whom there is not yet, as AWS does; whoever types a name means one that there is.
    match (&args.function, &args.queue) {
        (Some(name), _)
            if !name.starts_with("arn:") && client.configuration(name).await?.is_none() =>
        {
            bail!("there is no function '{name}'\n  next: `kiln list` shows what exists")
        }
        (None, Some(name)) if !name.starts_with("arn:") => drop(client.queue_url(name).await?),
        _ => {}
    }
    let mut given = Vec::new();
    if args.raw {
        given.push(("RawMessageDelivery", "true"));
    }
    if let Some(filter) = &args.filter {
        given.push(("FilterPolicy", filter));
    }
    if args.filter_body {
        given.push(("FilterPolicyScope", "MessageBody"));
    }
    let to = (protocol, endpoint.as_str());
    client.subscribe(&topic, to, &given).await
}

/// The ARN of a function or a queue beside a topic.
fn endpoint(topic: &str, protocol: &str, who: &str) -> String {
    if who.starts_with("arn:") {
        return who.to_owned();
    }
    let mut parts = topic.split(':').skip(3);
    let (region, account) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    match protocol {
        "lambda" => format!("arn:aws:lambda:{region}:{account}:function:{who}"),
        _ => format!("arn:aws:sqs:{region}:{account}:{who}"),
    }
}

fn described(arn: &str, all: &[Subscription]) -> Value {
    let shown = |one: &Subscription| json!({"arn": one.arn, "protocol": one.protocol, "endpoint": one.endpoint});
    let subscriptions: Vec<Value> = all.iter().map(shown).collect();
    json!({
        "name": arn.rsplit(':').next(),
        "arn": arn,
        "subscriptions": subscriptions,
    })
}

fn table(topics: &[Value]) -> String {
    let mut rows = Rows::new(&["NAME", ">SUBSCRIPTIONS", "ARN"]);
    for topic in topics {
        let count = topic["subscriptions"].as_array().map_or(0, Vec::len);
        rows.push([show(&topic["name"]), count.to_string(), show(&topic["arn"])]);
    }
    rows.render()
}

fn subscribers(all: &[Subscription]) -> String {
    let mut rows = Rows::new(&["PROTOCOL", "ENDPOINT", "SUBSCRIPTION"]);
    for one in all {
        rows.push([one.protocol.clone(), one.endpoint.clone(), one.arn.clone()]);
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:orders";

    #[test]
    fn who_subscribes_is_beside_the_topic_unless_an_arn_says_where() {
        assert_eq!(
            endpoint(TOPIC, "lambda", "bill"),
            "arn:aws:lambda:eu-west-1:123456789012:function:bill"
        );
        assert_eq!(
            endpoint(TOPIC, "sqs", "parcels"),
            "arn:aws:sqs:eu-west-1:123456789012:parcels"
        );
        let arn = "arn:aws:sqs:us-east-1:123456789012:parcels";
        assert_eq!(endpoint(TOPIC, "sqs", arn), arn);
    }

    #[test]
    fn a_topic_is_shown_with_its_subscriptions() {
        let one = Subscription {
            arn: format!("{TOPIC}:1"),
            protocol: "sqs".to_owned(),
            endpoint: "arn:aws:sqs:eu-west-1:123456789012:parcels".to_owned(),
        };
        let shown = table(&[described(TOPIC, std::slice::from_ref(&one))]);
        let line: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(line, ["orders", "1", TOPIC]);
        assert!(subscribers(&[one]).contains("parcels"));
    }
}
