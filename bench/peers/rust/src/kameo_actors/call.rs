//! Questions with answers, by ask().
use super::{actor, SIDE};
use crate::bench::{Asked, Bench, Payload, GATHERING};
use crate::threads::{pin, Ends, OtherThread};
use crate::{answer, Answer};
use kameo::actor::{ActorRef, Spawn};
use kameo::mailbox;
use kameo::message::{Context, Message};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "call/round-trip", |bench| ask::<1>(bench, Ends::One)),
        answer(SIDE, "call/round-trip-threads", |bench| ask::<1>(bench, Ends::Two)),
        answer(SIDE, "call/gather", |bench| ask::<GATHERING>(bench, Ends::One)),
        answer(SIDE, "call/gather-threads", |bench| ask::<GATHERING>(bench, Ends::Two)),
        answer(SIDE, "wake/ask", ask_blocking),
    ]
}

struct Question(Payload);

#[derive(kameo::Reply)]
struct Found(Payload);

/// An answer is the question, and `more`.
struct Answerer {
    more: u64,
}

actor!(Answerer);

impl Message<Question> for Answerer {
    type Reply = Found;
    async fn handle(&mut self, mut question: Question, _: &mut Context<Self, Found>) -> Found {
        question.0[0] += self.more;
        Found(question.0)
    }
}

fn answerer(place: &Handle, more: u64) -> ActorRef<Answerer> {
    let _entered = place.enter();
    Answerer::spawn_with_mailbox(Answerer { more }, mailbox::unbounded())
}

/// Asks all of `to` with the words 1 to `count`, one after the other, and says what it was answered.
struct Asker<const N: usize> {
    to: [ActorRef<Answerer>; N],
    count: u64,
    done: Option<oneshot::Sender<Asked>>,
}

impl<const N: usize> kameo::Actor for Asker<N> {
    type Args = Self;
    type Error = kameo::error::Infallible;
    async fn on_start(state: Self, _: ActorRef<Self>) -> Result<Self, Self::Error> {
        Ok(state)
    }
}

impl<const N: usize> Asker<N> {
    async fn ask(&self, word: u64) -> u64 {
        if N == 1 {
            return self.to[0].ask(Question([word, 2, 3, 4])).await.expect("an answer").0[0];
        }
        let pending =
            self.to.each_ref().map(|one| one.ask(Question([word, 2, 3, 4])).try_enqueue().expect("it has room"));
        let mut sum = 0;
        for answer in pending {
            sum += answer.await.expect("an answer").0[0];
        }
        sum / N as u64
    }
}

struct Go;

impl<const N: usize> Message<Go> for Asker<N> {
    type Reply = ();
    async fn handle(&mut self, _: Go, _: &mut Context<Self, ()>) {
        let mut asked = Asked::default();
        for word in 1..=self.count {
            asked.add(word, self.ask(word).await);
        }
        let done = self.done.take().expect("it asks once");
        done.send(asked).unwrap_or_else(|_| panic!("the driver waits"));
    }
}

fn ask<const N: usize>(bench: &mut Bench, ends: Ends) {
    let count = bench.count;
    ends.run(|first, second| async move {
        let (done, asked) = oneshot::channel();
        let to: [_; N] = std::array::from_fn(|_| answerer(&second, 0));
        let asker = {
            let _entered = first.enter();
            Asker::spawn_with_mailbox(Asker { to, count, done: Some(done) }, mailbox::unbounded())
        };
        let began = Instant::now();
        asker.tell(Go).await.expect("the asker");
        let asked = asked.await.expect("the asker");
        bench.elapsed(began, count);
        bench.prove_asked(asked);
    });
}

/// A thread without a runtime asks, and the runtime is on another CPU.
fn ask_blocking(bench: &mut Bench) {
    let other = OtherThread::start();
    other.handle.spawn(async { pin(1) });
    let to = answerer(&other.handle, 1);
    bench.ask(|word| to.ask(Question([word, 2, 3, 4])).blocking_send().expect("an answer").0[0]);
}
