//! SAM's policy templates, as far as they speak of what Kiln has: actions on a resource that a parameter names.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::Reason;

/// Statements of a template: actions, and the resources that they are for. `{}` in a resource stands for the
/// template's parameter; `*` alone for everything.
type Statement = (&'static [&'static str], &'static [&'static str]);

/// A template: its name, its parameter, its statements.
type Row = (&'static str, Option<&'static str>, &'static [Statement]);

const BUCKET: &[&str] = &[
    "arn:${AWS::Partition}:s3:::${bucketName}",
    "arn:${AWS::Partition}:s3:::${bucketName}/*",
];
const TABLE: &[&str] = &[
    "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${tableName}",
    "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${tableName}/index/*",
];
const QUEUE: &[&str] = &["arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${queueName}"];
const PARAMETER_ACTIONS: &[&str] = &[
    "ssm:GetParameters",
    "ssm:GetParameter",
    "ssm:GetParametersByPath",
];

const TEMPLATES: &[Row] = &[
    (
        "AWSSecretsManagerGetSecretValuePolicy",
        Some("SecretArn"),
        &[(&["secretsmanager:GetSecretValue"], &["${secretArn}"])],
    ),
    (
        "CloudWatchPutMetricPolicy",
        None,
        &[(&["cloudwatch:PutMetricData"], &["*"])],
    ),
    (
        "DynamoDBCrudPolicy",
        Some("TableName"),
        &[(
            &[
                "dynamodb:GetItem",
                "dynamodb:DeleteItem",
                "dynamodb:PutItem",
                "dynamodb:Scan",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:BatchGetItem",
                "dynamodb:DescribeTable",
                "dynamodb:ConditionCheckItem",
            ],
            TABLE,
        )],
    ),
    (
        "DynamoDBReadPolicy",
        Some("TableName"),
        &[(
            &[
                "dynamodb:GetItem",
                "dynamodb:Scan",
                "dynamodb:Query",
                "dynamodb:BatchGetItem",
                "dynamodb:DescribeTable",
            ],
            TABLE,
        )],
    ),
    (
        "DynamoDBWritePolicy",
        Some("TableName"),
        &[(
            &[
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
                "dynamodb:BatchWriteItem",
            ],
            TABLE,
        )],
    ),
    (
        "EventBridgePutEventsPolicy",
        Some("EventBusName"),
        &[(
            &["events:PutEvents"],
            &[
                "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${eventBusName}",
            ],
        )],
    ),
    (
        "LambdaInvokePolicy",
        Some("FunctionName"),
        &[(
            &["lambda:InvokeFunction"],
            &[
                "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${functionName}*",
            ],
        )],
    ),
    (
        "S3CrudPolicy",
        Some("BucketName"),
        &[(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:PutObject",
                "s3:PutObjectAcl",
                "s3:GetLifecycleConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:DeleteObject",
            ],
            BUCKET,
        )],
    ),
    (
        "S3ReadPolicy",
        Some("BucketName"),
        &[(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:GetLifecycleConfiguration",
            ],
            BUCKET,
        )],
    ),
    (
        "S3WritePolicy",
        Some("BucketName"),
        &[(
            &[
                "s3:PutObject",
                "s3:PutObjectAcl",
                "s3:PutLifecycleConfiguration",
            ],
            BUCKET,
        )],
    ),
    (
        "SNSPublishMessagePolicy",
        Some("TopicName"),
        &[(
            &["sns:Publish"],
            &["arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${topicName}"],
        )],
    ),
    (
        "SNSCrudPolicy",
        Some("TopicName"),
        &[(
            &[
                "sns:ListSubscriptionsByTopic",
                "sns:CreateTopic",
                "sns:SetTopicAttributes",
                "sns:Subscribe",
                "sns:Publish",
            ],
            &["arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${topicName}*"],
        )],
    ),
    (
        "SQSPollerPolicy",
        Some("QueueName"),
        &[(
            &[
                "sqs:ChangeMessageVisibility",
                "sqs:ChangeMessageVisibilityBatch",
                "sqs:DeleteMessage",
                "sqs:DeleteMessageBatch",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            QUEUE,
        )],
    ),
    (
        "SQSSendMessagePolicy",
        Some("QueueName"),
        &[(&["sqs:SendMessage*"], QUEUE)],
    ),
    (
        "SSMParameterReadPolicy",
        Some("ParameterName"),
        &[
            (&["ssm:DescribeParameters"], &["*"]),
            (
                PARAMETER_ACTIONS,
                &[
                    "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${parameterName}",
                ],
            ),
        ],
    ),
    (
        "SSMParameterWithSlashPrefixReadPolicy",
        Some("ParameterName"),
        &[
            (&["ssm:DescribeParameters"], &["*"]),
            (
                PARAMETER_ACTIONS,
                &[
                    "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${parameterName}",
                ],
            ),
        ],
    ),
    (
        "VPCAccessPolicy",
        None,
        &[(
            &[
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DetachNetworkInterface",
            ],
            &["*"],
        )],
    ),
];

/// The policy of a template with its parameter.
pub(super) fn policy(name: &str, given: &Json) -> Result<Json, Reason> {
    let Some((_, parameter, statements)) = TEMPLATES.iter().find(|row| row.0 == name) else {
        return Err(format!(
            "Policy template '{name}' is not known to Kiln: write its statements into Policies instead"
        ));
    };
    let nothing = JsonMap::new();
    let given = given.as_object().unwrap_or(&nothing);
    if let Some(other) = given.keys().find(|name| Some(name.as_str()) != *parameter) {
        return Err(format!("Policy template '{name}' has no parameter {other}"));
    }
    let value = match parameter {
        None => None,
        Some(parameter) => {
            let missing = || {
                format!(
                    "Following required parameters of policy template '{name}' don't have values: ['{parameter}']"
                )
            };
            Some((lower(parameter), given.get(*parameter).ok_or_else(missing)?))
        }
    };
    let resource = |text: &&str| match &value {
        Some((variable, value)) if text.contains("${") => {
            json!({"Fn::Sub": [text, {variable: value}]})
        }
        _ => json!(text),
    };
    let statement = |(actions, resources): &Statement| {
        let resource = match resources {
            [one] => resource(one),
            several => several.iter().map(resource).collect(),
        };
        json!({"Effect": "Allow", "Action": actions, "Resource": resource})
    };
    let statements: Vec<Json> = statements.iter().map(statement).collect();
    Ok(json!({"Statement": statements}))
}

/// Variables are written as the parameters, but for the first letter.
fn lower(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
