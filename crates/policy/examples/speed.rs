//! How long one decision takes for a user with 5 policies of 10 statements each: `cargo run --release -p kiln-policy --example speed`.

use std::hint::black_box;

use kiln_policy::{Attached, Context, Policies, Policy, PolicyKind, Principal, Request, evaluate};
use serde_json::json;

const POLICIES: usize = 5;
const STATEMENTS: usize = 10;
const ROUNDS: usize = 2_001;
const EVALUATIONS: u32 = 500;

fn policy(number: usize) -> Policy {
    let services = [
        "s3", "sqs", "sns", "dynamodb", "lambda", "logs", "events", "kms", "ssm", "ec2",
    ];
    let statement = |index: usize| {
        let service = services[index];
        json!({
            "Sid": format!("S{index}"),
            "Effect": if index == 9 { "Deny" } else { "Allow" },
            "Action": [format!("{service}:Get*"), format!("{service}:List*"), format!("{service}:Invoke{number}*")],
            "Resource": [format!("arn:aws:{service}:us-east-1:111122223333:function:app-{number}-*"),
                         format!("arn:aws:{service}:*:111122223333:${{aws:username}}/*")],
            "Condition": {"StringEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]},
                          "Bool": {"aws:SecureTransport": "true"}},
        })
    };
    let statements: Vec<_> = (0..STATEMENTS).map(statement).collect();
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    Policy::parse(PolicyKind::Inline, &text).expect("a policy")
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() {
    let policies: Vec<Policy> = (0..POLICIES).map(policy).collect();
    let attached: Vec<_> = policies
        .iter()
        .map(|policy| Attached {
            name: "policy",
            policy,
        })
        .collect();
    let all = Policies {
        identity: &attached,
        ..Policies::default()
    };
    let ada = Principal::user("arn:aws:iam::111122223333:user/ada").expect("a user");
    let context = Context::new()
        .with("aws:username", "ada")
        .with("aws:RequestedRegion", "us-east-1")
        .with("aws:SecureTransport", "true")
        .with("aws:SourceIp", "192.0.2.1")
        .with("aws:PrincipalArn", ada.arn());
    for (what, action, resource) in [
        (
            "allowed by the last policy",
            "lambda:Invoke4Function",
            "arn:aws:lambda:us-east-1:111122223333:function:app-4-x",
        ),
        (
            "allowed by the first policy",
            "lambda:GetFunction",
            "arn:aws:lambda:us-east-1:111122223333:function:app-0-x",
        ),
        (
            "denied implicitly",
            "lambda:GetFunction",
            "arn:aws:lambda:us-east-1:111122223333:function:other",
        ),
    ] {
        let mut rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let start = now();
                for _ in 0..EVALUATIONS {
                    let request =
                        Request::new(&ada, black_box(action), black_box(resource), &context);
                    black_box(evaluate(black_box(&all), &request).is_allowed());
                }
                start.elapsed() / EVALUATIONS
            })
            .collect();
        rounds.sort();
        println!(
            "{what}: median {:?}, p99 {:?}",
            rounds[ROUNDS / 2],
            rounds[ROUNDS * 99 / 100]
        );
    }
}
