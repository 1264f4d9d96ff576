//! Timers: a message to an actor after a delay, which is a task of tokio's that sleeps. It is cancelled by the abort of the task,
//! which has ended when the runtime has come by; all times go on until then.
use super::{actor, rung, Bell, SIDE};
use crate::bench::{Bench, Tally};
use crate::clock::Deadlines;
use crate::threads::one_thread;
use crate::{answer, Answer};
use kameo::actor::{ActorRef, Spawn};
use kameo::error::SendError;
use kameo::mailbox;
use kameo::message::{Context, Message};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "timer/million", |bench| timers(bench, Deadlines::in_order)),
        answer(SIDE, "timer/million-random", |bench| timers(bench, Deadlines::random)),
    ]
}

struct Expired(u64);

/// Handles what has expired, and says when that was all.
struct Owner {
    expected: u64,
    done: Bell,
    handled: Tally,
}

actor!(Owner);

impl Message<Expired> for Owner {
    type Reply = ();
    async fn handle(&mut self, expired: Expired, _: &mut Context<Self, ()>) {
        self.handled.add(&[expired.0, 0, 0, 0]);
        if self.handled.messages == self.expected {
            self.done.send(()).expect("the driver waits");
        }
    }
}

struct Report;

impl Message<Report> for Owner {
    type Reply = Tally;
    async fn handle(&mut self, _: Report, _: &mut Context<Self, Tally>) -> Tally {
        self.handled
    }
}

struct Clockwork {
    owner: ActorRef<Owner>,
    timers: Vec<JoinHandle<Result<(), SendError<Expired>>>>,
    deadlines: Deadlines,
}

/// Returns when all tasks that are ready have run: they do in the order in which they became so.
async fn run_all() {
    tokio::spawn(async {}).await.expect("a task");
}

impl Clockwork {
    fn start(&self, i: usize, delay: Duration) -> JoinHandle<Result<(), SendError<Expired>>> {
        self.owner.tell(Expired(i as u64)).send_after(delay)
    }

    async fn start_all(&mut self) {
        let delays = self.deadlines.delays.iter().enumerate();
        self.timers = delays.map(|(i, delay)| self.start(i, *delay)).collect();
        run_all().await;
    }

    async fn cancel_all(&mut self) {
        self.deadlines.order.iter().for_each(|i| self.timers[*i].abort());
        for timer in self.timers.drain(..) {
            assert!(timer.await.is_err_and(|error| error.is_cancelled()), "a timer expired before its time");
        }
    }

    async fn rearm_all(&mut self) {
        for (turn, i) in self.deadlines.order.iter().enumerate() {
            self.timers[*i].abort();
            self.timers[*i] = self.start(*i, self.deadlines.delays[turn]);
        }
        run_all().await;
    }

    async fn start_near(&mut self) {
        for (i, deadline) in self.deadlines.near().into_iter().enumerate() {
            self.start(i, deadline.saturating_duration_since(Instant::now()));
        }
        run_all().await;
        self.deadlines.wait_for_near();
    }
}

fn timers(bench: &mut Bench, deadlines: fn(u64, u64) -> Deadlines) {
    let count = bench.count;
    one_thread().block_on(async {
        let (done, mut bell) = mpsc::unbounded_channel();
        let owner = Owner { expected: count, done, handled: Tally::default() };
        let owner = Owner::spawn_with_mailbox(owner, mailbox::unbounded());
        let mut clockwork = Clockwork { owner, timers: Vec::new(), deadlines: deadlines(count, bench.seed) };
        let began = Instant::now();
        clockwork.start_all().await;
        bench.time("start", began.elapsed(), count);
        bench.prove("timers", clockwork.timers.len() as u64);
        let began = Instant::now();
        clockwork.cancel_all().await;
        bench.time("cancel", began.elapsed(), count);
        clockwork.start_all().await;
        let began = Instant::now();
        clockwork.rearm_all().await;
        bench.time("rearm", began.elapsed(), count);
        clockwork.cancel_all().await;
        clockwork.start_near().await;
        let began = Instant::now();
        rung(&mut bell, 1).await;
        bench.time("expire", began.elapsed(), count);
        let handled = clockwork.owner.ask(Report).await.expect("the owner");
        assert_eq!(handled.sum, count * (count - 1) / 2, "the timers' payloads add up wrongly");
        bench.prove("expired", handled.messages);
    });
}
