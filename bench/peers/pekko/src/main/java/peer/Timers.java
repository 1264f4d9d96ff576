package peer;

import java.time.Duration;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
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
    private static final int TAKEN_AT_ONCE = 50_000;
    private static final long TICK_NS = 10_000_000;
    private static final int REARMED_BY_MS = 33_333;
    private static final ExecutionContext DIRECT = ExecutionContexts.fromExecutor(Runnable::run);

    private final Scheduler scheduler;
    private final ActorRef owner;
    private final Cancellable[] timers;
    private final Duration[] delays;
    private final int[] order;
    private long cancelled;

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

    /** Owns all timers, and counts and adds those that expire. */
    private static final class Owner extends UntypedAbstractActor {
        private final Finish finish;
        private final Tally tally;
        private final long expected;
        private long expired;
        private long sum;

        Owner(Finish finish, Tally tally, long expected) {
            this.finish = finish;
            this.tally = tally;
            this.expected = expected;
        }

        @Override
        public void onReceive(Object message) {
            sum += ((Payload) message).first();
            if (++expired == expected) {
                finish.arrive();
            }
        }

        @Override
        public void postStop() {
            tally.messages.set(expired);
            tally.sum.set(sum);
        }
    }

    private void start(int i, Duration delay) {
        timers[i] = scheduler.scheduleOnce(delay, owner, Payload.of(i), DIRECT, ActorRef.noSender());
    }

    /** Whether it was pending. */
    private boolean cancel(int i) {
        return timers[i].cancel();
    }

    private void startAll() {
        for (int i = 0; i < timers.length; i++) {
            start(i, delays[i]);
        }
    }

    private void cancelAll() {
        cancelled = 0;
        for (int i : order) {
            cancelled += cancel(i) ? 1 : 0;
        }
    }

    private void rearmAll() {
        for (int i : order) {
            if (!cancel(i)) {
                throw new Report.Invalid("a timer that is to be put off was not pending");
            }
            start(i, delays[(i + REARMED_BY_MS) % delays.length]);
        }
    }

    /** Waits until the wheel's thread has taken all timers that were started: it takes them in order, once a tick. */
    private void flush() throws InterruptedException {
        CountDownLatch taken = new CountDownLatch(1);
        scheduler.scheduleOnce(Duration.ofNanos(1), taken::countDown, DIRECT);
        taken.await();
    }

    /**
     * All are due at once, after the last one was started. Returns the time from then until all are handled. The wheel's
     * thread reads the clock once for all timers that it finds, also for those that are started meanwhile, which then expire as
     * much too early; so it is let come to an end now and then.
     */
    private long expireAll(long startingNs, Finish finish) throws InterruptedException {
        long pauses = timers.length / TAKEN_AT_ONCE + 1;
        flush();
        long base = System.nanoTime() + 3 * startingNs + 4 * pauses * TICK_NS + 100_000_000;
        for (int i = 0; i < timers.length; i++) {
            start(i, Duration.ofNanos(base - System.nanoTime()));
            if (i % TAKEN_AT_ONCE == 0) {
                flush();
            }
        }
        if (System.nanoTime() >= base) {
            throw new Report.Invalid("timers were due before all were started");
        }
        finish.await();
        long elapsed = System.nanoTime() - base;
        if (elapsed <= 0) {
            throw new Report.Invalid("all timers expired before they were due");
        }
        return elapsed;
    }

    private static long elapsed(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return System.nanoTime() - start;
    }

    private static void million(Options options, boolean atRandom, Report report) throws Exception {
        int count = (int) options.count();
        Finish finish = new Finish(1);
        Tally expired = new Tally();
        ActorRef[] owner = new ActorRef[1];
        try (World world = new World(options)) {
            Props props = Props.create(Owner.class, () -> new Owner(finish, expired, count));
            world.make(context -> owner[0] = context.actorOf(props.withDispatcher(World.place(0))));
            Timers timers = new Timers(world.system().scheduler(), owner[0], count, atRandom);
            /* As on the other sides, so that no memory is new. */
            timers.startAll();
            timers.cancelAll();
            long startNs = elapsed(timers::startAll);
            report.time("start", startNs, count);
            report.time("cancel", elapsed(timers::cancelAll), count);
            report.proof("timers", timers.cancelled);
            timers.startAll();
            report.time("rearm", elapsed(timers::rearmAll), count);
            timers.cancelAll();
            report.time("expire", timers.expireAll(startNs, finish), count);
        }
        if (expired.sum.get() != (long) count * (count - 1) / 2) {
            throw new Report.Invalid("the timers' payloads add up wrongly");
        }
        report.proof("expired", expired.messages.get());
    }
}
