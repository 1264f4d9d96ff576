//! Supervision. Actix has a supervisor for each child, in one task with it: there are no groups, no child on another thread than
//! its supervisor, and no supervisor that ends its children. So there is one workload.
//!
//! What a restart of Actix's is: the actor has stopped, which is how it fails (a panic would end the supervisor, too). stopping() and
//! stopped() are called; the futures that it has spawned or waits for are dropped; restarting() and started() are called, on the same
//! object. Address and mailbox stay as they are, with what waits in the mailbox. There is no new id, no record or notice of the
//! end, no limit, no backoff, and no strategy. What else a restart is, restarting() does here: a new state in the place of the old one.
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

/// What one incarnation knows, and the next one does not.
#[derive(Default)]
struct Life {
    handled: Option<Payload>,
}

/// Fails on each message but the last. Each incarnation is sent one as it starts.
struct Child {
    life: Life,
    /// What outlives an incarnation.
    starts: u64,
    lives: u64,
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
        self.life = Life::default();
        self.lives += 1;
    }
}

impl Handler<Fail> for Child {
    type Result = ();
    fn handle(&mut self, message: Fail, context: &mut Context<Self>) {
        assert!(self.life.handled.is_none(), "an incarnation has the state of the one before");
        self.life.handled = Some(message.0);
        if self.failures.messages < self.restarts_max {
            self.failures.add_next(&message.0);
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
        assert_eq!((self.failures.messages, self.starts), (self.lives, self.lives + 1), "not every incarnation failed");
        self.lives
    }
}

fn restart(bench: &mut Bench) {
    run(1, |_| async move {
        let (done, mut bell) = mpsc::unbounded_channel();
        let restarts_max = bench.count;
        let began = Instant::now();
        let child = Supervisor::start(move |_| Child {
            life: Life::default(),
            starts: 0,
            lives: 0,
            failures: Tally::default(),
            restarts_max,
            done,
        });
        rung(&mut bell, 1).await;
        bench.elapsed(began, bench.count);
        bench.prove("restarts", child.send(Restarts).await.expect("the child"));
    });
}
