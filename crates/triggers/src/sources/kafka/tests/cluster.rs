//! Against the mock cluster of kcat's library.

use super::*;

struct Rig {
    cluster: Server,
    kafka: Arc<Kafka>,
    _dir: TempDir,
}

impl Rig {
    async fn new(begin: Begin) -> Self {
        let cluster = Server::start();
        cluster.make_topic("orders");
        Self::of(cluster, begin).await
    }

    async fn of(cluster: Server, begin: Begin) -> Self {
        let source = source(&cluster.servers(), begin);
        let (kafka, dir) = kafka(source, Path::new("/nowhere")).await;
        Self {
            kafka: Arc::new(kafka),
            cluster,
            _dir: dir,
        }
    }

    fn listen(&self) -> Listener {
        Listener::to(self.kafka.clone(), "kafka", None).patient(PATIENCE)
    }

    fn place(&self, partition: u32) -> Option<i64> {
        self.cluster.place(&self.kafka.group, "orders", partition)
    }

    async fn until_place(&self, partition: u32, place: i64) {
        until(PATIENCE, || self.place(partition) == Some(place)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_all_partitions_come_in_the_shape_of_awss_events() {
    let rig = Rig::new(Begin::TrimHorizon).await;
    let line = ["{\"id\":1}".to_owned()];
    let more = ["-k", "order", "-H", "shop=tea", "-H", "shop=caf\u{e9}"];
    rig.cluster.produce_with("orders", 3, &line, &more);
    rig.cluster.send("orders", 0, 1, 2);
    let mut listener = rig.listen();
    listener.opened().await;
    let mut found = listener.plain_parts(3, true).await;
    found.sort_by(|(one, _), (another, _)| one.cmp(another));
    let (_, mut document) = found.pop().unwrap();
    let sent = document["timestamp"].take();
    assert!(sent.as_i64().unwrap() > 1_700_000_000_000, "{sent}");
    let expected = json!({
        "topic": "orders", "partition": 3, "offset": 0, "timestamp": null, "timestampType": "CREATE_TIME",
        "key": "b3JkZXI=", "value": "eyJpZCI6MX0=",
        "headers": [{"shop": [116, 101, 97]}, {"shop": [99, 97, 102, -61, -87]}],
    });
    assert_eq!(document, expected);
    let texts: Vec<_> = found.into_iter().map(|(plain, _)| plain).collect();
    assert_eq!(texts, [plain(0, 0, "1"), plain(0, 1, "2")]);
    listener.close().await;
    assert_eq!(
        (rig.place(0), rig.place(3), rig.place(1)),
        (Some(2), Some(1), Some(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_begins_where_it_is_told_and_where_it_began_is_kept_at_once() {
    let cluster = Server::start();
    cluster.send("orders", 1, 1, 2);
    let rig = Rig::of(cluster, Begin::Latest).await;
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.made, 1, "the group is to be removed one day");
    assert_eq!((rig.place(1), rig.place(2)), (Some(2), Some(0)));
    // It ends before anything is done; what is sent meanwhile is not lost.
    listener.close().await;
    rig.cluster.send("orders", 1, 3, 3);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.said(1).await, [plain(1, 2, "3")]);
    listener.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_comes_again_and_the_group_moves_only_behind_what_is() {
    let rig = Rig::new(Begin::TrimHorizon).await;
    rig.cluster.send("orders", 0, 1, 5);
    rig.cluster.send("orders", 1, 1, 5);
    let mut listener = rig.listen();
    listener.opened().await;
    assert_eq!(listener.plain_parts(10, false).await.len(), 10);
    listener.done_in(0, record::place(3));
    rig.until_place(0, 3).await;
    assert_eq!(
        rig.place(1),
        Some(0),
        "another partition is none of its business"
    );
    listener.close().await;
    let mut listener = rig.listen();
    listener.opened().await;
    let again = listener.said(7).await;
    assert_eq!(again[0], plain(0, 3, "4"));
    assert_eq!(again[2], plain(1, 0, "1"));
    rig.until_place(1, 5).await;
    listener.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_knows_more_than_the_group_when_it_could_not_be_told() {
    let rig = Rig::new(Begin::TrimHorizon).await;
    rig.cluster.send("orders", 0, 1, 5);
    let mut listener = rig.listen();
    listener.opened().await;
    listener.close().await;
    let mut listener = Listener::to(rig.kafka.clone(), "kafka", None).patient(PATIENCE);
    // Before it has begun: it connects first.
    listener.done_in(0, record::place(4));
    listener.opened().await;
    assert_eq!(listener.said(1).await, [plain(0, 4, "5")]);
    listener.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_full_is_not_read_and_others_are() {
    let rig = Rig::new(Begin::TrimHorizon).await;
    let mut listener = rig.listen();
    listener.opened().await;
    listener.parts.send_modify(|parts| {
        parts.full.insert(0);
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    rig.cluster.send("orders", 0, 1, 2);
    rig.cluster.send("orders", 1, 1, 2);
    assert_eq!(listener.said(2).await, [plain(1, 0, "1"), plain(1, 1, "2")]);
    rig.until_place(1, 2).await;
    assert_eq!(rig.place(0), Some(0));
    listener.parts.send_modify(|parts| parts.full.clear());
    assert_eq!(listener.said(2).await, [plain(0, 0, "1"), plain(0, 1, "2")]);
    listener.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_read_however_they_are_compressed() {
    let rig = Rig::new(Begin::TrimHorizon).await;
    let lines: Vec<_> = (0..50)
        .map(|number| format!("{number} {}", "x".repeat(500)))
        .collect();
    let ways = ["none", "gzip", "snappy", "lz4", "zstd"];
    for way in ways {
        let codec = format!("compression.codec={way}");
        rig.cluster
            .produce_with("orders", 0, &lines, &["-X", &codec, "-X", "linger.ms=200"]);
    }
    let mut listener = rig.listen();
    listener.opened().await;
    let said = listener.said(lines.len() * ways.len()).await;
    for (place, (_, offset, text)) in said.iter().enumerate() {
        assert_eq!(
            (*offset as usize, text),
            (place, &lines[place % lines.len()])
        );
    }
    listener.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_removed_before_it_was_read_is_passed_over_and_told_of() {
    let rig = Rig::new(Begin::TrimHorizon).await;
    let listener = rig.listen();
    let mut listener = listener;
    listener.opened().await;
    listener.close().await;
    // The brokers keep five megabytes.
    let lines: Vec<_> = (0..80).map(|_| "x".repeat(100_000)).collect();
    rig.cluster.produce("orders", 0, &lines);
    let mut listener = rig.listen();
    listener.opened().await;
    let told = listener.health().await.unwrap();
    assert!(
        told.contains("removed from orders before they were read"),
        "{told}"
    );
    let found = listener.plain_parts(1, true).await;
    let ((part, offset, _), _) = &found[0];
    assert!(*part == 0 && *offset > 10, "{offset}");
    listener.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_cannot_remove_groups_is_left_to_forget_them() {
    let rig = Rig::new(Begin::Latest).await;
    let mut listener = rig.listen();
    listener.opened().await;
    listener.close().await;
    rig.kafka.clean_up().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said_in_a_sentence() {
    let nobody = ["127.0.0.1:1".to_owned()];
    let (far, _dir) = kafka(source(&nobody, Begin::Latest), Path::new("/nowhere")).await;
    let told = Listener::to(Arc::new(far), "kafka", None)
        .patient(PATIENCE)
        .ended()
        .await;
    assert!(
        told.to_string()
            .starts_with("Connection error. 127.0.0.1:1"),
        "{told}"
    );
}
