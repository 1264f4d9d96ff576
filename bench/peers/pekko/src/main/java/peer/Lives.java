package peer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.UntypedAbstractActor;

/** life/..., what actors cost as they come and go, and while they wait. */
final class Lives {
    private static final int BROOD = 64;
    private static final Object GO = "go";
    private static final long PAGE_BYTES = 4096;

    private Lives() {}

    static void register(Map<String, Main.Workload> workloads) {
        workloads.put("life/spawn", Lives::spawn);
        workloads.put("life/idle", Lives::idle);
    }

    // ---- life/spawn ----

    /** What the mayflies of a run were sent, counted as they end, by the one thread that has all of them. */
    private static final class Ends {
        long made;
        long ended;
        long sum;
    }

    /** Handles one message and ends. The last of those that were made tells their parent. */
    private static final class Mayfly extends UntypedAbstractActor {
        private final Ends ends;
        private long handled;

        Mayfly(Ends ends) {
            this.ends = ends;
        }

        @Override
        public void onReceive(Object message) {
            handled = ((Payload) message).first();
            getContext().stop(getSelf());
        }

        @Override
        public void postStop() {
            ends.sum += handled;
            if (++ends.ended == ends.made) {
                getContext().getParent().tell(GO, getSelf());
            }
        }
    }

    /** Makes `total` mayflies, 64 at a time; the next 64 when all have ended. */
    private static final class Parent extends UntypedAbstractActor {
        private final Ends ends = new Ends();
        private final Props mayfly = Props.create(Mayfly.class, () -> new Mayfly(ends)).withDispatcher(World.place(0));
        private final Tally tally;
        private final Finish finish;
        private final long total;

        Parent(Tally tally, Finish finish, long total) {
            this.tally = tally;
            this.finish = finish;
            this.total = total;
        }

        @Override
        public void onReceive(Object message) {
            if (ends.ended == total) {
                tally.messages.set(ends.ended);
                tally.sum.set(ends.sum);
                finish.arrive();
            } else {
                makeBrood();
            }
        }

        private void makeBrood() {
            long first = ends.made;
            ends.made += Math.min(BROOD, total - first);
            for (long i = first; i < ends.made; i++) {
                getContext().actorOf(mayfly).tell(Payload.of(i), getSelf());
            }
        }
    }

    private static void spawn(Options options, Report report) throws Exception {
        Tally tally = new Tally();
        Finish finish = new Finish(1);
        ActorRef[] parent = new ActorRef[1];
        try (World world = new World(options)) {
            Props props = Props.create(Parent.class, () -> new Parent(tally, finish, options.count()));
            world.make(context -> parent[0] = context.actorOf(props.withDispatcher(World.place(0))));
            long start = System.nanoTime();
            parent[0].tell(GO, ActorRef.noSender());
            finish.await();
            report.time("time", System.nanoTime() - start, options.count());
        }
        report.proof("actors", tally.messages.get());
        report.proof("sum", tally.sum.get());
    }

    // ---- life/idle ----

    /** Waits for messages, and has handled one when it counts. */
    private static final class Idler extends UntypedAbstractActor {
        private final Finish finish;

        Idler(Finish finish) {
            this.finish = finish;
        }

        @Override
        public void onReceive(Object message) {
            finish.arrive();
        }
    }

    /** What is resident when the collector has given back what nobody needs. */
    private static long residentBytes() throws IOException {
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        String[] pages = Files.readString(Path.of("/proc/self/statm")).split(" ");
        return Long.parseLong(pages[1]) * PAGE_BYTES;
    }

    private static void idle(Options options, Report report) throws Exception {
        int count = (int) options.count();
        Finish finish = new Finish(count);
        try (World world = new World(options)) {
            Props idler = Props.create(Idler.class, () -> new Idler(finish)).withDispatcher(World.place(0));
            long before = residentBytes();
            world.make(
                    context -> {
                        for (int i = 0; i < count; i++) {
                            context.actorOf(idler).tell(Payload.of(i), context.self());
                        }
                    });
            finish.await();
            report.figure("size", "bytes", "lower", (double) (residentBytes() - before) / count);
            report.proof("actors", count);
        }
    }
}
