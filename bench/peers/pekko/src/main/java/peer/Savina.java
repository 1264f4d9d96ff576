package peer;

import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.pekko.actor.Actor;
import org.apache.pekko.actor.ActorContext;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.UntypedAbstractActor;

/**
 * What the members of bench/savina/README.md share.
 *
 * <p>All actors are on one dispatcher with a thread by CPU: Pekko places actors itself.
 */
final class Savina {
    static final int WINDOW = 1000;
    static final int ACK_EVERY = 500;

    static final Object GO = "go";
    static final Object END = "end";
    static final Object NEXT = "next";
    static final Object DONE = "done";

    private Savina() {}

    /** What an actor counted, as it ends. */
    record Counts(long first, long second) {}

    /** The receiver of this index has handled so many more. */
    record Ack(int receiver) {}

    /** The generator of the suite. */
    static final class SuiteRandom {
        private long value;

        SuiteRandom(long seed) {
            value = seed;
        }

        long next() {
            value = (value * 1309 + 13849) & 65535;
            return value;
        }

        int below(long n) {
            return (int) (next() % n);
        }

        double real() {
            return 1.0 / (next() + 1);
        }
    }

    static long busy(long n) {
        SuiteRandom random = new SuiteRandom(n);
        long value = n;
        for (long i = 0; i < n; i++) {
            value = random.next();
        }
        return value;
    }

    /** What each of so many does of `count` operations. */
    static long each(long count, int workers) {
        return Math.max(count / workers, 1);
    }

    /** The central actor of a member: it hears the reports of so many. */
    abstract static class Central extends UntypedAbstractActor {
        protected final Finish finish;
        private final int reporters;
        private int reports;

        Central(Finish finish, int reporters) {
            this.finish = finish;
            this.reporters = reporters;
        }

        /** Returns true with the last. */
        protected final boolean reported() {
            return ++reports == reporters;
        }

        protected static void tellAll(ActorRef[] actors, Object message) {
            for (ActorRef actor : actors) {
                actor.tell(message, ActorRef.noSender());
            }
        }
    }

    /** An actor who ends with a report to the central one. */
    abstract static class Member extends UntypedAbstractActor {
        protected final void report(ActorRef central, Object report) {
            central.tell(report, getSelf());
            getContext().stop(getSelf());
        }
    }

    static <A extends Actor> ActorRef actor(ActorContext context, Class<A> kind, Supplier<A> make) {
        return context.actorOf(props(kind, make));
    }

    static <A extends Actor> ActorRef[] actors(ActorContext context, int count, Class<A> kind, Function<Integer, A> make) {
        ActorRef[] actors = new ActorRef[count];
        for (int i = 0; i < count; i++) {
            int index = i;
            actors[i] = actor(context, kind, () -> make.apply(index));
        }
        return actors;
    }

    static <A extends Actor> Props props(Class<A> kind, Supplier<A> make) {
        return Props.create(kind, make::get).withDispatcher(World.SHARED);
    }

    /** Makes the actors of a member and gives back the central one. */
    interface Cast {
        ActorRef make(ActorContext context);
    }

    /** Has the central actor begin, and reports the time until it is finished. */
    static void time(Options options, Cast cast, Finish finish, long operations, Report report) throws Exception {
        ActorRef[] central = new ActorRef[1];
        try (World world = new World(options)) {
            world.make(context -> central[0] = cast.make(context));
            world.settle(World.SHARED);
            long start = System.nanoTime();
            central[0].tell(GO, ActorRef.noSender());
            finish.await();
            report.time("time", System.nanoTime() - start, operations);
        }
    }

    static void register(Map<String, Main.Workload> workloads) {
        both(workloads, "fork-join-throughput", ForkJoin::throughput);
        both(workloads, "fork-join-create", ForkJoin::create);
        both(workloads, "chameneos", Chameneos::run);
        both(workloads, "big", Big::run);
        both(workloads, "concurrent-dictionary", Dictionary::run);
        both(workloads, "concurrent-sorted-list", SortedList::run);
        both(workloads, "bounded-buffer", BoundedBuffer::run);
        both(workloads, "dining-philosophers", Philosophers::run);
        both(workloads, "sleeping-barber", Barber::run);
        both(workloads, "cigarette-smokers", Smokers::run);
        both(workloads, "logistic-map", LogisticMap::run);
        both(workloads, "bank-transaction", Bank::run);
        both(workloads, "all-pairs-shortest-path", ShortestPaths::run);
    }

    private static void both(Map<String, Main.Workload> workloads, String name, Main.Workload workload) {
        workloads.put(
                "savina/" + name,
                (options, report) -> workload.run(new Options(options.count(), 1, options.warmingUp()), report));
        workloads.put(
                "savina/" + name + "-threads",
                (options, report) -> workload.run(new Options(options.count(), 2, options.warmingUp()), report));
    }
}
