//! Those that ask and wait for the answer, which Actix does with send() and wait(): logistic map, bank transaction.
use super::{actor, play, share, Random, Stage};
use crate::bench::{Bench, BLOCK, WINDOW};
use actix::prelude::*;
use std::sync::Arc;

// ---- logistic-map ----

const SERIES: usize = 10;
const RATE: f64 = 3.46;
const STEP: f64 = 0.0025;

enum ToMaster {
    Start(Vec<Addr<Worker>>),
    Handled(usize),
    Report { worker: usize, term: f64, terms: u64 },
}

struct Master {
    stage: Stage,
    workers: Vec<Addr<Worker>>,
    each: u64,
    sent: [u64; SERIES],
    last: [f64; SERIES],
    terms: u64,
}

actor!(Master, ToMaster);

impl Master {
    /// Sends a worker `next` once, or `get` after the last time.
    fn send_next(&mut self, worker: usize) {
        let sent = &mut self.sent[worker];
        *sent += 1;
        if *sent <= self.each {
            self.workers[worker].do_send(ToWorker::Next);
        } else if *sent == self.each + 1 {
            self.workers[worker].do_send(ToWorker::Get);
        }
    }

    fn start(&mut self) {
        self.stage.begin();
        for _ in 0..WINDOW {
            (0..SERIES).for_each(|worker| self.send_next(worker));
        }
    }

    fn receive(&mut self, message: ToMaster, _: &mut Context<Self>) {
        match message {
            ToMaster::Start(workers) => {
                self.workers = workers;
                self.start();
            }
            ToMaster::Handled(worker) => (0..BLOCK).for_each(|_| self.send_next(worker)),
            ToMaster::Report { worker, term, terms } => {
                self.last[worker] = term;
                self.terms += terms;
                let sum = self.last.iter().fold(0.0, |sum, term| sum + term);
                self.stage.reported([("terms", self.terms), ("sum", sum.to_bits())]);
            }
        }
    }
}

struct Computer {
    rate: f64,
}

impl Actor for Computer {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "f64")]
struct Compute(f64);

impl Handler<Compute> for Computer {
    type Result = f64;
    fn handle(&mut self, Compute(x): Compute, _: &mut Context<Self>) -> f64 {
        self.rate * x * (1.0 - x)
    }
}

enum ToWorker {
    Next,
    Get,
}

struct Worker {
    master: Addr<Master>,
    computer: Addr<Computer>,
    number: usize,
    term: f64,
    terms: u64,
}

actor!(Worker, ToWorker);

impl Worker {
    fn computed(&mut self, term: f64) {
        self.term = term;
        self.terms += 1;
        if self.terms % BLOCK == 0 {
            self.master.do_send(ToMaster::Handled(self.number));
        }
    }

    fn receive(&mut self, message: ToWorker, context: &mut Context<Self>) {
        match message {
            ToWorker::Next => {
                let answer = self.computer.send(Compute(self.term)).into_actor(self);
                context.wait(answer.map(|term, worker, _| worker.computed(term.expect("the computer"))));
            }
            ToWorker::Get => {
                let (worker, term, terms) = (self.number, self.term, self.terms);
                self.master.do_send(ToMaster::Report { worker, term, terms });
                context.stop();
            }
        }
    }
}

pub fn logistic_map(bench: &mut Bench, threads: usize) {
    let each = share(bench, SERIES as u64);
    play(bench, threads, SERIES as u64, each * SERIES as u64, |threads, stage| {
        let (sent, last) = ([0; SERIES], [0.0; SERIES]);
        let master = threads.spawn(0, Master { stage, workers: Vec::new(), each, sent, last, terms: 0 });
        let worker = |number: usize| {
            let computer = threads.spawn(number, Computer { rate: RATE + number as f64 * STEP });
            Worker { master: master.clone(), computer, number, term: number as f64 * STEP, terms: 0 }
        };
        let workers = (0..SERIES).map(|i| threads.spawn(i + 1, worker(i))).collect();
        move || master.do_send(ToMaster::Start(workers))
    });
}

// ---- bank-transaction ----

const ACCOUNTS: u64 = 1000;
const SOURCES: u64 = ACCOUNTS / 10 * 8;
const BALANCE: u64 = 1 << 32;
const OPEN: u64 = 1000;
const SEED: u64 = 123_456;

enum ToTeller {
    Start(Arc<Vec<Addr<Account>>>),
    Done,
    Report { number: u64, balance: u64 },
}

struct Teller {
    stage: Stage,
    accounts: Arc<Vec<Addr<Account>>>,
    random: Random,
    count: u64,
    begun: u64,
    done: u64,
    balance: u64,
    checksum: u64,
}

actor!(Teller, ToTeller);

impl Teller {
    fn begin(&mut self) {
        if self.begun == self.count {
            return;
        }
        self.begun += 1;
        let source = self.random.below(SOURCES);
        let distance = self.random.below(ACCOUNTS - source).max(1);
        let amount = self.random.next() + 1;
        self.accounts[source as usize].do_send(ToAccount::Credit { amount, to: (source + distance) as usize });
    }

    fn receive(&mut self, message: ToTeller, _: &mut Context<Self>) {
        match message {
            ToTeller::Start(accounts) => {
                self.accounts = accounts;
                self.stage.begin();
                (0..OPEN).for_each(|_| self.begin());
            }
            ToTeller::Done => {
                self.done += 1;
                self.begin();
                if self.done == self.count {
                    self.accounts.iter().for_each(|account| account.do_send(ToAccount::End));
                }
            }
            ToTeller::Report { number, balance } => {
                self.balance = self.balance.wrapping_add(balance);
                self.checksum = self.checksum.wrapping_add((number + 1).wrapping_mul(balance));
                let (done, balance, checksum) = (self.done, self.balance, self.checksum);
                self.stage.reported([("transactions", done), ("balance", balance), ("checksum", checksum)]);
            }
        }
    }
}

enum ToAccount {
    Accounts(Arc<Vec<Addr<Account>>>),
    Credit { amount: u64, to: usize },
    End,
}

struct Account {
    teller: Addr<Teller>,
    accounts: Arc<Vec<Addr<Account>>>,
    number: u64,
    balance: u64,
}

actor!(Account, ToAccount);

#[derive(Message)]
#[rtype(result = "()")]
struct Debit(u64);

impl Handler<Debit> for Account {
    type Result = ();
    fn handle(&mut self, Debit(amount): Debit, _: &mut Context<Self>) {
        self.balance = self.balance.wrapping_add(amount);
    }
}

impl Account {
    fn receive(&mut self, message: ToAccount, context: &mut Context<Self>) {
        match message {
            ToAccount::Accounts(accounts) => self.accounts = accounts,
            ToAccount::Credit { amount, to } => {
                self.balance = self.balance.wrapping_sub(amount);
                let answer = self.accounts[to].send(Debit(amount)).into_actor(self);
                context.wait(answer.map(|answer, account, _| {
                    answer.expect("the other account");
                    account.teller.do_send(ToTeller::Done);
                }));
            }
            ToAccount::End => {
                self.teller.do_send(ToTeller::Report { number: self.number, balance: self.balance });
                context.stop();
            }
        }
    }
}

pub fn bank_transaction(bench: &mut Bench, threads: usize) {
    let count = bench.count;
    play(bench, threads, ACCOUNTS, count, |threads, stage| {
        let (nobody, random) = (Arc::new(Vec::new()), Random(SEED));
        let accounts = nobody.clone();
        let teller = Teller { stage, accounts, random, count, begun: 0, done: 0, balance: 0, checksum: 0 };
        let teller = threads.spawn(0, teller);
        let account = |number| Account { teller: teller.clone(), accounts: nobody.clone(), number, balance: BALANCE };
        let accounts: Arc<Vec<_>> =
            Arc::new((0..ACCOUNTS).map(|i| threads.spawn(i as usize + 1, account(i))).collect());
        accounts.iter().for_each(|account| account.do_send(ToAccount::Accounts(accounts.clone())));
        move || teller.do_send(ToTeller::Start(accounts))
    });
}
