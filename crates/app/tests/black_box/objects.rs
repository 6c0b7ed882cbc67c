//! Buckets: as boto3 and the AWS CLI know them, unmodified, and what survives `kill -9`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use kiln_testkit::{Server, clients, runtimes, wait_for};
use serde_json::{Value, json};

use crate::client;
use crate::events::{SOON, dead_letters};

#[test]
fn boto3_finds_all_it_knows_of_buckets_and_objects() {
    let server = Server::start();
    client::python(&server, "s3_objects.py", &[]);
}

#[test]
fn functions_queues_and_the_bus_are_told_what_happens() {
    let gone = "a notification of an object could not be delivered";
    let server = Server::builder().expect_log(gone).start();
    client::python(&server, "s3_notifications.py", &[]);
}

#[test]
fn buckets_are_told_of_failed_events() {
    let gone = "a destination cannot be told of an event's failure";
    let server = Server::builder().args(&["--event-retry-secs", "1"]);
    let server = server.expect_log(gone).start();
    client::python(&server, "s3_destinations.py", &[]);
    // Its last event's bucket is gone: what would have been told of it is kept.
    wait_for("its dead letter", SOON, || {
        let letters = dead_letters(&server).into_iter();
        let mut reasons = letters.map(|letter| letter["reason"].clone());
        reasons.find(|reason| reason == "RetriesExhausted")
    });
}

fn aws(server: &Server, args: &[&str]) -> String {
    client::run(server, clients::aws_cli().args(args))
}

#[test]
fn the_aws_cli_copies_synchronises_lists_and_removes() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir_all(folder.path().join("tree/sub dir")).unwrap();
    let large: Vec<u8> = (0..9 << 20).map(|n: u32| (n / 7) as u8).collect();
    std::fs::write(path("tree/large"), &large).unwrap();
    std::fs::write(path("tree/sub dir/small.txt"), b"small").unwrap();
    std::fs::write(path("tree/empty"), b"").unwrap();

    aws(&server, &["s3", "mb", "s3://things"]);
    // Larger than 8 MiB: in parts.
    aws(
        &server,
        &["s3", "cp", &path("tree/large"), "s3://things/large"],
    );
    aws(&server, &["s3", "cp", "s3://things/large", &path("back")]);
    assert_eq!(std::fs::read(path("back")).unwrap(), large);
    aws(&server, &["s3", "sync", &path("tree"), "s3://things/tree"]);
    let again = aws(&server, &["s3", "sync", &path("tree"), "s3://things/tree"]);
    assert_eq!(again, "", "nothing has changed");
    aws(&server, &["s3", "sync", "s3://things/tree", &path("copy")]);
    assert_eq!(
        std::fs::read(path("copy/sub dir/small.txt")).unwrap(),
        b"small"
    );
    aws(
        &server,
        &["s3", "cp", "s3://things/tree/large", "s3://things/again"],
    );
    let listed = aws(&server, &["s3", "ls", "s3://things"]);
    assert!(
        listed.contains("PRE tree/") && listed.contains(" again"),
        "{listed}"
    );
    let listed = aws(&server, &["s3", "ls", "--recursive", "s3://things"]);
    assert!(listed.contains("tree/sub dir/small.txt"), "{listed}");
    let url = aws(
        &server,
        &["s3", "presign", "s3://things/tree/sub dir/small.txt"],
    );
    let target = url.trim().split_once(server.authority()).unwrap().1;
    assert_eq!(
        server
            .request("GET", target)
            .send()
            .expect_status(200)
            .text(),
        "small"
    );
    aws(
        &server,
        &["s3", "mv", "s3://things/again", "s3://things/moved"],
    );
    aws(&server, &["s3", "rm", "s3://things/moved"]);
    aws(&server, &["s3", "rb", "--force", "s3://things"]);
    assert_eq!(aws(&server, &["s3", "ls"]), "");
}

#[test]
fn a_bucket_may_be_named_by_the_host() {
    let server = Server::start();
    let port = server.authority().rsplit_once(':').unwrap().1.to_owned();
    let request = |method: &str, target: &str, host: &str| {
        server
            .request(method, target)
            .host(&format!("{host}:{port}"))
    };
    request("PUT", "/", "things.localhost")
        .signed("s3")
        .send()
        .expect_status(200);
    let put = request("PUT", "/a/b.txt", "things.s3.localhost").body("by host");
    put.signed("s3").send().expect_status(200);
    let got = request("GET", "/a/b.txt", "things.localhost")
        .signed("s3")
        .send();
    assert_eq!(got.expect_status(200).text(), "by host");
    let got = server.request("GET", "/things/a/b.txt").signed("s3").send();
    assert_eq!(got.expect_status(200).text(), "by host");
    let listed = request("GET", "/?list-type=2", "things.s3.us-east-1.localhost")
        .signed("s3")
        .send();
    assert!(
        listed
            .expect_status(200)
            .text()
            .contains("<Key>a/b.txt</Key>")
    );
}

#[test]
fn refusals_are_documents_of_s3_with_its_codes() {
    let server = Server::start();
    let put = |path: &str| server.request("PUT", path).signed("s3").send();
    put("/things").expect_status(200);
    let missing = server
        .request("GET", "/things/absent")
        .signed("s3")
        .send()
        .expect_status(404);
    let text = missing.text();
    for part in [
        "<Code>NoSuchKey</Code>",
        "<Key>absent</Key>",
        "<Resource>/things/absent</Resource>",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains(missing.header("x-amz-request-id")), "{text}");
    let code = |response: kiln_testkit::Response| {
        let text = response.text();
        let (_, rest) = text.split_once("<Code>").unwrap();
        rest.split_once("</Code>").unwrap().0.to_owned()
    };
    let get = || server.request("GET", "/things/absent");
    assert_eq!(
        code(get().host("s3.localhost").send().expect_status(403)),
        "AccessDenied"
    );
    let wrong = get().keys("AKIAWRONG", "x").signed("s3").send();
    assert_eq!(code(wrong.expect_status(403)), "InvalidAccessKeyId");
    let wrong = get()
        .keys(&server.keys().access_key_id, "x")
        .signed("s3")
        .send();
    assert_eq!(code(wrong.expect_status(403)), "SignatureDoesNotMatch");
    let late = get().signed("s3").skewed(-3_600).send();
    assert_eq!(code(late.expect_status(403)), "RequestTimeTooSkewed");
    let changed = server
        .request("PUT", "/things/k")
        .body("a")
        .signed("s3")
        .send_instead("b");
    assert_eq!(
        code(changed.expect_status(400)),
        "XAmzContentSHA256Mismatch"
    );
    get().signed("s3").send().expect_status(404);
    assert_eq!(
        code(put("/Not_A_Bucket").expect_status(400)),
        "InvalidBucketName"
    );
    // Whoever has a URL may do what it was signed for, and nothing that headers make of it.
    let valid = Duration::from_secs(60);
    put("/things/secret").expect_status(200);
    let presigned = || server.request("PUT", "/things/k").presigned("s3", valid);
    let copied = presigned().send_with("x-amz-copy-source", "/things/secret");
    let copied = copied.expect_status(403).text();
    let unsigned = "<HeadersNotSigned>x-amz-copy-source</HeadersNotSigned>";
    assert!(copied.contains(unsigned), "{copied}");
    get().signed("s3").send().expect_status(404);
    // Who signs nothing is told so in S3's way, where a bucket is meant.
    assert_eq!(code(get().send().expect_status(403)), "AccessDenied");
    let too_long = Duration::from_secs(604_801);
    let long = get().presigned("s3", too_long).send();
    assert_eq!(
        code(long.expect_status(400)),
        "AuthorizationQueryParametersError"
    );
    // Keys are text.
    assert_eq!(code(put("/things/%FF").expect_status(400)), "InvalidURI");
    let form = server.request("POST", "/things").signed("s3").send();
    assert_eq!(code(form.expect_status(501)), "NotImplemented");
}

#[test]
fn any_credentials_will_do_in_development() {
    let server = Server::builder().dev().start();
    let request =
        |method: &str, path: &str| server.request(method, path).keys("anything", "at all");
    request("PUT", "/things")
        .signed("s3")
        .send()
        .expect_status(200);
    request("PUT", "/things/k")
        .body("v")
        .signed("s3")
        .send()
        .expect_status(200);
    let got = request("GET", "/things/k")
        .presigned("s3", Duration::from_secs(60))
        .send();
    assert_eq!(got.expect_status(200).text(), "v");
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let page = request("GET", "/things/k").header(name, value).signed("s3");
        page.send().expect_status(403);
    }
    // Nobody is told to go on with a body of no bytes: the connection is not used again, as some would wait for that.
    let empty = request("PUT", "/things/empty").header("expect", "100-continue");
    let empty = empty.signed("s3").send().expect_status(200);
    assert_eq!(empty.header("connection"), "close");
}

/// Puts objects, some again and again, and says which of them were acknowledged.
const PUTS: &str = "import boto3, hashlib, sys
s3 = boto3.client('s3', config=__import__('botocore').config.Config(retries={'max_attempts': 0}))
for n in range(100000):
    key, body = f'k{n % 40}', (str(n) * 3000).encode()
    s3.put_object(Bucket='things', Key=key, Body=body)
    print(key, hashlib.md5(body).hexdigest(), flush=True)
";

#[test]
fn what_was_acknowledged_survives_kill_9_and_leaves_no_litter() {
    let server = Server::start();
    server
        .request("PUT", "/things")
        .signed("s3")
        .send()
        .expect_status(200);
    let mut writer = clients::python()
        .args(["-c", PUTS])
        .envs(server.client_environment())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let home = server.kill9();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut writer.stdout.take().unwrap(), &mut said).unwrap();
    writer.wait().unwrap();
    let acknowledged: BTreeMap<&str, &str> = said
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    assert!(acknowledged.len() > 5, "{said}");
    let server = Server::builder().home(home).start();
    let last = said.lines().last().unwrap().split_once(' ').unwrap().0;
    for (key, etag) in &acknowledged {
        let got = server
            .request("GET", &format!("/things/{key}"))
            .signed("s3")
            .send()
            .expect_status(200);
        let told = got.header("etag").trim_matches('"').to_owned();
        // The next put may have been made without its answer having been read.
        let number: usize = last[1..].parse().unwrap();
        let is_next = *key == format!("k{}", (number + 1) % 40);
        assert!(told == *etag || is_next, "{key}");
        assert!(!got.text().is_empty());
    }
    let listed = server
        .request("GET", "/things?list-type=2")
        .signed("s3")
        .send();
    let objects = listed
        .expect_status(200)
        .text()
        .matches("<Contents>")
        .count();
    let files = || {
        let shelves = std::fs::read_dir(server.home().data_dir().join("objects")).unwrap();
        let files = shelves.flat_map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap());
        files.count()
    };
    assert_eq!(files(), objects);
}

#[test]
fn the_command_line_puts_lists_and_gets() {
    let server = Server::start();
    let kiln = |args: &[&str]| {
        let output = server.kiln(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in").display().to_string();
    std::fs::File::create(&file)
        .unwrap()
        .write_all(b"bytes")
        .unwrap();
    kiln(&["buckets", "make", "things"]);
    kiln(&["buckets", "put", "things/a b/c&d.txt", &file]);
    kiln(&["buckets", "put", "things/e", &file]);
    assert_eq!(kiln(&["buckets", "get", "things/a b/c&d.txt"]), "bytes");
    let listed: Value =
        serde_json::from_str(&kiln(&["buckets", "ls", "things", "--output", "json"])).unwrap();
    assert_eq!(listed["prefixes"], json!(["a b/"]));
    assert_eq!(
        (&listed["objects"][0]["key"], &listed["objects"][0]["size"]),
        (&json!("e"), &json!(5))
    );
    assert!(kiln(&["buckets", "ls", "-r", "things"]).contains("a b/c&d.txt"));
    assert!(kiln(&["buckets", "list"]).contains("things"));
    let full = server
        .kiln(&["buckets", "remove", "things"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&full.stderr).contains("not empty"),
        "{full:?}"
    );
    kiln(&["buckets", "rm", "things/e"]);
    kiln(&["buckets", "rm", "things/a b/c&d.txt"]);
    kiln(&["buckets", "remove", "things"]);
}

/// Writes a PNG of one colour with the example's own code.
const PHOTO: &str = "import png, sys
open(sys.argv[1], 'wb').write(png.write((128, 64, 3, [bytearray(b'\\x10\\x20\\x30' * 128)] * 64)))
";

#[test]
fn the_example_makes_thumbnails() {
    let server = Server::builder()
        .args(&["--function-access", "account"])
        .start();
    let example =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/thumbnails");
    let kiln = server.kiln(&[]);
    let programs = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(kiln.get_program(), programs.path().join("kiln")).unwrap();
    let aws = clients::aws_cli();
    let words: Vec<String> = std::iter::once(aws.get_program())
        .chain(aws.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let script = programs.path().join("aws");
    std::fs::write(
        &script,
        format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")),
    )
    .unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let path = format!(
        "{}:{}",
        programs.path().display(),
        std::env::var("PATH").unwrap()
    );
    let variables = || {
        aws.get_envs()
            .filter_map(|(name, value)| Some((name, value?)))
    };
    client::run(
        &server,
        Command::new(example.join("deploy.sh"))
            .envs(variables())
            .env("PATH", path),
    );

    let photo = programs.path().join("photo.png").display().to_string();
    let mut make = Command::new(runtimes::newest_python().executable);
    let made = make
        .env("PYTHONPATH", &example)
        .args(["-B", "-c", PHOTO, &photo])
        .status()
        .unwrap();
    assert!(made.success());
    let put = server
        .kiln(&["buckets", "put", "photos/photos/a b.png", &photo])
        .status()
        .unwrap();
    assert!(put.success());
    let small = wait_for("the thumbnail", Duration::from_secs(30), || {
        let got = server
            .request("GET", "/photos/thumbnails/a%20b.png")
            .signed("s3")
            .send();
        (got.status == 200).then_some(got)
    });
    assert_eq!(small.header("content-type"), "image/png");
    assert_eq!(small.header("x-amz-meta-source"), "photos/a b.png");
}
