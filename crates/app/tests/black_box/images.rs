//! Functions that are container images, which the tests build themselves: from the operator's disk and
//! from a registry, run, updated, published, and refused.

mod pulled;

use std::path::PathBuf;
use std::sync::Arc;

use kiln_testkit::image::{Image, Layer};
use kiln_testkit::registry::Registry;
use kiln_testkit::{Builder, OrdinaryUser, Server, archive, clients, programs, runtimes};
use serde_json::{Value, json};

/// A runtime in shell that runs the command which the event is, and answers with its output.
const ENTRY: &[u8] = br#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while :; do
    event=$(curl -sS -D /tmp/head "$api/next")
    while IFS=": " read -r name value; do
        case $name in [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d) id=${value%?} ;; esac
    done < /tmp/head
    command=${event#?}
    output=$(eval "${command%?}" 2>&1)
    curl -sS -o /dev/null -d "$output" "$api/$id/response"
done
"#;

/// The programs that the runtime needs, and nothing else of this machine.
fn tools() -> Layer {
    let programs = [
        "/bin/sh",
        "/usr/bin/curl",
        "/bin/ls",
        "/bin/cat",
        "/usr/bin/id",
    ];
    Layer::default().programs(&programs)
}

/// An image with the runtime in shell.
fn shell() -> Image {
    let app = Layer::default()
        .private_program("entry.sh", ENTRY)
        .file("srv/here", b"here")
        .file("srv/gone", b"gone")
        .file("data/old", b"old");
    Image::default()
        .layer(tools())
        .layer(app)
        .entry_point(&["/entry.sh"])
        .command(&["first", "second"])
        .environment(&["COLOUR=blue", "SHAPE=round", "PATH=/usr/bin:/bin"])
        .working_directory("/srv")
}

/// A server whose operator allows images below a directory.
struct Rig {
    server: Server,
    dir: PathBuf,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_with(folder, Server::builder())
    }

    fn start_with(folder: tempfile::TempDir, builder: Builder) -> Self {
        let dir = folder.path().canonicalize().unwrap();
        let server = builder
            .args(&["--image-dir", dir.to_str().unwrap()])
            .start();
        Self {
            server,
            dir,
            _folder: folder,
        }
    }

    fn layout(&self, name: &str, image: &Image) -> String {
        image.write_layout(&self.dir.join(name), "1");
        format!("oci:{}/{name}:1", self.dir.display())
    }
}

fn run(server: &Server, name: &str, command: &str) -> String {
    let invoked = server.invoke(name, &json!(command));
    assert_eq!(invoked.function_error, None, "{}", invoked.log);
    String::from_utf8(invoked.payload.to_vec()).unwrap()
}

fn get(server: &Server, name: &str) -> Value {
    let path = format!("/2015-03-31/functions/{name}");
    server.lambda("GET", &path).send().expect_status(200).json()
}

fn update_code(server: &Server, name: &str, body: Value) -> kiln_testkit::Response {
    let path = format!("/2015-03-31/functions/{name}/code");
    server.lambda("PUT", &path).json(&body).send()
}

fn configure(server: &Server, name: &str, body: Value) -> Value {
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let answer = server.lambda("PUT", &path).json(&body).send();
    answer.expect_status(200);
    server.wait_until_active(name)
}

/// As AWS's guide has it for images that are not its own: a Python, its client, and the handler as the
/// command.
#[test]
fn awslambdaric_in_an_image_calls_the_handler_that_its_command_names() {
    let python = runtimes::system_python();
    let interpreter = python.executable.to_str().unwrap();
    let library = format!("usr/lib/python3.{}", python.minor);
    let app = b"import os
def handler(event, context):
    if event.get('fail'):
        raise ValueError('as it was told')
    return {'sum': event['a'] + event['b'], 'name': context.function_name, 'at': os.getcwd()}
";
    let image = Image::default()
        .layer(Layer::default().programs(&[interpreter]))
        .layer(Layer::default().tree(&library, &PathBuf::from("/").join(&library)))
        .layer(Layer::default().tree("packages", &clients::awslambdaric_packages(&python)))
        .layer(Layer::default().file("function/app.py", app))
        .entry_point(&[interpreter, "-m", "awslambdaric"])
        .command(&["app.handler"])
        .environment(&["PYTHONPATH=/packages"])
        .working_directory("/function");
    let rig = Rig::start();
    let uri = rig.layout("python", &image);
    let server = &rig.server;
    server.function("sum", "").image(&uri).memory(1769).create();
    let sum = server.invoke("sum", &json!({"a": 1, "b": 2}));
    let expected = json!({"sum": 3, "name": "sum", "at": "/function"});
    assert_eq!(sum.success(), expected);
    let failed = server.invoke("sum", &json!({"fail": true})).failure();
    assert_eq!(failed["errorType"], "ValueError");
    assert_eq!(failed["errorMessage"], "as it was told");
}

#[test]
fn an_image_on_disk_is_a_function() {
    let rig = Rig::start();
    let image = shell();
    let uri = rig.layout("app", &image);
    let digest = image.blobs().digest;
    let server = &rig.server;
    let created = server.function("app", "").image(&uri).create();
    assert_eq!(created["PackageType"], "Image");
    assert_eq!(created["CodeSha256"], digest.replace("sha256:", ""));
    assert_eq!(created.get("Runtime"), None);
    let code = &get(server, "app")["Code"];
    assert_eq!(code["RepositoryType"], "ECR");
    assert_eq!(code["ImageUri"], uri.as_str());
    let pinned = format!("oci:{}/app@{digest}", rig.dir.display());
    assert_eq!(code["ResolvedImageUri"], pinned.as_str());
    // The image's root, directory and variables, and Lambda's own.
    let seen = run(
        server,
        "app",
        "pwd; ls /; cat here; echo; echo $COLOUR $AWS_EXECUTION_ENV $AWS_LAMBDA_FUNCTION_NAME",
    );
    assert!(seen.starts_with("/srv\n"), "{seen}");
    assert!(seen.contains("entry.sh\n"), "{seen}");
    assert!(seen.ends_with("here\nblue AWS_Lambda_Image app"), "{seen}");
    assert!(!run(server, "app", "ls /usr/bin").contains("python3"));
    // A user without rights, who may write where functions may.
    let user: u32 = run(server, "app", "id -u").parse().unwrap();
    assert!(user > 65_536);
    let written = run(
        server,
        "app",
        "echo x > /tmp/x && cat /tmp/x; echo x > /srv/x || ls /srv",
    );
    assert!(written.starts_with("x\n"), "{written}");
    assert!(written.ends_with("gone\nhere"), "{written}");
    // The same as one file is the same image.
    let archive = rig.dir.join("app.tar");
    image.write_layout_archive(&archive, "1");
    let uri = format!("oci-archive:{}", archive.display());
    let same = server.function("same", "").image(&uri).create();
    assert_eq!(same["CodeSha256"], created["CodeSha256"]);
    assert_eq!(run(server, "same", "cat here"), "here");
    let first = server.invoke("app", &json!("ls -l /entry.sh"));
    let listed = String::from_utf8(first.payload.to_vec()).unwrap();
    assert!(listed.starts_with("-rwxr-xr-x"), "{listed}");
}

#[test]
fn what_docker_saves_is_a_function_and_whiteouts_are_honoured() {
    check_whiteouts(&Rig::start());
}

#[test]
fn whiteouts_are_honoured_without_root() {
    let user = Arc::new(OrdinaryUser::new());
    let folder = tempfile::tempdir().unwrap();
    user.own_directory(folder.path());
    let builder = Server::builder().as_user(&user);
    check_whiteouts(&Rig::start_with(folder, builder));
}

fn check_whiteouts(rig: &Rig) {
    let top = Layer::default()
        .gone("srv/gone")
        .emptied("data")
        .file("data/new", b"new")
        .link("srv/link", "/data/new");
    let path = rig.dir.join("app.tar");
    shell().layer(top).write_docker_archive(&path, "me/app:1");
    let server = &rig.server;
    let uri = format!("docker-archive:{}:me/app:1", path.display());
    server.function("app", "").image(&uri).create();
    let seen = run(server, "app", "ls /srv /data; cat /srv/link");
    assert_eq!(seen, "/data:\nnew\n\n/srv:\nhere\nlink\nnew");
    let unknown = format!("docker-archive:{}:me/app:2", path.display());
    let refused = server.function("other", "").image(&unknown).try_create();
    let message = refused.expect_status(400).json()["message"].to_string();
    assert!(
        message.contains("does not exist. Provide a valid source image."),
        "{message}"
    );
}

#[test]
fn a_function_written_with_the_runtime_crate_runs_from_an_image() {
    let rig = Rig::start();
    let program = programs::example("rust_function");
    let image = Image::default()
        .layer(Layer::default().program_as("app", &program))
        .command(&["/app"]);
    let uri = rig.layout("rust", &image);
    let server = &rig.server;
    server.function("sum", "").image(&uri).create();
    for number in 0..3 {
        let sum = server.invoke("sum", &json!({"num1": 1, "num2": number}));
        assert_eq!(sum.success(), json!({"result": 1 + number}));
        assert_eq!(
            sum.log.contains("Init Duration"),
            number == 0,
            "{}",
            sum.log
        );
    }
}

#[test]
fn what_the_function_says_replaces_what_the_image_says() {
    let rig = Rig::start();
    let entry =
        Layer::default().private_program("words.sh", b"#!/bin/sh\necho \"$@\"\npwd\nexit 3\n");
    let uri = rig.layout("app", &shell().layer(entry));
    let server = &rig.server;
    let config = json!({"EntryPoint": ["words.sh"], "Command": ["a b", "c"]});
    let created = server
        .function("app", "")
        .image(&uri)
        .set("ImageConfig", config.clone())
        .environment(json!({"COLOUR": "red", "PATH": "/:/usr/bin:/bin"}))
        .create();
    assert_eq!(created["ImageConfigResponse"]["ImageConfig"], config);
    let ended = server.invoke("app", &json!("true"));
    let error = ended.failure();
    assert_eq!(error["errorType"], "Runtime.ExitError");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Error: Runtime exited with error: exit status 3"),
        "{message}"
    );
    assert!(ended.log.contains("a b c\n/srv\n"), "{}", ended.log);
    let changed = configure(
        server,
        "app",
        json!({"ImageConfig": {"WorkingDirectory": "/data"}}),
    );
    let shown = &changed["ImageConfigResponse"]["ImageConfig"];
    assert_eq!(*shown, json!({"WorkingDirectory": "/data"}));
    assert_eq!(
        run(server, "app", "pwd; echo $COLOUR $SHAPE $1"),
        "/data\nred round first"
    );
    let changed = configure(server, "app", json!({"ImageConfig": {}}));
    assert_eq!(changed.get("ImageConfigResponse"), None);
    assert_eq!(run(server, "app", "pwd"), "/srv");
}

/// As large as an image's configuration may be, in each of its parts.
fn largest() -> Image {
    let words = |first: &str| vec![first.to_owned(), "w".repeat(32_000)];
    let [entry_point, command] = [words("/entry.sh"), words("first")];
    let [entry_point, command] =
        [&entry_point, &command].map(|words| words.iter().map(String::as_str).collect::<Vec<_>>());
    let large = format!("LARGE={}", "v".repeat(64_000));
    shell()
        .entry_point(&entry_point)
        .command(&command)
        .environment(&["COLOUR=blue", "PATH=/usr/bin:/bin", &large])
}

#[test]
fn what_is_accepted_of_a_configuration_can_be_started_and_more_is_refused() {
    let rig = Rig::start();
    let uri = rig.layout("large", &largest());
    let server = &rig.server;
    // Beside the most that a function may have of its own.
    let own = json!({"OWN": "o".repeat(4_000)});
    server
        .function("large", "")
        .image(&uri)
        .environment(own)
        .create();
    let seen = run(server, "large", "echo ${#LARGE} ${#OWN} ${#1} ${#3}");
    assert_eq!(seen, "64000 4000 32000 32000");
    let many: Vec<String> = (0..4_000)
        .map(|number| format!("VARIABLE_{number}=1"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let uri = rig.layout("larger", &shell().environment(&many));
    let refused = server.function("larger", "").image(&uri).try_create();
    let message = refused.expect_status(400).json()["message"].to_string();
    assert!(message.contains("ENV has "), "{message}");
    assert!(
        message.contains("as JSON, and 65536 are the most"),
        "{message}"
    );
    let config = json!({"Command": ["x".repeat(40_000)]});
    let uri = rig.layout("app", &shell());
    let refused = server
        .function("app", "")
        .image(&uri)
        .set("ImageConfig", config);
    let message = refused.try_create().expect_status(400).json()["message"].to_string();
    assert!(
        message.contains("ImageConfig is too large: Command"),
        "{message}"
    );
}

#[test]
fn an_image_that_cannot_be_started_is_reported_in_the_words_of_lambda() {
    let rig = Rig::start();
    let uri = rig.layout("app", &shell());
    let server = &rig.server;
    let table = [
        (
            json!({"EntryPoint": ["/nothing"]}),
            "Runtime.InvalidEntrypoint",
            "Error: fork/exec /nothing: no such file or directory",
        ),
        (
            json!({"EntryPoint": ["nothing"]}),
            "Runtime.InvalidEntrypoint",
            "Error: exec: \"nothing\": executable file not found in $PATH",
        ),
        (
            json!({"EntryPoint": ["/srv/here"]}),
            "Runtime.InvalidEntrypoint",
            "Error: fork/exec /srv/here: permission denied",
        ),
        (
            json!({"WorkingDirectory": "/nowhere"}),
            "Runtime.InvalidWorkingDir",
            "Error: chdir /nowhere: no such file or directory",
        ),
    ];
    for (number, (config, class, sentence)) in table.into_iter().enumerate() {
        let name = format!("app{number}");
        let function = server.function(&name, "").image(&uri);
        function.set("ImageConfig", config).create();
        let failed = server.invoke(&name, &json!("true"));
        let error = failed.failure();
        assert_eq!(error["errorType"], class);
        let message = error["errorMessage"].as_str().unwrap();
        assert!(message.ends_with(sentence), "{message}");
    }
}

#[test]
fn images_that_are_not_there_or_not_allowed_are_refused() {
    let rig = Rig::start();
    let registry = Registry::start();
    registry.push("app", "other", &shell().architecture("riscv64"));
    registry.push_manifest("app", "first", "text/plain", b"{}".to_vec());
    let server = &rig.server;
    let elsewhere = tempfile::tempdir().unwrap();
    shell().write_layout(elsewhere.path(), "1");
    std::os::unix::fs::symlink(elsewhere.path(), rig.dir.join("out")).unwrap();
    let dir = rig.dir.display();
    let missing = "does not exist. Provide a valid source image.";
    let table = [
        (registry.name("app:1"), missing),
        (registry.name("nothing:1"), missing),
        (registry.name("app:other"), "has no image for"),
        (
            registry.name("app:first"),
            "The image manifest, config or layer media type for the source image",
        ),
        (format!("oci:{dir}/nothing"), missing),
        (format!("oci:{dir}/out"), missing),
        (format!("oci:{}", elsewhere.path().display()), "--image-dir"),
        ("oci:/etc".to_owned(), "--image-dir"),
        (
            "app:1".to_owned(),
            "is not valid. Provide a valid source image",
        ),
    ];
    for (uri, expected) in table {
        let refused = server.function("app", "").image(&uri).try_create();
        let error = refused.expect_status(400);
        assert_eq!(
            error.header("x-amzn-errortype"),
            "InvalidParameterValueException"
        );
        let message = error.json()["message"].to_string();
        assert!(message.contains(expected), "{uri}: {message}");
    }
    let uri = rig.layout("app", &shell());
    let with = |member: &str, value: Value| {
        let refused = server.function("app", "").image(&uri).set(member, value);
        refused.try_create().expect_status(400).json()["message"].to_string()
    };
    let neither = "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.";
    assert!(with("Handler", json!("a.b")).contains(neither));
    assert!(with("Runtime", json!("provided.al2023")).contains(neither));
    // Zips and images do not become each other.
    server.function("image", "").image(&uri).create();
    let zip = archive::python("x = 1");
    let zip = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, zip);
    let refused = update_code(server, "image", json!({"ZipFile": zip}));
    let message = refused.expect_status(400).json()["message"].to_string();
    assert!(
        message
            .contains("Please provide ImageUri when updating a function with packageType Image.")
    );
}

#[test]
fn an_extension_in_an_image_starts_before_its_runtime() {
    let rig = Rig::start();
    let extension = b"#!/bin/sh
base=http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension
curl -sS -D /tmp/extension -H 'Lambda-Extension-Name: watcher' -d '{\"events\":[]}' $base/register > /dev/null
while IFS=': ' read -r name value; do
    case $name in [Ll]ambda-[Ee]xtension-[Ii]dentifier) id=${value%?} ;; esac
done < /tmp/extension
echo watching
curl -sS -H \"Lambda-Extension-Identifier: $id\" $base/event/next
";
    let gone = Layer::default().private_program("opt/extensions/gone", b"#!/bin/sh\nexit 1\n");
    let layer = Layer::default()
        .private_program("opt/extensions/watcher", extension)
        .gone("opt/extensions/gone");
    let uri = rig.layout("app", &shell().layer(gone).layer(layer));
    let server = &rig.server;
    server.function("app", "").image(&uri).create();
    let first = server.invoke("app", &json!("echo ran"));
    assert_eq!(first.payload, "ran");
    assert!(first.log.contains("watching\n"), "{}", first.log);
    assert!(
        first.log.contains("EXTENSION\tName: watcher"),
        "{}",
        first.log
    );
}

#[test]
fn the_command_line_deploys_an_image() {
    let rig = Rig::start();
    let image = shell();
    let uri = rig.layout("app", &image);
    let server = &rig.server;
    let args = ["deploy", "--image", uri.as_str(), "--name", "app"];
    programs::run(&mut server.kiln(&args));
    server.wait_until_active("app");
    assert_eq!(run(server, "app", "echo $COLOUR"), "blue");
    let newer = image.environment(&["COLOUR=green", "PATH=/usr/bin:/bin"]);
    newer.write_layout(&rig.dir.join("app"), "1");
    programs::run(&mut server.kiln(&args));
    let found = server.wait_until_active("app");
    assert_eq!(
        found["CodeSha256"],
        newer.blobs().digest.replace("sha256:", "")
    );
    assert_eq!(run(server, "app", "echo $COLOUR"), "green");
}
