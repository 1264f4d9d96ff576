//! Life: actors that come and go, and actors that wait.
use super::{run, rung, Bell, SIDE};
use crate::bench::{payload, resident, Bench, Payload};
use crate::ends::Ends;
use crate::{answer, Answer};
use actix::prelude::*;
use std::rc::Rc;
use std::time::Instant;
use tokio::sync::mpsc;

const BATCH: u64 = 64;

pub fn answers() -> Vec<Answer> {
    vec![answer(SIDE, "life/spawn", spawn), answer(SIDE, "life/idle", idle)]
}

#[derive(Message)]
#[rtype(result = "()")]
struct Value(Payload);

/// Ends after one message, and counts as it stops what it was sent.
struct Mayfly {
    handled: Payload,
    ends: Rc<Ends>,
}

impl Actor for Mayfly {
    type Context = Context<Self>;
    fn stopped(&mut self, _: &mut Context<Self>) {
        self.ends.count(&self.handled);
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
        let (ends, mut bell) = Ends::new();
        let (ends, mut made) = (Rc::new(ends), 0);
        let began = Instant::now();
        while made < bench.count {
            let size = BATCH.min(bench.count - made);
            ends.expect(size);
            for i in made..made + size {
                let mayfly = Mayfly { handled: payload(0), ends: ends.clone() }.start();
                mayfly.do_send(Value(payload(i)));
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
