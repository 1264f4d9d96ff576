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
    private static final Object BACK = "back";

    private Supervision() {}

    static void register(Map<String, Main.Workload> workloads) {
        workloads.put("supervision/restart", (options, report) -> storm(options, 1, report));
        for (int size = 1; size <= STORM_MAX; size *= 10) {
            int children = size;
            workloads.put("supervision/storm-" + size, (options, report) -> storm(options, children, report));
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

    /** Fails on each message; its next incarnation says that it is back. */
    private static final class Child extends UntypedAbstractActor {
        @Override
        public void onReceive(Object message) {
            throw Failure.FAILURE;
        }

        @Override
        public void postRestart(Throwable reason) {
            getContext().getParent().tell(BACK, getSelf());
        }
    }

    /** Has children, in the order in which they were made. */
    private abstract static class Supervisor extends UntypedAbstractActor {
        protected final ActorRef[] children;
        protected final Finish finish;
        protected final AtomicLong counted;

        Supervisor(int size, Finish finish, AtomicLong counted) {
            children = new ActorRef[size];
            this.finish = finish;
            this.counted = counted;
        }

        @Override
        public void preStart() {
            Props child = Props.create(Child.class, Child::new).withDispatcher(World.place(0));
            for (int i = 0; i < children.length; i++) {
                children[i] = getContext().actorOf(child);
            }
        }

        protected final long count() {
            counted.setPlain(counted.getPlain() + 1);
            return counted.getPlain();
        }
    }

    /**
     * Hits so many of its children, once all that are restarted then are back, until `total` were. The first round is not
     * measured: after it it waits for another `go`.
     */
    private static final class Restarting extends Supervisor {
        private final SupervisorStrategy strategy;
        private final int hits;
        private final long total;
        private final Finish first;

        Restarting(
                SupervisorStrategy strategy, int size, int hits, long total, Finish first, Finish finish, AtomicLong counted) {
            super(size, finish, counted);
            this.first = first;
            this.strategy = strategy;
            this.hits = hits;
            this.total = total;
        }

        @Override
        public SupervisorStrategy supervisorStrategy() {
            return strategy;
        }

        @Override
        public void onReceive(Object message) {
            if (message == BACK) {
                long restarts = count();
                if (restarts == children.length) {
                    first.arrive();
                    return;
                }
                if (restarts == children.length + total) {
                    finish.arrive();
                    return;
                }
                if (restarts % children.length != 0) {
                    return;
                }
            }
            for (int i = 0; i < hits; i++) {
                children[i].tell(Payload.of(i), getSelf());
            }
        }
    }

    /** Stops its children in reverse order, each after the end of the one before, then ends. */
    private static final class Stopping extends Supervisor {
        private int alive;

        Stopping(int size, Finish finish, AtomicLong counted) {
            super(size, finish, counted);
        }

        @Override
        public void preStart() {
            super.preStart();
            for (ActorRef child : children) {
                getContext().watch(child);
            }
            alive = children.length;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Terminated) {
                count();
            }
            if (alive > 0) {
                getContext().stop(children[--alive]);
            } else {
                getContext().stop(getSelf());
            }
        }

        @Override
        public void postStop() {
            finish.arrive();
        }
    }

    /** Measures from `go` until it is finished; with `first`, another one goes before, until that. */
    private static void supervise(
            Options options, Props supervisor, Finish first, Finish finish, long operations, Report report)
            throws Exception {
        ActorRef[] made = new ActorRef[1];
        try (World world = new World(options)) {
            world.make(context -> made[0] = context.actorOf(supervisor.withDispatcher(World.place(0))));
            world.make(context -> {}); /* its children, too, which it has made as it began */
            if (first != null) {
                made[0].tell(GO, ActorRef.noSender());
                first.await();
            }
            long start = System.nanoTime();
            made[0].tell(GO, ActorRef.noSender());
            finish.await();
            report.time("time", System.nanoTime() - start, operations);
        }
    }

    /** One child fails, or as many as there are, and `size` come back. */
    private static void restart(
            Options options, SupervisorStrategy strategy, int size, int hits, String proof, Report report)
            throws Exception {
        long total = Math.max(options.count() / size, 1) * size;
        AtomicLong counted = new AtomicLong();
        Finish first = new Finish(1);
        Finish finish = new Finish(1);
        Props supervisor =
                Props.create(
                        Restarting.class, () -> new Restarting(strategy, size, hits, total, first, finish, counted));
        supervise(options, supervisor, first, finish, total, report);
        report.proof(proof, counted.get() - size);
    }

    private static void storm(Options options, int size, Report report) throws Exception {
        SupervisorStrategy oneForOne =
                new OneForOneStrategy(-1, Duration.Inf(), failure -> SupervisorStrategy.restart(), false);
        restart(options, oneForOne, size, size, "restarts", report);
    }

    private static void group(Options options, Report report) throws Exception {
        SupervisorStrategy allForOne =
                new AllForOneStrategy(-1, Duration.Inf(), failure -> SupervisorStrategy.restart(), false);
        restart(options, allForOne, GROUP_SIZE, 1, "children", report);
    }

    private static void shutdown(Options options, Report report) throws Exception {
        AtomicLong counted = new AtomicLong();
        Finish finish = new Finish(1);
        int size = (int) options.count();
        supervise(
                options,
                Props.create(Stopping.class, () -> new Stopping(size, finish, counted)),
                null,
                finish,
                size,
                report);
        report.proof("children", counted.get());
    }
}
