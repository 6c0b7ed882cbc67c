//! What it costs to know who asks and whether it may.

use std::sync::Arc;
use std::time::Duration;

use kiln_testkit::{Keys, Server, sign};
use serde_json::{Value, json};

use crate::load::{self, Load, request};
use crate::report::{Report, Row, Section, Target, number};
use crate::statistics::median;
use crate::subject::{Scale, Subject};

const CONNECTIONS: usize = 16;
const TARGET: &str = "/2016-08-19/account-settings";
/// Of the user who asks.
const POLICIES: usize = 5;
const STATEMENTS: usize = 10;

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let open = Subject::start_with(Server::builder().dev(), &[]);
    let closed = Subject::start(&[]);
    let user = user(&closed.server);
    let of_nobody = asking(&open, open.server.keys(), scale)?;
    let of_account = asking(&closed, closed.server.keys(), scale)?;
    let of_user = asking(&closed, &user, scale)?;
    let (mut base, mut signed, mut decided) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        base.push(spent(&open, &of_nobody)?);
        signed.push(spent(&closed, &of_account)?);
        decided.push(spent(&closed, &of_user)?);
    }
    let (base, signed, decided) = (median(&base), median(&signed), median(&decided));
    report.add(Section {
        title: "Who asks, and whether it may",
        method: format!(
            "`GetAccountSettings` by {CONNECTIONS} keep-alive connections, {} rounds of {} ms in turn: at a server that takes any \
             credentials, at one that verifies signatures with the account's own key, which may everything, and there with \
             the key of a user with {POLICIES} policies of {STATEMENTS} statements, the last of which allows it. Processor time of the daemon a \
             request, less that of the first.",
            scale.rounds,
            scale.round.as_millis()
        ),
        rows: vec![
            Row {
                name: "signature_and_policies",
                value: decided - base,
                unit: "us",
                floor: None,
                target: Target::AtMost(10.0),
            },
        ],
        detail: vec![format!(
            "a request takes {} µs, of which the signature {} µs and the policies {} µs",
            number(decided),
            number(signed - base),
            number(decided - signed)
        )],
    });
    Ok(())
}

/// Microseconds of the daemon's processor time a request.
fn spent(subject: &Subject, load: &Load) -> anyhow::Result<f64> {
    let before = subject.spent().daemon;
    let answers = load::run(load)?;
    let spent = subject.spent().daemon.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1e6 / answers.latencies.len().max(1) as f64)
}

fn asking(subject: &Subject, keys: &Keys, scale: &Scale) -> anyhow::Result<Load> {
    let url = format!("{}{TARGET}", keys.endpoint);
    let signed = sign(keys, "lambda", "GET", &url, &[], b"");
    let authority = subject.server.authority();
    let one = request("GET", TARGET, authority, &signed.headers, b"");
    Ok(Load {
        to: subject.address()?,
        requests: Arc::new(vec![one]),
        connections: CONNECTIONS,
        count_max: usize::MAX,
        time_max: scale.round,
        pause: Duration::ZERO,
    })
}

/// Makes a user with its policies; its keys.
fn user(server: &Server) -> Keys {
    let call = |form: &[(&str, &str)]| -> String {
        let pairs = form.iter().map(|(name, value)| {
            let value = percent(value);
            format!("{name}={value}")
        });
        let body = pairs.collect::<Vec<_>>().join("&");
        let answer = server
            .request("POST", "/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("Version=2010-05-08&{body}"))
            .signed("iam")
            .send();
        answer.expect_status(200).text()
    };
    call(&[("Action", "CreateUser"), ("UserName", "asks")]);
    for number in 0..POLICIES {
        let document = document(number + 1 == POLICIES).to_string();
        let name = format!("p{number}");
        call(&[
            ("Action", "CreatePolicy"),
            ("PolicyName", &name),
            ("PolicyDocument", &document),
        ]);
        let arn = format!("arn:aws:iam::000000000000:policy/{name}");
        call(&[
            ("Action", "AttachUserPolicy"),
            ("UserName", "asks"),
            ("PolicyArn", &arn),
        ]);
    }
    let made = call(&[("Action", "CreateAccessKey"), ("UserName", "asks")]);
    let text = |name: &str| {
        let (_, rest) = made.split_once(&format!("<{name}>")).expect("a new key");
        rest.split('<').next().unwrap_or_default().to_owned()
    };
    Keys {
        access_key_id: text("AccessKeyId"),
        secret_access_key: text("SecretAccessKey"),
        ..server.keys().clone()
    }
}

fn document(allows: bool) -> Value {
    let mut statements: Vec<Value> = (1..STATEMENTS)
        .map(|number| {
            let queue = format!("arn:aws:sqs:us-east-1:000000000000:queue-{number}-*");
            json!({"Effect": "Allow", "Action": ["sqs:Send*", "sqs:Receive*"], "Resource": queue})
        })
        .collect();
    let last = if allows { "lambda:Get*" } else { "logs:Get*" };
    statements.push(json!({"Effect": "Allow", "Action": last, "Resource": "*"}));
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A value of a form.
fn percent(text: &str) -> String {
    let mut made = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                made.push(char::from(byte))
            }
            _ => made.push_str(&format!("%{byte:02X}")),
        }
    }
    made
}
