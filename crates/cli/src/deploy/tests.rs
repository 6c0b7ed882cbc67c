//! Whole deployments against a server that remembers one function.

use std::sync::Mutex;

use super::*;
use crate::scripted::{Asked, Reply, not_found, ok, serve};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:app";

/// A function as the server remembers it.
#[derive(Default)]
struct Remembered {
    configuration: Mutex<Option<Value>>,
    url: Mutex<bool>,
}

impl Remembered {
    fn existing(configuration: Value) -> Self {
        Self {
            configuration: Mutex::new(Some(configuration)),
            ..Self::default()
        }
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let mut configuration = self.configuration.lock().unwrap();
        let line = asked.line.as_str();
        match (line, &mut *configuration) {
            ("GET /_kiln/runtimes", _) => ok(&json!({ "runtimes": ["python3.10", "python3.11"] })),
            ("POST /", _) => (200, "", "<Account>000000000000</Account>".to_owned()),
            ("POST /2015-03-31/functions", empty) => {
                let mut created = asked.document.clone();
                created["State"] = "Pending".into();
                created["FunctionArn"] = ARN.into();
                *empty = Some(created.clone());
                ok(&created)
            }
            (_, None) => not_found(),
            ("GET /2015-03-31/functions/app", Some(c)) => ok(&json!({ "Configuration": c })),
            ("GET /2015-03-31/functions/app/configuration", Some(c)) => {
                let answer = ok(c);
                // The next look finds the change done.
                c["State"] = "Active".into();
                c["LastUpdateStatus"] = "Successful".into();
                answer
            }
            ("GET /2021-10-31/functions/app/url", _) if !*self.url.lock().unwrap() => not_found(),
            (line, Some(c)) if line.ends_with("/app/url") => {
                *self.url.lock().unwrap() = true;
                c["LastUpdateStatus"] = "Successful".into();
                ok(&json!({ "FunctionUrl": "http://u/", "AuthType": "NONE" }))
            }
            (line, Some(c)) if line.starts_with("PUT ") => {
                c["LastUpdateStatus"] = "InProgress".into();
                ok(c)
            }
            ("POST /2015-03-31/functions/app/policy", _) => ok(&json!({})),
            ("GET /v2/apis", _) => ok(&json!({ "items": [{ "apiId": "other", "tags": {} }] })),
            ("POST /v2/apis", _) => {
                ok(&json!({ "apiId": "a1", "apiEndpoint": "http://a1.example" }))
            }
            (other, _) => panic!("{other}"),
        }
    }
}

/// Deploys a directory named `app` with this one file and gives what the server was asked.
async fn deploy(server: Remembered, text: &str, args: Args) -> (Result<ExitCode>, Vec<Asked>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("main.py"), text).unwrap();
    let args = Args {
        path: Some(path),
        ..args
    };
    serve(
        move |asked| server.answer(asked),
        async |client| run(&client, Format::Json, &args).await,
    )
    .await
}

fn lines(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| asked.line.as_str()).collect()
}

const HANDLER: &str = "def handler(event, context):\n    return event\n";

#[tokio::test]
async fn an_api_is_made_for_the_function_and_let_in() {
    let args = Args {
        api: true,
        ..Args::default()
    };
    let (result, asked) = deploy(Remembered::default(), HANDLER, args).await;
    result.unwrap();
    let made = asked
        .iter()
        .find(|asked| asked.line == "POST /v2/apis")
        .unwrap();
    assert_eq!(made.document["target"], ARN);
    assert_eq!(made.document["tags"]["kiln:function"], "app");
    let permitted = asked.last().unwrap();
    assert_eq!(permitted.line, "POST /2015-03-31/functions/app/policy");
    let source = "arn:aws:execute-api:us-east-1:000000000000:a1/*";
    assert_eq!(permitted.document["SourceArn"], source);
}

#[tokio::test]
async fn new_function_is_created_awaited_and_opened() {
    let args = Args {
        url: true,
        memory: Some(256),
        ..Args::default()
    };
    let (result, asked) = deploy(Remembered::default(), HANDLER, args).await;
    result.unwrap();
    assert_eq!(
        lines(&asked),
        [
            "GET /2015-03-31/functions/app",
            "GET /_kiln/runtimes",
            "POST /",
            "POST /2015-03-31/functions",
            "GET /2015-03-31/functions/app/configuration",
            "GET /2015-03-31/functions/app/configuration",
            "GET /2021-10-31/functions/app/url",
            "POST /2021-10-31/functions/app/url",
            "POST /2015-03-31/functions/app/policy",
            "POST /2015-03-31/functions/app/policy",
        ]
    );
    let created = &asked[3].document;
    assert_eq!(
        (&created["Runtime"], &created["Handler"]),
        (&json!("python3.11"), &json!("main.handler"))
    );
    assert_eq!(created["MemorySize"], 256);
    assert_eq!(
        created["Role"],
        "arn:aws:iam::000000000000:role/kiln-default"
    );
    assert_eq!(asked[8].document["FunctionUrlAuthType"], "NONE");
    assert_eq!(asked[9].document["InvokedViaFunctionUrl"], true);
}

#[tokio::test]
async fn second_deployment_of_the_same_code_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.py"), HANDLER).unwrap();
    let digest = Package::read(dir.path()).unwrap().digest();
    let existing = json!({
        "Runtime": "python3.10", "Handler": "main.handler", "CodeSha256": digest, "State": "Active",
    });
    let (result, asked) = deploy(Remembered::existing(existing), HANDLER, Args::default()).await;
    result.unwrap();
    assert!(
        lines(&asked).iter().all(|line| line.starts_with("GET ")),
        "{:?}",
        lines(&asked)
    );
}

#[tokio::test]
async fn changed_code_is_uploaded_after_the_configuration_is_settled() {
    let existing = json!({
        "Runtime": "python3.10", "Handler": "gone.handler", "CodeSha256": "old=", "State": "Active",
    });
    let (result, asked) = deploy(Remembered::existing(existing), HANDLER, Args::default()).await;
    result.unwrap();
    let changes: Vec<_> = asked
        .iter()
        .filter(|asked| asked.line.starts_with("PUT "))
        .collect();
    assert_eq!(changes.len(), 2);
    assert_eq!(
        changes[0].line,
        "PUT /2015-03-31/functions/app/configuration"
    );
    assert_eq!(
        changes[0].document,
        json!({ "Handler": "main.handler" }),
        "the runtime is kept"
    );
    assert_eq!(changes[1].line, "PUT /2015-03-31/functions/app/code");
    let between = lines(&asked);
    let first = between
        .iter()
        .position(|line| *line == changes[0].line)
        .unwrap();
    assert_eq!(
        between[first + 1],
        "GET /2015-03-31/functions/app/configuration"
    );
}

#[tokio::test]
async fn function_that_cannot_be_prepared_is_an_error_with_the_servers_reason() {
    let existing = json!({
        "Runtime": "python3.10", "Handler": "main.handler", "CodeSha256": "old=", "State": "Active",
        "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no interpreter",
    });
    let server = Remembered::existing(existing);
    let failing = move |asked: &Asked| match asked.line.starts_with("PUT ") {
        true => ok(&json!({})),
        false if asked.line.ends_with("/configuration") => {
            ok(server.configuration.lock().unwrap().as_ref().unwrap())
        }
        false => server.answer(asked),
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.py"), HANDLER).unwrap();
    let args = Args {
        path: Some(dir.path().into()),
        name: Some("app".to_owned()),
        ..Args::default()
    };
    let (result, _) = serve(failing, async |c| run(&c, Format::Json, &args).await).await;
    let error = result.unwrap_err().to_string();
    assert!(
        error.contains("no interpreter") && error.contains("kiln describe app"),
        "{error}"
    );
}

fn name_of(path: PathBuf) -> Result<String> {
    function_name(&Args {
        path: Some(path),
        ..Args::default()
    })
    .map(|name| name.to_string())
}

#[test]
fn name_comes_from_the_directory_or_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("my.app");
    std::fs::create_dir(&root).unwrap();
    for file in ["resize.py", "lambda_function.py", "api.zip"] {
        std::fs::write(root.join(file), "").unwrap();
    }
    assert_eq!(name_of(root.clone()).unwrap(), "my-app");
    assert_eq!(name_of(root.join("resize.py")).unwrap(), "resize");
    assert_eq!(name_of(root.join("lambda_function.py")).unwrap(), "my-app");
    assert_eq!(name_of(root.join("api.zip")).unwrap(), "api");
    assert!(name_of(root.join("absent")).is_err());
}

#[test]
fn name_given_must_be_one() {
    let args = Args {
        name: Some("not a name".to_owned()),
        ..Args::default()
    };
    assert!(function_name(&args).is_err());
}

#[test]
fn a_function_that_is_there_is_not_said_to_tell_its_tenants_apart() {
    let args = Args {
        per_tenant: true,
        ..Args::default()
    };
    let refused = check_tenancy("shop", &json!({}), &args).unwrap_err();
    assert!(refused.to_string().contains("kiln delete shop"));
    let existing = json!({"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}});
    check_tenancy("shop", &existing, &args).unwrap();
    check_tenancy("shop", &json!({}), &Args::default()).unwrap();
}
