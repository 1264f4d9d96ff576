package peer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.UntypedAbstractActor;
import org.apache.pekko.dispatch.Futures;
import org.apache.pekko.pattern.Patterns;
import scala.concurrent.Await;
import scala.concurrent.ExecutionContext;
import scala.concurrent.Future;
import scala.concurrent.duration.Duration;

/** call/... and wake/ask: the ask pattern. An actor has what the future ends with piped to itself, as it should. */
final class Calls {
    private static final int GATHERING = 8;
    private static final long TIMEOUT_MS = 60_000;

    private Calls() {}

    static void register(Map<String, Main.Workload> workloads) {
        workloads.put("call/round-trip", (options, report) -> ask(options, 1, 1, report));
        workloads.put("call/round-trip-threads", (options, report) -> ask(options, 1, 2, report));
        workloads.put("call/gather", (options, report) -> ask(options, GATHERING, 1, report));
        workloads.put("call/gather-threads", (options, report) -> ask(options, GATHERING, 2, report));
        workloads.put("wake/ask", Calls::askFromOutside);
    }

    /** An answer is the question, and `more`. */
    private static final class Answerer extends UntypedAbstractActor {
        private final long more;

        Answerer(long more) {
            this.more = more;
        }

        @Override
        public void onReceive(Object message) {
            Payload question = (Payload) message;
            Payload answer = new Payload(question.first() + more, question.second(), question.third(), question.fourth());
            getSender().tell(answer, getSelf());
        }
    }

    private static Props answerer(long more, int place) {
        return Props.create(Answerer.class, () -> new Answerer(more)).withDispatcher(World.place(place));
    }

    private static Future<Object> question(ActorRef to, long word) {
        return Patterns.ask(to, new Payload(word, 2, 3, 4), TIMEOUT_MS);
    }

    /** Asks with the words 1 to `count`, one after the other; of several at once when it has all answers. */
    private static final class Asker extends UntypedAbstractActor {
        private final List<ActorRef> to;
        private final long count;
        private final Tally tally;
        private final Finish finish;
        private long answers;
        private long sum;

        Asker(List<ActorRef> to, long count, Tally tally, Finish finish) {
            this.to = to;
            this.count = count;
            this.tally = tally;
            this.finish = finish;
        }

        @Override
        @SuppressWarnings("unchecked")
        public void onReceive(Object message) {
            if (message instanceof Payload answer) {
                take(answer.first());
            } else if (message instanceof Iterable<?> found) {
                long words = 0;
                for (Payload answer : (Iterable<Payload>) found) {
                    words += answer.first();
                }
                take(words / to.size());
            } else {
                askNext();
            }
        }

        private void take(long answer) {
            if (answer != answers + 1) {
                finish.fail("another answer");
            }
            answers++;
            sum += answer;
            if (answers < count) {
                askNext();
                return;
            }
            tally.messages.set(answers);
            tally.sum.set(sum);
            finish.arrive();
        }

        private void askNext() {
            long word = answers + 1;
            ExecutionContext here = getContext().dispatcher();
            if (to.size() == 1) {
                Patterns.pipe(question(to.get(0), word), here).to(getSelf());
                return;
            }
            List<Future<Object>> questions = new ArrayList<>(to.size());
            for (ActorRef one : to) {
                questions.add(question(one, word));
            }
            Patterns.pipe(Futures.sequence(questions, here), here).to(getSelf());
        }
    }

    private static void ask(Options options, int members, int places, Report report) throws Exception {
        Tally tally = new Tally();
        Finish finish = new Finish(1);
        List<ActorRef> to = new ArrayList<>();
        ActorRef[] asker = new ActorRef[1];
        try (World world = new World(options)) {
            Props askerProps =
                    Props.create(Asker.class, () -> new Asker(to, options.count(), tally, finish))
                            .withDispatcher(World.place(0));
            world.make(
                    context -> {
                        for (int i = 0; i < members; i++) {
                            to.add(context.actorOf(answerer(0, places - 1)));
                        }
                        asker[0] = context.actorOf(askerProps);
                    });
            long start = System.nanoTime();
            asker[0].tell("go", ActorRef.noSender());
            finish.await();
            report.time("time", System.nanoTime() - start, options.count());
        }
        report.proof("answers", tally.messages.get());
        report.proof("sum", tally.sum.get());
    }

    /** The main thread asks, and sleeps until it is answered. */
    private static void askFromOutside(Options options, Report report) throws Exception {
        ActorRef[] to = new ActorRef[1];
        long sum = 0;
        try (World world = new World(options)) {
            world.make(context -> to[0] = context.actorOf(answerer(1, 1)));
            for (long word = 0; word < options.count(); word++) {
                long start = System.nanoTime();
                Payload answer = (Payload) Await.result(question(to[0], word), Duration.Inf());
                report.latency(System.nanoTime() - start);
                sum += answer.first();
            }
        }
        report.proof("trips", options.count());
        report.proof("sum", sum);
    }
}
