//! Sleeping barber, cigarette smokers.
use super::{actor, busy, play, Random, Stage};
use crate::bench::Bench;
use actix::prelude::*;
use std::collections::VecDeque;

// ---- sleeping-barber ----

const SEED: u64 = 74755;
const CHAIRS: usize = 1000;
const CUSTOMERS_MAX: u64 = 2000;

enum ToFactory {
    Start(Addr<Room>, Addr<Barber>),
    Returned(Addr<Customer>),
    Done,
    Report(u64),
}

struct Factory {
    stage: Stage,
    places: Option<(Addr<Room>, Addr<Barber>)>,
    random: Random,
    count: u64,
    made: u64,
    done: u64,
    /// It has stopped making customers until one is done.
    waiting: bool,
    making: u64,
}

actor!(Factory, ToFactory);

impl Factory {
    fn enter(&self, customer: Addr<Customer>) {
        let (room, _) = self.places.as_ref().expect("it has started");
        room.do_send(ToRoom::Enter(customer));
    }

    /// A message to itself would be handled before others run, so it yields.
    fn make(&mut self, context: &mut Context<Self>) {
        self.waiting = self.made - self.done >= CUSTOMERS_MAX;
        if self.waiting || self.made == self.count {
            return;
        }
        self.made += 1;
        self.enter(Customer { factory: context.address() }.start());
        self.making += busy(self.random.below(1000) + 10);
        let others = tokio::task::yield_now().into_actor(self);
        context.spawn(others.map(|_, factory, context| factory.make(context)));
    }

    fn customer_is_done(&mut self, context: &mut Context<Self>) {
        self.done += 1;
        if self.waiting {
            self.make(context);
        }
        if self.done == self.count {
            let (room, barber) = self.places.take().expect("it has started");
            room.do_send(ToRoom::End);
            barber.do_send(ToBarber::End);
        }
    }

    fn receive(&mut self, message: ToFactory, context: &mut Context<Self>) {
        match message {
            ToFactory::Start(room, barber) => {
                self.places = Some((room, barber));
                self.stage.begin();
                self.make(context);
            }
            ToFactory::Returned(customer) => self.enter(customer),
            ToFactory::Done => self.customer_is_done(context),
            ToFactory::Report(cutting) => {
                self.stage.reported([("haircuts", self.done), ("cutting", cutting), ("making", self.making)]);
            }
        }
    }
}

enum ToRoom {
    Enter(Addr<Customer>),
    Next,
    End,
}

struct Room {
    barber: Addr<Barber>,
    waiting: VecDeque<Addr<Customer>>,
    barber_sleeps: bool,
}

actor!(Room, ToRoom);

impl Room {
    fn enter(&mut self, customer: Addr<Customer>, context: &mut Context<Self>) {
        if self.waiting.len() == CHAIRS {
            customer.do_send(ToCustomer::Full);
            return;
        }
        if std::mem::take(&mut self.barber_sleeps) {
            context.address().do_send(ToRoom::Next);
        } else {
            customer.do_send(ToCustomer::Wait);
        }
        self.waiting.push_back(customer);
    }

    fn receive(&mut self, message: ToRoom, context: &mut Context<Self>) {
        match message {
            ToRoom::Enter(customer) => self.enter(customer, context),
            ToRoom::Next => {
                let next = self.waiting.pop_front();
                self.barber_sleeps = next.is_none();
                self.barber.do_send(next.map_or(ToBarber::Wait, |next| ToBarber::Cut(next, context.address())));
            }
            ToRoom::End => context.stop(),
        }
    }
}

enum ToBarber {
    Cut(Addr<Customer>, Addr<Room>),
    Wait,
    End,
}

struct Barber {
    factory: Addr<Factory>,
    random: Random,
    cutting: u64,
}

actor!(Barber, ToBarber);

impl Barber {
    fn receive(&mut self, message: ToBarber, context: &mut Context<Self>) {
        match message {
            ToBarber::Cut(customer, room) => {
                customer.do_send(ToCustomer::Start);
                self.cutting += busy(self.random.below(1000) + 10);
                customer.do_send(ToCustomer::Done);
                room.do_send(ToRoom::Next);
            }
            ToBarber::Wait => {}
            ToBarber::End => {
                self.factory.do_send(ToFactory::Report(self.cutting));
                context.stop();
            }
        }
    }
}

enum ToCustomer {
    Full,
    Wait,
    Start,
    Done,
}

struct Customer {
    factory: Addr<Factory>,
}

actor!(Customer, ToCustomer);

impl Customer {
    fn receive(&mut self, message: ToCustomer, context: &mut Context<Self>) {
        match message {
            ToCustomer::Full => self.factory.do_send(ToFactory::Returned(context.address())),
            ToCustomer::Wait | ToCustomer::Start => {}
            ToCustomer::Done => {
                self.factory.do_send(ToFactory::Done);
                context.stop();
            }
        }
    }
}

pub fn sleeping_barber(bench: &mut Bench, threads: usize) {
    let count = bench.count;
    play(bench, threads, 1, count, |threads, stage| {
        let (places, random) = (None, Random(SEED));
        let factory = Factory { stage, places, random, count, made: 0, done: 0, waiting: false, making: 0 };
        let factory = threads.spawn(0, factory);
        let barber = threads.spawn(1, Barber { factory: factory.clone(), random: Random(SEED), cutting: 0 });
        let waiting = VecDeque::with_capacity(CHAIRS);
        let room = threads.spawn(1, Room { barber: barber.clone(), waiting, barber_sleeps: true });
        move || factory.do_send(ToFactory::Start(room, barber))
    });
}

// ---- cigarette-smokers ----

const SMOKERS: usize = 200;

enum ToReferee {
    Start(Vec<Addr<Smoker>>),
    Smoking,
    Report { smokes: u64, work: u64 },
}

/// The arbiter of the suite; Actix has its own.
struct Referee {
    stage: Stage,
    smokers: Vec<Addr<Smoker>>,
    random: Random,
    left: u64,
    smokes: u64,
    work: u64,
}

actor!(Referee, ToReferee);

impl Referee {
    fn round(&mut self) {
        if self.left == 0 {
            self.smokers.iter().for_each(|smoker| smoker.do_send(ToSmoker::End));
            return;
        }
        self.left -= 1;
        let smoker = self.random.below(SMOKERS as u64) as usize;
        self.smokers[smoker].do_send(ToSmoker::Smoke(self.random.below(1000) + 10));
    }

    fn receive(&mut self, message: ToReferee, _: &mut Context<Self>) {
        match message {
            ToReferee::Start(smokers) => {
                self.smokers = smokers;
                self.stage.begin();
                self.round();
            }
            ToReferee::Smoking => self.round(),
            ToReferee::Report { smokes, work } => {
                self.smokes += smokes;
                self.work += work;
                self.stage.reported([("smokes", self.smokes), ("work", self.work)]);
            }
        }
    }
}

enum ToSmoker {
    Smoke(u64),
    End,
}

struct Smoker {
    referee: Addr<Referee>,
    smokes: u64,
    work: u64,
}

actor!(Smoker, ToSmoker);

impl Smoker {
    fn receive(&mut self, message: ToSmoker, context: &mut Context<Self>) {
        match message {
            ToSmoker::Smoke(period) => {
                self.referee.do_send(ToReferee::Smoking);
                self.smokes += 1;
                self.work += busy(period);
            }
            ToSmoker::End => {
                self.referee.do_send(ToReferee::Report { smokes: self.smokes, work: self.work });
                context.stop();
            }
        }
    }
}

pub fn cigarette_smokers(bench: &mut Bench, threads: usize) {
    let count = bench.count;
    play(bench, threads, SMOKERS as u64, count, |threads, stage| {
        let random = Random(count * SMOKERS as u64);
        let referee = Referee { stage, smokers: Vec::new(), random, left: count, smokes: 0, work: 0 };
        let referee = threads.spawn(0, referee);
        let smoker = || Smoker { referee: referee.clone(), smokes: 0, work: 0 };
        let smokers = (0..SMOKERS).map(|i| threads.spawn(i + 1, smoker())).collect();
        move || referee.do_send(ToReferee::Start(smokers))
    });
}
