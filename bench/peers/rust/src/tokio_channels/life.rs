//! Life: tasks that come and go, and tasks that wait.
use super::SIDE;
use crate::bench::{payload, resident, Bench, Payload, Tally};
use crate::threads::one_thread;
use crate::{answer, Answer};
use std::time::Instant;
use tokio::sync::mpsc::{self, Receiver, Sender};

const BATCH: u64 = 64;

pub fn answers() -> Vec<Answer> {
    vec![answer(SIDE, "life/spawn", spawn), answer(SIDE, "life/idle", idle)]
}

/// Each task returns what it was sent, as the last thing it does.
async fn batch(first: u64, size: u64, handled: &mut Tally) {
    let mut tasks = Vec::with_capacity(BATCH as usize);
    for i in first..first + size {
        let (sender, mut mailbox) = mpsc::unbounded_channel::<Payload>();
        tasks.push(tokio::spawn(async move { mailbox.recv().await }));
        sender.send(payload(i)).expect("a task");
    }
    for task in tasks {
        handled.add(&task.await.expect("a task").expect("a message"));
    }
}

fn spawn(bench: &mut Bench) {
    one_thread().block_on(async {
        let mut handled = Tally::default();
        let began = Instant::now();
        while handled.messages < bench.count {
            batch(handled.messages, BATCH.min(bench.count - handled.messages), &mut handled).await;
        }
        bench.elapsed(began, bench.count);
        bench.prove("actors", handled.messages);
        bench.prove("sum", handled.sum);
    });
}

async fn wait(mut mailbox: Receiver<Payload>, handled: Sender<()>) {
    while mailbox.recv().await.is_some() {
        handled.send(()).await.expect("the driver waits");
    }
}

fn idle(bench: &mut Bench) {
    one_thread().block_on(async {
        let (handled, mut bell) = mpsc::channel(1);
        let before = resident();
        let mut actors = 0;
        let mut mailboxes = Vec::with_capacity(bench.count as usize);
        for _ in 0..bench.count {
            let (sender, mailbox) = mpsc::channel(1);
            tokio::spawn(wait(mailbox, handled.clone()));
            sender.send(payload(0)).await.expect("a task");
            bell.recv().await.expect("a task");
            mailboxes.push(sender);
            actors += 1;
        }
        let size = (resident() - before) as f64 / bench.count as f64;
        bench.figure("size", "bytes", "lower", size);
        bench.prove("actors", actors);
    });
}
