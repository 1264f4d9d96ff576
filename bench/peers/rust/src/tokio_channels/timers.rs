//! Timers: tokio-util's DelayQueue, which is what is taken for many of them. Its task is their owner.
use super::SIDE;
use crate::bench::{Bench, Tally};
use crate::clock::{timed, Deadlines};
use crate::threads::one_thread;
use crate::{answer, Answer};
use std::future::poll_fn;
use tokio::time::Instant;
use tokio_util::time::delay_queue::{DelayQueue, Key};

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "timer/million", |bench| timers(bench, Deadlines::in_order)),
        answer(SIDE, "timer/million-random", |bench| timers(bench, Deadlines::random)),
    ]
}

struct Clockwork {
    queue: DelayQueue<u64>,
    keys: Vec<Key>,
    deadlines: Deadlines,
}

impl Clockwork {
    fn start_all(&mut self) {
        for (i, delay) in self.deadlines.delays.iter().enumerate() {
            self.keys.push(self.queue.insert(i as u64, *delay));
        }
    }

    fn cancel_all(&mut self) {
        for i in &self.deadlines.order {
            self.queue.remove(&self.keys[*i]);
        }
        self.keys.clear();
    }

    fn rearm_all(&mut self) {
        for (delay, i) in self.deadlines.delays.iter().zip(&self.deadlines.order) {
            self.queue.reset(&self.keys[*i], *delay);
        }
    }

    fn start_near(&mut self) {
        let deadlines = self.deadlines.near();
        for (i, deadline) in deadlines.iter().enumerate() {
            self.queue.insert_at(i as u64, Instant::from_std(*deadline));
        }
        self.deadlines.wait_for_near();
    }

    async fn expire_all(&mut self) -> Tally {
        let mut handled = Tally::default();
        while let Some(expired) = poll_fn(|context| self.queue.poll_expired(context)).await {
            handled.add(&[expired.into_inner(), 0, 0, 0]);
        }
        handled
    }
}

fn timers(bench: &mut Bench, deadlines: fn(u64, u64) -> Deadlines) {
    let count = bench.count;
    one_thread().block_on(async {
        let mut clockwork = Clockwork {
            queue: DelayQueue::with_capacity(count as usize),
            keys: Vec::with_capacity(count as usize),
            deadlines: deadlines(count, bench.seed),
        };
        // As on the other sides, so that no page is new.
        clockwork.start_all();
        clockwork.cancel_all();
        bench.time("start", timed(|| clockwork.start_all()), count);
        bench.prove("timers", clockwork.queue.len() as u64);
        bench.time("cancel", timed(|| clockwork.cancel_all()), count);
        assert!(clockwork.queue.is_empty(), "not all timers were cancelled");
        clockwork.start_all();
        bench.time("rearm", timed(|| clockwork.rearm_all()), count);
        clockwork.cancel_all();
        clockwork.start_near();
        let began = std::time::Instant::now();
        let handled = clockwork.expire_all().await;
        bench.time("expire", began.elapsed(), count);
        assert_eq!(handled.sum, count * (count - 1) / 2, "the timers' payloads add up wrongly");
        bench.prove("expired", handled.messages);
    });
}
