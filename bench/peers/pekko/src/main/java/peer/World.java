package peer;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.apache.pekko.actor.ActorContext;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.UntypedAbstractActor;

/**
 * An actor system for one run, and the threads that its actors have.
 *
 * <p>Settings, and why:
 *
 * <ul>
 *   <li>Classic actors: a typed one is a classic one with a behavior around it.
 *   <li>Rows with threads that say who lives where have a dispatcher with one thread for each place; the others have one
 *       dispatcher with a thread by CPU.
 *   <li>The fork-join executor, whose threads sleep as soon as they have nothing to do. The one that can wait busily,
 *       affinity-pool-executor with idle-cpu-level = 10, took 2 times as long or more in ping-pong-threads, 4 times and more in
 *       streams.
 *   <li>SingleConsumerOnlyUnboundedMailbox: the default is a ConcurrentLinkedQueue, which is for several consumers.
 * </ul>
 */
final class World implements AutoCloseable {
    /** The dispatcher with a thread by CPU. */
    static final String SHARED = "shared";

    /** The same, on which an actor lets others run after each message. */
    static final String YIELDING = "yielding";

    private static final String SETTINGS =
            """
            pekko.loglevel = OFF
            pekko.stdout-loglevel = OFF
            pekko.log-dead-letters = off
            pekko.log-dead-letters-during-shutdown = off
            pekko.coordinated-shutdown.run-by-jvm-shutdown-hook = off
            pekko.actor.default-mailbox.mailbox-type = "org.apache.pekko.dispatch.SingleConsumerOnlyUnboundedMailbox"
            pekko.scheduler.ticks-per-wheel = 16384
            shared = ${thread}
            yielding = ${thread}
            place-0 = ${thread}
            place-1 = ${thread}
            shared.fork-join-executor { parallelism-min = ${cpus}, parallelism-max = ${cpus} }
            yielding.fork-join-executor { parallelism-min = ${cpus}, parallelism-max = ${cpus} }
            yielding.throughput = 1
            thread {
              type = Dispatcher
              executor = fork-join-executor
              fork-join-executor { parallelism-min = 1, parallelism-max = 1 }
              throughput = 1000
            }
            """;

    /** Runs what it is sent: so that actors are made by an actor, which is much cheaper than from outside. */
    private static final class Maker extends UntypedAbstractActor {
        @Override
        @SuppressWarnings("unchecked")
        public void onReceive(Object work) {
            ((Consumer<ActorContext>) work).accept(getContext());
        }
    }

    /** Has begun after all that were made before it on the same place. */
    private static final class Marker extends UntypedAbstractActor {
        Marker(CountDownLatch begun) {
            begun.countDown();
        }

        @Override
        public void onReceive(Object message) {
            unhandled(message);
        }
    }

    private final ActorSystem system;
    private final ActorRef maker;

    World(Options options) {
        Config config =
                ConfigFactory.parseString("cpus = " + options.cpus())
                        .withFallback(ConfigFactory.parseString(SETTINGS))
                        .withFallback(ConfigFactory.defaultReferenceUnresolved())
                        .resolve();
        system = ActorSystem.create("peer", config);
        maker = system.actorOf(Props.create(Maker.class, Maker::new).withDispatcher(place(0)));
    }

    ActorSystem system() {
        return system;
    }

    static String place(int i) {
        return "place-" + i;
    }

    /** Lets an actor on place 0 make others, and waits until they have begun, if they live on place 0 or 1. */
    void make(Consumer<ActorContext> work) throws InterruptedException {
        maker.tell(work, ActorRef.noSender());
        settle(place(0));
        settle(place(1));
    }

    /** Waits until the actors on a dispatcher have begun. */
    void settle(String dispatcher) throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(1);
        Props marker = Props.create(Marker.class, () -> new Marker(begun)).withDispatcher(dispatcher);
        Consumer<ActorContext> mark = context -> context.actorOf(marker);
        maker.tell(mark, ActorRef.noSender());
        begun.await();
    }

    /** Ends all actors, and waits until none is left. */
    @Override
    public void close() {
        system.terminate();
        system.getWhenTerminated().toCompletableFuture().join();
    }
}
