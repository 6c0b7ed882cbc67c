//! What is looked at before code runs.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;

use kiln_scheduler::Check;
use kiln_signing::PrivateKey;
use kiln_store::audit::AuditQuery;
use kiln_store::{Config, Layer, LayerSize};
use kiln_testkit::{archive, image as built};
use kiln_types::content::{SIGNATURE_PATH, STATEMENT_PATH, sha256_of};
use kiln_types::function::Code;
use kiln_types::{Function, FunctionArn, FunctionId, Image, ManualClock, SigningPolicy};
use tempfile::TempDir;

use super::guard::CodeGuard;
use super::*;

/// Made by `openssl genpkey -algorithm ed25519`.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIEhp+rDYjNF3ehcQlcLay8UOTU3cka6N5cj6UBkhoVqx\n\
    -----END PRIVATE KEY-----\n";
const PROFILE: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/ci/0a1b2c3d4e";
const FILES: &[(&str, &[u8])] = &[("index.py", b"x = 1")];

/// A store with a profile, a configuration and a function that has it.
struct World {
    dir: TempDir,
    store: Store,
    id: FunctionId,
}

impl World {
    async fn new(policy: SigningPolicy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        let key = PrivateKey::from_pem(PRIVATE).unwrap().public();
        let profile = SigningProfile {
            arn: PROFILE.parse().unwrap(),
            key: key.to_pem(),
            added: Timestamp::from_millis(0),
            revoked: None,
        };
        store.signing().add_profile(profile).await.unwrap();
        let mut function: Function = crate::tests::function("sum");
        let config = CodeSigningConfig {
            account: function.id.account.clone(),
            id: "csc-1".into(),
            description: String::new(),
            publishers: vec![PROFILE.into()],
            policy,
            modified: Timestamp::from_millis(0),
            tags: Default::default(),
        };
        store.signing().add_config(config).await.unwrap();
        function.code_signing = Some("csc-1".into());
        let id = function.id.clone();
        store.create_function(function).await.unwrap();
        Self { dir, store, id }
    }

    /// As after a restart.
    async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        let Self { dir, store, id } = self;
        drop(store);
        let store = open(&dir);
        Self { dir, store, id }
    }

    async fn put(&self, files: &[(&str, &[u8])]) -> Code {
        let artifacts = self.store.artifacts();
        let zip = archive::zip(files).into();
        artifacts.put_zip(zip, 99_999).await.unwrap()
    }

    /// A package that is signed.
    async fn put_signed(&self) -> Code {
        let plain = self.put(FILES).await;
        let checked = self.store.artifacts().check(&plain.sha256).await.unwrap();
        let statement = Statement {
            profile: PROFILE.parse().unwrap(),
            job: "1".into(),
            signed: Timestamp::from_millis(0),
            expires: Some(Timestamp::from_millis(1)),
            content: checked.covered.clone(),
        };
        let sealed = Sealed::new(&statement, &PrivateKey::from_pem(PRIVATE).unwrap()).unwrap();
        let own: [(&str, &[u8]); 2] = [
            (STATEMENT_PATH, &sealed.statement),
            (SIGNATURE_PATH, &sealed.signature),
        ];
        let mut code = self.put(&[FILES, &own].concat()).await;
        code.signer = signer(&self.store, &code.sha256).await.unwrap();
        assert!(code.signer.is_some());
        code
    }

    fn guard(&self, code: &Code) -> CodeGuard {
        let arn = FunctionArn::new("us-east-1".parse().unwrap(), &self.id);
        let mut latest = (*self.store.function(&self.id).unwrap().latest).clone();
        latest.code = code.clone();
        CodeGuard::of(&self.store, &arn, &self.id, &latest)
    }

    async fn records(&self) -> Vec<String> {
        let query = AuditQuery {
            account: self.id.account.clone(),
            before: None,
            since: Timestamp::from_millis(0),
            until: Timestamp::from_millis(i64::MAX),
            count_max: 100,
        };
        let found = self.store.audit().list(query).await.unwrap();
        let names = found.into_iter().map(|found| {
            let record: serde_json::Value = serde_json::from_str(&found.record).unwrap();
            record["eventName"].as_str().unwrap().to_owned()
        });
        names.collect()
    }
}

fn open(dir: &TempDir) -> Store {
    Store::open(Config::new(dir.path()), Arc::new(ManualClock::default())).unwrap()
}

#[tokio::test]
async fn what_was_uploaded_just_now_may_start_at_once_and_is_read_after_a_restart() {
    let world = World::new(SigningPolicy::Warn).await;
    let code = world.put(FILES).await;
    assert_eq!(world.guard(&code).known(), Some(Ok(())));
    let world = world.reopened().await;
    let guard = world.guard(&code);
    assert_eq!(guard.known(), None);
    guard.check().await.unwrap();
    assert_eq!(guard.known(), Some(Ok(())));
}

#[tokio::test]
async fn altered_code_is_refused_once_restored_and_written_down() {
    let world = World::new(SigningPolicy::Warn).await;
    let code = world.put(FILES).await;
    let world = world.reopened().await;
    let file = world.store.artifacts().dir(&code.sha256).join("index.py");
    fs::write(&file, "x = 2").unwrap();
    let guard = world.guard(&code);
    let why = guard.check().await.unwrap_err();
    assert!(why.contains("'index.py' was altered"), "{why}");
    assert!(why.ends_with("try again"), "{why}");
    assert_eq!(guard.known(), Some(Ok(())));
    assert_eq!(fs::read(&file).unwrap(), b"x = 1");
    assert_eq!(world.records().await, ["ArtifactNotIntact"]);
}

#[tokio::test]
async fn what_a_revoked_key_signed_does_not_start_where_that_is_enforced() {
    for policy in [SigningPolicy::Enforce, SigningPolicy::Warn] {
        let world = World::new(policy).await;
        let code = world.put_signed().await;
        let guard = world.guard(&code);
        // Its signature has expired, which counts when it is deployed.
        guard.check().await.unwrap();
        assert_eq!(guard.known(), Some(Ok(())));
        let profile = PROFILE.parse().unwrap();
        let now = Timestamp::from_millis(5);
        let signing = world.store.signing();
        signing.revoke_profile(&profile, now).await.unwrap();
        if policy == SigningPolicy::Warn {
            assert_eq!(guard.known(), Some(Ok(())));
            continue;
        }
        assert_eq!(guard.known(), None, "it is written down first");
        let why = guard.check().await.unwrap_err();
        assert!(why.contains("revoked"), "{why}");
        assert_eq!(guard.known(), Some(Err(why)));
        assert_eq!(world.records().await, ["UntrustedArtifactOnStart"]);
    }
}

#[tokio::test]
async fn signatures_are_verified_again_after_a_restart_and_unsigned_code_from_before_goes_on() {
    let world = World::new(SigningPolicy::Enforce).await;
    let (signed, unsigned) = (world.put_signed().await, world.put(FILES).await);
    let world = world.reopened().await;
    for code in [&signed, &unsigned] {
        let guard = world.guard(code);
        assert_eq!(guard.known(), None);
        guard.check().await.unwrap();
        assert_eq!(guard.known(), Some(Ok(())));
    }
}

#[tokio::test]
async fn what_says_that_it_is_signed_and_is_not_does_not_start() {
    let world = World::new(SigningPolicy::Enforce).await;
    let mut code = world.put(FILES).await;
    code.signer = world.put_signed().await.signer;
    let why = world.guard(&code).check().await.unwrap_err();
    assert!(why.contains("it is not signed"), "{why}");
}

#[tokio::test]
async fn nothing_starts_while_the_configuration_that_the_function_has_is_gone() {
    let world = World::new(SigningPolicy::Warn).await;
    let code = world.put(FILES).await;
    let database = rusqlite::Connection::open(world.dir.path().join("meta.db")).unwrap();
    let delete = "DELETE FROM code_signing_config";
    database.execute(delete, []).unwrap();
    drop(database);
    let world = world.reopened().await;
    world.store.artifacts().check(&code.sha256).await.unwrap();
    let guard = world.guard(&code);
    assert_eq!(guard.known(), None, "it is written down first");
    let why = guard.check().await.unwrap_err();
    assert!(why.contains("csc-1 does not exist"), "{why}");
    assert_eq!(guard.known(), Some(Err(why)));
    assert_eq!(world.records().await, ["UntrustedArtifactOnStart"]);
    let taken = world.store.update_function(&world.id, |function| {
        function.code_signing = None;
        Ok::<(), kiln_store::Error>(())
    });
    taken.await.unwrap();
    assert_eq!(guard.known(), Some(Ok(())));
}

#[tokio::test]
async fn an_image_starts_when_all_its_layers_are_there() {
    let world = World::new(SigningPolicy::Warn).await;
    let archive = built::Layer::default().file("file", b"content").finish();
    let diff_id = Sha256::from_bytes(sha256_of(&archive));
    let image = Image {
        uri: "app:1".into(),
        resolved_uri: "app@sha256:0".into(),
        digest: Sha256::from_bytes([0; 32]),
        layers: vec![diff_id.clone()],
        entry_point: vec![],
        command: vec![],
        working_directory: None,
        environment: vec![],
    };
    let arn = FunctionArn::new("us-east-1".parse().unwrap(), &world.id);
    let guard = LayersGuard::of(&world.store, &arn, &image);
    assert_eq!(guard.known(), None, "it is written down first");
    for _ in 0..2 {
        let why = guard.check().await.unwrap_err();
        assert!(why.contains(diff_id.as_str()), "{why}");
        assert_eq!(guard.known(), Some(Err(why)));
    }
    assert_eq!(world.records().await, ["ArtifactNotIntact"]);
    let images = world.store.images();
    let mut file = images.scratch().unwrap();
    file.write_all(&archive).unwrap();
    file.rewind().unwrap();
    let layer = Layer {
        diff_id,
        digest: None,
        file,
        bytes: archive.len() as u64,
    };
    images.put(layer, LayerSize::IMAGE_MAX).await.unwrap();
    assert_eq!(guard.known(), Some(Ok(())));
    guard.check().await.unwrap();
}
