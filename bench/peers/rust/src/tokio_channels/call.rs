//! Questions with answers: a message that brings the oneshot channel for its answer.
use super::SIDE;
use crate::bench::{Asked, Bench, Payload, GATHERING};
use crate::threads::{pin, Ends, OtherThread};
use crate::{answer, Answer};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

pub fn answers() -> Vec<Answer> {
    vec![
        answer(SIDE, "call/round-trip", |bench| round_trip(bench, Ends::One)),
        answer(SIDE, "call/round-trip-threads", |bench| round_trip(bench, Ends::Two)),
        answer(SIDE, "call/gather", |bench| gather(bench, Ends::One)),
        answer(SIDE, "call/gather-threads", |bench| gather(bench, Ends::Two)),
        answer(SIDE, "wake/ask", ask_blocking),
    ]
}

struct Question {
    payload: Payload,
    answer: oneshot::Sender<Payload>,
}

/// Who is asked. An answer is the question, and `more`.
async fn answer_all(mut mailbox: UnboundedReceiver<Question>, more: u64) {
    while let Some(mut question) = mailbox.recv().await {
        question.payload[0] += more;
        question.answer.send(question.payload).expect("somebody who waits");
    }
}

fn answerer(place: &Handle, more: u64) -> UnboundedSender<Question> {
    let (sender, mailbox) = mpsc::unbounded_channel();
    place.spawn(answer_all(mailbox, more));
    sender
}

/// Sends a question, and gives what its answer comes from.
fn question(to: &UnboundedSender<Question>, word: u64) -> oneshot::Receiver<Payload> {
    let (answer, receiver) = oneshot::channel();
    to.send(Question { payload: [word, 2, 3, 4], answer }).expect("somebody who answers");
    receiver
}

fn round_trip(bench: &mut Bench, ends: Ends) {
    let count = bench.count;
    ends.run(|first, second| async move {
        let to = answerer(&second, 0);
        let began = Instant::now();
        let asker = first.spawn(async move {
            let mut asked = Asked::default();
            for word in 1..=count {
                asked.add(word, question(&to, word).await.expect("an answer")[0]);
            }
            asked
        });
        let asked = asker.await.expect("the asker");
        bench.elapsed(began, count);
        bench.prove_asked(asked);
    });
}

/// All eight are asked, then it waits for one answer after the other: it has all when it has the last.
fn gather(bench: &mut Bench, ends: Ends) {
    let count = bench.count;
    ends.run(|first, second| async move {
        let members: [_; GATHERING] = std::array::from_fn(|_| answerer(&second, 0));
        let began = Instant::now();
        let asker = first.spawn(async move {
            let mut asked = Asked::default();
            for word in 1..=count {
                let mut sum = 0;
                for answer in members.each_ref().map(|member| question(member, word)) {
                    sum += answer.await.expect("an answer")[0];
                }
                asked.add(word, sum / GATHERING as u64);
            }
            asked
        });
        let asked = asker.await.expect("the asker");
        bench.elapsed(began, count);
        bench.prove_asked(asked);
    });
}

/// A thread without a runtime asks, and the runtime is on another CPU.
fn ask_blocking(bench: &mut Bench) {
    let other = OtherThread::start();
    other.handle.spawn(async { pin(1) });
    let to = answerer(&other.handle, 1);
    bench.ask(|word| question(&to, word).blocking_recv().expect("an answer")[0]);
}
