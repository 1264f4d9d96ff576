//! Supervision. Actix has a supervisor for each child, in one task with it: there are no groups, no child on another thread than
//! its supervisor, and no supervisor that ends its children. So there is one workload. A failure is a stop; the child is not made
//! anew, so restarting() must do that.
use super::{run, rung, Bell, SIDE};
use crate::bench::{payload, Bench, Payload, Tally};
use crate::{answer, Answer};
use actix::prelude::*;
use std::time::Instant;
use tokio::sync::mpsc;

pub fn answers() -> Vec<Answer> {
    vec![answer(SIDE, "supervision/restart", restart)]
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fail(Payload);

/// Fails on each message but the last. Each incarnation is sent one as it starts.
struct Child {
    handled: Payload,
    /// What outlives an incarnation.
    starts: u64,
    failures: Tally,
    restarts_max: u64,
    done: Bell,
}

impl Actor for Child {
    type Context = Context<Self>;
    fn started(&mut self, context: &mut Context<Self>) {
        context.address().do_send(Fail(payload(self.starts)));
        self.starts += 1;
    }
}

impl Supervised for Child {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.handled = payload(0);
    }
}

impl Handler<Fail> for Child {
    type Result = ();
    fn handle(&mut self, message: Fail, context: &mut Context<Self>) {
        self.handled = message.0;
        if self.failures.messages < self.restarts_max {
            self.failures.add_next(&self.handled);
            context.stop();
        } else {
            self.done.send(()).expect("the driver waits");
        }
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Restarts;

impl Handler<Restarts> for Child {
    type Result = u64;
    fn handle(&mut self, _: Restarts, _: &mut Context<Self>) -> u64 {
        assert_eq!(self.failures.messages, self.starts - 1, "not every incarnation failed");
        self.starts - 1
    }
}

fn restart(bench: &mut Bench) {
    run(1, |_| async move {
        let (done, mut bell) = mpsc::unbounded_channel();
        let restarts_max = bench.count;
        let began = Instant::now();
        let child = Supervisor::start(move |_| Child {
            handled: payload(0),
            starts: 0,
            failures: Tally::default(),
            restarts_max,
            done,
        });
        rung(&mut bell, 1).await;
        bench.elapsed(began, bench.count);
        bench.prove("restarts", child.send(Restarts).await.expect("the child"));
    });
}
