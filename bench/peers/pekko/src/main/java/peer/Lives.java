package peer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.Terminated;
import org.apache.pekko.actor.UntypedAbstractActor;

/** life/..., what actors cost as they come and go, and while they wait. */
final class Lives {
    private static final int BROOD = 64;
    private static final long PAGE_BYTES = 4096;

    private Lives() {}

    static void register(Map<String, Main.Workload> workloads) {
        workloads.put("life/spawn", Lives::spawn);
        workloads.put("life/idle", Lives::idle);
    }

    // ---- life/spawn ----

    /** Handles one message and ends. */
    private static final class Mayfly extends UntypedAbstractActor {
        private final Tally tally;

        Mayfly(Tally tally) {
            this.tally = tally;
        }

        @Override
        public void onReceive(Object message) {
            /* One thread has all of them. */
            tally.sum.setPlain(tally.sum.getPlain() + ((Payload) message).first());
            getContext().stop(getSelf());
        }
    }

    /** Makes `total` mayflies, 64 at a time; the next 64 when it has heard of the end of all. */
    private static final class Parent extends UntypedAbstractActor {
        private final Tally tally;
        private final Finish finish;
        private final long total;
        private final Props mayfly;
        private long made;
        private long ended;

        Parent(Tally tally, Finish finish, long total) {
            this.tally = tally;
            this.finish = finish;
            this.total = total;
            mayfly = Props.create(Mayfly.class, () -> new Mayfly(tally)).withDispatcher(World.place(0));
        }

        @Override
        public void onReceive(Object message) {
            if (!(message instanceof Terminated)) {
                makeBrood();
            } else if (++ended == total) {
                tally.messages.set(ended);
                finish.arrive();
            } else if (ended == made) {
                makeBrood();
            }
        }

        private void makeBrood() {
            long size = Math.min(BROOD, total - made);
            for (long i = 0; i < size; i++) {
                ActorRef child = getContext().actorOf(mayfly);
                getContext().watch(child);
                child.tell(Payload.of(made++), getSelf());
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
            parent[0].tell("go", ActorRef.noSender());
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
