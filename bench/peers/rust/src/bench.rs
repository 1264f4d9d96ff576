//! One run: what is asked, and what was found.
use crate::threads::pin;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// 32 bytes.
pub type Payload = [u64; 4];

pub fn payload(first: u64) -> Payload {
    [first, 0, 0, 0]
}

/// The window that is allowed, and the block that is acknowledged at once where mailboxes do not push back.
pub const WINDOW: u64 = 1000;
pub const BLOCK: u64 = 500;
/// The room of message/stream, where the mailbox may be larger.
pub const STREAM_ROOM: usize = 8192;
/// How many senders or receivers a fan has, and how many actors pass tokens on at random.
pub const FAN: u64 = 16;
pub const CROWD: u64 = 100_000;
/// How many hear a broadcast; of a topic each wants one of so many kinds.
pub const MEMBERS: u64 = 1000;
pub const KINDS: u64 = 4;
/// As long as ours: 64 bytes.
pub const TOPIC: &str = "markets/europe/frankfurt/equities/automobiles/manufacturer/depth";

/// What one actor has handled. Actix and kameo want to be told that it may be an answer.
#[derive(Clone, Copy, Default, actix::MessageResponse, kameo::Reply)]
pub struct Tally {
    pub messages: u64,
    pub sum: u64,
}

impl Tally {
    pub fn add(&mut self, message: &Payload) {
        self.messages += 1;
        self.sum = self.sum.wrapping_add(message[0]);
    }

    /// The same, of messages that must come in the order of their first words.
    pub fn add_next(&mut self, message: &Payload) {
        assert_eq!(message[0], self.messages, "a message is out of order");
        self.add(message);
    }

    /// The sum of what was sent in so many rounds, whose numbers begin with 1, to those that `share` of `MEMBERS` is.
    pub fn prove_heard(self, bench: &mut Bench, rounds: u64, share: u64) {
        assert_eq!(self.sum * share, MEMBERS * (rounds * (rounds + 1) / 2), "another sum");
        bench.prove("members", self.messages * share);
    }

    pub fn merge(&mut self, other: Tally) {
        self.messages += other.messages;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// How many are asked at once.
pub const GATHERING: usize = 8;

/// What who asks has been answered; each answer must be its question.
#[derive(Clone, Copy, Default)]
pub struct Asked {
    answers: u64,
    sum: u64,
}

impl Asked {
    pub fn add(&mut self, word: u64, answer: u64) {
        assert_eq!(answer, word, "another answer");
        self.answers += 1;
        self.sum += answer;
    }
}

/// What a sender knows of receivers that acknowledge each block: two blocks to each of them may be unhandled.
pub struct Window {
    handled: Vec<u64>,
    sent: u64,
}

impl Window {
    pub fn new(receivers: usize) -> Window {
        Window { handled: vec![0; receivers], sent: 0 }
    }

    /// A receiver has handled one block more.
    pub fn handled(&mut self, receiver: usize) {
        self.handled[receiver] += 1;
    }

    /// Whether one block more may be sent to each of them; the caller then does.
    pub fn opens(&mut self) -> bool {
        let opens = self.handled.iter().all(|handled| self.sent < handled + WINDOW / BLOCK);
        self.sent += opens as u64;
        opens
    }
}

#[derive(Default)]
pub struct Bench {
    pub count: u64,
    pub seed: u64,
    pub lines: String,
}

impl Bench {
    pub fn time(&mut self, name: &str, elapsed: Duration, operations: u64) {
        self.line(format_args!("time {name} {} {operations}", elapsed.as_nanos()));
    }

    /// The main time, from `began` until now.
    pub fn elapsed(&mut self, began: Instant, operations: u64) {
        self.time("time", began.elapsed(), operations);
    }

    pub fn figure(&mut self, name: &str, unit: &str, better: &str, value: f64) {
        self.line(format_args!("figure {name} {unit} {better} {value}"));
    }

    pub fn prove(&mut self, name: &str, value: u64) {
        self.line(format_args!("proof {name} {value}"));
    }

    pub fn prove_tally(&mut self, tally: Tally) {
        self.prove("messages", tally.messages);
        self.prove("sum", tally.sum);
    }

    pub fn prove_asked(&mut self, asked: Asked) {
        self.prove("answers", asked.answers);
        self.prove("sum", asked.sum);
    }

    /// Asks from a thread on the first CPU, with the words from 0 on; each answer is one more.
    pub fn ask(&mut self, ask: impl Fn(u64) -> u64 + Send) {
        let count = self.count;
        let asker = move || {
            pin(0);
            let mut sum = 0;
            let one = |word| {
                let began = Instant::now();
                sum += ask(word);
                began.elapsed()
            };
            let latencies: Vec<_> = (0..count).map(one).collect();
            (latencies, sum)
        };
        let (latencies, sum) = std::thread::scope(|scope| scope.spawn(asker).join().expect("the asker"));
        for latency in &latencies {
            self.line(format_args!("latency {} 1", latency.as_nanos()));
        }
        self.prove("trips", latencies.len() as u64);
        self.prove("sum", sum);
    }

    fn line(&mut self, line: std::fmt::Arguments) {
        writeln!(self.lines, "{line}").expect("a string takes all");
    }

    /// How many hops each of so many tokens makes, so that all make `count` together.
    pub fn hops(&self, tokens: u64) -> Vec<u64> {
        let tokens = tokens.min(self.count);
        (0..tokens).map(|i| (self.count + i) / tokens).collect()
    }
}

/// A token makes the hops left in its first word; the generator that draws whom it meets next is in its second.
pub fn wander(token: &mut Payload) -> usize {
    token[0] -= 1;
    token[1] = token[1].wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    ((token[1] >> 32) * CROWD >> 32) as usize
}

/// The memory of this process that is resident, in bytes.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("VmRSS is a number");
    kib * 1024
}
