package peer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.ActorContext;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.UntypedAbstractActor;
import org.apache.pekko.event.japi.ScanningEventBus;
import org.apache.pekko.routing.ActorRefRoutee;
import org.apache.pekko.routing.BroadcastRoutingLogic;
import org.apache.pekko.routing.RoundRobinPool;
import org.apache.pekko.routing.RoundRobinRoutingLogic;
import org.apache.pekko.routing.Routee;
import org.apache.pekko.routing.Router;
import org.apache.pekko.routing.RoutingLogic;

/** message/broadcast, topic and dispatch, and dispatch/pool: Pekko's routers, and its event bus whose subscribers filter. */
final class Many {
    private static final int MEMBERS = 1000;
    private static final int KINDS = 4;
    private static final int WORKERS = 16;
    private static final int WINDOW = 1000;
    private static final int ACK_EVERY = 500;

    /** As long as ours: 64 bytes. */
    private static final String TOPIC = "markets/europe/frankfurt/equities/automobiles/manufacturer/depth";

    private Many() {}

    static void register(Map<String, Main.Workload> workloads) {
        workloads.put("message/broadcast", (options, report) -> broadcast(options, 1, report));
        workloads.put("message/broadcast-threads", (options, report) -> broadcast(options, 2, report));
        workloads.put("message/topic", Many::topic);
        workloads.put("message/dispatch", Many::dispatch);
        workloads.put("dispatch/pool", Many::pool);
    }

    /** Asks a member to say that it has handled all before. */
    private static final Object ACKNOWLEDGE = new Object();

    // ---- one to all ----

    /** Hears so many rounds. */
    private static final class Member extends UntypedAbstractActor {
        private final Tally tally;
        private final Finish finish;
        private final long rounds;
        private long handled;
        private long sum;

        Member(Tally tally, Finish finish, long rounds) {
            this.tally = tally;
            this.finish = finish;
            this.rounds = rounds;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Payload payload) {
                sum += payload.first();
                if (++handled == rounds) {
                    finish.arrive();
                }
            } else {
                getSender().tell(message, getSelf());
            }
        }

        @Override
        public void postStop() {
            tally.messages.addAndGet(handled);
            tally.sum.addAndGet(sum);
        }
    }

    /** How a payload goes to all members. */
    interface Publisher {
        void publish(Payload payload, ActorRef sender);
    }

    /** Publishes, and again when the last member of each place has handled that. */
    private static final class Source extends UntypedAbstractActor {
        private final Publisher publisher;
        private final List<ActorRef> last;
        private final long rounds;
        private long round;
        private int awaited;

        Source(Publisher publisher, List<ActorRef> last, long rounds) {
            this.publisher = publisher;
            this.last = last;
            this.rounds = rounds;
        }

        @Override
        public void onReceive(Object message) {
            if (message == ACKNOWLEDGE && --awaited > 0 || round == rounds) {
                return;
            }
            publisher.publish(new Payload(++round, 2, 3, 4), getSelf());
            awaited = last.size();
            for (ActorRef member : last) {
                member.tell(ACKNOWLEDGE, getSelf());
            }
        }
    }

    /** What makes a publisher of the members. */
    interface PublisherOf {
        Publisher make(List<ActorRef> members);
    }

    /** Neighbours are on different places. Each member gets every `share`-th round. */
    private static void publish(Options options, int places, int share, PublisherOf publisherOf, Report report)
            throws Exception {
        long rounds = options.count() / MEMBERS;
        Tally tally = new Tally();
        Finish finish = new Finish(MEMBERS);
        List<ActorRef> members = new ArrayList<>();
        ActorRef[] source = new ActorRef[1];
        try (World world = new World(options)) {
            Props member = Props.create(Member.class, () -> new Member(tally, finish, rounds / share));
            world.make(
                    context -> {
                        for (int i = 0; i < MEMBERS; i++) {
                            members.add(context.actorOf(member.withDispatcher(World.place(i % places))));
                        }
                        Publisher publisher = publisherOf.make(members);
                        List<ActorRef> last = members.subList(MEMBERS - places, MEMBERS);
                        source[0] =
                                context.actorOf(
                                        Props.create(Source.class, () -> new Source(publisher, last, rounds))
                                                .withDispatcher(World.place(0)));
                    });
            long start = System.nanoTime();
            source[0].tell("go", ActorRef.noSender());
            finish.await();
            report.time("time", System.nanoTime() - start, rounds * MEMBERS);
        }
        if (tally.sum.get() * share != MEMBERS * (rounds * (rounds + 1) / 2)) {
            throw new Report.Invalid("the numbers add up to " + tally.sum.get());
        }
        report.proof("members", tally.messages.get() * share);
    }

    private static Router router(RoutingLogic logic, List<ActorRef> actors) {
        List<Routee> routees = new ArrayList<>();
        for (ActorRef actor : actors) {
            routees.add(new ActorRefRoutee(actor));
        }
        return new Router(logic, routees);
    }

    private static void broadcast(Options options, int places, Report report) throws Exception {
        publish(options, places, 1, members -> router(new BroadcastRoutingLogic(), members)::route, report);
    }

    // ---- a topic ----

    private record Published(String topic, Payload payload, ActorRef sender) {}

    /** Which messages of which topic a subscriber wants. */
    private record Wanted(String topic, int kind) {}

    private static final class Bus extends ScanningEventBus<Published, ActorRef, Wanted> {
        @Override
        public int compareClassifiers(Wanted a, Wanted b) {
            int topics = a.topic().compareTo(b.topic());
            return topics != 0 ? topics : Integer.compare(a.kind(), b.kind());
        }

        @Override
        public int compareSubscribers(ActorRef a, ActorRef b) {
            return a.compareTo(b);
        }

        @Override
        public boolean matches(Wanted wanted, Published published) {
            return published.payload().first() % KINDS == wanted.kind() && published.topic().equals(wanted.topic());
        }

        @Override
        public void publish(Published published, ActorRef subscriber) {
            subscriber.tell(published.payload(), published.sender());
        }
    }

    private static void topic(Options options, Report report) throws Exception {
        PublisherOf bus =
                members -> {
                    Bus topics = new Bus();
                    for (int i = 0; i < MEMBERS; i++) {
                        topics.subscribe(members.get(i), new Wanted(TOPIC, i / 2 % KINDS));
                    }
                    return (payload, sender) -> topics.publish(new Published(TOPIC, payload, sender));
                };
        publish(options, 2, KINDS, bus, report);
    }

    // ---- work for the one or the other ----

    /** What is still to be handled by all workers of a run. They have one thread. */
    private static final class Work {
        long left;

        Work(long left) {
            this.left = left;
        }
    }

    private static final class Worker extends UntypedAbstractActor {
        private final Work work;
        private final Tally tally;
        private final Finish finish;
        private long handled;
        private long sum;

        Worker(Work work, Tally tally, Finish finish) {
            this.work = work;
            this.tally = tally;
            this.finish = finish;
        }

        @Override
        public void onReceive(Object message) {
            sum += ((Payload) message).first();
            if (++handled % ACK_EVERY == 0) {
                getSender().tell(ACKNOWLEDGE, getSelf());
            }
            if (--work.left == 0) {
                finish.arrive();
            }
        }

        @Override
        public void postStop() {
            tally.messages.addAndGet(handled);
            tally.sum.addAndGet(sum);
        }
    }

    /** Deals out messages with the numbers from 0 on, and keeps within the window of all workers together. */
    private static final class Dealer extends UntypedAbstractActor {
        private final Publisher publisher;
        private final long count;
        private long sent;
        private long room = WORKERS * WINDOW;

        Dealer(Publisher publisher, long count) {
            this.publisher = publisher;
            this.count = count;
        }

        @Override
        public void onReceive(Object message) {
            if (message == ACKNOWLEDGE) {
                room += ACK_EVERY;
            }
            while (sent < count && room > 0) {
                room--;
                publisher.publish(Payload.of(sent++), getSelf());
            }
        }
    }

    /** What makes the workers and tells how one of them is sent to. */
    interface WorkersOf {
        Publisher make(ActorContext context, Props worker);
    }

    private static void deal(Options options, WorkersOf workersOf, Report report) throws Exception {
        Tally tally = new Tally();
        Finish finish = new Finish(1);
        Work work = new Work(options.count());
        ActorRef[] dealer = new ActorRef[1];
        try (World world = new World(options)) {
            Props worker =
                    Props.create(Worker.class, () -> new Worker(work, tally, finish))
                            .withDispatcher(World.place(0));
            world.make(
                    context -> {
                        Publisher publisher = workersOf.make(context, worker);
                        dealer[0] =
                                context.actorOf(
                                        Props.create(Dealer.class, () -> new Dealer(publisher, options.count()))
                                                .withDispatcher(World.place(0)));
                    });
            long start = System.nanoTime();
            dealer[0].tell("go", ActorRef.noSender());
            finish.await();
            report.time("time", System.nanoTime() - start, options.count());
        }
        report.proof("messages", tally.messages.get());
        report.proof("sum", tally.sum.get());
    }

    /** A router that the sender has itself, without an actor between. */
    private static void dispatch(Options options, Report report) throws Exception {
        WorkersOf router =
                (context, worker) -> {
                    List<ActorRef> workers = new ArrayList<>();
                    for (int i = 0; i < WORKERS; i++) {
                        workers.add(context.actorOf(worker));
                    }
                    return router(new RoundRobinRoutingLogic(), workers)::route;
                };
        deal(options, router, report);
    }

    /** A pool, which has made its workers, and is sent to as one actor. */
    private static void pool(Options options, Report report) throws Exception {
        WorkersOf pool =
                (context, worker) -> {
                    ActorRef made = context.actorOf(new RoundRobinPool(WORKERS).props(worker));
                    return (payload, sender) -> made.tell(payload, sender);
                };
        deal(options, pool, report);
    }
}
