//! Fork-join (throughput, create), chameneos, big.
use super::{actor, play, share, sine, Random, Stage, X};
use crate::bench::{Bench, Window, BLOCK};
use actix::prelude::*;
use std::sync::Arc;

// ---- fork-join-throughput ----

const SINKS: usize = 60;

enum ToSource {
    Start(Vec<Addr<Sink>>),
    Handled(usize),
    Report { messages: u64, sum: u64 },
}

struct Source {
    stage: Stage,
    each: u64,
    sinks: Vec<Addr<Sink>>,
    sent: u64,
    window: Window,
    messages: u64,
    sum: u64,
}

actor!(Source, ToSource);

impl Source {
    fn send_blocks(&mut self) {
        while self.sent < self.each && self.window.opens() {
            let end = self.each.min(self.sent + BLOCK);
            for i in self.sent..end {
                self.sinks.iter().for_each(|sink| sink.do_send(ToSink(i, X)));
            }
            self.sent = end;
        }
    }

    fn receive(&mut self, message: ToSource, _: &mut Context<Self>) {
        match message {
            ToSource::Start(sinks) => {
                self.sinks = sinks;
                self.stage.begin();
                self.send_blocks();
            }
            ToSource::Handled(sink) => {
                self.window.handled(sink);
                self.send_blocks();
            }
            ToSource::Report { messages, sum } => {
                self.messages += messages;
                self.sum += sum;
                self.stage.reported([("messages", self.messages), ("sum", self.sum)]);
            }
        }
    }
}

struct ToSink(u64, f64);

struct Sink {
    source: Addr<Source>,
    number: usize,
    each: u64,
    messages: u64,
    sum: u64,
}

actor!(Sink, ToSink);

impl Sink {
    fn receive(&mut self, ToSink(i, x): ToSink, context: &mut Context<Self>) {
        sine(x);
        self.messages += 1;
        self.sum += i;
        if self.messages % BLOCK == 0 {
            self.source.do_send(ToSource::Handled(self.number));
        }
        if self.messages == self.each {
            self.source.do_send(ToSource::Report { messages: self.messages, sum: self.sum });
            context.stop();
        }
    }
}

pub fn fork_join_throughput(bench: &mut Bench, threads: usize) {
    let each = share(bench, SINKS as u64);
    play(bench, threads, SINKS as u64, each * SINKS as u64, |threads, stage| {
        let window = Window::new(SINKS);
        let source = Source { stage, each, sinks: Vec::new(), sent: 0, window, messages: 0, sum: 0 };
        let source = threads.spawn(0, source);
        let sink = |number| Sink { source: source.clone(), number, each, messages: 0, sum: 0 };
        let sinks = (0..SINKS).map(|i| threads.spawn(i + 1, sink(i))).collect();
        move || source.do_send(ToSource::Start(sinks))
    });
}

// ---- fork-join-create ----

const ROUND: u64 = 40_000;

enum ToRoot {
    Start(Vec<Addr<Parent>>),
    Report { actors: u64, sum: u64 },
}

struct Root {
    stage: Stage,
    actors: u64,
    sum: u64,
}

actor!(Root, ToRoot);

impl Root {
    fn receive(&mut self, message: ToRoot, _: &mut Context<Self>) {
        match message {
            ToRoot::Start(parents) => {
                self.stage.begin();
                parents.iter().for_each(|parent| parent.do_send(ToParent::Start));
            }
            ToRoot::Report { actors, sum } => {
                self.actors += actors;
                self.sum += sum;
                self.stage.reported([("actors", self.actors), ("sum", self.sum)]);
            }
        }
    }
}

enum ToParent {
    Start,
    Ended(u64),
}

/// Makes the children next, next + parents, ... below count.
struct Parent {
    root: Addr<Root>,
    parents: u64,
    count: u64,
    next: u64,
    running: u64,
    actors: u64,
    sum: u64,
}

actor!(Parent, ToParent);

impl Parent {
    fn make_round(&mut self, context: &mut Context<Self>) {
        while self.next < self.count && self.running < ROUND / self.parents {
            let child = Child { parent: context.address() }.start();
            child.do_send(ToChild(self.next, X));
            self.next += self.parents;
            self.running += 1;
        }
        if self.running == 0 {
            self.root.do_send(ToRoot::Report { actors: self.actors, sum: self.sum });
            context.stop();
        }
    }

    fn receive(&mut self, message: ToParent, context: &mut Context<Self>) {
        if let ToParent::Ended(i) = message {
            self.actors += 1;
            self.sum += i;
            self.running -= 1;
        }
        if self.running == 0 {
            self.make_round(context);
        }
    }
}

struct ToChild(u64, f64);

struct Child {
    parent: Addr<Parent>,
}

actor!(Child, ToChild);

impl Child {
    fn receive(&mut self, ToChild(i, x): ToChild, context: &mut Context<Self>) {
        sine(x);
        self.parent.do_send(ToParent::Ended(i));
        context.stop();
    }
}

pub fn fork_join_create(bench: &mut Bench, threads: usize) {
    let (count, parents) = (bench.count, threads as u64);
    play(bench, threads, parents, count, |threads, stage| {
        let root = threads.spawn(0, Root { stage, actors: 0, sum: 0 });
        let parent = |next| Parent { root: root.clone(), parents, count, next, running: 0, actors: 0, sum: 0 };
        let parents = (0..parents).map(|p| threads.spawn(p as usize, parent(p))).collect();
        move || root.do_send(ToRoot::Start(parents))
    });
}

// ---- chameneos ----

const CHAMENEOS: usize = 100;

#[derive(Clone, Copy, PartialEq)]
enum Colour {
    Red,
    Yellow,
    Blue,
}

const COLOURS: [Colour; 3] = [Colour::Red, Colour::Yellow, Colour::Blue];

impl Colour {
    fn complement(self, other: Colour) -> Colour {
        if self == other {
            return self;
        }
        COLOURS[3 - self as usize - other as usize]
    }
}

enum ToMall {
    Start(Vec<Addr<Chameneo>>),
    Meet(Colour, Addr<Chameneo>),
    Report(u64),
}

struct Mall {
    stage: Stage,
    left: u64,
    waiting: Option<Addr<Chameneo>>,
    meetings: u64,
}

actor!(Mall, ToMall);

impl Mall {
    fn meet(&mut self, colour: Colour, who: Addr<Chameneo>) {
        if self.left == 0 {
            who.do_send(ToChameneo::Exit);
            return;
        }
        match self.waiting.take() {
            None => self.waiting = Some(who),
            Some(first) => {
                self.left -= 1;
                first.do_send(ToChameneo::Meet(colour, who));
            }
        }
    }

    fn receive(&mut self, message: ToMall, _: &mut Context<Self>) {
        match message {
            ToMall::Start(chameneos) => {
                self.stage.begin();
                chameneos.iter().for_each(|one| one.do_send(ToChameneo::Start));
            }
            ToMall::Meet(colour, who) => self.meet(colour, who),
            ToMall::Report(meetings) => {
                self.meetings += meetings;
                self.stage.reported([("meetings", self.meetings)]);
            }
        }
    }
}

enum ToChameneo {
    Start,
    Meet(Colour, Addr<Chameneo>),
    Change(Colour),
    Exit,
}

struct Chameneo {
    mall: Addr<Mall>,
    colour: Colour,
    meetings: u64,
}

actor!(Chameneo, ToChameneo);

impl Chameneo {
    fn changed(&mut self, colour: Colour) {
        self.colour = colour;
        self.meetings += 1;
    }

    fn receive(&mut self, message: ToChameneo, context: &mut Context<Self>) {
        match message {
            ToChameneo::Start => {}
            ToChameneo::Meet(colour, other) => {
                self.changed(self.colour.complement(colour));
                other.do_send(ToChameneo::Change(self.colour));
            }
            ToChameneo::Change(colour) => self.changed(colour),
            ToChameneo::Exit => {
                self.mall.do_send(ToMall::Report(self.meetings));
                context.stop();
                return;
            }
        }
        self.mall.do_send(ToMall::Meet(self.colour, context.address()));
    }
}

pub fn chameneos(bench: &mut Bench, threads: usize) {
    let count = bench.count;
    play(bench, threads, CHAMENEOS as u64, count, |threads, stage| {
        let mall = threads.spawn(0, Mall { stage, left: count, waiting: None, meetings: 0 });
        let chameneo = |i: usize| Chameneo { mall: mall.clone(), colour: COLOURS[i % 3], meetings: 0 };
        let chameneos = (0..CHAMENEOS).map(|i| threads.spawn(i + 1, chameneo(i))).collect();
        move || mall.do_send(ToMall::Start(chameneos))
    });
}

// ---- big ----

const PEERS: usize = 120;

enum ToHub {
    Start(Arc<Vec<Addr<Peer>>>),
    Done,
    Report { pings: u64, targets: u64 },
}

/// The sink of the suite.
struct Hub {
    stage: Stage,
    peers: Arc<Vec<Addr<Peer>>>,
    done: usize,
    pings: u64,
    targets: u64,
}

actor!(Hub, ToHub);

impl Hub {
    fn receive(&mut self, message: ToHub, _: &mut Context<Self>) {
        match message {
            ToHub::Start(peers) => {
                self.peers = peers;
                self.stage.begin();
                self.peers.iter().for_each(|peer| peer.do_send(ToPeer::Start));
            }
            ToHub::Done => {
                self.done += 1;
                if self.done == PEERS {
                    self.peers.iter().for_each(|peer| peer.do_send(ToPeer::End));
                }
            }
            ToHub::Report { pings, targets } => {
                self.pings += pings;
                self.targets += targets;
                self.stage.reported([("pings", self.pings), ("targets", self.targets)]);
            }
        }
    }
}

enum ToPeer {
    Peers(Arc<Vec<Addr<Peer>>>),
    Start,
    Ping(usize),
    Pong(usize),
    End,
}

struct Peer {
    hub: Addr<Hub>,
    number: usize,
    peers: Arc<Vec<Addr<Peer>>>,
    random: Random,
    left: u64,
    asked: usize,
    pings: u64,
    targets: u64,
}

actor!(Peer, ToPeer);

impl Peer {
    fn ping(&mut self) {
        if self.left == 0 {
            self.hub.do_send(ToHub::Done);
            return;
        }
        self.left -= 1;
        self.asked = self.random.below(PEERS as u64) as usize;
        self.peers[self.asked].do_send(ToPeer::Ping(self.number));
    }

    fn receive(&mut self, message: ToPeer, context: &mut Context<Self>) {
        match message {
            ToPeer::Peers(peers) => self.peers = peers,
            ToPeer::Start => self.ping(),
            ToPeer::Ping(from) => {
                self.pings += 1;
                self.targets += self.number as u64;
                self.peers[from].do_send(ToPeer::Pong(self.number));
            }
            ToPeer::Pong(from) => {
                assert_eq!(from, self.asked, "somebody else answered");
                self.ping();
            }
            ToPeer::End => {
                self.hub.do_send(ToHub::Report { pings: self.pings, targets: self.targets });
                context.stop();
            }
        }
    }
}

pub fn big(bench: &mut Bench, threads: usize) {
    let each = share(bench, PEERS as u64);
    play(bench, threads, PEERS as u64, each * PEERS as u64, |threads, stage| {
        let nobody = Arc::new(Vec::new());
        let hub = threads.spawn(0, Hub { stage, peers: nobody.clone(), done: 0, pings: 0, targets: 0 });
        let peer = |number| Peer {
            hub: hub.clone(),
            number,
            peers: nobody.clone(),
            random: Random(number as u64),
            left: each,
            asked: 0,
            pings: 0,
            targets: 0,
        };
        let peers: Arc<Vec<_>> = Arc::new((0..PEERS).map(|i| threads.spawn(i + 1, peer(i))).collect());
        peers.iter().for_each(|peer| peer.do_send(ToPeer::Peers(peers.clone())));
        move || hub.do_send(ToHub::Start(peers))
    });
}
