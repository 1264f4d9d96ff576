//! Questions with answers, by Addr::send().
use super::{run, SIDE};
use crate::bench::{Asked, Bench, Payload, GATHERING};
use crate::{answer, Answer};
use actix::prelude::*;
use std::time::Instant;
use tokio::sync::oneshot;

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "call/round-trip", |bench| round_trip(bench, 1)),
        answer(SIDE, "call/round-trip-threads", |bench| round_trip(bench, 2)),
        answer(SIDE, "call/gather", |bench| gather(bench, 1)),
        answer(SIDE, "call/gather-threads", |bench| gather(bench, 2)),
    ]
}

#[derive(Message)]
#[rtype(result = "Found")]
struct Question(Payload);

#[derive(MessageResponse)]
struct Found(Payload);

struct Answerer;

impl Actor for Answerer {
    type Context = Context<Self>;
}

impl Handler<Question> for Answerer {
    type Result = Found;
    fn handle(&mut self, question: Question, _: &mut Context<Self>) -> Found {
        Found(question.0)
    }
}

/// Asks all of `to` with the words 1 to `count`, one after the other, and says what it was answered. It sends to all, and has all
/// answers when it has the last. A task that is no actor would ask with 0.87 of the instructions.
struct Asker<const N: usize> {
    to: [Addr<Answerer>; N],
    count: u64,
    done: Option<oneshot::Sender<Asked>>,
}

impl<const N: usize> Actor for Asker<N> {
    type Context = Context<Self>;
    fn started(&mut self, context: &mut Context<Self>) {
        let work = ask_on(self.to.clone(), self.count).into_actor(self);
        context.spawn(work.map(|asked, actor, _| {
            let done = actor.done.take().expect("it asks once");
            done.send(asked).unwrap_or_else(|_| panic!("the driver waits"));
        }));
    }
}

async fn ask_on<const N: usize>(to: [Addr<Answerer>; N], count: u64) -> Asked {
    let mut asked = Asked::default();
    for word in 1..=count {
        let mut sum = 0;
        for found in to.each_ref().map(|one| one.send(Question([word, 2, 3, 4]))) {
            sum += found.await.expect("an answer").0[0];
        }
        asked.add(word, sum / N as u64);
    }
    asked
}

fn ask<const N: usize>(bench: &mut Bench, threads: usize) {
    run(threads, |threads| async move {
        let to: [_; N] = std::array::from_fn(|_| threads.spawn(1, Answerer));
        threads.settle().await;
        let (done, asked) = oneshot::channel();
        let began = Instant::now();
        threads.spawn(0, Asker { to, count: bench.count, done: Some(done) });
        let asked = asked.await.expect("the asker");
        bench.elapsed(began, bench.count);
        bench.prove_asked(asked);
    });
}

fn round_trip(bench: &mut Bench, threads: usize) {
    ask::<1>(bench, threads);
}

fn gather(bench: &mut Bench, threads: usize) {
    ask::<GATHERING>(bench, threads);
}
