//! Archives and replays: what is kept and sent again, each event once, though the server is killed.

use std::time::Duration;

use kiln_testkit::{Server, clients, programs, wait_for};
use serde_json::{Value, json};

use crate::client;

#[test]
fn boto3_archives_events_and_replays_them() {
    let server = Server::start();
    client::python(&server, "boto3_archives.py", &[]);
}

#[test]
fn a_replay_goes_on_after_the_server_was_killed_and_sends_each_event_once() {
    let run = |server: &Server, program: &str| {
        let head = "import boto3, json, time, datetime\nevents, sqs = boto3.client('events'), boto3.client('sqs')\n\
            bus = 'arn:aws:events:us-east-1:000000000000:event-bus/default'\n";
        let program = format!("{head}{program}");
        client::run(server, clients::python().args(["-c", &program]))
    };
    let server = Server::start();
    let fill = "events.create_archive(ArchiveName='all', EventSourceArn=bus)\n\
        for n in range(100):\n    \
            entries = [{'Source': 's', 'DetailType': 't', 'Detail': json.dumps({'n': 10 * n + i})} for i in range(10)]\n    \
            assert events.put_events(Entries=entries)['FailedEntryCount'] == 0\n\
        sqs.create_queue(QueueName='heard')\n\
        events.put_rule(Name='r', EventPattern='{\"source\": [\"s\"]}')\n\
        events.put_targets(Rule='r', Targets=[{'Id': 'q', 'Arn': 'arn:aws:sqs:us-east-1:000000000000:heard'}])\n\
        year = datetime.timedelta(days=365)\n\
        now = datetime.datetime.now(datetime.timezone.utc)\n\
        events.start_replay(ReplayName='again', EventSourceArn='arn:aws:events:us-east-1:000000000000:archive/all',\n    \
            EventStartTime=now - year, EventEndTime=now + year, Destination={'Arn': bus})\n";
    run(&server, fill);
    // Somewhere on its way, as a rule.
    let mut home = server.kill9();
    for _ in 0..3 {
        let server = Server::builder().home(home).start();
        std::thread::sleep(Duration::from_millis(20));
        home = server.kill9();
    }
    let server = Server::builder().home(home).start();
    let check = "end = time.monotonic() + 60\n\
        while events.describe_replay(ReplayName='again')['State'] != 'COMPLETED':\n    \
            assert time.monotonic() < end\n    \
            time.sleep(0.1)\n\
        url = sqs.get_queue_url(QueueName='heard')['QueueUrl']\n\
        got = []\n\
        while len(got) < 1000:\n    \
            assert time.monotonic() < end\n    \
            for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get('Messages', []):\n        \
                got.append(json.loads(m['Body'])['detail']['n'])\n        \
                sqs.delete_message(QueueUrl=url, ReceiptHandle=m['ReceiptHandle'])\n\
        assert sorted(got) == list(range(1000)), len(set(got))\n\
        assert 'Messages' not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)\n";
    run(&server, check);
}

#[test]
fn the_command_line_knows_archives_and_replays() {
    let server = Server::start();
    let kiln = |arguments: &[&str]| {
        String::from_utf8(programs::run(&mut server.kiln(arguments)).stdout).unwrap()
    };
    let read = |text: String| -> Value { serde_json::from_str(&text).unwrap() };
    let pattern = "{\"source\": [\"s\"]}";
    let made = kiln(&[
        "archives",
        "create",
        "all",
        "--pattern",
        pattern,
        "--days",
        "7",
    ]);
    assert_eq!(made, "arn:aws:events:us-east-1:000000000000:archive/all\n");
    let fill = "import boto3\nevents, sqs = boto3.client('events'), boto3.client('sqs')\n\
        events.put_events(Entries=[{'Source': 's', 'DetailType': 't', 'Detail': '{}'}] * 3)\n\
        sqs.create_queue(QueueName='heard')\n\
        events.put_rule(Name='r', EventPattern='{\"source\": [\"s\"]}')\n\
        events.put_targets(Rule='r', Targets=[{'Id': 'q', 'Arn': 'arn:aws:sqs:us-east-1:000000000000:heard'}])\n";
    client::run(&server, clients::python().args(["-c", fill]));
    let shown = read(kiln(&["archives", "show", "all"]));
    assert_eq!(
        (&shown["EventCount"], &shown["RetentionDays"]),
        (&json!(3), &json!(7))
    );
    assert_eq!(shown["EventPattern"], pattern);
    let listed = read(kiln(&[
        "--output", "json", "archives", "list", "--bus", "default",
    ]));
    assert_eq!(listed[0]["ArchiveName"], "all");
    let started = [
        "archives",
        "replay",
        "start",
        "again",
        "--archive",
        "all",
        "--from",
        "1h",
        "--rule",
        "r",
    ];
    // Events have whole seconds: those of this one are before the end of the next.
    std::thread::sleep(Duration::from_millis(1_100));
    kiln(&started);
    wait_for("the end of the replay", Duration::from_secs(30), || {
        let shown = read(kiln(&["archives", "replay", "show", "again"]));
        (shown["State"] == "COMPLETED").then_some(())
    });
    let heard = read(kiln(&["queues", "show", "heard", "--output", "json"]));
    assert_eq!(heard["messages"], 3);
    let listed = kiln(&["archives", "replay", "list", "--archive", "all"]);
    assert!(
        listed.contains("again") && listed.contains("COMPLETED"),
        "{listed}"
    );
    let refused = |arguments: &[&str]| {
        let refused = server.kiln(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        String::from_utf8_lossy(&refused.stderr).into_owned()
    };
    let late = refused(&["archives", "replay", "cancel", "again"]);
    assert!(late.contains("again"), "{late}");
    kiln(&["archives", "delete", "all"]);
    let gone = refused(&["archives", "show", "all"]);
    assert!(gone.contains("Archive all does not exist."), "{gone}");
}
