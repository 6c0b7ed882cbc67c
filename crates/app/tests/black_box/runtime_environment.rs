//! What a function finds around itself: variables, folders, the context object.

use kiln_testkit::{Server, archive};
use serde_json::{Value, json};

const ENVIRONMENT: &str =
    "import os\n\ndef handler(event, context):\n    return dict(os.environ)\n";

#[test]
fn environment_variables_are_those_of_aws() {
    let server = Server::builder()
        .env("HOST_SECRET", "must not be seen")
        .start();
    server
        .function("env", ENVIRONMENT)
        .memory(192)
        .environment(json!({"MINE": "yes", "PATH_EXTRA": "a b"}))
        .create();
    let found = server.invoke("env", &json!({})).success();
    let version = server.runtime().to_owned();
    let expected = json!({
        "_HANDLER": "index.handler",
        "AWS_EXECUTION_ENV": format!("AWS_Lambda_{version}"),
        "AWS_LAMBDA_FUNCTION_NAME": "env",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "192",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/env",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:\
                            /var/task/lib:/opt/lib",
        "PYTHONPATH": "/var/runtime",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "MINE": "yes",
        "PATH_EXTRA": "a b",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&found[name], value, "{name}");
    }
    let stream = found["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap();
    assert!(stream.contains("/[$LATEST]"), "{stream}");
    for secret in ["HOST_SECRET", "HOME", "KILN_DATA_DIR", "NO_COLOR"] {
        assert_eq!(found[secret], Value::Null, "{secret} comes from the host");
    }
}

#[test]
fn reserved_variables_cannot_be_set() {
    let server = Server::start();
    let refused = server
        .function("reserved", ENVIRONMENT)
        .environment(json!({"AWS_REGION": "mars", "OK": "1"}))
        .try_create();
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(refused.error_type(), "InvalidParameterValueException");
    assert!(
        refused.message().contains("AWS_REGION"),
        "{}",
        refused.message()
    );
}

#[test]
fn the_context_object_is_complete() {
    let server = Server::start();
    let source = "import os\n\ndef handler(event, context):\n    return {'id': \
                  context.aws_request_id, 'name': context.function_name, 'version': \
                  context.function_version, 'arn': context.invoked_function_arn, 'memory': \
                  context.memory_limit_in_mb, 'group': context.log_group_name, 'stream': \
                  context.log_stream_name, 'left': context.get_remaining_time_in_millis(), \
                  'stream_env': os.environ['AWS_LAMBDA_LOG_STREAM_NAME'], 'identity': \
                  context.identity.cognito_identity_id, 'client': context.client_context}\n";
    server
        .function("ctx", source)
        .memory(256)
        .timeout(5)
        .create();
    let invoked = server.invoke("ctx", &json!({}));
    let found = invoked.success();
    assert_eq!(found["id"], invoked.request_id.as_str());
    assert_eq!(found["name"], "ctx");
    assert_eq!(found["version"], "$LATEST");
    assert_eq!(
        found["arn"],
        "arn:aws:lambda:us-east-1:000000000000:function:ctx"
    );
    assert_eq!(found["memory"], "256");
    assert_eq!(found["group"], "/aws/lambda/ctx");
    assert_eq!(found["stream"], found["stream_env"]);
    assert_eq!(found["identity"], Value::Null);
    assert_eq!(found["client"], Value::Null);
    let left = found["left"].as_i64().unwrap();
    assert!((3_000..=5_000).contains(&left), "{left}");
}

#[test]
fn code_is_read_only_and_the_working_folder() {
    let server = Server::start();
    let source = "import os\n\ndef try_write(path):\n    try:\n        open(path, 'w').close()\n        \
                  return 'written'\n    except OSError as e:\n        return e.strerror\n\n\
                  def handler(event, context):\n    return [os.getcwd(), sorted(os.listdir('.')), \
                  open('data/words.txt').read(), try_write('/var/task/new'), \
                  try_write('/opt/new'), try_write('/var/runtime/new'), try_write('/tmp/new')]\n";
    let zip = archive::zip(&[("index.py", source.as_bytes()), ("data/words.txt", b"a b")]);
    server.function("files", "").zip(zip).create();
    assert_eq!(
        server.invoke("files", &json!({})).success(),
        json!([
            "/var/task",
            ["data", "index.py"],
            "a b",
            "Read-only file system",
            "Read-only file system",
            "Read-only file system",
            "written",
        ])
    );
}

#[test]
fn tmp_is_kept_between_invocations_of_one_instance_and_limited() {
    let server = Server::start();
    let source = "import os\n\ndef handler(event, context):\n    found = \
                  os.path.exists('/tmp/kept')\n    open('/tmp/kept', 'w').close()\n    size = \
                  os.statvfs('/tmp')\n    written = 0\n    try:\n        with open('/tmp/big', 'wb') \
                  as f:\n            while written < event['mb']:\n                \
                  f.write(bytes(1 << 20))\n                written += 1\n    except OSError as e:\n        \
                  os.remove('/tmp/big')\n        return [found, written, e.strerror]\n    return \
                  [found, written, size.f_blocks * size.f_frsize >> 20]\n";
    server
        .function("tmp", source)
        .memory(1024)
        .timeout(30)
        .create();
    assert_eq!(
        server.invoke("tmp", &json!({"mb": 1})).success(),
        json!([false, 1, 512])
    );
    let full = server.invoke("tmp", &json!({"mb": 600})).success();
    assert_eq!(full[0], true, "{full}");
    assert_eq!(full[2], "No space left on device", "{full}");
    let written = full[1].as_i64().unwrap();
    assert!(
        (500..=512).contains(&written),
        "{written} MB fit into 512 MB"
    );
    // What an instance wrote is another instance's not.
    server.function("other", source).create();
    assert_eq!(
        server.invoke("other", &json!({"mb": 0})).success()[0],
        false
    );
}

/// AWS differs: there `/tmp` is a disk. docs/decisions/2026-11-23-tmp-is-memory.md says why.
#[test]
fn files_in_tmp_count_as_memory_of_the_function_that_writes_them() {
    let server = Server::start();
    let source = "def handler(event, context):\n    with open('/tmp/big', 'wb') as f:\n        \
                  for _ in range(300):\n            f.write(bytes(1 << 20))\n    return 'kept'\n";
    for (name, memory) in [("tmp-small", 128), ("tmp-large", 512)] {
        server
            .function(name, source)
            .memory(memory)
            .timeout(30)
            .create();
    }
    assert_eq!(
        server.invoke("tmp-large", &json!({})).success(),
        json!("kept")
    );
    let killed = server.invoke("tmp-small", &json!({})).failure();
    assert_eq!(killed["errorType"], "Runtime.OutOfMemory");
}

#[test]
fn randomness_differs_between_instances() {
    let server = Server::start();
    let source = "import multiprocessing, os, random, ssl, uuid, time\n\ndef handler(event, context):\n    \
                  time.sleep(0.3)\n    return [random.random(), ssl.RAND_bytes(16).hex(), \
                  str(uuid.uuid4()), os.urandom(8).hex(), \
                  bytes(multiprocessing.current_process().authkey).hex()]\n";
    server.function("random", source).create();
    let drawn: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| server.invoke("random", &json!({})).success()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for kind in 0..5 {
        let mut values: Vec<String> = drawn.iter().map(|all| all[kind].to_string()).collect();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 4, "{drawn:?}");
    }
}
