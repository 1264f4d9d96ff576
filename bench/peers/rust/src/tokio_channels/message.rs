//! Messages.
use super::{FREE_SIDE, SIDE};
use crate::bench::{payload, wander, Bench, Payload, Tally, CROWD, FAN, STREAM_ROOM, WINDOW};
use crate::threads::Ends;
use crate::{answer, Answer};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "message/ping-pong", |bench| ring(bench, 2, Ends::One)),
        answer(SIDE, "message/ping-pong-threads", |bench| ring(bench, 2, Ends::Two)),
        answer(SIDE, "message/ring", |bench| ring(bench, 1000, Ends::One)),
        answer(SIDE, "message/ring-threads", |bench| ring(bench, 1000, Ends::Two)),
        answer(SIDE, "message/counting", |bench| counting(bench, Ends::One)),
        answer(SIDE, "message/counting-threads", |bench| counting(bench, Ends::Two)),
        answer(SIDE, "message/fan-in", |bench| fan_in(bench, Ends::One)),
        answer(SIDE, "message/fan-in-threads", |bench| fan_in(bench, Ends::Two)),
        answer(SIDE, "message/fan-out", |bench| fan_out(bench, Ends::One)),
        answer(SIDE, "message/fan-out-threads", |bench| fan_out(bench, Ends::Two)),
        answer(SIDE, "message/stream", |bench| stream(bench, STREAM_ROOM, Ends::Two)),
        answer(FREE_SIDE, "message/counting-threads", |bench| counting(bench, Ends::Free)),
        answer(FREE_SIDE, "message/fan-in-threads", |bench| fan_in(bench, Ends::Free)),
        answer(FREE_SIDE, "message/fan-out-threads", |bench| fan_out(bench, Ends::Free)),
        answer(SIDE, "message/random-64", |bench| random(bench, 64)),
        answer(SIDE, "message/random-10000", |bench| random(bench, 10000)),
    ]
}

/// What the tasks have handled, all together. Each must have ended.
async fn tallies(tasks: Vec<JoinHandle<Tally>>) -> Tally {
    let mut total = Tally::default();
    for task in tasks {
        total.merge(task.await.expect("a task"));
    }
    total
}

/// Says that something has happened.
type Bell = UnboundedSender<()>;

async fn rung(bell: &mut UnboundedReceiver<()>, times: usize) {
    for _ in 0..times {
        bell.recv().await.expect("somebody who rings");
    }
}

// ---- ping-pong, ring ----

/// Passes the token on until it has been handled count times. Nobody hears more once the next one has ended.
async fn relay(
    mut mailbox: UnboundedReceiver<Payload>,
    next: UnboundedSender<Payload>,
    count: u64,
    done: Bell,
) -> Tally {
    let mut handled = Tally::default();
    while let Some(mut token) = mailbox.recv().await {
        handled.add(&token);
        if token[0] == count {
            done.send(()).expect("the driver waits");
            break;
        }
        token[0] += 1;
        next.send(token).expect("a neighbour");
    }
    handled
}

fn ring(bench: &mut Bench, size: usize, ends: Ends) {
    let count = bench.count;
    let (began, tally) = ends.run(|first, second| async move {
        let places = [first, second];
        let (done, mut bell) = mpsc::unbounded_channel();
        let (mut senders, mailboxes): (Vec<_>, Vec<_>) = (0..size).map(|_| mpsc::unbounded_channel()).unzip();
        let start = senders[0].clone();
        senders.rotate_left(1);
        let actors = mailboxes.into_iter().zip(senders).enumerate();
        let tasks = actors.map(|(i, (mailbox, next))| places[i % 2].spawn(relay(mailbox, next, count, done.clone())));
        let tasks = tasks.collect();
        let began = Instant::now();
        start.send(payload(1)).expect("the first");
        rung(&mut bell, 1).await;
        let elapsed = began.elapsed();
        drop(start);
        (elapsed, tallies(tasks).await)
    });
    bench.time("time", began, count);
    bench.prove_tally(tally);
}

// ---- counting, fan-in, fan-out ----

/// Sends the first words 0 to count - 1 to the receivers in turn. It waits only where a channel is full.
async fn produce(receivers: Vec<Sender<Payload>>, count: u64) {
    for i in 0..count {
        let receiver = &receivers[i as usize % receivers.len()];
        if receiver.try_send(payload(i)).is_err() {
            receiver.send(payload(i)).await.expect("a receiver");
        }
    }
}

/// Adds up all that comes until the last sender has ended.
async fn consume(mut mailbox: Receiver<Payload>, add: fn(&mut Tally, &Payload)) -> Tally {
    let mut handled = Tally::default();
    let mut messages = Vec::with_capacity(WINDOW as usize);
    while mailbox.recv_many(&mut messages, WINDOW as usize).await > 0 {
        messages.drain(..).for_each(|message| add(&mut handled, &message));
    }
    handled
}

fn counting(bench: &mut Bench, ends: Ends) {
    stream(bench, WINDOW as usize, ends);
}

fn stream(bench: &mut Bench, room: usize, ends: Ends) {
    let count = bench.count;
    ends.run(|first, second| async move {
        let (sender, mailbox) = mpsc::channel(room);
        let began = Instant::now();
        let counter = second.spawn(consume(mailbox, Tally::add_next));
        first.spawn(produce(vec![sender], count));
        let tally = counter.await.expect("the counter");
        bench.elapsed(began, count);
        bench.prove_tally(tally);
    });
}

fn fan_in(bench: &mut Bench, ends: Ends) {
    let each = (bench.count / FAN).max(1);
    ends.run(|first, second| async move {
        let (sender, mailbox) = mpsc::channel(WINDOW as usize);
        let began = Instant::now();
        let receiver = second.spawn(consume(mailbox, Tally::add));
        for _ in 0..FAN {
            first.spawn(produce(vec![sender.clone()], each));
        }
        drop(sender);
        let tally = receiver.await.expect("the receiver");
        bench.elapsed(began, each * FAN);
        bench.prove_tally(tally);
    });
}

fn fan_out(bench: &mut Bench, ends: Ends) {
    let count = bench.count;
    ends.run(|first, second| async move {
        let (senders, mailboxes): (Vec<_>, Vec<_>) = (0..FAN).map(|_| mpsc::channel(WINDOW as usize)).unzip();
        let began = Instant::now();
        let receivers = mailboxes.into_iter().map(|mailbox| second.spawn(consume(mailbox, Tally::add))).collect();
        first.spawn(produce(senders, count));
        let tally = tallies(receivers).await;
        bench.elapsed(began, count);
        bench.prove_tally(tally);
    });
}

// ---- random ----

type Crowd = Arc<Vec<UnboundedSender<Payload>>>;

/// Counts in `messages` what it hands on; all end with their runtime, as each holds the others.
async fn wanderer(mut mailbox: UnboundedReceiver<Payload>, crowd: Crowd, done: UnboundedSender<()>) -> Tally {
    let mut handled = Tally::default();
    while let Some(mut token) = mailbox.recv().await {
        if token[0] == END {
            break;
        }
        handled.messages += 1;
        let next = wander(&mut token);
        if token[0] == 0 {
            done.send(()).expect("the driver waits");
        } else {
            crowd[next].send(token).expect("one of the crowd");
        }
    }
    handled
}

/// The first word of a token that is none: the end of who gets it.
const END: u64 = u64::MAX;

fn random(bench: &mut Bench, tokens: u64) {
    Ends::One.run(|here: Handle, _| async move {
        let (done, mut bell) = mpsc::unbounded_channel();
        let (senders, mailboxes): (Vec<_>, Vec<_>) = (0..CROWD).map(|_| mpsc::unbounded_channel()).unzip();
        let crowd: Crowd = Arc::new(senders);
        let spawn = |mailbox| here.spawn(wanderer(mailbox, crowd.clone(), done.clone()));
        let tasks = mailboxes.into_iter().map(spawn).collect();
        let hops = bench.hops(tokens);
        let began = Instant::now();
        for (i, hops) in hops.iter().enumerate() {
            crowd[i].send([*hops, bench.seed + i as u64, 0, 0]).expect("one of the crowd");
        }
        rung(&mut bell, hops.len()).await;
        bench.elapsed(began, bench.count);
        crowd.iter().for_each(|one| one.send(payload(END)).expect("one of the crowd"));
        bench.prove("messages", tallies(tasks).await.messages);
    });
}
