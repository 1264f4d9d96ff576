//! Life: actors that come and go, and actors that wait.
use super::{actor, rung, Bell, SIDE};
use crate::bench::{payload, resident, Bench, Payload};
use crate::ends::Ends;
use crate::threads::one_thread;
use crate::{answer, Answer};
use kameo::actor::{ActorRef, Spawn, WeakActorRef};
use kameo::error::{ActorStopReason, Infallible};
use kameo::message::{Context, Message};
use kameo::{mailbox, Actor};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

const BATCH: u64 = 64;

pub fn answers() -> Vec<Answer> {
    vec![answer(SIDE, "life/spawn", spawn), answer(SIDE, "life/idle", idle)]
}

struct Value(Payload);

/// Ends after one message, and counts as it stops what it was sent.
struct Mayfly {
    handled: Payload,
    ends: Arc<Ends>,
}

impl Actor for Mayfly {
    type Args = Self;
    type Error = Infallible;
    async fn on_start(state: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(state)
    }
    async fn on_stop(&mut self, _: WeakActorRef<Self>, _: ActorStopReason) -> Result<(), Infallible> {
        self.ends.count(&self.handled);
        Ok(())
    }
}

impl Message<Value> for Mayfly {
    type Reply = ();
    async fn handle(&mut self, message: Value, context: &mut Context<Self, ()>) {
        self.handled = message.0;
        context.stop();
    }
}

fn spawn(bench: &mut Bench) {
    one_thread().block_on(async {
        let (ends, mut bell) = Ends::new();
        let (ends, mut made) = (Arc::new(ends), 0);
        let began = Instant::now();
        while made < bench.count {
            let size = BATCH.min(bench.count - made);
            ends.expect(size);
            for i in made..made + size {
                let mayfly = Mayfly { handled: payload(0), ends: ends.clone() };
                let mayfly = Mayfly::spawn_with_mailbox(mayfly, mailbox::unbounded());
                mayfly.tell(Value(payload(i))).try_send().expect("an actor");
            }
            rung(&mut bell, 1).await;
            made += size;
        }
        bench.elapsed(began, bench.count);
        bench.prove("actors", ends.tally().messages);
        bench.prove("sum", ends.tally().sum);
    });
}

struct Idler {
    handled: Bell,
}

actor!(Idler);

impl Message<Value> for Idler {
    type Reply = ();
    async fn handle(&mut self, _: Value, _: &mut Context<Self, ()>) {
        self.handled.send(()).expect("the driver waits");
    }
}

fn idle(bench: &mut Bench) {
    one_thread().block_on(async {
        let (handled, mut bell) = mpsc::unbounded_channel();
        let before = resident();
        let mut idlers = Vec::with_capacity(bench.count as usize);
        for _ in 0..bench.count {
            let idler = Idler::spawn_with_mailbox(Idler { handled: handled.clone() }, mailbox::unbounded());
            idler.tell(Value(payload(0))).try_send().expect("an actor");
            rung(&mut bell, 1).await;
            idlers.push(idler);
        }
        let size = (resident() - before) as f64 / bench.count as f64;
        bench.figure("size", "bytes", "lower", size);
        bench.prove("actors", idlers.len() as u64);
    });
}
