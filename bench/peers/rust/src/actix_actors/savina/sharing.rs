//! What many share: dictionary, sorted list, bounded buffer, forks.
use super::{actor, play, share, Random, Stage};
use crate::bench::Bench;
use actix::prelude::*;
use std::collections::{HashMap, VecDeque};

// ---- concurrent-dictionary ----

const WORKERS: u64 = 20;
const KEYS: u64 = 524_287;

enum ToMaster {
    Start(Addr<Dictionary>, Vec<Addr<Reader>>),
    Report(u64),
    Counted { reads: u64, writes: u64, keys: u64 },
}

/// Of the dictionary.
struct Master {
    stage: Stage,
    dictionary: Option<Addr<Dictionary>>,
    working: u64,
    written: u64,
}

actor!(Master, ToMaster);

impl Master {
    fn receive(&mut self, message: ToMaster, context: &mut Context<Self>) {
        match message {
            ToMaster::Start(dictionary, readers) => {
                self.dictionary = Some(dictionary);
                self.stage.begin();
                readers.iter().for_each(|reader| reader.do_send(ToReader::Start));
            }
            ToMaster::Report(written) => {
                self.written += written;
                self.working -= 1;
                if self.working == 0 {
                    self.dictionary.take().expect("it has started").do_send(ToDictionary::End(context.address()));
                }
            }
            ToMaster::Counted { reads, writes, keys } => {
                let written = self.written;
                self.stage.reported([("reads", reads), ("writes", writes), ("keys", keys), ("written", written)]);
            }
        }
    }
}

enum ToDictionary {
    Write { key: u64, value: u64, from: Addr<Reader> },
    Read { key: u64, from: Addr<Reader> },
    End(Addr<Master>),
}

struct Dictionary {
    map: HashMap<u64, u64>,
    reads: u64,
    writes: u64,
    keys: u64,
}

actor!(Dictionary, ToDictionary);

impl Dictionary {
    fn receive(&mut self, message: ToDictionary, context: &mut Context<Self>) {
        match message {
            ToDictionary::Write { key, value, from } => {
                self.writes += 1;
                self.keys += key;
                self.map.insert(key, value);
                from.do_send(ToReader::Wrote(value));
            }
            ToDictionary::Read { key, from } => {
                self.reads += 1;
                self.keys += key;
                from.do_send(ToReader::Found(self.map.get(&key).copied()));
            }
            ToDictionary::End(master) => {
                master.do_send(ToMaster::Counted { reads: self.reads, writes: self.writes, keys: self.keys });
                context.stop();
            }
        }
    }
}

enum ToReader {
    Start,
    Wrote(u64),
    Found(Option<u64>),
}

/// A worker, of the dictionary.
struct Reader {
    master: Addr<Master>,
    dictionary: Addr<Dictionary>,
    random: Random,
    left: u64,
    written: u64,
}

actor!(Reader, ToReader);

impl Reader {
    fn receive(&mut self, message: ToReader, context: &mut Context<Self>) {
        match message {
            ToReader::Start => {}
            ToReader::Wrote(value) => self.written += value,
            ToReader::Found(value) => assert!(value.is_some(), "a key is missing"),
        }
        if self.left == 0 {
            self.master.do_send(ToMaster::Report(self.written));
            context.stop();
            return;
        }
        self.left -= 1;
        let write = self.random.below(100) < 10;
        let (key, from) = (self.random.next(), context.address());
        let request = if write {
            ToDictionary::Write { key, value: self.random.next(), from }
        } else {
            ToDictionary::Read { key, from }
        };
        self.dictionary.do_send(request);
    }
}

pub fn dictionary(bench: &mut Bench, threads: usize) {
    let each = share(bench, WORKERS);
    play(bench, threads, 1, each * WORKERS, |threads, stage| {
        let master = threads.spawn(0, Master { stage, dictionary: None, working: WORKERS, written: 0 });
        let map = (0..KEYS).map(|key| (key, key)).collect();
        let dictionary = threads.spawn(0, Dictionary { map, reads: 0, writes: 0, keys: 0 });
        let reader = |i| Reader {
            master: master.clone(),
            dictionary: dictionary.clone(),
            random: Random(i + each + 10),
            left: each,
            written: 0,
        };
        let readers = (0..WORKERS).map(|i| threads.spawn(i as usize + 1, reader(i))).collect();
        move || master.do_send(ToMaster::Start(dictionary, readers))
    });
}

// ---- concurrent-sorted-list ----

struct Node {
    value: u64,
    next: Option<Box<Node>>,
}

#[derive(Default)]
struct List {
    head: Option<Box<Node>>,
}

impl List {
    fn values(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::successors(self.head.as_deref(), |node| node.next.as_deref()).map(|node| node.value)
    }

    fn add(&mut self, value: u64) {
        let mut link = &mut self.head;
        while link.as_ref().is_some_and(|node| node.value <= value) {
            link = &mut link.as_mut().expect("just seen").next;
        }
        *link = Some(Box::new(Node { value, next: link.take() }));
    }

    /// The sum of position * value, positions from 1.
    fn checksum(&self) -> u64 {
        self.values().zip(1..).map(|(value, position)| value.wrapping_mul(position)).fold(0, u64::wrapping_add)
    }
}

/// One node after the other, not each within the one before.
impl Drop for List {
    fn drop(&mut self) {
        let mut rest = self.head.take();
        while let Some(mut node) = rest {
            rest = node.next.take();
        }
    }
}

enum ToKeeper {
    Start(Addr<Lister>, Vec<Addr<Sorter>>),
    Report,
    Counted { adds: u64, sizes: u64, lookups: u64, checksum: u64 },
}

/// The master, of the list.
struct Keeper {
    stage: Stage,
    list: Option<Addr<Lister>>,
    working: u64,
}

actor!(Keeper, ToKeeper);

impl Keeper {
    fn receive(&mut self, message: ToKeeper, context: &mut Context<Self>) {
        match message {
            ToKeeper::Start(list, sorters) => {
                self.list = Some(list);
                self.stage.begin();
                sorters.iter().for_each(|sorter| sorter.do_send(ToSorter(None)));
            }
            ToKeeper::Report => {
                self.working -= 1;
                if self.working == 0 {
                    self.list.take().expect("it has started").do_send(ToLister::End(context.address()));
                }
            }
            ToKeeper::Counted { adds, sizes, lookups, checksum } => {
                self.stage.reported([("adds", adds), ("sizes", sizes), ("lookups", lookups), ("checksum", checksum)])
            }
        }
    }
}

enum ToLister {
    Add(u64, Addr<Sorter>),
    Contains(u64, Addr<Sorter>),
    Size(Addr<Sorter>),
    End(Addr<Keeper>),
}

#[derive(Default)]
struct Lister {
    list: List,
    adds: u64,
    sizes: u64,
    lookups: u64,
}

actor!(Lister, ToLister);

impl Lister {
    fn receive(&mut self, message: ToLister, context: &mut Context<Self>) {
        match message {
            ToLister::Add(value, from) => {
                self.adds += 1;
                self.list.add(value);
                from.do_send(ToSorter(Some(value)));
            }
            ToLister::Contains(value, from) => {
                self.lookups += 1;
                from.do_send(ToSorter(Some(self.list.values().any(|one| one == value) as u64)));
            }
            ToLister::Size(from) => {
                self.sizes += 1;
                from.do_send(ToSorter(Some(self.list.values().count() as u64)));
            }
            ToLister::End(keeper) => {
                let (adds, sizes, lookups) = (self.adds, self.sizes, self.lookups);
                keeper.do_send(ToKeeper::Counted { adds, sizes, lookups, checksum: self.list.checksum() });
                context.stop();
            }
        }
    }
}

/// An answer, or none: to begin.
struct ToSorter(Option<u64>);

/// A worker, of the list.
struct Sorter {
    master: Addr<Keeper>,
    list: Addr<Lister>,
    random: Random,
    left: u64,
    answers: u64,
}

actor!(Sorter, ToSorter);

impl Sorter {
    fn receive(&mut self, ToSorter(answer): ToSorter, context: &mut Context<Self>) {
        self.answers += answer.is_some() as u64;
        if self.left == 0 {
            self.master.do_send(ToKeeper::Report);
            context.stop();
            return;
        }
        self.left -= 1;
        let from = context.address();
        self.list.do_send(match self.random.below(100) {
            0 => ToLister::Size(from),
            1..=10 => ToLister::Add(self.random.next(), from),
            _ => ToLister::Contains(self.random.next(), from),
        });
    }
}

pub fn sorted_list(bench: &mut Bench, threads: usize) {
    let each = share(bench, WORKERS);
    play(bench, threads, 1, each * WORKERS, |threads, stage| {
        let master = threads.spawn(0, Keeper { stage, list: None, working: WORKERS });
        let list = threads.spawn(0, Lister::default());
        let sorter = |i| Sorter {
            master: master.clone(),
            list: list.clone(),
            random: Random(i + each + 11),
            left: each,
            answers: 0,
        };
        let sorters = (0..WORKERS).map(|i| threads.spawn(i as usize + 1, sorter(i))).collect();
        move || master.do_send(ToKeeper::Start(list, sorters))
    });
}

// ---- bounded-buffer ----

const PRODUCERS: usize = 40;
const CONSUMERS: usize = 40;
const BUFFER: usize = 50;

struct Item {
    number: u64,
    value: f64,
}

fn process(mut x: f64) -> f64 {
    let mut random = Random(25);
    for _ in 0..2500 {
        x += (random.real().abs() + 0.01).ln();
    }
    x
}

enum ToManager {
    Start(Vec<Addr<Producer>>, Vec<Addr<Consumer>>),
    Produced(Item, usize),
    Available(usize),
    ProducerReport(u64),
    ConsumerReport { consumed: u64, sum: u64 },
}

#[derive(Default)]
struct Totals {
    produced: u64,
    consumed: u64,
    sum: u64,
}

struct Manager {
    stage: Stage,
    producers: Vec<Addr<Producer>>,
    consumers: Vec<Addr<Consumer>>,
    buffer: VecDeque<Item>,
    waiting: VecDeque<usize>,
    available: VecDeque<usize>,
    producing: usize,
    totals: Totals,
}

actor!(Manager, ToManager);

impl Manager {
    fn produced(&mut self, item: Item, producer: usize) {
        match self.available.pop_front() {
            Some(consumer) => self.consumers[consumer].do_send(ToConsumer::Item(item)),
            None => self.buffer.push_back(item),
        }
        if self.buffer.len() >= BUFFER - PRODUCERS {
            self.waiting.push_back(producer);
        } else {
            self.producers[producer].do_send(Produce);
        }
    }

    fn consumed(&mut self, consumer: usize) {
        let Some(item) = self.buffer.pop_front() else {
            self.available.push_back(consumer);
            return self.end_if_done();
        };
        self.consumers[consumer].do_send(ToConsumer::Item(item));
        if let Some(producer) = self.waiting.pop_front() {
            self.producers[producer].do_send(Produce);
        }
    }

    fn end_if_done(&mut self) {
        if self.producing == 0 && self.available.len() == CONSUMERS {
            self.consumers.iter().for_each(|consumer| consumer.do_send(ToConsumer::End));
        }
    }

    fn reported(&mut self) {
        let Totals { produced, consumed, sum } = self.totals;
        self.stage.reported([("produced", produced), ("consumed", consumed), ("sum", sum)]);
    }

    fn receive(&mut self, message: ToManager, _: &mut Context<Self>) {
        match message {
            ToManager::Start(producers, consumers) => {
                (self.producers, self.consumers) = (producers, consumers);
                self.stage.begin();
                self.producers.iter().for_each(|producer| producer.do_send(Produce));
            }
            ToManager::Produced(item, producer) => self.produced(item, producer),
            ToManager::Available(consumer) => self.consumed(consumer),
            ToManager::ProducerReport(produced) => {
                self.producing -= 1;
                self.totals.produced += produced;
                self.reported();
                self.end_if_done();
            }
            ToManager::ConsumerReport { consumed, sum } => {
                self.totals.consumed += consumed;
                self.totals.sum += sum;
                self.reported();
            }
        }
    }
}

struct Produce;

struct Producer {
    manager: Addr<Manager>,
    number: usize,
    each: u64,
    made: u64,
    item: f64,
}

actor!(Producer, Produce);

impl Producer {
    fn receive(&mut self, _: Produce, context: &mut Context<Self>) {
        if self.made == self.each {
            self.manager.do_send(ToManager::ProducerReport(self.made));
            context.stop();
            return;
        }
        self.item = process(self.item);
        let item = Item { number: self.made, value: self.item };
        self.made += 1;
        self.manager.do_send(ToManager::Produced(item, self.number));
    }
}

enum ToConsumer {
    Item(Item),
    End,
}

struct Consumer {
    manager: Addr<Manager>,
    number: usize,
    own: f64,
    consumed: u64,
    sum: u64,
}

actor!(Consumer, ToConsumer);

impl Consumer {
    fn receive(&mut self, message: ToConsumer, context: &mut Context<Self>) {
        match message {
            ToConsumer::Item(item) => {
                self.own = process(self.own + item.value);
                self.consumed += 1;
                self.sum += item.number;
                self.manager.do_send(ToManager::Available(self.number));
            }
            ToConsumer::End => {
                assert!(self.own <= 0.0, "all logarithms are of less than 1.01");
                self.manager.do_send(ToManager::ConsumerReport { consumed: self.consumed, sum: self.sum });
                context.stop();
            }
        }
    }
}

pub fn bounded_buffer(bench: &mut Bench, threads: usize) {
    let each = share(bench, PRODUCERS as u64);
    play(bench, threads, (PRODUCERS + CONSUMERS) as u64, each * PRODUCERS as u64, |threads, stage| {
        let manager = Manager {
            stage,
            producers: Vec::new(),
            consumers: Vec::new(),
            buffer: VecDeque::new(),
            waiting: VecDeque::new(),
            available: (0..CONSUMERS).collect(),
            producing: PRODUCERS,
            totals: Totals::default(),
        };
        let manager = threads.spawn(0, manager);
        let producer = |number| Producer { manager: manager.clone(), number, each, made: 0, item: 0.0 };
        let consumer = |number| Consumer { manager: manager.clone(), number, own: 0.0, consumed: 0, sum: 0 };
        let producers = (0..PRODUCERS).map(|i| threads.spawn(i + 1, producer(i))).collect();
        let consumers = (0..CONSUMERS).map(|i| threads.spawn(i + 1, consumer(i))).collect();
        move || manager.do_send(ToManager::Start(producers, consumers))
    });
}

// ---- dining-philosophers ----

const PHILOSOPHERS: usize = 20;

enum ToArbitrator {
    Start(Vec<Addr<Philosopher>>),
    Hungry(usize),
    Done(usize),
    Report(u64),
}

struct Arbitrator {
    stage: Stage,
    philosophers: Vec<Addr<Philosopher>>,
    taken: [bool; PHILOSOPHERS],
    meals: u64,
}

actor!(Arbitrator, ToArbitrator);

impl Arbitrator {
    fn hungry(&mut self, who: usize) {
        let forks = [who, (who + 1) % PHILOSOPHERS];
        let free = forks.iter().all(|fork| !self.taken[*fork]);
        if free {
            forks.iter().for_each(|fork| self.taken[*fork] = true);
        }
        self.philosophers[who].do_send(if free { ToPhilosopher::Eat } else { ToPhilosopher::Denied });
    }

    fn receive(&mut self, message: ToArbitrator, _: &mut Context<Self>) {
        match message {
            ToArbitrator::Start(philosophers) => {
                self.philosophers = philosophers;
                self.stage.begin();
                self.philosophers.iter().for_each(|one| one.do_send(ToPhilosopher::Start));
            }
            ToArbitrator::Hungry(who) => self.hungry(who),
            ToArbitrator::Done(who) => {
                for fork in [who, (who + 1) % PHILOSOPHERS] {
                    assert!(std::mem::take(&mut self.taken[fork]), "fork {fork} was not taken");
                }
            }
            ToArbitrator::Report(meals) => {
                self.meals += meals;
                self.stage.reported([("meals", self.meals)]);
            }
        }
    }
}

enum ToPhilosopher {
    Start,
    Denied,
    Eat,
}

struct Philosopher {
    arbitrator: Addr<Arbitrator>,
    number: usize,
    each: u64,
    meals: u64,
}

actor!(Philosopher, ToPhilosopher);

impl Philosopher {
    fn receive(&mut self, message: ToPhilosopher, context: &mut Context<Self>) {
        if !matches!(message, ToPhilosopher::Eat) {
            self.arbitrator.do_send(ToArbitrator::Hungry(self.number));
            return;
        }
        self.meals += 1;
        self.arbitrator.do_send(ToArbitrator::Done(self.number));
        if self.meals < self.each {
            context.address().do_send(ToPhilosopher::Start);
        } else {
            self.arbitrator.do_send(ToArbitrator::Report(self.meals));
            context.stop();
        }
    }
}

pub fn philosophers(bench: &mut Bench, threads: usize) {
    let each = share(bench, PHILOSOPHERS as u64);
    play(bench, threads, PHILOSOPHERS as u64, each * PHILOSOPHERS as u64, |threads, stage| {
        let (philosophers, taken) = (Vec::new(), [false; PHILOSOPHERS]);
        let arbitrator = threads.spawn(0, Arbitrator { stage, philosophers, taken, meals: 0 });
        let philosopher = |number| Philosopher { arbitrator: arbitrator.clone(), number, each, meals: 0 };
        let philosophers = (0..PHILOSOPHERS).map(|i| threads.spawn(i + 1, philosopher(i))).collect();
        move || arbitrator.do_send(ToArbitrator::Start(philosophers))
    });
}
