//! What `kiln triggers add` asks the server for.

use anyhow::{Context, Result, bail};
use kiln_types::FunctionArn;
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::show;

/// A new trigger.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The function, with a version or an alias or without
    function: String,
    /// A queue, by its name or its ARN; or a database: `postgres://HOST[:PORT]/DATABASE[?sslmode=disable|require|verify-full]`,
    /// or the same with `mariadb://` or `mysql://`; or a server: `redis://HOST[:PORT][/NUMBER]`,
    /// `nats://HOST[:PORT][/STREAM]`, `mqtt://HOST[:PORT]`, `amqps://HOST[:PORT]` or `kafka://HOST:PORT[,HOST:PORT]`
    source: String,
    /// A table, such as orders or sales.orders; repeat it for more
    #[arg(long, value_name = "TABLE", help_heading = DATABASES)]
    table: Vec<String>,
    /// A stream of a Redis server, by its key
    #[arg(long, value_name = "KEY", help_heading = DATABASES, conflicts_with = "table")]
    stream: Option<String>,
    /// Keys of a Redis server whose changes it hears of, such as session:*; repeat it for more
    #[arg(long, value_name = "PATTERN", help_heading = DATABASES, conflicts_with_all = ["table", "stream"])]
    key: Vec<String>,
    /// A subject of a NATS server, such as orders.>; repeat it for more, unless a stream is named
    #[arg(long, value_name = "SUBJECT", help_heading = DATABASES, conflicts_with_all = ["table", "stream", "key"])]
    subject: Vec<String>,
    /// Of all that listen in this group of a NATS server, one hears a message
    #[arg(long, value_name = "NAME", help_heading = DATABASES, requires = "subject")]
    queue_group: Option<String>,
    /// A topic of an MQTT broker, such as house/+/door; repeat it for more. Or the topic of a Kafka cluster
    #[arg(long, value_name = "FILTER", help_heading = DATABASES, conflicts_with_all = ["table", "stream", "key", "subject"])]
    topic: Vec<String>,
    /// A queue of a RabbitMQ broker
    #[arg(long, value_name = "NAME", help_heading = DATABASES, conflicts_with_all = ["table", "stream", "key"])]
    queue: Option<String>,
    /// The virtual host of the RabbitMQ broker that the queue is in [default: /]
    #[arg(long, value_name = "NAME", help_heading = DATABASES, requires = "queue")]
    virtual_host: Option<String>,
    /// The consumer group of a Kafka cluster that keeps how far the trigger has got [default: one of its own]
    #[arg(long, value_name = "NAME", help_heading = DATABASES, requires = "topic")]
    group: Option<String>,
    /// How the user of a Kafka cluster logs in [default: scram-sha512]
    #[arg(long, value_name = "HOW", help_heading = DATABASES, requires_all = ["topic", "secret"])]
    login: Option<Login>,
    /// The secret with the user and password at the database or broker, by its name or its ARN
    #[arg(long, value_name = "NAME", help_heading = DATABASES)]
    secret: Option<String>,
    /// The secret with the certificate that vouches for the server's
    #[arg(long, value_name = "NAME", help_heading = DATABASES)]
    root_certificate: Option<String>,
    /// Begin with the oldest that the database or broker still has (MariaDB, MySQL, Kafka, and streams of Redis and NATS)
    #[arg(long, help_heading = DATABASES)]
    from_start: bool,
    /// How often a batch is tried again after a function error, before all that is left of it is given up
    /// [default: until it succeeds]
    #[arg(long, value_name = "COUNT", help_heading = DATABASES)]
    retries: Option<u32>,
    /// A batch that fails is split until what fails is alone, so that nothing else is given up with it
    #[arg(long, help_heading = DATABASES)]
    bisect: bool,
    /// The ARN of the function, queue, topic, bus or bucket that is told of what is given up
    #[arg(long, value_name = "ARN", help_heading = DATABASES)]
    on_failure: Option<String>,
    /// Batches of a queue that run at a time, at most
    #[arg(long, value_name = "COUNT", help_heading = "Queues")]
    concurrency: Option<u32>,
    /// Records of one invocation, at most [default: 10 of a queue, 100 of others]
    #[arg(long, value_name = "COUNT")]
    batch_size: Option<u32>,
    /// How long a batch waits for more records [default: 0]
    #[arg(long, value_name = "SECONDS")]
    window: Option<u32>,
    /// The function's response names the records that it failed on
    #[arg(long)]
    report_failures: bool,
    /// A pattern of which a record must match one; repeat it for more
    #[arg(long, value_name = "JSON")]
    filter: Vec<String>,
}

const DATABASES: &str = "Databases and brokers";
/// AWS's own endpoint type.
const KAFKA: &str = "KAFKA_BOOTSTRAP_SERVERS";

/// How a user logs in.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Login {
    Plain,
    ScramSha256,
    #[default]
    ScramSha512,
}

/// What a source is named by.
enum Source<'a> {
    Queue(&'a str),
    Database(&'a str),
}

/// The request that makes a trigger.
pub(super) async fn document(client: &Client, add: &Add) -> Result<Value> {
    let arn = arn(client, &add.function).await?;
    let filters = add.filter.iter().map(|pattern| json!({"Pattern": pattern}));
    let filters: Vec<_> = filters.collect();
    let mut document = json!({
        "FunctionName": add.function,
        "FilterCriteria": {"Filters": filters},
    });
    let members = document.as_object_mut().context("it is an object")?;
    let source = match source(add)? {
        Source::Queue(queue) => of_queue(add, queue, &arn),
        Source::Database(endpoint) => of_database(add, endpoint, &arn)?,
    };
    members.extend(source.as_object().cloned().unwrap_or_default());
    let given = [
        ("BatchSize", add.batch_size),
        ("MaximumBatchingWindowInSeconds", add.window),
        ("MaximumRetryAttempts", add.retries),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    members.extend(given);
    if add.bisect {
        members.insert("BisectBatchOnFunctionError".to_owned(), true.into());
    }
    if add.report_failures {
        members.insert(
            "FunctionResponseTypes".to_owned(),
            json!(["ReportBatchItemFailures"]),
        );
    }
    if let Some(to) = &add.on_failure {
        let to = json!({"OnFailure": {"Destination": to}});
        members.insert("DestinationConfig".to_owned(), to);
    }
    Ok(document)
}

/// The ARN of the function itself: what is told by a name is of its region and account.
async fn arn(client: &Client, function: &str) -> Result<FunctionArn> {
    let name = match function.starts_with("arn:") {
        true => function,
        false => function.split(':').next().unwrap_or(function),
    };
    let configuration = client.configuration(name).await?;
    let configuration = configuration.with_context(|| format!("there is no function {name}"))?;
    Ok(show(&configuration["FunctionArn"]).parse()?)
}

/// A name has no scheme. What is for another kind of source is refused here, as the server might pass over it.
fn source(add: &Add) -> Result<Source<'_>> {
    if add.source.contains("://") {
        if add.concurrency.is_some() {
            bail!("--concurrency is for queues: {} is none", add.source);
        }
        return Ok(Source::Database(&add.source));
    }
    let given = [
        ("--table", !add.table.is_empty()),
        ("--stream", add.stream.is_some()),
        ("--key", !add.key.is_empty()),
        ("--subject", !add.subject.is_empty()),
        ("--topic", !add.topic.is_empty()),
        ("--queue", add.queue.is_some()),
        ("--group", add.group.is_some()),
        ("--login", add.login.is_some()),
        ("--secret", add.secret.is_some()),
        ("--root-certificate", add.root_certificate.is_some()),
        ("--from-start", add.from_start),
        ("--retries", add.retries.is_some()),
        ("--bisect", add.bisect),
        ("--on-failure", add.on_failure.is_some()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, is_given)| *is_given) {
        bail!(
            "{option} is for databases and brokers, which are named as postgres://HOST/DATABASE: {} is taken for a queue, \
             whose redrive policy says how often a message is tried and where it goes then",
            add.source
        );
    }
    Ok(Source::Queue(&add.source))
}

fn of_queue(add: &Add, queue: &str, function: &FunctionArn) -> Value {
    let queue = match queue.starts_with("arn:") {
        true => queue.to_owned(),
        false => format!(
            "arn:aws:sqs:{}:{}:{queue}",
            function.region, function.account
        ),
    };
    match add.concurrency {
        Some(max) => json!({"EventSourceArn": queue, "ScalingConfig": {"MaximumConcurrency": max}}),
        None => json!({"EventSourceArn": queue}),
    }
}

fn of_database(add: &Add, endpoint: &str, function: &FunctionArn) -> Result<Value> {
    let kind = endpoint_type(add, endpoint)?;
    if kind == "RABBITMQ" {
        return of_rabbitmq(add, endpoint, function);
    }
    if add.queue.is_some() {
        bail!("--queue is for RabbitMQ brokers, which are named as amqps://HOST");
    }
    if kind == KAFKA {
        return of_kafka(add, endpoint, function);
    }
    if add.group.is_some() || add.login.is_some() {
        bail!("--group and --login are for Kafka clusters, which are named as kafka://HOST:PORT");
    }
    let (topics, needs, may_be_open) = match kind {
        "REDIS" => (
            add.stream.iter().cloned().collect(),
            "a Redis server needs --stream or --key",
            true,
        ),
        "REDIS_KEYSPACE" => (add.key.clone(), "a Redis server needs --key", true),
        "NATS" | "NATS_JETSTREAM" => (add.subject.clone(), "a NATS server needs --subject", true),
        "MQTT" => (add.topic.clone(), "an MQTT broker needs --topic", true),
        _ => (add.table.clone(), "a database needs --table", false),
    };
    if topics.is_empty() {
        bail!("{needs}: see `kiln triggers add --help`");
    }
    if add.secret.is_none() && !may_be_open {
        bail!("a database needs --secret: see `kiln triggers add --help`");
    }
    let mut document = json!({
        "SelfManagedEventSource": {"Endpoints": {(kind): [endpoint]}},
        "Topics": topics,
        "SourceAccessConfigurations": access(add, function),
        "StartingPosition": if add.from_start { "TRIM_HORIZON" } else { "LATEST" },
    });
    if let Some(group) = &add.queue_group {
        document["Queues"] = json!([group]);
    }
    Ok(document)
}

fn of_rabbitmq(add: &Add, endpoint: &str, function: &FunctionArn) -> Result<Value> {
    let Some(queue) = &add.queue else {
        bail!("a RabbitMQ broker needs --queue: see `kiln triggers add --help`");
    };
    if add.secret.is_none() {
        bail!("a RabbitMQ broker needs --secret: see `kiln triggers add --help`");
    }
    if add.from_start {
        bail!(
            "--from-start is not for RabbitMQ brokers: a queue begins with the oldest message that is in it"
        );
    }
    let mut access = access(add, function);
    if let Some(name) = &add.virtual_host {
        access.push(json!({"Type": "VIRTUAL_HOST", "URI": name}));
    }
    Ok(json!({
        "SelfManagedEventSource": {"Endpoints": {"RABBITMQ": [endpoint]}},
        "Queues": [queue],
        "SourceAccessConfigurations": access,
    }))
}

/// Servers stand between commas, with their ports.
fn of_kafka(add: &Add, endpoint: &str, function: &FunctionArn) -> Result<Value> {
    let [topic] = &add.topic[..] else {
        bail!("a Kafka cluster needs exactly one --topic: see `kiln triggers add --help`");
    };
    let servers = endpoint
        .split_once("://")
        .map_or("", |(_, servers)| servers);
    let servers: Vec<_> = servers.split(',').collect();
    let login = match add.login.unwrap_or_default() {
        Login::Plain => "BASIC_AUTH",
        Login::ScramSha256 => "SASL_SCRAM_256_AUTH",
        Login::ScramSha512 => "SASL_SCRAM_512_AUTH",
    };
    let mut document = json!({
        "SelfManagedEventSource": {"Endpoints": {(KAFKA): servers}},
        "Topics": [topic],
        "SourceAccessConfigurations": access_by(login, add, function),
        "StartingPosition": if add.from_start { "TRIM_HORIZON" } else { "LATEST" },
    });
    if let Some(group) = &add.group {
        document["SelfManagedKafkaEventSourceConfig"] = json!({"ConsumerGroupId": group});
    }
    Ok(document)
}

/// Who asks, by the names of secrets.
fn access(add: &Add, function: &FunctionArn) -> Vec<Value> {
    access_by("BASIC_AUTH", add, function)
}

fn access_by(login: &str, add: &Add, function: &FunctionArn) -> Vec<Value> {
    let secret = |name: &str| match name.starts_with("arn:") {
        true => name.to_owned(),
        false => format!(
            "arn:aws:secretsmanager:{}:{}:secret:{name}",
            function.region, function.account
        ),
    };
    let given = [
        (login, &add.secret),
        ("SERVER_ROOT_CA_CERTIFICATE", &add.root_certificate),
    ];
    let given = given
        .iter()
        .filter_map(|(kind, name)| Some((kind, name.as_ref()?)));
    given
        .map(|(kind, name)| json!({"Type": kind, "URI": secret(name)}))
        .collect()
}

/// What kind of source an endpoint is of, by its scheme.
fn endpoint_type(add: &Add, endpoint: &str) -> Result<&'static str> {
    let scheme = endpoint.split_once("://").map_or("", |(scheme, _)| scheme);
    Ok(match scheme {
        "postgres" | "postgresql" => "POSTGRESQL",
        "mariadb" => "MARIADB",
        "mysql" => "MYSQL",
        "redis" | "valkey" if add.key.is_empty() => "REDIS",
        "redis" | "valkey" => "REDIS_KEYSPACE",
        "mqtt" => "MQTT",
        "nats" if has_path(endpoint) => "NATS_JETSTREAM",
        "nats" => "NATS",
        "amqp" | "amqps" => "RABBITMQ",
        "kafka" => KAFKA,
        _ => bail!(
            "{endpoint} is no endpoint of a source: it begins with postgres://, mariadb://, mysql://, redis://, nats://, mqtt://, amqps:// or kafka://"
        ),
    })
}

/// Whether an endpoint names something behind the server.
fn has_path(endpoint: &str) -> bool {
    let (_, place) = endpoint.split_once("://").unwrap_or_default();
    let place = place.split('?').next().unwrap_or_default();
    place
        .split_once('/')
        .is_some_and(|(_, path)| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: Add,
    }

    fn add(line: &str) -> Add {
        Line::parse_from(line.split_whitespace()).add
    }

    fn function() -> FunctionArn {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:ship";
        arn.parse().unwrap()
    }

    #[test]
    fn a_queue_is_of_the_functions_account_and_region() {
        let add = add("add ship orders --concurrency 2");
        let Source::Queue(queue) = source(&add).unwrap() else {
            panic!("a name is a queue's");
        };
        assert_eq!(
            of_queue(&add, queue, &function()),
            json!({
                "EventSourceArn": "arn:aws:sqs:eu-west-1:111122223333:orders",
                "ScalingConfig": {"MaximumConcurrency": 2},
            })
        );
    }

    #[test]
    fn an_endpoint_says_what_kind_of_source_it_is_of() {
        for (line, kind) in [
            (
                "add f postgresql://db/shop --table t --secret s",
                "POSTGRESQL",
            ),
            ("add f mariadb://db/shop --table t --secret s", "MARIADB"),
            ("add f mysql://db/shop --table t --secret s", "MYSQL"),
            ("add f redis://db --stream t", "REDIS"),
            ("add f valkey://db --key t", "REDIS_KEYSPACE"),
            ("add f nats://mq?sslmode=require --subject t", "NATS"),
            ("add f nats://mq:4222/S --subject t", "NATS_JETSTREAM"),
            ("add f mqtt://mq --topic t", "MQTT"),
        ] {
            let add = add(line);
            let document = of_database(&add, &add.source, &function()).unwrap();
            let endpoints = document["SelfManagedEventSource"]["Endpoints"].clone();
            assert_eq!(endpoints, json!({kind: [add.source]}), "{line}");
            assert_eq!(document["Topics"], json!(["t"]), "{line}");
        }
        for (line, told) in [
            (
                "add f ftp://db/shop --table t",
                "is no endpoint of a source",
            ),
            ("add f redis://db --table t", "needs --stream or --key"),
            ("add f mysql://db/shop --secret s", "needs --table"),
            ("add f nats://mq --table t", "needs --subject"),
            ("add f mqtt://mq --subject t", "needs --topic"),
            ("add f redis://db --queue q", "--queue is for RabbitMQ"),
            ("add f amqps://mq --secret s", "needs --queue"),
            ("add f amqps://mq --queue q", "needs --secret"),
            ("add f kafka://k:1", "needs exactly one --topic"),
            ("add f mqtt://mq --topic t --group g", "are for Kafka"),
        ] {
            let add = add(line);
            let refused = of_database(&add, &add.source, &function()).unwrap_err();
            assert!(refused.to_string().contains(told), "{refused}");
        }
    }

    #[test]
    fn a_broker_has_one_queue_in_a_virtual_host() {
        let add = add("add f amqps://mq --queue orders --virtual-host shop --secret s");
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:s";
        assert_eq!(
            of_database(&add, &add.source, &function()).unwrap(),
            json!({
                "SelfManagedEventSource": {"Endpoints": {"RABBITMQ": ["amqps://mq"]}},
                "Queues": ["orders"],
                "SourceAccessConfigurations": [
                    {"Type": "BASIC_AUTH", "URI": arn},
                    {"Type": "VIRTUAL_HOST", "URI": "shop"},
                ],
            })
        );
    }

    #[test]
    fn a_cluster_has_servers_and_a_topic() {
        let add = add("add f kafka://b1:9096,b2:9096 --topic t --group g --secret s --from-start");
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:s";
        assert_eq!(
            of_database(&add, &add.source, &function()).unwrap(),
            json!({
                "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["b1:9096", "b2:9096"]}},
                "Topics": ["t"],
                "SourceAccessConfigurations": [{"Type": "SASL_SCRAM_512_AUTH", "URI": arn}],
                "StartingPosition": "TRIM_HORIZON",
                "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "g"},
            })
        );
    }

    #[test]
    fn what_is_for_another_kind_of_source_is_refused() {
        for (line, wrong) in [
            ("add ship orders --table t", "--table is for databases"),
            (
                "add ship orders --on-failure a",
                "--on-failure is for databases",
            ),
            (
                "add ship postgres://h/d --concurrency 2",
                "--concurrency is for queues",
            ),
        ] {
            let refused = source(&add(line)).err().unwrap().to_string();
            assert!(refused.starts_with(wrong), "{refused}");
        }
        let add = add("add ship postgres://h/d --table t");
        let refused = of_database(&add, &add.source, &function()).unwrap_err();
        assert!(refused.to_string().contains("needs --secret"), "{refused}");
    }
}
