//! Every limit of the platform, with AWS's value and where it is documented.
//!
//! Sources: the Lambda quotas page, and the constraints of the `lambda` service model (botocore); for
//! message queues the quotas pages and the API reference of SQS; for identities those of IAM.

use std::time::Duration;

/// Longest function name (service model, `FunctionName`).
pub const FUNCTION_NAME_LENGTH_MAX: usize = 64;
/// Longest alias (service model, `Alias`).
pub const ALIAS_LENGTH_MAX: usize = 128;
/// Least memory of a function (quotas page).
pub const MEMORY_MB_MIN: u32 = 128;
/// Most memory of a function (quotas page; the model's 32,768 is for accelerators).
pub const MEMORY_MB_MAX: u32 = 10_240;
/// Memory that comes with one virtual CPU (developer guide, "Configure Lambda function memory").
pub const MEMORY_MB_PER_VCPU: u64 = 1_769;
/// Smallest `/tmp` (quotas page).
pub const EPHEMERAL_MB_MIN: u32 = 512;
/// Largest `/tmp` (quotas page).
pub const EPHEMERAL_MB_MAX: u32 = 10_240;
/// Longest invocation (quotas page).
pub const TIMEOUT_SECS_MAX: u32 = 900;
/// Most invocations that one instance may be given at a time. AWS differs: its managed instances allow
/// 1,600 (service model, `PerExecutionEnvironmentMaxConcurrency`); here each takes a connection of the
/// daemon.
pub const SLOTS_MAX: u32 = 128;
/// Longest init phase of an on-demand instance (developer guide, "Lambda execution environment").
pub const INIT_TIMEOUT_SECS: u64 = 10;
/// Longest init phase of an instance with provisioned concurrency (developer guide, the same page).
pub const PROVISIONED_INIT_TIMEOUT_SECS: u64 = 900;
/// Largest event and largest response of a synchronous invocation, 6 MiB (quotas page).
pub const SYNC_PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Largest response a runtime may post: the payload limit and 100 bytes of slack. Recorded from
/// AWS, whose error text names 6,291,556 bytes.
pub const RESPONSE_BYTES_MAX: usize = SYNC_PAYLOAD_BYTES_MAX + 100;
/// Largest response that is streamed, 200 MiB (quotas page; a soft limit there). AWS slows down what comes after the first
/// 6 MB to 2 MB/s; Kiln does not.
pub const STREAMED_RESPONSE_BYTES_MAX: u64 = 200 * 1024 * 1024;
/// Largest event of an asynchronous invocation, 1 MiB (service model, `Invoke`).
pub const ASYNC_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Most retries of an asynchronous event after function errors (`PutFunctionEventInvokeConfig`).
pub const EVENT_RETRIES_MAX: u32 = 2;
/// Least maximum age of an asynchronous event (`PutFunctionEventInvokeConfig`).
pub const EVENT_AGE_SECS_MIN: u32 = 60;
/// Most maximum age of an asynchronous event (`PutFunctionEventInvokeConfig`).
pub const EVENT_AGE_SECS_MAX: u32 = 21_600;
/// Invocations of one function in a chain before the next is stopped (developer guide, "Use Lambda
/// recursive loop detection to prevent infinite loops").
pub const RECURSION_HOPS_MAX: u32 = 16;
/// Largest client context, in base64 (service model, `Invoke`).
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
/// Longest tenant id (service model, `TenantId`).
pub const TENANT_ID_LENGTH_MAX: usize = 256;
/// How much of the log `LogType: Tail` returns (service model, `Invoke`).
pub const LOG_TAIL_BYTES_MAX: usize = 4 * 1024;
/// Largest zip in a request body (quotas page).
pub const ZIPPED_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Largest unpacked deployment package, layers included (quotas page).
pub const UNZIPPED_BYTES_MAX: u64 = 250 * 1024 * 1024;
/// Largest container image, all layers unpacked (quotas page: 10 GB).
pub const IMAGE_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;
/// Entries of all layers of a container image, and directories that are made on the way to them. Each costs
/// a block of the disk, whatever its name costs in an archive (Lambda documents none).
pub const IMAGE_ENTRIES_MAX: u64 = 1_000_000;
/// Layers of a container image (Docker's limit; Lambda documents none).
pub const IMAGE_LAYERS_MAX: usize = 127;
/// Words of an entry point or a command (service model, `ImageConfig`).
pub const IMAGE_WORDS_MAX: usize = 1_500;
/// Longest working directory of a container image's function (service model, `ImageConfig`).
pub const IMAGE_DIRECTORY_LENGTH_MAX: usize = 1_000;
/// A container image's variables as JSON. With its words and its directory they are in memory as long as a
/// function has the image, and in the message that starts a process of it (Lambda documents none).
pub const IMAGE_ENVIRONMENT_BYTES_MAX: usize = 64 * 1024;
/// An entry point as JSON, and a command likewise, be they of a container image or of its function.
pub const IMAGE_WORDS_BYTES_MAX: usize = 32 * 1024;
/// A container image's own working directory as JSON (Linux's longest path).
pub const IMAGE_DIRECTORY_BYTES_MAX: usize = 4 * 1024;
/// All code of one account (quotas page: 75 GB).
pub const CODE_STORAGE_BYTES_MAX: u64 = 75 * 1024 * 1024 * 1024;
/// Environment variables of a function, as JSON (quotas page).
pub const ENVIRONMENT_BYTES_MAX: usize = 4 * 1024;
/// A function's resource policy (quotas page).
pub const POLICY_BYTES_MAX: usize = 20 * 1024;
/// Layers of a function (quotas page).
pub const LAYERS_MAX: usize = 5;
/// Longest layer name (service model, `LayerName`).
pub const LAYER_NAME_LENGTH_MAX: usize = 140;
/// Tags of a resource (developer guide, "Using tags on Lambda functions").
pub const TAGS_MAX: usize = 50;
/// Characters of a tag's key (AWS general reference, "Tag naming limits and requirements").
pub const TAG_KEY_LENGTH_MAX: usize = 128;
/// Characters of a tag's value (the same).
pub const TAG_VALUE_LENGTH_MAX: usize = 256;
/// Open files of a sandbox (quotas page).
pub const OPEN_FILES_MAX: u64 = 1_024;
/// Processes and threads of a sandbox (quotas page).
pub const PROCESSES_MAX: u64 = 1_024;
/// Invocations in flight in an account unless configured (quotas page).
pub const ACCOUNT_CONCURRENCY: u32 = 1_000;
/// Concurrency that reservations must leave to all other functions (`PutFunctionConcurrency`).
pub const UNRESERVED_CONCURRENCY_MIN: u32 = 100;
/// Instances that one function may start at once (developer guide, "Lambda function scaling": 1,000
/// every 10 seconds).
pub const SCALING_BURST: u32 = 1_000;
/// Starts that a function regains each second, the same limit refilled continuously.
pub const SCALING_PER_SECOND: u32 = 100;
/// Longest name of a message queue, `.fifo` included (SQS quotas page).
pub const QUEUE_NAME_LENGTH_MAX: usize = 80;
/// Largest message, attributes included, and all messages of a batch together: 1 MiB (SQS quotas page).
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// HTTP APIs of an account (API Gateway quotas: regional APIs).
pub const APIS_MAX: usize = 600;
/// Routes of an HTTP API (API Gateway, "Quotas for configuring and running an HTTP API", as all below).
pub const API_ROUTES_MAX: usize = 300;
/// Integrations of an HTTP API.
pub const API_INTEGRATIONS_MAX: usize = 300;
/// Authorizers of an HTTP API.
pub const API_AUTHORIZERS_MAX: usize = 10;
/// Stages of an HTTP API.
pub const API_STAGES_MAX: usize = 10;
/// Deployments of an HTTP API that were made by hand. AWS documents none; each holds all routes.
pub const API_DEPLOYMENTS_MAX: usize = 100;
/// Audiences of a JWT authorizer.
pub const API_AUDIENCES_MAX: usize = 50;
/// Scopes of a route.
pub const API_SCOPES_MAX: usize = 10;
/// Variables of a stage.
pub const STAGE_VARIABLES_MAX: usize = 100;
/// Longest name of a stage variable.
pub const STAGE_VARIABLE_NAME_LENGTH_MAX: usize = 64;
/// Longest value of a stage variable.
pub const STAGE_VARIABLE_LENGTH_MAX: usize = 512;
/// Longest wait for a function behind an HTTP API, in milliseconds.
pub const API_TIMEOUT_MS_MAX: u32 = 30_000;
/// Longest wait for a Lambda authorizer, in milliseconds.
pub const AUTHORIZER_TIMEOUT_MS: u64 = 10_000;
/// Longest name of an event bus (EventBridge service model, `EventBusName`).
pub const BUS_NAME_LENGTH_MAX: usize = 256;
/// Longest name of a rule (EventBridge service model, `RuleName`).
pub const RULE_NAME_LENGTH_MAX: usize = 64;
/// Event buses of an account, the default one included (EventBridge quotas page).
pub const BUSES_MAX: usize = 100;
/// Longest name of an archive (service model, `ArchiveName`).
pub const ARCHIVE_NAME_LENGTH_MAX: usize = 48;
/// Longest name of a replay (service model, `ReplayName`).
pub const REPLAY_NAME_LENGTH_MAX: usize = 64;
/// Archives of an account (EventBridge quotas page).
pub const ARCHIVES_MAX: usize = 100;
/// Replays of an account that go on at once (EventBridge quotas page).
pub const REPLAYS_MAX: usize = 10;
/// Rules of an event bus (EventBridge quotas page).
pub const RULES_MAX: usize = 300;
/// Targets of a rule (EventBridge quotas page).
pub const TARGETS_MAX: usize = 5;
/// Longest name of a topic, `.fifo` included (SNS API reference, `CreateTopic`).
pub const TOPIC_NAME_LENGTH_MAX: usize = 256;
/// Topics of an account; 1,000 of them may be FIFO topics (SNS quotas page).
pub const TOPICS_MAX: usize = 100_000;
/// FIFO topics of an account (SNS quotas page).
pub const FIFO_TOPICS_MAX: usize = 1_000;
/// Subscriptions of a topic. AWS allows 12.5 million; here each publication is expanded at once.
pub const SUBSCRIPTIONS_MAX: usize = 10_000;
/// Subscriptions of a FIFO topic (SNS quotas page).
pub const FIFO_SUBSCRIPTIONS_MAX: usize = 100;
/// Longest address of an HTTP endpoint that subscribes to a topic; AWS does not say.
pub const HTTP_ENDPOINT_LENGTH_MAX: usize = 2_048;
/// Largest message that is published, attributes included, and all of a batch together: 256 KiB (SNS quotas page).
pub const PUBLISHED_BYTES_MAX: usize = 256 * 1024;
/// The resource policy of a topic (SNS developer guide, "Amazon SNS policy quotas").
pub const TOPIC_POLICY_BYTES_MAX: usize = 30 * 1024;
/// The resource policy of an event bus (EventBridge quotas page).
pub const BUS_POLICY_BYTES_MAX: usize = 10 * 1024;
/// Longest name of an identity (IAM service model: users and roles take 64, groups and policies 128).
pub const ENTITY_NAME_LENGTH_MAX: usize = 128;
/// Longest path of an identity (IAM service model, `pathType`).
pub const ENTITY_PATH_LENGTH_MAX: usize = 512;
/// Users of an account (IAM user guide, "IAM and AWS STS quotas", as all below).
pub const USERS_MAX: usize = 5_000;
/// Groups of an account.
pub const GROUPS_MAX: usize = 300;
/// Roles of an account.
pub const ROLES_MAX: usize = 1_000;
/// Managed policies of an account.
pub const MANAGED_POLICIES_MAX: usize = 1_500;
/// Managed policies attached to an identity.
pub const ATTACHED_POLICIES_MAX: usize = 10;
/// Groups that a user is in.
pub const GROUPS_OF_USER_MAX: usize = 10;
/// Versions of a managed policy.
pub const POLICY_VERSIONS_MAX: usize = 5;
/// Access keys of a user, or of the account itself.
pub const ACCESS_KEYS_MAX: usize = 2;
/// Characters of a managed policy, white space left out.
pub const MANAGED_POLICY_SIZE_MAX: usize = 6_144;
/// Characters of all policies of a user's own, white space left out.
pub const USER_POLICY_SIZE_MAX: usize = 2_048;
/// Characters of all policies of a group's own, white space left out.
pub const GROUP_POLICY_SIZE_MAX: usize = 5_120;
/// Characters of all policies of a role's own, white space left out.
pub const ROLE_POLICY_SIZE_MAX: usize = 10_240;
/// Characters of a role's trust policy, white space left out.
pub const TRUST_POLICY_SIZE_MAX: usize = 2_048;
/// How long sessions of a role last unless it says (IAM API reference, `CreateRole`).
pub const SESSION_SECS: u32 = 3_600;
/// Longest name of a secret (Secrets Manager API reference, `CreateSecret`).
pub const SECRET_NAME_LENGTH_MAX: usize = 512;
/// Bytes of what a secret says (Secrets Manager user guide, "Secrets Manager quotas", as the next ones).
pub const SECRET_BYTES_MAX: usize = 65_536;
/// Labels at a version of a secret.
pub const SECRET_LABELS_MAX: usize = 20;
/// Versions of a secret.
pub const SECRET_VERSIONS_MAX: usize = 100;
/// Secrets of an account. AWS has 500,000; what is known of them is held in memory here.
pub const SECRETS_MAX: usize = 10_000;
/// How old a version of a secret must be before it may go for another (Secrets Manager API reference, `PutSecretValue`).
pub const SECRET_VERSION_AGE_MIN: Duration = Duration::from_secs(24 * 60 * 60);
/// Days between 7 and 30 in which a secret that is to be deleted can be had back (Secrets Manager API reference, `DeleteSecret`).
pub const SECRET_RECOVERY_DAYS_MIN: u32 = 7;
/// The same at most, and by default.
pub const SECRET_RECOVERY_DAYS_MAX: u32 = 30;
/// Longest name of a parameter (Systems Manager user guide, "Creating Parameter Store parameters").
pub const PARAMETER_NAME_LENGTH_MAX: usize = 1_011;
/// Levels of a parameter's path (the same).
pub const PARAMETER_LEVELS_MAX: usize = 15;
/// Bytes of a standard parameter's value (AWS general reference, "Parameter Store", as the next ones).
pub const PARAMETER_BYTES_MAX: usize = 4_096;
/// Bytes of an advanced parameter's value.
pub const ADVANCED_PARAMETER_BYTES_MAX: usize = 8_192;
/// Parameters of an account. AWS has 10,000 standard and 100,000 advanced ones.
pub const PARAMETERS_MAX: usize = 10_000;
/// Versions of a parameter.
pub const PARAMETER_VERSIONS_MAX: usize = 100;
/// Labels at a version of a parameter (Systems Manager user guide, "Working with parameter labels").
pub const PARAMETER_LABELS_MAX: usize = 10;
/// Longest label of a version of a parameter (the same).
pub const PARAMETER_LABEL_LENGTH_MAX: usize = 100;
