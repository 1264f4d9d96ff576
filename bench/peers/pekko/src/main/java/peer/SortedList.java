package peer;

import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.UntypedAbstractActor;

/** savina/concurrent-sorted-list: see bench/savina/README.md. */
final class SortedList {
    private static final int WORKERS = 20;
    private static final Object SIZE = "size";

    private SortedList() {}

    private record Add(long value) {}

    private record Contains(long value) {}

    private record Handled(long adds, long sizes, long lookups, long checksum) {}

    /** Singly linked, ascending; the first node has no value. */
    private static final class Numbers {
        private static final class Node {
            final long value;
            Node next;

            Node(long value, Node next) {
                this.value = value;
                this.next = next;
            }
        }

        private final Node head = new Node(0, null);

        void add(long value) {
            Node at = head;
            while (at.next != null && at.next.value <= value) {
                at = at.next;
            }
            at.next = new Node(value, at.next);
        }

        boolean contains(long value) {
            for (Node at = head.next; at != null; at = at.next) {
                if (at.value == value) {
                    return true;
                }
            }
            return false;
        }

        long size() {
            long size = 0;
            for (Node at = head.next; at != null; at = at.next) {
                size++;
            }
            return size;
        }

        long checksum() {
            long sum = 0;
            long position = 0;
            for (Node at = head.next; at != null; at = at.next) {
                sum += ++position * at.value;
            }
            return sum;
        }
    }

    private static final class Keeper extends UntypedAbstractActor {
        private final Numbers numbers = new Numbers();
        private long adds;
        private long sizes;
        private long lookups;

        @Override
        public void onReceive(Object message) {
            if (message instanceof Contains contains) {
                lookups++;
                answer(numbers.contains(contains.value()) ? 1 : 0);
            } else if (message instanceof Add add) {
                adds++;
                numbers.add(add.value());
                answer(add.value());
            } else if (message == SIZE) {
                sizes++;
                answer(numbers.size());
            } else {
                getSender().tell(new Handled(adds, sizes, lookups, numbers.checksum()), getSelf());
            }
        }

        private void answer(long value) {
            getSender().tell(value, getSelf());
        }
    }

    private static final class Worker extends Savina.Member {
        private final ActorRef keeper;
        private final long each;
        private final Savina.SuiteRandom random;
        private ActorRef master;
        private long asked;

        Worker(ActorRef keeper, int index, long each) {
            this.keeper = keeper;
            this.each = each;
            random = new Savina.SuiteRandom(index + each + 11);
        }

        @Override
        public void onReceive(Object message) {
            if (message == Savina.GO) {
                master = getSender();
            }
            if (asked++ == each) {
                report(master, Savina.DONE);
            } else {
                keeper.tell(question(), getSelf());
            }
        }

        private Object question() {
            int drawn = random.below(100);
            if (drawn < 1) {
                return SIZE;
            }
            return drawn < 11 ? new Add(random.next()) : new Contains(random.next());
        }
    }

    private static final class Master extends Savina.Central {
        private final ActorRef keeper;
        private final ActorRef[] workers;
        private final Handled[] handled;

        Master(Finish finish, ActorRef keeper, ActorRef[] workers, Handled[] handled) {
            super(finish, WORKERS);
            this.keeper = keeper;
            this.workers = workers;
            this.handled = handled;
        }

        @Override
        public void onReceive(Object message) {
            if (message == Savina.DONE) {
                if (reported()) {
                    keeper.tell(Savina.END, getSelf());
                }
            } else if (message instanceof Handled answer) {
                handled[0] = answer;
                finish.arrive();
            } else {
                for (ActorRef worker : workers) {
                    worker.tell(Savina.GO, getSelf());
                }
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        long each = Savina.each(options.count(), WORKERS);
        Handled[] handled = new Handled[1];
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef keeper = Savina.actor(context, Keeper.class, Keeper::new);
                    ActorRef[] workers =
                            Savina.actors(context, WORKERS, Worker.class, i -> new Worker(keeper, i, each));
                    return Savina.actor(context, Master.class, () -> new Master(finish, keeper, workers, handled));
                },
                finish,
                each * WORKERS,
                report);
        report.proof("adds", handled[0].adds());
        report.proof("sizes", handled[0].sizes());
        report.proof("lookups", handled[0].lookups());
        report.proof("checksum", handled[0].checksum());
    }
}
