//! Somebody who listens to a source of a real server, in the place of a worker.

use std::sync::Arc;
use std::time::Duration;

use kiln_types::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::record::{Position, Record};
use crate::source::{Feed, Item, Parts, Source, Trouble};

/// Longer than anything that is waited for takes on a loaded machine, unless a source's tests say otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who listens.
pub(crate) struct Listener {
    pub(crate) items: mpsc::Receiver<Item>,
    pub(crate) confirm: watch::Sender<Option<Position>>,
    /// What is said to a source in parts.
    pub(crate) parts: watch::Sender<Parts>,
    stop: CancellationToken,
    pub(crate) listening: tokio::task::JoinHandle<Result<(), Trouble>>,
    /// How often something was about to be made.
    pub(crate) made: u32,
    /// Where plain JSON stands in records.
    under: &'static str,
    patience: Duration,
}

impl Listener {
    /// Begins to listen; up to this place all is done.
    pub(crate) fn to(
        source: Arc<impl Source>,
        under: &'static str,
        position: Option<Position>,
    ) -> Self {
        let (sender, items) = mpsc::channel(8);
        let confirm = watch::Sender::new(position);
        let parts = watch::Sender::new(Parts::default());
        let stop = CancellationToken::new();
        let feed = Feed {
            items: sender,
            confirmed: confirm.subscribe(),
            parts: parts.subscribe(),
            stop: stop.clone(),
        };
        Self {
            items,
            confirm,
            parts,
            stop,
            listening: TaskTracker::new().spawn(async move { source.listen(feed).await }),
            made: 0,
            under,
            patience: PATIENCE,
        }
    }

    /// The same, who waits for so long.
    pub(crate) fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// What is said next. That something is about to be made at the source is noted, and counted.
    pub(crate) async fn next(&mut self) -> Item {
        loop {
            let next = tokio::time::timeout(self.patience, self.items.recv()).await;
            match next.expect("something is said") {
                Some(Item::Making(noted)) => {
                    self.made += 1;
                    let _ = noted.send(());
                }
                Some(item) => return item,
                None => panic!("it ended: {:?}", (&mut self.listening).await),
            }
        }
    }

    pub(crate) async fn opened(&mut self) {
        match self.next().await {
            Item::Opened => {}
            other => panic!("{other:?}"),
        }
    }

    /// The next so many records.
    pub(crate) async fn records(&mut self, count: usize) -> Vec<(Record, Value)> {
        let mut records = Vec::new();
        while records.len() < count {
            if let Item::Record(record) = self.next().await {
                let document = serde_json::from_slice(&record.document).unwrap();
                records.push((record, document));
            }
        }
        records
    }

    /// The plain JSON of the next so many.
    async fn plainly(&mut self, count: usize) -> Vec<Value> {
        let under = self.under;
        let records = self.records(count).await.into_iter();
        records
            .map(|(_, mut document)| document[under].take())
            .collect()
    }

    /// What the next so many changes of tables say: operation, new and old.
    pub(crate) async fn plain(&mut self, count: usize) -> Vec<Value> {
        let changes = self.plainly(count).await;
        let plain = changes
            .iter()
            .map(|of| json!([of["operation"], of["new"], of["old"]]));
        plain.collect()
    }

    /// What the next so many messages say.
    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let messages = self.plainly(count).await;
        let texts = messages
            .iter()
            .map(|of| of["text"].as_str().unwrap().to_owned());
        texts.collect()
    }

    pub(crate) async fn mark(&mut self) -> Position {
        loop {
            if let Item::Mark(position) = self.next().await {
                return position;
            }
        }
    }

    /// As a worker that has done all that came.
    pub(crate) async fn done(&mut self) {
        let position = self.mark().await;
        self.confirm.send_replace(Some(position));
    }

    pub(crate) async fn ended(mut self) -> Trouble {
        let drain = async {
            while let Some(item) = self.items.recv().await {
                if let Item::Making(noted) = item {
                    let _ = noted.send(());
                }
            }
        };
        let (_, ended) = tokio::join!(drain, tokio::time::timeout(self.patience, self.listening));
        ended.expect("it ends").unwrap().unwrap_err()
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        drop(self.items);
        let ended = tokio::time::timeout(self.patience, self.listening).await;
        ended.expect("it closes").unwrap().unwrap();
    }
}

/// Waits until something is so.
pub(crate) async fn until(patience: Duration, mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::start();
    while !is_so() {
        assert!(clock.now().since_start() < patience, "it becomes so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
