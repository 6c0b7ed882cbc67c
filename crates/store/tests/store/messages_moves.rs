//! Tasks that move dead letters on.

use kiln_store::Store;
use kiln_store::messages::{Move, MoveError, MoveFailure, MoveState, NewMessage};

use crate::messages::{
    bodies, bytes, count, delete, make, make_with, message, queue_id, receive, redrive, send,
    send_body,
};
use crate::queue::at;
use crate::sample::Sample;

/// Two queues with one dead-letter queue, and a dead letter of each.
async fn sample() -> Sample {
    let sample = Sample::at(at(0));
    make(&sample.store, "dead").await;
    for queue in ["first", "second"] {
        make_with(&sample.store, queue, |settings| {
            settings.redrive = redrive("dead", 1)
        })
        .await;
        send_body(&sample.store, queue, queue, 0).await;
        for ms in [0, 30_000] {
            receive(&sample.store, queue, 1, ms).await;
        }
    }
    assert_eq!(count(&sample.store, "dead", 30_000), (2, 0, 0));
    sample
}

async fn start(store: &Store, destination: Option<&str>) -> Move {
    let destination = destination.map(queue_id);
    let started = store
        .messages()
        .start_move(queue_id("dead"), destination, None, at(30_000));
    started.await.unwrap()
}

/// Moves one after the other until the task runs no more.
async fn run(store: &Store, task: &Move) -> Move {
    let mut after = 0;
    while let Some(next) = {
        let part = store.messages().move_part(task.id, after, 1, at(30_001));
        part.await.unwrap().next
    } {
        after = next;
    }
    store.messages().find_move(task.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn each_goes_back_to_where_it_came_from_as_new() {
    let sample = sample().await;
    let store = &sample.store;
    let task = start(store, None).await;
    assert_eq!((task.found, task.state), (2, MoveState::Running));
    let done = run(store, &task).await;
    assert_eq!((done.moved, done.state), (2, MoveState::Completed));
    assert_eq!(count(store, "dead", 30_001), (0, 0, 0));
    for queue in ["first", "second"] {
        let back = receive(store, queue, 10, 30_001).await.remove(0);
        assert_eq!(
            (back.body.as_str(), back.sent, back.received),
            (queue, at(30_001), 1)
        );
        assert_eq!(back.source, None);
        delete(store, queue, back.receipt, 30_001).await;
    }
    assert_eq!(bytes(store), 0);
}

#[tokio::test]
async fn a_task_goes_on_after_a_restart_and_stops_when_told() {
    let sample = sample().await;
    make(&sample.store, "elsewhere").await;
    for number in 0..5 {
        send_body(&sample.store, "dead", &number.to_string(), number).await;
    }
    let task = start(&sample.store, Some("elsewhere")).await;
    sample.store.messages().move_was_started().await;
    let part = sample
        .store
        .messages()
        .move_part(task.id, 0, 3, at(30_001))
        .await
        .unwrap();
    assert_eq!(part.moved, 3);
    let sample = sample.reopened().await;
    let messages = sample.store.messages();
    let running = messages.running_moves().await.unwrap();
    assert_eq!(
        (running.len(), running[0].id, running[0].moved),
        (1, task.id, 3)
    );
    let part = messages.move_part(task.id, 0, 2, at(30_002)).await.unwrap();
    assert_eq!(part.moved, 2);
    let stopped = messages.cancel_move(task.id).await.unwrap();
    assert_eq!((stopped.moved, stopped.state), (5, MoveState::Cancelled));
    let part = messages.move_part(task.id, 0, 2, at(30_003)).await.unwrap();
    assert_eq!((part.moved, part.next), (0, None));
    assert_eq!(count(&sample.store, "dead", 30_003), (2, 0, 0));
    assert_eq!(count(&sample.store, "elsewhere", 30_003), (5, 0, 0));
    let again = messages.cancel_move(task.id).await;
    assert!(matches!(again, Err(MoveError::NotRunning)), "{again:?}");
    let none = messages.cancel_move(99).await;
    assert!(matches!(none, Err(MoveError::NoMove)), "{none:?}");
}

#[tokio::test]
async fn one_task_at_a_time_moves_the_messages_of_a_queue() {
    let sample = sample().await;
    let messages = sample.store.messages();
    for _ in 0..12 {
        let task = start(&sample.store, None).await;
        let second = messages
            .start_move(queue_id("dead"), None, None, at(0))
            .await;
        assert!(matches!(second, Err(MoveError::IsRunning)), "{second:?}");
        messages.cancel_move(task.id).await.unwrap();
    }
    let kept = messages.moves(&queue_id("dead")).await.unwrap();
    assert_eq!(kept.len(), 10);
    assert!(kept.is_sorted_by(|a, b| a.id > b.id), "{kept:?}");
}

#[tokio::test]
async fn a_message_that_has_nowhere_to_go_ends_the_task_and_stays() {
    let sample = sample().await;
    let store = &sample.store;
    send_body(store, "dead", "of nobody", 0).await;
    let task = start(store, None).await;
    let failed = run(store, &task).await;
    assert_eq!(failed.state, MoveState::Failed(MoveFailure::NoSource));
    assert_eq!(count(store, "dead", 30_001), (1, 0, 0));
    make(store, "elsewhere").await;
    let task = start(store, Some("elsewhere")).await;
    store
        .messages()
        .remove(&queue_id("elsewhere"))
        .await
        .unwrap();
    let failed = run(store, &task).await;
    assert_eq!(failed.state, MoveState::Failed(MoveFailure::NoQueue));
    assert_eq!(bodies(store, "dead", 10, 30_001).await, ["of nobody"]);
}

#[tokio::test]
async fn what_is_in_flight_stays_and_a_fifo_queue_keeps_its_order() {
    let sample = Sample::at(at(0));
    let store = &sample.store;
    make(store, "dead.fifo").await;
    make(store, "orders.fifo").await;
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2")] {
        let sent = NewMessage {
            group: Some(group.to_owned()),
            deduplication: Some(body.to_owned()),
            ..message("dead.fifo", body)
        };
        send(store, sent, 0).await.unwrap();
    }
    assert_eq!(bodies(store, "dead.fifo", 1, 30_000).await, ["a1"]);
    let to = Some(queue_id("orders.fifo"));
    let task = store
        .messages()
        .start_move(queue_id("dead.fifo"), to, None, at(30_000));
    let done = run(store, &task.await.unwrap()).await;
    assert_eq!((done.moved, done.state), (2, MoveState::Completed));
    assert_eq!(bodies(store, "orders.fifo", 10, 30_001).await, ["b1", "b2"]);
    assert_eq!(count(store, "dead.fifo", 30_001), (1, 1, 0));
}

#[tokio::test]
async fn a_task_leaves_what_comes_after_it_began() {
    let sample = sample().await;
    let store = &sample.store;
    // To itself, which the API refuses: what it has moved is not moved again.
    let task = start(store, Some("dead")).await;
    let done = run(store, &task).await;
    assert_eq!((done.moved, done.state), (2, MoveState::Completed));
    assert_eq!(count(store, "dead", 30_001), (2, 0, 0));
}
