//! Messages.
use super::{run, rung, Bell, SIDE};
use crate::bench::{payload, wander, Bench, Payload, Tally, Window, BLOCK, CROWD, FAN};
use crate::{answer, Answer};
use actix::prelude::*;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "message/ping-pong", |bench| ring(bench, 2, 1)),
        answer(SIDE, "message/ping-pong-threads", |bench| ring(bench, 2, 2)),
        answer(SIDE, "message/ring", |bench| ring(bench, 1000, 1)),
        answer(SIDE, "message/ring-threads", |bench| ring(bench, 1000, 2)),
        answer(SIDE, "message/counting", |bench| counting(bench, 1)),
        answer(SIDE, "message/counting-threads", |bench| counting(bench, 2)),
        answer(SIDE, "message/fan-in", |bench| fan_in(bench, 1)),
        answer(SIDE, "message/fan-in-threads", |bench| fan_in(bench, 2)),
        answer(SIDE, "message/fan-out", |bench| fan_out(bench, 1)),
        answer(SIDE, "message/fan-out-threads", |bench| fan_out(bench, 2)),
        answer(SIDE, "message/dispatch", |bench| fan_out(bench, 1)),
        answer(SIDE, "message/random-64", |bench| random(bench, 64)),
        answer(SIDE, "message/random-10000", |bench| random(bench, 10000)),
    ]
}

#[derive(Message)]
#[rtype(result = "()")]
struct Value(Payload);

/// Asks for what an actor has handled.
#[derive(Message)]
#[rtype(result = "Tally")]
struct Report;

async fn tallies<A>(actors: &[Addr<A>]) -> Tally
where
    A: Actor<Context = Context<A>> + Handler<Report>,
{
    let mut total = Tally::default();
    for actor in actors {
        total.merge(actor.send(Report).await.expect("an actor"));
    }
    total
}

// ---- ping-pong, ring ----

struct Relay {
    next: Option<Addr<Relay>>,
    count: u64,
    done: Bell,
    handled: Tally,
}

impl Actor for Relay {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Next(Addr<Relay>);

impl Handler<Next> for Relay {
    type Result = ();
    fn handle(&mut self, next: Next, _: &mut Context<Self>) {
        self.next = Some(next.0);
    }
}

impl Handler<Value> for Relay {
    type Result = ();
    fn handle(&mut self, mut token: Value, _: &mut Context<Self>) {
        self.handled.add(&token.0);
        if token.0[0] == self.count {
            self.done.send(()).expect("the driver waits");
            return;
        }
        token.0[0] += 1;
        self.next.as_ref().expect("a neighbour").do_send(token);
    }
}

impl Handler<Report> for Relay {
    type Result = Tally;
    fn handle(&mut self, _: Report, _: &mut Context<Self>) -> Tally {
        self.next = None;
        self.handled
    }
}

fn ring(bench: &mut Bench, size: usize, threads: usize) {
    run(threads, |threads| async move {
        let (done, mut bell) = mpsc::unbounded_channel();
        let relay = || Relay { next: None, count: bench.count, done: done.clone(), handled: Tally::default() };
        let actors: Vec<_> = (0..size).map(|i| threads.spawn(i, relay())).collect();
        for (i, actor) in actors.iter().enumerate() {
            actor.send(Next(actors[(i + 1) % size].clone())).await.expect("an actor");
        }
        let began = Instant::now();
        actors[0].do_send(Value(payload(1)));
        rung(&mut bell, 1).await;
        bench.elapsed(began, bench.count);
        bench.prove_tally(tallies(&actors).await);
    });
}

// ---- counting, fan-in, fan-out ----

/// Adds up what it is sent, and says when it has all.
struct Counter {
    expected: u64,
    add: fn(&mut Tally, &Payload),
    done: Bell,
    handled: Tally,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Value> for Counter {
    type Result = ();
    fn handle(&mut self, message: Value, _: &mut Context<Self>) {
        (self.add)(&mut self.handled, &message.0);
        if self.handled.messages == self.expected {
            self.done.send(()).expect("the driver waits");
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Acknowledge(Addr<Producer>, usize);

impl Handler<Acknowledge> for Counter {
    type Result = ();
    fn handle(&mut self, asked: Acknowledge, _: &mut Context<Self>) {
        asked.0.do_send(Acknowledged(asked.1));
    }
}

impl Handler<Report> for Counter {
    type Result = Tally;
    fn handle(&mut self, _: Report, _: &mut Context<Self>) -> Tally {
        self.handled
    }
}

/// Sends the first words 0 to count - 1 to the receivers in turn.
struct Producer {
    receivers: Vec<Addr<Counter>>,
    count: u64,
    sent: u64,
    window: Window,
}

impl Producer {
    fn make(receivers: &[Addr<Counter>], count: u64) -> Producer {
        Producer { receivers: receivers.to_vec(), count, sent: 0, window: Window::new(receivers.len()) }
    }

    fn send_blocks(&mut self, context: &Context<Self>) {
        while self.sent < self.count && self.window.opens() {
            self.send_block(context);
        }
    }

    fn send_block(&mut self, context: &Context<Self>) {
        let end = self.count.min(self.sent + BLOCK * self.receivers.len() as u64);
        while self.sent < end {
            for receiver in self.receivers.iter().take((end - self.sent) as usize) {
                receiver.do_send(Value(payload(self.sent)));
                self.sent += 1;
            }
        }
        for (i, receiver) in self.receivers.iter().enumerate() {
            receiver.do_send(Acknowledge(context.address(), i));
        }
    }
}

impl Actor for Producer {
    type Context = Context<Self>;
    fn started(&mut self, context: &mut Context<Self>) {
        self.send_blocks(context);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Acknowledged(usize);

impl Handler<Acknowledged> for Producer {
    type Result = ();
    fn handle(&mut self, Acknowledged(receiver): Acknowledged, context: &mut Context<Self>) {
        self.window.handled(receiver);
        self.send_blocks(context);
    }
}

/// What a stream is: `senders` that send `each` messages, to receivers that expect so many.
struct Stream {
    senders: u64,
    each: u64,
    expected: Vec<u64>,
    add: fn(&mut Tally, &Payload),
}

impl Stream {
    fn run(self, bench: &mut Bench, threads: usize) {
        run(threads, |threads| async move {
            let (done, mut bell) = mpsc::unbounded_channel();
            let counter = |expected| Counter { expected, add: self.add, done: done.clone(), handled: Tally::default() };
            let receivers: Vec<_> = self.expected.iter().map(|expected| threads.spawn(1, counter(*expected))).collect();
            threads.settle().await;
            let began = Instant::now();
            for _ in 0..self.senders {
                threads.spawn(0, Producer::make(&receivers, self.each));
            }
            rung(&mut bell, self.expected.iter().filter(|expected| **expected > 0).count() as u64).await;
            bench.elapsed(began, self.senders * self.each);
            bench.prove_tally(tallies(&receivers).await);
        });
    }
}

fn counting(bench: &mut Bench, threads: usize) {
    let stream = Stream { senders: 1, each: bench.count, expected: vec![bench.count], add: Tally::add_next };
    stream.run(bench, threads);
}

fn fan_in(bench: &mut Bench, threads: usize) {
    let each = (bench.count / FAN).max(1);
    Stream { senders: FAN, each, expected: vec![each * FAN], add: Tally::add }.run(bench, threads);
}

fn fan_out(bench: &mut Bench, threads: usize) {
    let expected = (0..FAN).map(|i| (bench.count + FAN - 1 - i) / FAN).collect();
    Stream { senders: 1, each: bench.count, expected, add: Tally::add }.run(bench, threads);
}

// ---- random ----

struct Wanderer {
    crowd: Arc<Vec<Addr<Wanderer>>>,
    done: Bell,
    handled: Tally,
}

impl Actor for Wanderer {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Crowd(Arc<Vec<Addr<Wanderer>>>);

impl Handler<Crowd> for Wanderer {
    type Result = ();
    fn handle(&mut self, crowd: Crowd, _: &mut Context<Self>) {
        self.crowd = crowd.0;
    }
}

impl Handler<Value> for Wanderer {
    type Result = ();
    fn handle(&mut self, mut token: Value, _: &mut Context<Self>) {
        self.handled.messages += 1;
        let next = wander(&mut token.0);
        if token.0[0] == 0 {
            self.done.send(()).expect("the driver waits");
        } else {
            self.crowd[next].do_send(token);
        }
    }
}

impl Handler<Report> for Wanderer {
    type Result = Tally;
    fn handle(&mut self, _: Report, _: &mut Context<Self>) -> Tally {
        self.handled
    }
}

fn random(bench: &mut Bench, tokens: u64) {
    run(1, |_| async move {
        let (done, mut bell) = mpsc::unbounded_channel();
        let nobody = Arc::new(Vec::new());
        let wanderer = || Wanderer { crowd: nobody.clone(), done: done.clone(), handled: Tally::default() };
        let crowd: Arc<Vec<_>> = Arc::new((0..CROWD).map(|_| wanderer().start()).collect());
        for one in crowd.iter() {
            one.send(Crowd(crowd.clone())).await.expect("one of the crowd");
        }
        let hops = bench.hops(tokens);
        let began = Instant::now();
        for (i, hops) in hops.iter().enumerate() {
            crowd[i].do_send(Value([*hops, bench.seed + i as u64, 0, 0]));
        }
        rung(&mut bell, hops.len() as u64).await;
        bench.elapsed(began, bench.count);
        bench.prove("messages", tallies(&crowd).await.messages);
    });
}
