//! Messages.
use super::{actor, rung, Bell, SIDE};
use crate::bench::{payload, wander, Bench, Payload, Tally, CROWD, FAN, WINDOW};
use crate::threads::Ends;
use crate::{answer, Answer};
use kameo::actor::{ActorRef, Spawn};
use kameo::message::{Context, Message};
use kameo::{mailbox, Actor};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "message/ping-pong", |bench| ring(bench, 2, Ends::One)),
        answer(SIDE, "message/ping-pong-threads", |bench| ring(bench, 2, Ends::Two)),
        answer(SIDE, "message/ring", |bench| ring(bench, 1000, Ends::One)),
        answer(SIDE, "message/ring-threads", |bench| ring(bench, 1000, Ends::Two)),
        answer(SIDE, "message/counting", |bench| counting(bench, Ends::One)),
        answer(SIDE, "message/counting-threads", |bench| counting(bench, Ends::Two)),
        answer(SIDE, "message/fan-in", |bench| fan_in(bench, Ends::One)),
        answer(SIDE, "message/fan-in-threads", |bench| fan_in(bench, Ends::Two)),
        answer(SIDE, "message/fan-out", |bench| fan_out(bench, Ends::One)),
        answer(SIDE, "message/fan-out-threads", |bench| fan_out(bench, Ends::Two)),
        answer(SIDE, "message/random-64", |bench| random(bench, 64)),
        answer(SIDE, "message/random-10000", |bench| random(bench, 10000)),
    ]
}

struct Value(Payload);

/// Asks for what an actor has handled.
struct Report;

/// Starts an actor on the runtime of `place`.
fn spawn<A: Actor<Args = A>>(place: &Handle, actor: A, mailbox: Mailbox<A>) -> ActorRef<A> {
    let _entered = place.enter();
    A::spawn_with_mailbox(actor, mailbox)
}

type Mailbox<A> = (mailbox::MailboxSender<A>, mailbox::MailboxReceiver<A>);

async fn tallies<A: Message<Report, Reply = Tally>>(actors: &[ActorRef<A>]) -> Tally {
    let mut total = Tally::default();
    for actor in actors {
        total.merge(actor.ask(Report).await.expect("an actor"));
    }
    total
}

// ---- ping-pong, ring ----

struct Relay {
    next: Option<ActorRef<Relay>>,
    count: u64,
    done: Bell,
    handled: Tally,
}

actor!(Relay);

struct Next(ActorRef<Relay>);

impl Message<Next> for Relay {
    type Reply = ();
    async fn handle(&mut self, next: Next, _: &mut Context<Self, ()>) {
        self.next = Some(next.0);
    }
}

impl Message<Value> for Relay {
    type Reply = ();
    async fn handle(&mut self, mut token: Value, _: &mut Context<Self, ()>) {
        self.handled.add(&token.0);
        if token.0[0] == self.count {
            self.done.send(()).expect("the driver waits");
            return;
        }
        token.0[0] += 1;
        self.next.as_ref().expect("a neighbour").tell(token).try_send().expect("it has room");
    }
}

impl Message<Report> for Relay {
    type Reply = Tally;
    async fn handle(&mut self, _: Report, _: &mut Context<Self, Tally>) -> Tally {
        self.next = None;
        self.handled
    }
}

fn ring(bench: &mut Bench, size: usize, ends: Ends) {
    ends.run(|first, second| async move {
        let places = [first, second];
        let (done, mut bell) = mpsc::unbounded_channel();
        let relay = || Relay { next: None, count: bench.count, done: done.clone(), handled: Tally::default() };
        let actors: Vec<_> = (0..size).map(|i| spawn(&places[i % 2], relay(), mailbox::unbounded())).collect();
        for (i, actor) in actors.iter().enumerate() {
            actor.ask(Next(actors[(i + 1) % size].clone())).await.expect("an actor");
        }
        let began = Instant::now();
        actors[0].tell(Value(payload(1))).await.expect("the first");
        rung(&mut bell, 1).await;
        bench.elapsed(began, bench.count);
        bench.prove_tally(tallies(&actors).await);
    });
}

// ---- counting, fan-in, fan-out ----

/// Adds up what it is sent, and says when it has all. Its mailbox is bounded, so it pushes back.
struct Counter {
    expected: u64,
    add: fn(&mut Tally, &Payload),
    done: Bell,
    handled: Tally,
}

actor!(Counter);

impl Message<Value> for Counter {
    type Reply = ();
    async fn handle(&mut self, message: Value, _: &mut Context<Self, ()>) {
        (self.add)(&mut self.handled, &message.0);
        if self.handled.messages == self.expected {
            self.done.send(()).expect("the driver waits");
        }
    }
}

impl Message<Report> for Counter {
    type Reply = Tally;
    async fn handle(&mut self, _: Report, _: &mut Context<Self, Tally>) -> Tally {
        self.handled
    }
}

/// Sends the first words 0 to count - 1 to the receivers in turn. It waits only where a mailbox is full.
struct Producer {
    receivers: Vec<ActorRef<Counter>>,
    count: u64,
}

actor!(Producer);

struct Go;

impl Message<Go> for Producer {
    type Reply = ();
    async fn handle(&mut self, _: Go, _: &mut Context<Self, ()>) {
        for i in 0..self.count {
            let receiver = &self.receivers[i as usize % self.receivers.len()];
            if receiver.tell(Value(payload(i))).try_send().is_err() {
                receiver.tell(Value(payload(i))).await.expect("a receiver");
            }
        }
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
    fn run(self, bench: &mut Bench, ends: Ends) {
        ends.run(|first, second| async move {
            let (done, mut bell) = mpsc::unbounded_channel();
            let counter = |expected| Counter { expected, add: self.add, done: done.clone(), handled: Tally::default() };
            let receive = |expected: &u64| spawn(&second, counter(*expected), mailbox::bounded(WINDOW as usize));
            let receivers: Vec<_> = self.expected.iter().map(receive).collect();
            let began = Instant::now();
            for _ in 0..self.senders {
                let producer = Producer { receivers: receivers.clone(), count: self.each };
                spawn(&first, producer, mailbox::bounded(1)).tell(Go).await.expect("a sender");
            }
            rung(&mut bell, self.expected.iter().filter(|expected| **expected > 0).count() as u64).await;
            bench.elapsed(began, self.senders * self.each);
            bench.prove_tally(tallies(&receivers).await);
        });
    }
}

fn counting(bench: &mut Bench, ends: Ends) {
    Stream { senders: 1, each: bench.count, expected: vec![bench.count], add: Tally::add_next }.run(bench, ends);
}

fn fan_in(bench: &mut Bench, ends: Ends) {
    let each = (bench.count / FAN).max(1);
    Stream { senders: FAN, each, expected: vec![each * FAN], add: Tally::add }.run(bench, ends);
}

fn fan_out(bench: &mut Bench, ends: Ends) {
    let expected = (0..FAN).map(|i| (bench.count + FAN - 1 - i) / FAN).collect();
    Stream { senders: 1, each: bench.count, expected, add: Tally::add }.run(bench, ends);
}

// ---- random ----

type Crowd = Arc<Vec<ActorRef<Wanderer>>>;

struct Wanderer {
    crowd: Crowd,
    done: Bell,
    handled: Tally,
}

actor!(Wanderer);

impl Message<Crowd> for Wanderer {
    type Reply = ();
    async fn handle(&mut self, crowd: Crowd, _: &mut Context<Self, ()>) {
        self.crowd = crowd;
    }
}

impl Message<Value> for Wanderer {
    type Reply = ();
    async fn handle(&mut self, mut token: Value, _: &mut Context<Self, ()>) {
        self.handled.messages += 1;
        let next = wander(&mut token.0);
        if token.0[0] == 0 {
            self.done.send(()).expect("the driver waits");
        } else {
            self.crowd[next].tell(token).try_send().expect("it has room");
        }
    }
}

impl Message<Report> for Wanderer {
    type Reply = Tally;
    async fn handle(&mut self, _: Report, _: &mut Context<Self, Tally>) -> Tally {
        self.handled
    }
}

fn random(bench: &mut Bench, tokens: u64) {
    Ends::One.run(|here, _| async move {
        let (done, mut bell) = mpsc::unbounded_channel();
        let nobody = Arc::new(Vec::new());
        let wanderer = || Wanderer { crowd: nobody.clone(), done: done.clone(), handled: Tally::default() };
        let crowd: Crowd = Arc::new((0..CROWD).map(|_| spawn(&here, wanderer(), mailbox::unbounded())).collect());
        for one in crowd.iter() {
            one.ask(crowd.clone()).await.expect("one of the crowd");
        }
        let hops = bench.hops(tokens);
        let began = Instant::now();
        for (i, hops) in hops.iter().enumerate() {
            crowd[i].tell(Value([*hops, bench.seed + i as u64, 0, 0])).await.expect("one of the crowd");
        }
        rung(&mut bell, hops.len() as u64).await;
        bench.elapsed(began, bench.count);
        bench.prove("messages", tallies(&crowd).await.messages);
    });
}
