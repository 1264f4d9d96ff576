package peer;

import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.AllForOneStrategy;
import org.apache.pekko.actor.OneForOneStrategy;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.SupervisorStrategy;
import org.apache.pekko.actor.Terminated;
import org.apache.pekko.actor.UntypedAbstractActor;
import scala.concurrent.duration.Duration;

/**
 * supervision/..., what it costs that children fail, come back and are stopped.
 *
 * <p>Children throw an exception without a stack trace and are restarted by a strategy that does not log; both are what one
 * does in Pekko where failing has to be cheap.
 */
final class Supervision {
    private static final int GROUP_SIZE = 1000;
    private static final int STORM_MAX = 100_000;
    private static final Object GO = "go";

    private Supervision() {}

    static void register(Map<String, Main.Workload> workloads) {
        workloads.put("supervision/restart", (options, report) -> oneForOne(options, 1, 0, report));
        for (int size = 1; size <= STORM_MAX; size *= 10) {
            int children = size;
            workloads.put("supervision/storm-" + size, (options, report) -> oneForOne(options, children, children, report));
        }
        workloads.put("supervision/group", Supervision::group);
        workloads.put("supervision/shutdown", Supervision::shutdown);
    }

    private static final class Failure extends RuntimeException {
        static final Failure FAILURE = new Failure();

        private Failure() {
            super("as asked", null, false, false);
        }
    }

    /**
     * The children of one supervisor, and what they count; one thread has all of them. The last of a round that is back tells
     * who makes them fail: the supervisor has nothing else to do than to supervise. After the first round, which is not measured,
     * nobody is told.
     */
    private static final class Nursery {
        final ActorRef[] children;
        final Finish first = new Finish(1);
        final Finish finish = new Finish(1);
        private final long total;
        private ActorRef driver;
        private long restarts;

        Nursery(int size, long total) {
            children = new ActorRef[size];
            this.total = total;
        }

        void oneIsBack() {
            restarts++;
            if (restarts == children.length) {
                first.arrive();
            } else if (restarts == children.length + total) {
                finish.arrive();
            } else if (restarts % children.length == 0) {
                drive();
            }
        }

        void drive() {
            driver.tell(Payload.of(restarts), ActorRef.noSender());
        }
    }

    /** Fails on each message. */
    private static final class Child extends UntypedAbstractActor {
        private final Nursery nursery;

        Child(Nursery nursery) {
            this.nursery = nursery;
        }

        @Override
        public void onReceive(Object message) {
            throw Failure.FAILURE;
        }

        @Override
        public void postRestart(Throwable reason) {
            nursery.oneIsBack();
        }
    }

    /** Has children, in the order in which they were made. */
    private static class Supervisor extends UntypedAbstractActor {
        protected final Nursery nursery;
        private final SupervisorStrategy strategy;

        Supervisor(Nursery nursery, SupervisorStrategy strategy) {
            this.nursery = nursery;
            this.strategy = strategy;
        }

        @Override
        public void preStart() {
            Props child = Props.create(Child.class, () -> new Child(nursery)).withDispatcher(World.place(0));
            for (int i = 0; i < nursery.children.length; i++) {
                nursery.children[i] = getContext().actorOf(child);
            }
        }

        @Override
        public SupervisorStrategy supervisorStrategy() {
            return strategy;
        }

        @Override
        public void onReceive(Object message) {
            unhandled(message);
        }
    }

    /** Makes the first so many children fail, whenever it is told. */
    private static final class Driver extends UntypedAbstractActor {
        private final Nursery nursery;
        private final int hits;

        Driver(Nursery nursery, int hits) {
            this.nursery = nursery;
            this.hits = hits;
        }

        @Override
        public void onReceive(Object message) {
            for (int i = 0; i < hits; i++) {
                nursery.children[i].tell(Payload.of(i), getSelf());
            }
        }
    }

    /** Stops its children in reverse order, each after the end of the one before, then ends. */
    private static final class Stopping extends Supervisor {
        private final AtomicLong stopped;
        private int alive;

        Stopping(Nursery nursery, AtomicLong stopped) {
            super(nursery, SupervisorStrategy.stoppingStrategy());
            this.stopped = stopped;
        }

        @Override
        public void preStart() {
            super.preStart();
            for (ActorRef child : nursery.children) {
                getContext().watch(child);
            }
            alive = nursery.children.length;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Terminated) {
                stopped.setPlain(stopped.getPlain() + 1);
            }
            if (alive > 0) {
                getContext().stop(nursery.children[--alive]);
            } else {
                getContext().stop(getSelf());
            }
        }

        @Override
        public void postStop() {
            nursery.finish.arrive();
        }
    }

    /** Makes a supervisor, and waits until its children, which it makes as it begins, have begun, too. */
    private static ActorRef makeSupervisor(World world, Props supervisor) throws InterruptedException {
        ActorRef[] made = new ActorRef[1];
        world.make(context -> made[0] = context.actorOf(supervisor.withDispatcher(World.place(0))));
        world.make(context -> {});
        return made[0];
    }

    /** One child fails, or as many as there are, and all come back. A child for which there is no driver tells itself to fail. */
    private static void restart(
            Options options, SupervisorStrategy strategy, int size, int hits, String proof, Report report)
            throws Exception {
        long total = Math.max(options.count() / size, 1) * size;
        Nursery nursery = new Nursery(size, total);
        try (World world = new World(options)) {
            makeSupervisor(world, Props.create(Supervisor.class, () -> new Supervisor(nursery, strategy)));
            nursery.driver = nursery.children[0];
            if (hits > 0) {
                Props driver = Props.create(Driver.class, () -> new Driver(nursery, hits));
                world.make(context -> nursery.driver = context.actorOf(driver.withDispatcher(World.place(0))));
            }
            nursery.drive();
            nursery.first.await();
            long start = System.nanoTime();
            nursery.drive();
            nursery.finish.await();
            report.time("time", System.nanoTime() - start, total);
        }
        report.proof(proof, nursery.restarts - size);
    }

    private static void oneForOne(Options options, int size, int hits, Report report) throws Exception {
        SupervisorStrategy oneForOne =
                new OneForOneStrategy(-1, Duration.Inf(), failure -> SupervisorStrategy.restart(), false);
        restart(options, oneForOne, size, hits, "restarts", report);
    }

    private static void group(Options options, Report report) throws Exception {
        SupervisorStrategy allForOne =
                new AllForOneStrategy(-1, Duration.Inf(), failure -> SupervisorStrategy.restart(), false);
        restart(options, allForOne, GROUP_SIZE, 1, "children", report);
    }

    private static void shutdown(Options options, Report report) throws Exception {
        AtomicLong stopped = new AtomicLong();
        int size = (int) options.count();
        Nursery nursery = new Nursery(size, 0);
        try (World world = new World(options)) {
            ActorRef supervisor =
                    makeSupervisor(world, Props.create(Stopping.class, () -> new Stopping(nursery, stopped)));
            long start = System.nanoTime();
            supervisor.tell(GO, ActorRef.noSender());
            nursery.finish.await();
            report.time("time", System.nanoTime() - start, size);
        }
        report.proof("children", stopped.get());
    }
}
