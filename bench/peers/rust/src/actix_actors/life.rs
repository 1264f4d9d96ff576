//! Life: actors that come and go, and actors that wait.
use super::{run, rung, Bell, SIDE};
use crate::bench::{payload, resident, Bench, Payload, Tally};
use crate::{answer, Answer};
use actix::prelude::*;
use std::time::Instant;
use tokio::sync::mpsc;

const BATCH: u64 = 64;

pub fn answers() -> Vec<Answer> {
    vec![answer(SIDE, "life/spawn", spawn), answer(SIDE, "life/idle", idle)]
}

#[derive(Message)]
#[rtype(result = "()")]
struct Value(Payload);

/// Ends after one message, and says as it stops what it was sent.
struct Mayfly {
    handled: Payload,
    ended: mpsc::UnboundedSender<Payload>,
}

impl Actor for Mayfly {
    type Context = Context<Self>;
    fn stopped(&mut self, _: &mut Context<Self>) {
        self.ended.send(self.handled).expect("the driver waits");
    }
}

impl Handler<Value> for Mayfly {
    type Result = ();
    fn handle(&mut self, message: Value, context: &mut Context<Self>) {
        self.handled = message.0;
        context.stop();
    }
}

fn spawn(bench: &mut Bench) {
    run(1, |_| async move {
        let (ended, mut ends) = mpsc::unbounded_channel();
        let mut handled = Tally::default();
        let began = Instant::now();
        while handled.messages < bench.count {
            let (first, size) = (handled.messages, BATCH.min(bench.count - handled.messages));
            for i in first..first + size {
                let mayfly = Mayfly { handled: payload(0), ended: ended.clone() }.start();
                mayfly.do_send(Value(payload(i)));
            }
            for _ in 0..size {
                handled.add(&ends.recv().await.expect("an actor"));
            }
        }
        bench.elapsed(began, bench.count);
        bench.prove("actors", handled.messages);
        bench.prove("sum", handled.sum);
    });
}

struct Idler {
    handled: Bell,
}

impl Actor for Idler {
    type Context = Context<Self>;
}

impl Handler<Value> for Idler {
    type Result = ();
    fn handle(&mut self, _: Value, _: &mut Context<Self>) {
        self.handled.send(()).expect("the driver waits");
    }
}

fn idle(bench: &mut Bench) {
    run(1, |_| async move {
        let (handled, mut bell) = mpsc::unbounded_channel();
        let before = resident();
        let mut idlers = Vec::with_capacity(bench.count as usize);
        for _ in 0..bench.count {
            let idler = Idler { handled: handled.clone() }.start();
            idler.do_send(Value(payload(0)));
            rung(&mut bell, 1).await;
            idlers.push(idler);
        }
        let size = (resident() - before) as f64 / bench.count as f64;
        bench.figure("size", "bytes", "lower", size);
        bench.prove("actors", idlers.len() as u64);
    });
}
