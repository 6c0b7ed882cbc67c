//! What a code-signing configuration asks of code.

use bytes::Bytes;
use kiln_signing::{PrivateKey, Sealed, Statement};
use kiln_store::audit::AuditQuery;
use kiln_types::content::{SIGNATURE_PATH, STATEMENT_PATH};
use kiln_types::{ProfileArn, SigningProfile, Timestamp};

use super::*;
use crate::lambda::fixture::{Fixture, zip_of};
use crate::lambda::function::{
    create_function, get_function, update_function_code, update_function_configuration,
};
use crate::lambda::layer::{get_layer_version, publish_layer_version};
use crate::lambda::tag;

/// Made by `openssl genpkey -algorithm ed25519`.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIEhp+rDYjNF3ehcQlcLay8UOTU3cka6N5cj6UBkhoVqx\n\
    -----END PRIVATE KEY-----\n";

fn key() -> PrivateKey {
    PrivateKey::from_pem(PRIVATE).unwrap()
}

fn profile(name: &str) -> ProfileArn {
    let arn = format!("arn:aws:signer:us-east-1:000000000000:/signing-profiles/{name}/0a1b2c3d4e");
    arn.parse().unwrap()
}

async fn add_profile(fixture: &Fixture, name: &str) {
    let profile = SigningProfile {
        arn: profile(name),
        key: key().public().to_pem(),
        added: fixture.context.now,
        revoked: None,
    };
    let signing = fixture.context.deps.store.signing();
    signing.add_profile(profile).await.unwrap().unwrap();
}

/// A configuration that lets `ci` in.
async fn config(fixture: &Fixture, policy: &str) -> String {
    let input = wire::CreateCodeSigningConfigRequest {
        allowed_publishers: wire::AllowedPublishers {
            signing_profile_version_arns: vec![profile("ci").to_string()],
        },
        code_signing_policies: Some(wire::CodeSigningPolicies {
            untrusted_artifact_on_deployment: Some(policy.to_owned()),
        }),
        ..Default::default()
    };
    let created = create_code_signing_config::handle(&fixture.context, input).await;
    created.unwrap().code_signing_config.code_signing_config_arn
}

/// A package signed by `name`, with these files signed and those in it.
async fn signed(
    fixture: &Fixture,
    name: &str,
    files: &[(&str, &[u8])],
    instead: &[(&str, &[u8])],
    expires: Option<Timestamp>,
) -> Bytes {
    let artifacts = fixture.context.deps.store.artifacts();
    let code = artifacts.put_zip(zip_of(files), 99_999).await.unwrap();
    let checked = artifacts.check(&code.sha256).await.unwrap();
    let statement = Statement {
        profile: profile(name),
        job: "7f5f2a0c".into(),
        signed: Timestamp::from_millis(0),
        expires,
        content: checked.covered.clone(),
    };
    let sealed = Sealed::new(&statement, &key()).unwrap();
    let own: [(&str, &[u8]); 2] = [
        (STATEMENT_PATH, &sealed.statement),
        (SIGNATURE_PATH, &sealed.signature),
    ];
    zip_of(&[instead, &own].concat())
}

async fn audit_records(fixture: &Fixture) -> Vec<serde_json::Value> {
    let query = AuditQuery {
        account: fixture.context.caller.account.clone(),
        before: None,
        since: Timestamp::from_millis(0),
        until: Timestamp::from_millis(i64::MAX),
        count_max: 100,
    };
    let found = fixture.context.deps.store.audit().list(query).await;
    let texts = found.unwrap().into_iter().map(|found| found.record);
    texts
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

const FILES: &[(&str, &[u8])] = &[("index.py", b"def handler(e, c): return 1")];
const OTHERS: &[(&str, &[u8])] = &[("index.py", b"def handler(e, c): return 2")];

async fn create(fixture: &Fixture, name: &str, config: &str, zip: Bytes) -> Result<()> {
    let mut request = fixture.create_request(name);
    request.code.zip_file = Some(zip);
    request.code_signing_config_arn = Some(config.to_owned());
    create_function::handle(&fixture.context, request)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn signed_code_is_let_in_and_says_who_signed_it() {
    let fixture = Fixture::new().await;
    add_profile(&fixture, "ci").await;
    let config = config(&fixture, "Enforce").await;
    let zip = signed(&fixture, "ci", FILES, FILES, None).await;
    create(&fixture, "sum", &config, zip).await.unwrap();
    let input = wire::GetFunctionRequest {
        function_name: "sum".into(),
        qualifier: None,
    };
    let shown = get_function::handle(&fixture.context, input).await.unwrap();
    let shown = shown.configuration.unwrap();
    assert_eq!(
        shown.signing_profile_version_arn,
        Some(profile("ci").to_string())
    );
    assert_eq!(
        shown.signing_job_arn.as_deref(),
        Some("arn:aws:signer:us-east-1:000000000000:/signing-jobs/7f5f2a0c")
    );
}

#[tokio::test]
async fn each_flaw_is_refused_where_it_is_enforced_and_told_where_it_is_not() {
    let fixture = Fixture::new().await;
    for name in ["ci", "other", "gone"] {
        add_profile(&fixture, name).await;
    }
    let past = Some(Timestamp::from_millis(1));
    let unsigned = zip_of(FILES);
    let expired = signed(&fixture, "ci", FILES, FILES, past).await;
    let not_allowed = signed(&fixture, "other", FILES, FILES, None).await;
    let unknown = signed(&fixture, "stranger", FILES, FILES, None).await;
    let [enforce, warn] = [
        config(&fixture, "Enforce").await,
        config(&fixture, "Warn").await,
    ];
    for (number, (zip, why)) in [
        (unsigned, "it is not signed"),
        (expired, "expired at 1970-01-01"),
        (not_allowed, "does not allow"),
        (unknown, "does not know"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("f{number}");
        let refused = create(&fixture, &name, &enforce, zip.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.exception, Exception::CodeVerificationFailed);
        assert!(refused.message.contains(why), "{}", refused.message);
        assert!(
            refused.message.starts_with("Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept."),
            "{}",
            refused.message
        );
        create(&fixture, &name, &warn, zip).await.unwrap();
    }
    let records = audit_records(&fixture).await;
    let told = records
        .iter()
        .filter(|record| record["eventName"] == "UntrustedArtifactOnDeployment");
    assert_eq!(told.count(), 4);
}

#[tokio::test]
async fn what_a_revoked_key_signed_is_refused() {
    let fixture = Fixture::new().await;
    add_profile(&fixture, "ci").await;
    let config = config(&fixture, "Enforce").await;
    let zip = signed(&fixture, "ci", FILES, FILES, None).await;
    let signing = fixture.context.deps.store.signing();
    let ci = profile("ci");
    let revoked = signing.revoke_profile(&ci, fixture.context.now);
    assert!(revoked.await.unwrap().is_some());
    let refused = create(&fixture, "sum", &config, zip).await.unwrap_err();
    assert_eq!(refused.exception, Exception::CodeVerificationFailed);
    assert!(refused.message.contains("revoked"), "{}", refused.message);
}

#[tokio::test]
async fn altered_code_is_refused_even_where_it_is_only_warned() {
    let fixture = Fixture::new().await;
    add_profile(&fixture, "ci").await;
    let config = config(&fixture, "Warn").await;
    let altered = signed(&fixture, "ci", FILES, OTHERS, None).await;
    let refused = create(&fixture, "sum", &config, altered).await.unwrap_err();
    assert_eq!(refused.exception, Exception::InvalidCodeSignature);
    assert!(
        refused.message.contains("is not what was signed"),
        "{}",
        refused.message
    );
    let half = zip_of(&[FILES, &[(STATEMENT_PATH, b"x" as &[u8])]].concat());
    let refused = create(&fixture, "sum", &config, half).await.unwrap_err();
    assert_eq!(refused.exception, Exception::InvalidCodeSignature);
}

#[tokio::test]
async fn new_code_and_layers_of_a_function_are_looked_at_too() {
    let fixture = Fixture::new().await;
    add_profile(&fixture, "ci").await;
    let config = config(&fixture, "Enforce").await;
    let zip = signed(&fixture, "ci", FILES, FILES, None).await;
    create(&fixture, "sum", &config, zip).await.unwrap();
    fixture.settle().await;
    let update = |zip: Bytes| wire::UpdateFunctionCodeRequest {
        function_name: "sum".into(),
        zip_file: Some(zip),
        ..Default::default()
    };
    let refused = update_function_code::handle(&fixture.context, update(zip_of(OTHERS))).await;
    assert_eq!(
        refused.unwrap_err().exception,
        Exception::CodeVerificationFailed
    );
    let zip = signed(&fixture, "ci", OTHERS, OTHERS, None).await;
    update_function_code::handle(&fixture.context, update(zip))
        .await
        .unwrap();
    fixture.settle().await;
    let layer: &[(&str, &[u8])] = &[("python/a.py", b"x = 1")];
    let with_layer = signed(&fixture, "ci", layer, layer, None).await;
    for (zip, is_signed) in [(zip_of(layer), false), (with_layer, true)] {
        let publish = wire::PublishLayerVersionRequest {
            layer_name: "deps".into(),
            content: wire::LayerVersionContentInput {
                zip_file: Some(zip),
                ..Default::default()
            },
            ..Default::default()
        };
        let published = publish_layer_version::handle(&fixture.context, publish).await;
        let published = published.unwrap();
        let get = wire::GetLayerVersionRequest {
            layer_name: "deps".into(),
            version_number: published.version.unwrap(),
        };
        let shown = get_layer_version::handle(&fixture.context, get).await;
        let content = shown.unwrap().content.unwrap();
        assert_eq!(content.signing_profile_version_arn.is_some(), is_signed);
        assert_eq!(content.signing_job_arn.is_some(), is_signed);
        let attach = wire::UpdateFunctionConfigurationRequest {
            function_name: "sum".into(),
            layers: Some(vec![published.layer_version_arn.unwrap()]),
            ..Default::default()
        };
        let attached = update_function_configuration::handle(&fixture.context, attach).await;
        match is_signed {
            false => {
                let refused = attached.unwrap_err();
                assert_eq!(refused.exception, Exception::CodeVerificationFailed);
                assert!(refused.message.contains("layer:deps:1"));
            }
            true => {
                let layers = attached.unwrap().layers.unwrap();
                assert!(layers[0].signing_profile_version_arn.is_some());
            }
        }
    }
}

#[tokio::test]
async fn a_configuration_lives_its_whole_life() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    let arn = config(&fixture, "Warn").await;
    let update = wire::UpdateCodeSigningConfigRequest {
        code_signing_config_arn: arn.clone(),
        description: Some("ours".into()),
        code_signing_policies: Some(wire::CodeSigningPolicies {
            untrusted_artifact_on_deployment: Some("Enforce".into()),
        }),
        ..Default::default()
    };
    let updated = update_code_signing_config::handle(context, update).await;
    let updated = updated.unwrap().code_signing_config;
    assert_eq!(updated.description.as_deref(), Some("ours"));
    assert_eq!(
        updated.allowed_publishers.signing_profile_version_arns,
        [profile("ci").to_string()]
    );
    let get = wire::GetCodeSigningConfigRequest {
        code_signing_config_arn: arn.clone(),
    };
    let shown = get_code_signing_config::handle(context, get.clone()).await;
    assert_eq!(shown.unwrap().code_signing_config, updated);
    fixture.create("sum").await;
    let put = wire::PutFunctionCodeSigningConfigRequest {
        function_name: "sum".into(),
        code_signing_config_arn: arn.clone(),
    };
    put_function_code_signing_config::handle(context, put)
        .await
        .unwrap();
    let of_function = || wire::GetFunctionCodeSigningConfigRequest {
        function_name: "sum".into(),
    };
    let shown = get_function_code_signing_config::handle(context, of_function()).await;
    assert_eq!(shown.unwrap().code_signing_config_arn, Some(arn.clone()));
    let list = wire::ListFunctionsByCodeSigningConfigRequest {
        code_signing_config_arn: arn.clone(),
        ..Default::default()
    };
    let listed = list_functions_by_code_signing_config::handle(context, list).await;
    let expected = "arn:aws:lambda:us-east-1:000000000000:function:sum".to_owned();
    assert_eq!(listed.unwrap().function_arns, Some(vec![expected]));
    let delete = || wire::DeleteCodeSigningConfigRequest {
        code_signing_config_arn: arn.clone(),
    };
    let refused = delete_code_signing_config::handle(context, delete()).await;
    assert_eq!(refused.unwrap_err().exception, Exception::ResourceConflict);
    let take = wire::DeleteFunctionCodeSigningConfigRequest {
        function_name: "sum".into(),
    };
    delete_function_code_signing_config::handle(context, take)
        .await
        .unwrap();
    let shown = get_function_code_signing_config::handle(context, of_function()).await;
    assert_eq!(shown.unwrap(), Default::default());
    delete_code_signing_config::handle(context, delete())
        .await
        .unwrap();
    let gone = get_code_signing_config::handle(context, get).await;
    let gone = gone.unwrap_err();
    assert_eq!(gone.exception, Exception::ResourceNotFound);
    assert_eq!(
        gone.message,
        format!("The Lambda code signing configuration {arn} can not be found.")
    );
}

#[tokio::test]
async fn what_is_not_there_is_named_in_awss_words() {
    let fixture = Fixture::new().await;
    fixture.create("sum").await;
    let arn = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0";
    let put = wire::PutFunctionCodeSigningConfigRequest {
        function_name: "sum".into(),
        code_signing_config_arn: arn.into(),
    };
    let refused = put_function_code_signing_config::handle(&fixture.context, put).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.exception, Exception::CodeSigningConfigNotFound);
    assert_eq!(
        refused.message,
        format!(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
        )
    );
}

#[tokio::test]
async fn configurations_are_listed_in_pages_and_have_tags() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(config(&fixture, "Warn").await);
    }
    made.sort();
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let input = wire::ListCodeSigningConfigsRequest {
            marker,
            max_items: Some(2),
        };
        let page = list_code_signing_configs::handle(context, input)
            .await
            .unwrap();
        let shown = page.code_signing_configs.unwrap();
        seen.extend(shown.into_iter().map(|one| one.code_signing_config_arn));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let input = wire::TagResourceRequest {
        resource: made[0].clone(),
        tags: [("team".into(), "a".into())].into(),
    };
    tag::tag_resource::handle(context, input).await.unwrap();
    let input = wire::ListTagsRequest {
        resource: made[0].clone(),
    };
    let tags = tag::list_tags::handle(context, input).await.unwrap().tags;
    assert_eq!(tags.unwrap()["team"], "a");
}

#[tokio::test]
async fn a_publisher_is_a_profile() {
    let fixture = Fixture::new().await;
    for arns in [
        vec![],
        vec![profile("ci").to_string(); 21],
        vec!["arn:aws:lambda:us-east-1:000000000000:function:f".into()],
    ] {
        let arns: Vec<String> = arns
            .into_iter()
            .enumerate()
            .map(|(number, arn): (usize, String)| arn.replace("/ci/", &format!("/ci{number}/")))
            .collect();
        let input = wire::CreateCodeSigningConfigRequest {
            allowed_publishers: wire::AllowedPublishers {
                signing_profile_version_arns: arns,
            },
            ..Default::default()
        };
        let refused = create_code_signing_config::handle(&fixture.context, input).await;
        assert_eq!(
            refused.unwrap_err().exception,
            Exception::InvalidParameterValue
        );
    }
}

#[tokio::test]
async fn a_publisher_counts_once_wherever_it_is_named() {
    let fixture = Fixture::new().await;
    let [ci, other] = [profile("ci"), profile("other")].map(|arn| arn.to_string());
    let input = wire::CreateCodeSigningConfigRequest {
        allowed_publishers: wire::AllowedPublishers {
            signing_profile_version_arns: [&other, &ci].repeat(11).into_iter().cloned().collect(),
        },
        ..Default::default()
    };
    let created = create_code_signing_config::handle(&fixture.context, input).await;
    let shown = created.unwrap().code_signing_config.allowed_publishers;
    assert_eq!(shown.signing_profile_version_arns, [other, ci]);
}

#[tokio::test]
async fn a_configuration_that_goes_while_functions_get_it_is_given_to_none() {
    let fixture = Fixture::new().await;
    let context = &fixture.context;
    fixture.create("sum").await;
    let is_gone = |refused: ApiError, arn: &str| {
        assert_eq!(refused.exception, Exception::CodeSigningConfigNotFound);
        assert!(refused.message.ends_with(&format!("{arn}.")));
    };
    for _ in 0..5 {
        let arn = config(&fixture, "Warn").await;
        let delete = wire::DeleteCodeSigningConfigRequest {
            code_signing_config_arn: arn.clone(),
        };
        let put = wire::PutFunctionCodeSigningConfigRequest {
            function_name: "sum".into(),
            code_signing_config_arn: arn.clone(),
        };
        let (deleted, given) = tokio::join!(
            delete_code_signing_config::handle(context, delete),
            put_function_code_signing_config::handle(context, put),
        );
        deleted.unwrap();
        is_gone(given.unwrap_err(), &arn);
    }
    let arn = config(&fixture, "Warn").await;
    let delete = wire::DeleteCodeSigningConfigRequest {
        code_signing_config_arn: arn.clone(),
    };
    let zip = zip_of(FILES);
    let (created, deleted) = tokio::join!(
        create(&fixture, "other", &arn, zip),
        delete_code_signing_config::handle(context, delete),
    );
    deleted.unwrap();
    is_gone(created.unwrap_err(), &arn);
}

#[tokio::test]
async fn nothing_is_known_of_what_a_configuration_asks_that_is_gone() {
    let fixture = Fixture::new().await;
    let id = fixture.create("sum").await;
    let mut function = (*fixture.function(&id)).clone();
    assert_eq!(of_function(&fixture.context, &function).unwrap(), None);
    function.code_signing = Some("csc-gone".into());
    let refused = of_function(&fixture.context, &function).unwrap_err();
    assert_eq!(refused.exception, Exception::CodeSigningConfigNotFound);
    assert!(refused.message.ends_with(":code-signing-config:csc-gone."));
}
