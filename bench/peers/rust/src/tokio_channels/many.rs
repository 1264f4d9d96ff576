//! One to many: tokio's broadcast channel, a topic, which is one such channel under its name, and a pool of workers.
use super::SIDE;
use crate::bench::{payload, Bench, Payload, Tally, FAN, KINDS, MEMBERS, TOPIC, WINDOW};
use crate::threads::Ends;
use crate::{answer, Answer};
use std::collections::HashMap;
use std::time::Instant;
use tokio::sync::{broadcast, mpsc};

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "message/broadcast", |bench| publish(bench, Ends::One, false)),
        answer(SIDE, "message/broadcast-threads", |bench| publish(bench, Ends::Two, false)),
        answer(SIDE, "message/topic", |bench| publish(bench, Ends::Two, true)),
        answer(SIDE, "message/dispatch", pool),
        answer(SIDE, "dispatch/pool", pool),
    ]
}

/// Rounds that the channel keeps for those that are behind. Who is further behind misses some, and the run fails.
const ROOM: usize = 64;

/// The last member of each thread says when it has heard a round.
type Bell = mpsc::UnboundedSender<()>;

/// Hears so many rounds, and counts those of its kind: a channel has no filters. `kind` is None where all are wanted.
async fn listen(
    mut channel: broadcast::Receiver<Payload>,
    rounds: u64,
    kind: Option<u64>,
    bell: Option<Bell>,
) -> Tally {
    let mut handled = Tally::default();
    for _ in 0..rounds {
        let message = channel.recv().await.expect("nothing was missed");
        if kind.is_none_or(|kind| message[0] % KINDS == kind) {
            handled.add(&message);
        }
        if let Some(bell) = &bell {
            bell.send(()).expect("the source waits");
        }
    }
    handled
}

fn publish(bench: &mut Bench, ends: Ends, topic: bool) {
    let rounds = bench.count / MEMBERS;
    let threads = if let Ends::Two = ends { 2 } else { 1 };
    ends.run(|first, second| async move {
        let places = [first.clone(), second];
        let (bell, mut rung) = mpsc::unbounded_channel();
        let (channel, _) = broadcast::channel(ROOM);
        let listener = |i: u64| {
            let kind = topic.then_some(i / 2 % KINDS);
            let bell = (i >= MEMBERS - threads).then(|| bell.clone());
            places[i as usize % 2].spawn(listen(channel.subscribe(), rounds, kind, bell))
        };
        let listeners: Vec<_> = (0..MEMBERS).map(listener).collect();
        let topics = HashMap::from([(TOPIC.to_string(), channel)]);
        let began = Instant::now();
        let source = first.spawn(async move {
            for round in 1..=rounds {
                topics[TOPIC].send([round, 2, 3, 4]).expect("somebody who listens");
                for _ in 0..threads {
                    rung.recv().await.expect("somebody who listens");
                }
            }
        });
        source.await.expect("the source");
        let mut tally = Tally::default();
        for listener in listeners {
            tally.merge(listener.await.expect("a member"));
        }
        bench.elapsed(began, rounds * MEMBERS);
        tally.prove_heard(bench, rounds, if topic { KINDS } else { 1 });
    });
}

/// One channel that all workers take from, each what comes next when it is free. Tokio's own have one receiver, which workers
/// could share in a mutex: 2.5 times the time.
fn pool(bench: &mut Bench) {
    let count = bench.count;
    Ends::One.run(|here, _| async move {
        let (sender, work) = async_channel::bounded(WINDOW as usize);
        let workers: Vec<_> = (0..FAN).map(|_| here.spawn(worker(work.clone()))).collect();
        drop(work);
        let began = Instant::now();
        here.spawn(deal(sender, count));
        let mut tally = Tally::default();
        for worker in workers {
            tally.merge(worker.await.expect("a worker"));
        }
        bench.elapsed(began, count);
        bench.prove_tally(tally);
    });
}

/// Until there is no sender any more.
async fn worker(work: async_channel::Receiver<Payload>) -> Tally {
    let mut handled = Tally::default();
    while let Ok(message) = work.recv().await {
        handled.add(&message);
    }
    handled
}

async fn deal(to: async_channel::Sender<Payload>, count: u64) {
    for i in 0..count {
        if to.try_send(payload(i)).is_err() {
            to.send(payload(i)).await.expect("a worker");
        }
    }
}
