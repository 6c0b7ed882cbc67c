//! Against brokers that do what they are told.

use kiln_types::Timestamp;
use kiln_types::mapping::kafka::{KafkaLogin, Mechanism};

use super::super::super::scram::{Hash, Scram};
use super::super::identity::TopicId;
use super::batches::Written;
use super::broker::Brokers;
use super::*;

struct Rig {
    brokers: Brokers,
    kafka: Arc<Kafka>,
    _dir: TempDir,
}

impl Rig {
    async fn new(partitions: i32, begin: Begin) -> Self {
        let brokers = Brokers::start(partitions).await;
        let source = source(&brokers.servers(), begin);
        let (kafka, dir) = kafka(source, Path::new("/nowhere")).await;
        Self {
            kafka: Arc::new(kafka),
            brokers,
            _dir: dir,
        }
    }

    async fn listen(&self) -> Listener {
        let mut listener = self.listen_now();
        listener.opened().await;
        listener
    }

    fn listen_now(&self) -> Listener {
        Listener::to(self.kafka.clone(), "kafka", None).patient(PATIENCE)
    }

    fn place(&self, partition: i32) -> Option<i64> {
        self.brokers
            .change(|state| state.places.get(&partition).copied())
    }

    async fn until_place(&self, partition: i32, place: i64) {
        until(PATIENCE, || self.place(partition) == Some(place)).await;
    }
}

/// The challenge of a broker, what must be answered to it, and what it answers to that.
pub(super) fn scram(by: &str, name: &str, password: &str, first: &str) -> (String, String, String) {
    let hash = match by {
        "SCRAM-SHA-256" => Hash::Sha256,
        _ => Hash::Sha512,
    };
    let nonce = first.split_once(",r=").unwrap().1;
    let same = Scram::with_nonce(hash, name, password, nonce);
    assert_eq!(same.first(), first);
    let challenge = format!("r={nonce}more,s=c2FsdA==,i=4096");
    let (answer, expected) = same.answer(challenge.as_bytes()).unwrap();
    let proof = BASE64_STANDARD.encode(expected.0);
    (challenge, answer, format!("v={proof}"))
}

#[tokio::test]
async fn a_partition_whose_leader_moves_is_read_from_the_new_one() {
    let rig = Rig::new(2, Begin::TrimHorizon).await;
    let mut listener = rig.listen().await;
    rig.brokers.write(0, &["a"]);
    assert_eq!(listener.said(1).await, [plain(0, 0, "a")]);
    rig.brokers.change(|state| state.leaders.insert(0, 1));
    rig.brokers.write(0, &["b"]);
    rig.brokers.write(1, &["c"]);
    assert_eq!(listener.said(2).await, [plain(0, 1, "b"), plain(1, 0, "c")]);
    rig.until_place(0, 2).await;
    listener.close().await;
}

#[tokio::test]
async fn a_partition_that_nobody_gives_is_told_of_and_holds_up_no_other() {
    let rig = Rig::new(2, Begin::TrimHorizon).await;
    let mut listener = rig.listen().await;
    rig.brokers.change(|state| state.refuse.insert(0));
    let told = listener.health().await.unwrap();
    assert!(
        told.starts_with("partitions 0 of orders cannot be read"),
        "{told}"
    );
    rig.brokers.write(1, &["a"]);
    assert_eq!(listener.said(1).await, [plain(1, 0, "a")]);
    rig.brokers.change(|state| state.refuse.clear());
    let mut health = listener.health().await;
    while health.is_some() {
        health = listener.health().await;
    }
    let before = rig
        .brokers
        .change(|state| std::mem::take(&mut state.fetches));
    assert!(before < 400, "it does not ask all the time: {before}");
    rig.brokers
        .change(|state| state.leaders = [(0, -1), (1, -1)].into());
    let ended = tokio::time::timeout(PATIENCE, listener.ended()).await;
    assert!(ended.unwrap().to_string().contains("nobody leads them"));
}

#[tokio::test]
async fn brokers_that_end_are_connected_to_again_and_nothing_is_lost() {
    let rig = Rig::new(2, Begin::TrimHorizon).await;
    let mut listener = rig.listen().await;
    rig.brokers.write(0, &["a"]);
    assert_eq!(listener.said(1).await, [plain(0, 0, "a")]);
    rig.until_place(0, 1).await;
    rig.brokers.change(|state| state.is_down = true);
    tokio::time::sleep(Duration::from_millis(500)).await;
    rig.brokers.write(0, &["b"]);
    rig.brokers.write(1, &["c"]);
    rig.brokers.change(|state| state.is_down = false);
    assert_eq!(listener.said(2).await, [plain(0, 1, "b"), plain(1, 0, "c")]);
    rig.brokers.change(|state| state.is_down = true);
    let ended = listener.ended().await.to_string();
    assert!(ended.starts_with("Connection error."), "{ended}");
}

#[tokio::test]
async fn partitions_that_are_added_begin_with_their_first_record() {
    let rig = Rig::new(1, Begin::Latest).await;
    rig.brokers.write(0, &["before"]);
    let mut listener = rig.listen().await;
    rig.brokers.write(1, &["new"]);
    rig.brokers.change(|state| state.leaders.insert(1, 1));
    assert_eq!(listener.said(1).await, [plain(1, 0, "new")]);
    rig.until_place(1, 1).await;
    listener.close().await;
    // The same while nobody listens.
    rig.brokers.write(2, &["newer"]);
    rig.brokers.change(|state| state.leaders.insert(2, 0));
    let mut listener = rig.listen().await;
    assert_eq!(listener.said(1).await, [plain(2, 0, "newer")]);
    listener.close().await;
}

#[tokio::test]
async fn a_mapping_begins_with_the_first_record_of_a_time() {
    for (millis, expected) in [(900, 0), (1_001, 1)] {
        let rig = Rig::new(1, Begin::At(Timestamp::from_millis(millis))).await;
        rig.brokers.write(0, &["a"]);
        let listener = rig.listen().await;
        assert_eq!(rig.place(0), Some(expected), "{millis}");
        listener.close().await;
    }
}

#[tokio::test]
async fn a_topic_that_was_made_again_is_heard_from_its_beginning() {
    let rig = Rig::new(1, Begin::Latest).await;
    let mut listener = rig.listen().await;
    rig.brokers.write(0, &["a", "b"]);
    assert_eq!(listener.said(2).await.len(), 2);
    rig.until_place(0, 2).await;
    // It has as many records as the one before: only its name by itself says that it is another.
    rig.brokers.change(|state| {
        state.topic = TopicId([2; 16]);
        state.logs.insert(0, vec![Written::of(0, &["c", "d", "e"])]);
    });
    loop {
        match listener.next().await {
            Item::Anew => break,
            Item::PartMark(_, _) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rig.place(0), Some(0));
    listener.done_in(0, record::place(2));
    listener.close().await;
    assert_eq!(
        rig.place(0),
        Some(0),
        "what was done before says nothing of it"
    );
    let mut listener = rig.listen().await;
    assert_eq!(listener.said(3).await[0], plain(0, 0, "c"));
    listener.close().await;
}

#[tokio::test]
async fn a_topic_that_was_made_again_while_nobody_listened_is_heard_from_its_beginning() {
    let rig = Rig::new(2, Begin::Latest).await;
    let mut listener = rig.listen().await;
    rig.brokers.write(0, &["a", "b"]);
    assert_eq!(listener.said(2).await.len(), 2);
    rig.until_place(0, 2).await;
    listener.close().await;
    rig.brokers.change(|state| {
        state.topic = TopicId([2; 16]);
        state.logs.insert(0, vec![Written::of(0, &["c", "d", "e"])]);
        // Nobody can say yet where the second begins.
        state.leaders.insert(1, -1);
    });
    let worker = |listener: &Listener| listener.done_in(0, record::place(2));
    for _ in 0..2 {
        let listener = rig.listen_now();
        worker(&listener);
        let told = listener.ended().await.to_string();
        assert_eq!(told, "nobody leads the partition 1 of orders");
        assert_eq!(rig.place(0), Some(2), "nothing has begun anew");
    }
    rig.brokers.change(|state| state.leaders.insert(1, 1));
    let mut listener = rig.listen_now();
    worker(&listener);
    assert!(matches!(listener.next().await, Item::Anew));
    let told = listener.ended().await.to_string();
    assert!(told.contains("orders was made again"), "{told}");
    assert_eq!((rig.place(0), rig.place(1)), (Some(0), Some(0)));
    let mut listener = rig.listen().await;
    assert_eq!(listener.said(3).await[0], plain(0, 0, "c"));
    listener.close().await;
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_holds_up_no_other_partition() {
    let rig = Rig::new(2, Begin::TrimHorizon).await;
    let wrong = Written {
        // Nobody knows how it is compressed.
        attributes: 7,
        ..Written::of(1, &["b"])
    };
    rig.brokers.change(|state| {
        let log = vec![Written::of(0, &["a"]), wrong, Written::of(2, &["c"])];
        state.logs.insert(0, log);
    });
    let mut listener = rig.listen().await;
    let told = listener.health().await.unwrap();
    assert_eq!(
        told,
        "partitions 0 of orders cannot be read: the batch at offset 1 of orders-0 is compressed in a way that nobody here \
         knows: 7"
    );
    rig.brokers.write(1, &["d"]);
    assert_eq!(listener.said(1).await, [plain(1, 0, "d")]);
    assert_eq!(rig.place(0), Some(0), "nothing is passed over");
    rig.brokers.change(|state| {
        let log = state.logs.get_mut(&0).unwrap();
        log[1].attributes = 0;
    });
    assert_eq!(listener.said(2).await, [plain(0, 1, "b"), plain(0, 2, "c")]);
    let mut health = listener.health().await;
    while health.is_some() {
        health = listener.health().await;
    }
    listener.close().await;
}

#[tokio::test]
async fn a_partition_that_is_set_back_repeats_nothing_of_others() {
    let rig = Rig::new(2, Begin::TrimHorizon).await;
    let mut listener = rig.listen().await;
    rig.brokers.write(0, &["a", "b"]);
    rig.brokers.write(1, &["c"]);
    assert_eq!(listener.plain_parts(3, false).await.len(), 3);
    rig.brokers
        .change(|state| state.logs.insert(0, vec![Written::of(0, &["d"])]));
    while !matches!(listener.next().await, Item::Anew) {}
    // It was under way, and is done only now.
    listener.done_in(0, record::place(2));
    listener.done_in(1, record::place(1));
    listener.close().await;
    assert_eq!((rig.place(0), rig.place(1)), (Some(0), Some(1)));
}

#[tokio::test]
async fn a_log_that_ends_before_what_was_read_of_it_is_heard_from_its_beginning() {
    let rig = Rig::new(1, Begin::TrimHorizon).await;
    let mut listener = rig.listen().await;
    rig.brokers.write(0, &["a", "b", "c"]);
    assert_eq!(listener.said(3).await.len(), 3);
    rig.brokers
        .change(|state| state.logs.insert(0, vec![Written::of(0, &["d"])]));
    loop {
        if let Item::Anew = listener.next().await {
            break;
        }
    }
    listener.close().await;
    let mut listener = rig.listen().await;
    assert_eq!(listener.said(1).await, [plain(0, 0, "d")]);
    listener.close().await;
}

#[tokio::test]
async fn what_transactions_wrote_that_came_to_nothing_is_not_heard_of() {
    let rig = Rig::new(1, Begin::TrimHorizon).await;
    rig.brokers.change(|state| {
        state.aborted = vec![(7, 0)];
        let log = vec![
            Written::of(0, &["nothing"]).by(7),
            Written::of(1, &["something"]).by(8),
            Written::end(2, 7, false),
            Written::end(3, 8, true),
        ];
        state.logs.insert(0, log);
    });
    let mut listener = rig.listen().await;
    assert_eq!(listener.said(1).await, [plain(0, 1, "something")]);
    // Ends are done as soon as all before them is.
    let end = loop {
        if let Item::PartMark(0, position) = listener.next().await
            && &*position.0 == "4"
        {
            break position;
        }
    };
    listener.done_in(0, end);
    rig.until_place(0, 4).await;
    listener.close().await;
}

#[tokio::test]
async fn a_group_that_has_members_is_theirs() {
    let rig = Rig::new(1, Begin::TrimHorizon).await;
    rig.brokers.write(0, &["a"]);
    rig.brokers.change(|state| state.commit_error = 25);
    let told = rig.listen_now().ended().await.to_string();
    let expected = format!("the consumer group {} has members", rig.kafka.group);
    assert!(told.starts_with(&expected), "{told}");
    let told = rig.kafka.clean_up().await.unwrap_err().to_string();
    assert!(told.contains("cannot be removed"), "{told}");
    rig.brokers.change(|state| state.commit_error = 0);
    let mut listener = rig.listen().await;
    assert_eq!(listener.said(1).await, [plain(0, 0, "a")]);
    listener.close().await;
}

#[tokio::test]
async fn a_group_is_removed_with_its_mapping_unless_somebody_named_it() {
    let rig = Rig::new(1, Begin::Latest).await;
    let listener = rig.listen().await;
    listener.close().await;
    let named = KafkaSource {
        group: Some("billing".parse().unwrap()),
        ..rig.kafka.source.clone()
    };
    let (named, _dir) = kafka(named, Path::new("/nowhere")).await;
    let named = Arc::new(named);
    let mut listener = Listener::to(named.clone(), "kafka", None).patient(PATIENCE);
    listener.opened().await;
    assert_eq!(listener.made, 0, "there is nothing to remove");
    listener.close().await;
    named.clean_up().await.unwrap();
    assert!(rig.brokers.change(|state| state.removed.is_empty()));
    for _ in 0..2 {
        rig.kafka.clean_up().await.unwrap();
    }
    let group = rig.kafka.group.clone();
    let removed = rig.brokers.change(|state| state.removed.clone());
    assert_eq!(
        removed,
        [group.clone(), group],
        "that it is gone is no error"
    );
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_told_of() {
    let rig = Rig::new(0, Begin::Latest).await;
    let told = rig.listen_now().ended().await.to_string();
    assert_eq!(told, "the cluster has no topic orders");
}

#[tokio::test]
async fn a_user_proves_who_it_is_and_the_secret_is_for_these_brokers() {
    let brokers = Brokers::start(1).await;
    let secrets = tempfile::tempdir().unwrap();
    let write = |password: &str, host: &str| {
        let secret = json!({"username": "us,er", "password": password, "host": host});
        std::fs::write(secrets.path().join("k"), secret.to_string()).unwrap();
    };
    let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:k";
    for (mechanism, name) in [
        (Mechanism::Plain, "PLAIN"),
        (Mechanism::Scram256, "SCRAM-SHA-256"),
        (Mechanism::Scram512, "SCRAM-SHA-512"),
    ] {
        brokers.change(|state| state.user = Some((name, "us,er", "hunter2")));
        let source = KafkaSource {
            login: Some(KafkaLogin {
                mechanism,
                secret: arn.parse().unwrap(),
            }),
            ..source(&brokers.servers(), Begin::Latest)
        };
        let (kafka, _dir) = kafka(source, secrets.path()).await;
        let kafka = Arc::new(kafka);
        let listen = || Listener::to(kafka.clone(), "kafka", None).patient(PATIENCE);
        write("hunter2", "127.0.0.1");
        let mut listener = listen();
        listener.opened().await;
        listener.close().await;
        write("wrong", &format!("b1, {}", brokers.servers().join(",")));
        let told = listen().ended().await.to_string();
        assert!(
            told.contains("Invalid username or password"),
            "{name}: {told}"
        );
        write("hunter2", "b1.example.com");
        let told = listen().ended().await.to_string();
        assert!(
            told.contains("is for another \"host\" than '127.0.0.1'"),
            "{told}"
        );
        write("hunter2", "127.0.0.1");
        brokers.change(|state| state.user = Some(("GSSAPI", "us,er", "hunter2")));
        let told = listen().ended().await.to_string();
        assert!(
            told.contains(&format!("the way to log in {name}, but GSSAPI")),
            "{told}"
        );
    }
}
