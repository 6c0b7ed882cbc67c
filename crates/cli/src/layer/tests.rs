//! Layers, against a server that answers from a script.

use super::*;
use crate::scripted::{Asked, Reply, ok, serve};

fn version(number: u64) -> Value {
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:layer:deps:{number}");
    json!({ "LayerVersionArn": arn, "Version": number, "CompatibleRuntimes": ["python3.11", "python3.12"] })
}

fn script(asked: &Asked) -> Reply {
    match asked.line.as_str() {
        "GET /2018-10-31/layers/deps/versions" => {
            ok(&json!({ "LayerVersions": [version(3)], "NextMarker": "m" }))
        }
        "GET /2018-10-31/layers/deps/versions?Marker=m" => {
            ok(&json!({ "LayerVersions": [version(1)] }))
        }
        line if line.starts_with("GET /2018-10-31/layers/") => ok(&json!({ "LayerVersions": [] })),
        "POST /2018-10-31/layers/deps/versions" => ok(&version(4)),
        "DELETE /2018-10-31/layers/deps/versions/3" => (204, "", String::new()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_name_is_the_newest_version_and_may_have_a_number() {
    let resolve = |named: &'static str| async move {
        let (arns, _) = serve(script, |client| async move {
            arns(&client, &[named.to_owned()]).await
        })
        .await;
        arns
    };
    let arn = |number| vec![show(&version(number)["LayerVersionArn"])];
    assert_eq!(resolve("deps").await.unwrap(), arn(3));
    assert_eq!(resolve("deps:1").await.unwrap(), arn(1));
    assert_eq!(resolve("arn:x").await.unwrap(), ["arn:x"]);
    for missing in ["deps:2", "other", "deps:x"] {
        let refused = resolve(missing).await.unwrap_err();
        assert!(format!("{refused:#}").contains(missing), "{refused:#}");
    }
}

#[tokio::test]
async fn a_directory_is_published_with_what_was_said() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("python")).unwrap();
    std::fs::write(dir.path().join("python/dep.py"), "x = 1").unwrap();
    let args = Args {
        verb: Verb::Publish(Publish {
            name: "deps".to_owned(),
            path: dir.path().to_owned(),
            runtime: vec!["python3.11".to_owned()],
            architecture: vec![],
            description: Some("shared".to_owned()),
            license: None,
        }),
    };
    let (ended, asked) = serve(script, |client| async move {
        run(&client, Format::Json, &args).await
    })
    .await;
    assert_eq!(ended.unwrap(), ExitCode::SUCCESS);
    let mut sent = asked[0].document.clone();
    assert!(
        sent["Content"]["ZipFile"]
            .as_str()
            .unwrap()
            .starts_with("UEs")
    );
    sent.as_object_mut().unwrap().remove("Content");
    let expected = json!({ "Description": "shared", "CompatibleRuntimes": ["python3.11"] });
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_version_is_deleted_by_its_number() {
    let args = Args {
        verb: Verb::Delete(Delete {
            name: "deps".to_owned(),
            version: 3,
        }),
    };
    let (ended, asked) = serve(script, |client| async move {
        run(&client, Format::Table, &args).await
    })
    .await;
    ended.unwrap();
    assert_eq!(asked.len(), 1);
}

#[test]
fn table_shows_layers_and_versions_alike() {
    let layer = json!({ "LayerName": "deps", "LatestMatchingVersion": version(3) });
    for row in [layer, version(3)] {
        let text = table(&[row]);
        assert!(text.contains("deps"), "{text}");
        assert!(text.contains("python3.11 python3.12"), "{text}");
    }
}
