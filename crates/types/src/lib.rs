//! Kiln's vocabulary: the nouns every other crate speaks in.
//!
//! Invariants: no I/O, no async, no wire names of AWS's API, and no way to build an invalid value.
//! Start reading at [`function`] (what is deployed) and [`invocation`] (what runs it).

pub mod account;
pub mod alias;
pub mod api;
pub mod archive;
pub mod arn;
pub mod bucket;
pub mod bus;
mod caller;
pub mod clock;
pub mod content;
pub mod cors;
pub mod digest;
pub mod environment;
pub mod event_invoke;
pub mod file_system;
pub mod function;
pub mod iam;
pub mod id;
pub mod image;
pub mod invocation;
pub mod layer;
pub mod limits;
pub mod log;
pub mod mapping;
pub mod message;
pub mod name;
pub mod network;
pub mod parameter;
pub mod policy;
pub mod runtime;
pub mod schedule;
pub mod secret;
pub mod signing;
pub mod snap_start;
pub mod tenancy;
pub mod tenant;
pub mod topic;
pub mod trace;
pub mod units;
pub mod url;
pub mod usage;

pub use account::{AccountId, Region};
pub use alias::AliasConfig;
pub use api::{Api, ApiId, PartId, StageName};
pub use archive::{Archive, ArchiveId, ArchiveName, Replay, ReplayId, ReplayName, ReplayState};
pub use arn::{FunctionArn, FunctionRef};
pub use bucket::{
    Bucket, BucketId, BucketName, NotificationRule, Notifications, PublicAccessBlock, Versioning,
};
pub use bus::{
    Bus, BusArn, BusId, BusName, Recipient, Rule, RuleId, RuleName, RuleState, Target, TargetInput,
};
pub use caller::FunctionCaller;
pub use clock::{Clock, ManualClock, Moment, SystemClock, Timestamp};
pub use content::Content;
pub use cors::Cors;
pub use digest::Sha256;
pub use environment::RESERVED_VARIABLES;
pub use event_invoke::{Destination, EventInvokeConfig, RecursiveLoop};
pub use file_system::{AccessPoint, AccessPointArn, FileSystem, FileSystemMount, FileSystems};
pub use function::{
    Configuration, Function, LogFormat, LogLevel, LoggingConfig, State, UpdateStatus,
};
pub use id::{InstanceId, MappingId, MessageId, RequestId, RevisionId, SubscriptionId, UrlId};
pub use image::{Container, Image, ImageConfig};
pub use invocation::{
    FunctionError, Initialization, Invocation, InvocationReport, InvocationStatus, Outcome, Restore,
};
pub use layer::{AttachedLayer, LayerArn, LayerName, LayerVersion, LayerVersionArn};
pub use log::{LogRecord, LogStream};
pub use mapping::{EventSource, Mapping, MappingSettings, MappingState};
pub use message::{
    AttributeValue, MessageAttribute, QueueArn, QueueId, QueueName, not_in_messages,
};
pub use name::{Alias, FunctionId, FunctionName, InvalidName, Qualifier, Version};
pub use network::{HostServices, Network, Traffic};
pub use parameter::{
    Parameter, ParameterId, ParameterKind, ParameterName, ParameterTier, ParameterVersion,
};
pub use runtime::{Architecture, Language, Runtime};
pub use schedule::{Receiver, ScheduleId, ScheduleSettings, ScheduleSpace, ScheduleTarget};
pub use secret::{Secret, SecretArn, SecretId, SecretName};
pub use signing::{CodeSigningConfig, ProfileArn, Signer, SigningPolicy, SigningProfile};
pub use snap_start::{NotReady, SnapStart};
pub use tenancy::TenantId;
pub use tenant::{Tenant, TenantLimits};
pub use topic::{
    Confirmation, HttpEndpoint, Subscriber, Subscription, SubscriptionArn, Topic, TopicArn,
    TopicFifo, TopicId, TopicName,
};
pub use trace::Trace;
pub use units::{EphemeralMb, EventAgeSecs, InvalidUnit, MemoryMb, Retries, Slots, TimeoutSecs};
pub use usage::{ProvisionedRecord, RestoreUsage, UsageRecord};
