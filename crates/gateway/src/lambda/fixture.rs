//! A gateway's surroundings for tests: a real store in a directory of its own, and an invoker
//! that answers as told and remembers what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kiln_invoke::{Error, Part, Readiness, Request, Stream};
use kiln_store::Store;
use kiln_types::{
    AccessPoint, Architecture, Clock, Configuration, FileSystem, Function, FunctionId,
    InvocationReport, InvocationStatus, LoggingConfig, ManualClock, Outcome, RequestId, RevisionId,
    Sha256, State, Timestamp, UpdateStatus, Version, function::Code,
};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use super::function::create_function;
use super::generated as wire;
use super::layer::publish_layer_version;
use crate::config::{Auth, Config, Deps, Fetches, FunctionRights, Limits};
use crate::context::{Caller, Context, Identity, Origin};
use crate::invoke::{Invoke, Invoking};

pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/r";

pub(crate) struct Fixture {
    pub(crate) context: Context,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) invoker: Arc<FakeInvoker>,
    dir: TempDir,
}

/// Answers with the outcomes it was given, in order; with the event itself when it has none.
#[derive(Default)]
pub(crate) struct FakeInvoker {
    pub(crate) answers: Mutex<VecDeque<Result<Outcome, Error>>>,
    pub(crate) asked: Mutex<Vec<Request>>,
    /// What it streams before its next answer.
    pub(crate) streamed: Mutex<Option<Vec<Part>>>,
    /// How long it takes for an answer.
    pub(crate) delay: Mutex<Duration>,
    /// What it says of every version.
    pub(crate) readiness: Mutex<Option<Readiness>>,
}

impl Invoke for FakeInvoker {
    fn invoke(&self, request: Request) -> Invoking<'_> {
        self.asked.lock().unwrap().push(request.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        let answer =
            answer.unwrap_or_else(|| Ok(outcome(InvocationStatus::Success, request.payload)));
        let delay = *self.delay.lock().unwrap();
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            answer
        })
    }

    fn stream(&self, request: Request) -> Result<Stream, Error> {
        let streamed = self.streamed.lock().unwrap().take();
        self.asked.lock().unwrap().push(request.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        let answer =
            answer.unwrap_or_else(|| Ok(outcome(InvocationStatus::Success, request.payload)));
        let Some(streamed) = streamed else {
            return answer.map(|outcome| Stream::of(Ok(outcome)));
        };
        let (sink, parts) = kiln_invoke::response();
        streamed.into_iter().for_each(|part| sink.put(part));
        let (tell, told) = tokio::sync::oneshot::channel();
        tell.send(answer).expect("it is waited for");
        Ok(Stream::new(Version::Latest, parts, told))
    }

    fn readiness(&self, _: &FunctionId, _: &Configuration) -> Option<Readiness> {
        *self.readiness.lock().unwrap()
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_millis(1_795_440_180_000));
        let config = kiln_store::Config::new(dir.path());
        let store = Store::open(config, clock.clone()).unwrap();
        let invoker = Arc::new(FakeInvoker::default());
        let deps = Deps {
            fan_out: kiln_invoke::FanOut::new(store.clone(), Default::default()),
            store,
            invoker: invoker.clone(),
            clock: clock.clone(),
            images: kiln_image::Sources::new(Default::default()).unwrap(),
            fetches: Default::default(),
            stopping: Default::default(),
            tracker: TaskTracker::new(),
            runtimes: vec!["python3.11".into(), "python3.12".into()],
            compile: None,
            status: Box::new(Default::default),
        };
        let config = Config {
            region: "us-east-1".parse().unwrap(),
            account: "000000000000".parse().unwrap(),
            auth: Auth::Enforce,
            audits_data: false,
            functions: FunctionRights::Role,
            endpoint: "http://localhost:4566".parse().unwrap(),
            account_concurrency: 1_000,
            memory_budget_mb: 4_096,
            host_services: Default::default(),
            is_administered_apart: false,
            file_systems: [(
                AccessPoint::named("data"),
                FileSystem {
                    dir: "/srv/data".into(),
                    is_read_only: false,
                },
            )]
            .into(),
            limits: Limits::default(),
        };
        let context = Context {
            caller: Caller {
                account: config.account.clone(),
                access_key_id: "AKIATEST".into(),
                arn: "arn:aws:iam::000000000000:user/administrator".into(),
                user_id: "AIDATEST".into(),
                identity: Identity::Account,
            },
            origin: Origin {
                method: Default::default(),
                uri: Default::default(),
                address: Some([192, 0, 2, 1].into()),
                user_agent: None,
                referer: None,
            },
            access: Default::default(),
            names: Default::default(),
            config: Arc::new(config),
            deps: Arc::new(deps),
            request_id: RequestId::random(),
            now: clock.timestamp(),
            trace: None,
            host: "localhost:4566".into(),
            is_inside: false,
            left: Default::default(),
        };
        Self {
            context,
            clock,
            invoker,
            dir,
        }
    }

    /// Makes a topic.
    pub(crate) async fn make_topic(&self, name: &str) {
        let input = crate::sns::generated::CreateTopicInput {
            name: name.to_owned(),
            ..Default::default()
        };
        crate::sns::create_topic(&self.context, input)
            .await
            .unwrap();
    }

    /// Makes a message queue.
    pub(crate) async fn make_queue(&self, name: &str) {
        let input = crate::sqs::generated::CreateQueueRequest {
            queue_name: name.into(),
            attributes: name
                .ends_with(".fifo")
                .then(|| BTreeMap::from([("FifoQueue".into(), "true".into())])),
            tags: None,
        };
        let made = crate::sqs::queue::create_queue::handle(&self.context, input);
        made.await.unwrap();
    }

    pub(crate) async fn make_bucket(&self, name: &str, account: &str) {
        let bucket = kiln_types::Bucket {
            name: name.parse().unwrap(),
            account: account.parse().unwrap(),
            created: Timestamp::from_millis(0),
            versioning: Default::default(),
            tags: BTreeMap::new(),
            notifications: Default::default(),
            policy: None,
            public_access_block: None,
        };
        let objects = self.context.deps.store.objects();
        objects.create_bucket(bucket).await.unwrap();
    }

    /// Gives accounts this concurrency from here on.
    pub(crate) fn account_concurrency(&mut self, count: u32) {
        Arc::make_mut(&mut self.context.config).account_concurrency = count;
    }

    /// Has images come in this way from here on.
    pub(crate) fn fetches(&mut self, fetches: Fetches) {
        let deps = Arc::get_mut(&mut self.context.deps);
        deps.expect("no request has begun").fetches = fetches;
    }

    pub(crate) fn id(&self, name: &str) -> FunctionId {
        FunctionId {
            account: self.context.config.account.clone(),
            name: name.parse().unwrap(),
        }
    }

    pub(crate) fn function(&self, id: &FunctionId) -> Arc<Function> {
        self.context.deps.store.function(id).unwrap()
    }

    /// Creates a function through the API and waits until it is active.
    pub(crate) async fn create(&self, name: &str) -> FunctionId {
        let request = self.create_request(name);
        create_function::handle(&self.context, request)
            .await
            .unwrap();
        self.settle().await;
        self.id(name)
    }

    pub(crate) fn create_request(&self, name: &str) -> wire::CreateFunctionRequest {
        wire::CreateFunctionRequest {
            function_name: name.into(),
            role: ROLE.into(),
            runtime: Some("python3.11".into()),
            handler: Some("index.handler".into()),
            code: wire::FunctionCode {
                zip_file: Some(zip_of(&[("index.py", b"def handler(e, c): return 1")])),
                ..Default::default()
            },
            ..Default::default()
        }
    }

    /// What creates a function of a container image.
    pub(crate) fn create_image_request(
        &self,
        name: &str,
        uri: String,
    ) -> wire::CreateFunctionRequest {
        wire::CreateFunctionRequest {
            function_name: name.into(),
            role: ROLE.into(),
            package_type: Some("Image".into()),
            code: wire::FunctionCode {
                image_uri: Some(uri),
                ..Default::default()
            },
            ..Default::default()
        }
    }

    /// A function as a crash right after its creation leaves it.
    pub(crate) async fn create_pending(&self, name: &str) -> FunctionId {
        let id = self.id(name);
        let latest = Configuration {
            version: Version::Latest,
            revision: RevisionId::random(),
            modified: Timestamp::default(),
            runtime: Some("python3.11".parse().unwrap()),
            handler: Some("index.handler".into()),
            role: ROLE.into(),
            description: String::new(),
            timeout: Default::default(),
            memory: Default::default(),
            ephemeral: Default::default(),
            environment: BTreeMap::new(),
            architecture: Architecture::of_this_machine(),
            logging: LoggingConfig::of(&id),
            code: Code {
                sha256: Sha256::from_bytes([7; 32]),
                zipped_bytes: 1,
                unzipped_bytes: 1,
                signer: None,
            },
            container: None,
            layers: Vec::new(),
            file_systems: Vec::new(),
            state: State::Pending,
            update: UpdateStatus::InProgress,
            start: None,
            snap_start: Default::default(),
            network: None,
            slots: Default::default(),
            is_per_tenant: false,
            dead_letters: None,
            kept: BTreeMap::new(),
        };
        let function = Function::new(id.clone(), Timestamp::default(), latest);
        self.context
            .deps
            .store
            .create_function(function)
            .await
            .unwrap();
        id
    }

    /// Publishes the next version of a layer with this file.
    pub(crate) async fn publish_layer(&self, name: &str, file: &str) {
        self.publish(name, file, &[], &[]).await;
    }

    /// The same of a layer that is made for these runtimes and architectures.
    pub(crate) async fn publish_layer_for(
        &self,
        name: &str,
        runtimes: &[&str],
        architectures: &[&str],
    ) {
        self.publish(name, "file", runtimes, architectures).await;
    }

    async fn publish(&self, name: &str, file: &str, runtimes: &[&str], architectures: &[&str]) {
        let named = |list: &[&str]| Some(list.iter().map(|&name| name.to_owned()).collect());
        let request = wire::PublishLayerVersionRequest {
            layer_name: name.into(),
            content: wire::LayerVersionContentInput {
                zip_file: Some(zip_of(&[(file, b"")])),
                ..Default::default()
            },
            compatible_runtimes: named(runtimes),
            compatible_architectures: named(architectures),
            ..Default::default()
        };
        publish_layer_version::handle(&self.context, request)
            .await
            .unwrap();
    }

    /// Waits until all background tasks have ended.
    pub(crate) async fn settle(&self) {
        let tracker = &self.context.deps.tracker;
        tracker.close();
        tracker.wait().await;
        tracker.reopen();
    }

    /// Puts a file into a directory-backed bucket.
    pub(crate) fn put_object(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let path = self.dir.path().join("buckets").join(bucket).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// What the invoker answers next.
    pub(crate) fn answer(&self, answer: Result<Outcome, Error>) {
        self.invoker.answers.lock().unwrap().push_back(answer);
    }
}

/// An outcome of `$LATEST` with this status and payload.
pub(crate) fn outcome(status: InvocationStatus, payload: impl Into<Bytes>) -> Outcome {
    Outcome {
        request_id: RequestId::random(),
        executed_version: Version::Latest,
        report: Some(InvocationReport {
            status,
            payload: payload.into(),
            started: Timestamp::default(),
            duration: Duration::from_millis(1),
            share: None,
            init: None,
            restore: None,
            memory_peak_bytes: 1,
            cpu: Duration::ZERO,
            traffic: Default::default(),
            log_tail: None,
        }),
    }
}

/// A zip of these files.
pub(crate) fn zip_of(files: &[(&str, &[u8])]) -> Bytes {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}
