package peer;

import java.time.Duration;
import java.util.Map;
import java.util.SplittableRandom;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Cancellable;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.Scheduler;
import org.apache.pekko.actor.UntypedAbstractActor;
import org.apache.pekko.dispatch.ExecutionContexts;
import scala.concurrent.ExecutionContext;

/**
 * timer/..., what a timer costs among so many.
 *
 * <p>A timer is a delayed message of the scheduler, a hashed wheel with a thread of its own and ticks of 10 ms. The wheel is
 * made big enough that no timer is looked at twice, and its thread sends the message itself instead of having another do so.
 * The timers of an actor (AbstractActorWithTimers) are these plus a map of keys and a generation in each message.
 */
final class Timers {
    private static final long FAR_MS = 60_000;
    private static final int SPREAD_MS = 100_000;
    private static final int REARMED_BY_MS = 33_333;
    private static final ExecutionContext DIRECT = ExecutionContexts.fromExecutor(Runnable::run);

    private final Scheduler scheduler;
    private final ActorRef owner;
    private final Cancellable[] timers;
    private final Duration[] delays;
    private final int[] order;

    private Timers(Scheduler scheduler, ActorRef owner, int count, boolean atRandom) {
        this.scheduler = scheduler;
        this.owner = owner;
        timers = new Cancellable[count];
        delays = new Duration[count];
        order = new int[count];
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < count; i++) {
            delays[i] = Duration.ofMillis(FAR_MS + (atRandom ? random.nextInt(SPREAD_MS) : i % SPREAD_MS));
            int j = random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
    }

    static void register(Map<String, Main.Workload> workloads) {
        workloads.put("timer/million", (options, report) -> million(options, false, report));
        workloads.put("timer/million-random", (options, report) -> million(options, true, report));
    }

    /** Owns all timers, and counts those that expire. */
    private static final class Owner extends UntypedAbstractActor {
        private final Finish finish;

        Owner(Finish finish) {
            this.finish = finish;
        }

        @Override
        public void onReceive(Object message) {
            finish.arrive();
        }
    }

    private void start(int i, Duration delay) {
        timers[i] = scheduler.scheduleOnce(delay, owner, Payload.of(i), DIRECT, ActorRef.noSender());
    }

    private void cancel(int i) {
        if (!timers[i].cancel()) {
            throw new Report.Invalid("a timer could not be cancelled");
        }
    }

    private void startAll() {
        for (int i = 0; i < timers.length; i++) {
            start(i, delays[i]);
        }
    }

    private void cancelAll() {
        for (int i : order) {
            cancel(i);
        }
    }

    private void rearmAll() {
        for (int i : order) {
            cancel(i);
            start(i, delays[(i + REARMED_BY_MS) % delays.length]);
        }
    }

    /** All are due at once, after the last one was started. Returns the time from then until all are handled. */
    private long expireAll(long startingNs, Finish finish) throws InterruptedException {
        long base = System.nanoTime() + 3 * startingNs + 100_000_000;
        for (int i = 0; i < timers.length; i++) {
            start(i, Duration.ofNanos(base - System.nanoTime()));
        }
        if (System.nanoTime() >= base) {
            throw new Report.Invalid("timers were due before all were started");
        }
        finish.await();
        return System.nanoTime() - base;
    }

    private static long elapsed(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return System.nanoTime() - start;
    }

    private static void million(Options options, boolean atRandom, Report report) throws Exception {
        int count = (int) options.count();
        Finish finish = new Finish(count);
        ActorRef[] owner = new ActorRef[1];
        try (World world = new World(options)) {
            Props props = Props.create(Owner.class, () -> new Owner(finish)).withDispatcher(World.place(0));
            world.make(context -> owner[0] = context.actorOf(props));
            Timers timers = new Timers(world.system().scheduler(), owner[0], count, atRandom);
            /* As on the other sides, so that no memory is new. */
            timers.startAll();
            timers.cancelAll();
            long startNs = elapsed(timers::startAll);
            report.time("start", startNs, count);
            long rearmNs = elapsed(timers::rearmAll);
            long cancelNs = elapsed(timers::cancelAll);
            report.time("cancel", cancelNs, count);
            report.time("rearm", rearmNs, count);
            report.time("expire", timers.expireAll(startNs, finish), count);
            report.proof("timers", count);
            report.proof("expired", finish.arrived());
        }
    }
}
