//! One to many: an actor that knows the addresses of all, as Actix itself has no groups.
use super::{run, rung, Bell, SIDE};
use crate::bench::{Bench, Payload, Tally, MEMBERS};
use crate::{answer, Answer};
use actix::prelude::*;
use std::time::Instant;
use tokio::sync::mpsc;

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "message/broadcast", |bench| broadcast(bench, 1)),
        answer(SIDE, "message/broadcast-threads", |bench| broadcast(bench, 2)),
    ]
}

#[derive(Message)]
#[rtype(result = "()")]
struct Value(Payload);

#[derive(Message)]
#[rtype(result = "()")]
struct Acknowledge(Addr<Source>);

#[derive(Message)]
#[rtype(result = "()")]
struct Acknowledged;

#[derive(Message)]
#[rtype(result = "Tally")]
struct Report;

/// Says when it has heard so many rounds.
struct Member {
    rounds: u64,
    done: Bell,
    handled: Tally,
}

impl Actor for Member {
    type Context = Context<Self>;
}

impl Handler<Value> for Member {
    type Result = ();
    fn handle(&mut self, message: Value, _: &mut Context<Self>) {
        self.handled.add(&message.0);
        if self.handled.messages == self.rounds {
            self.done.send(()).expect("the driver waits");
        }
    }
}

impl Handler<Acknowledge> for Member {
    type Result = ();
    fn handle(&mut self, asked: Acknowledge, _: &mut Context<Self>) {
        asked.0.do_send(Acknowledged);
    }
}

impl Handler<Report> for Member {
    type Result = Tally;
    fn handle(&mut self, _: Report, _: &mut Context<Self>) -> Tally {
        self.handled
    }
}

/// Sends to all, and again when the last member of each thread has handled that.
struct Source {
    members: Vec<Addr<Member>>,
    threads: usize,
    rounds: u64,
    round: u64,
    awaited: usize,
}

impl Source {
    fn send_round(&mut self, context: &Context<Self>) {
        if self.round == self.rounds {
            return;
        }
        self.round += 1;
        for member in &self.members {
            member.do_send(Value([self.round, 2, 3, 4]));
        }
        self.awaited = self.threads;
        for member in self.members.iter().rev().take(self.threads) {
            member.do_send(Acknowledge(context.address()));
        }
    }
}

impl Actor for Source {
    type Context = Context<Self>;
    fn started(&mut self, context: &mut Context<Self>) {
        self.send_round(context);
    }
}

impl Handler<Acknowledged> for Source {
    type Result = ();
    fn handle(&mut self, _: Acknowledged, context: &mut Context<Self>) {
        self.awaited -= 1;
        if self.awaited == 0 {
            self.send_round(context);
        }
    }
}

/// Neighbours are on different threads.
fn broadcast(bench: &mut Bench, thread_count: usize) {
    let rounds = bench.count / MEMBERS;
    run(thread_count, |threads| async move {
        let (done, mut bell) = mpsc::unbounded_channel();
        let member = || Member { rounds, done: done.clone(), handled: Tally::default() };
        let members: Vec<_> = (0..MEMBERS).map(|i| threads.spawn(i as usize, member())).collect();
        threads.settle().await;
        let began = Instant::now();
        threads.spawn(0, Source { members: members.clone(), threads: thread_count, rounds, round: 0, awaited: 0 });
        rung(&mut bell, MEMBERS).await;
        bench.elapsed(began, rounds * MEMBERS);
        let mut tally = Tally::default();
        for member in &members {
            tally.merge(member.send(Report).await.expect("a member"));
        }
        tally.prove_heard(bench, rounds, 1);
    });
}
