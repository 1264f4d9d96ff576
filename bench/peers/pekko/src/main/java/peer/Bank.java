package peer;

import java.util.ArrayDeque;
import org.apache.pekko.actor.ActorRef;

/** savina/bank-transaction: see bench/savina/README.md. */
final class Bank {
    private static final int ACCOUNTS = 1000;
    private static final int SOURCES = 800;
    private static final long BALANCE = 1L << 32;
    private static final long SEED = 123456;

    private Bank() {}

    private record Credit(long amount, ActorRef to) {}

    private record Debit(long amount) {}

    private record Balance(int account, long balance) {}

    private static final Object ACK = "ack";

    /** Keeps what comes while it waits for an answer, which with so few accounts in a transaction is seldom anything. */
    private static final class Account extends Savina.Member {
        private record Stashed(Object message, ActorRef sender) {}

        private final int index;
        private final ArrayDeque<Stashed> stash = new ArrayDeque<>();
        private long balance = BALANCE;
        private ActorRef teller;

        Account(int index) {
            this.index = index;
        }

        /** The teller of the transaction that it is in is known: it waits for the answer to its debit. */
        private boolean waiting() {
            return teller != null;
        }

        @Override
        public void onReceive(Object message) {
            if (message == ACK) {
                teller.tell(Savina.DONE, getSelf());
                teller = null;
                while (!stash.isEmpty() && !waiting()) {
                    Stashed next = stash.poll();
                    handle(next.message(), next.sender());
                }
            } else if (waiting()) {
                stash.add(new Stashed(message, getSender()));
            } else {
                handle(message, getSender());
            }
        }

        private void handle(Object message, ActorRef sender) {
            if (message instanceof Credit credit) {
                balance -= credit.amount();
                teller = sender;
                credit.to().tell(new Debit(credit.amount()), getSelf());
            } else if (message instanceof Debit debit) {
                balance += debit.amount();
                sender.tell(ACK, getSelf());
            } else {
                report(sender, new Balance(index, balance));
            }
        }
    }

    /** What came of it. */
    private static final class Outcome {
        long transactions;
        long balance;
        long checksum;
    }

    private static final class Teller extends Savina.Central {
        private final ActorRef[] accounts;
        private final long count;
        private final Outcome outcome;
        private final Savina.SuiteRandom random = new Savina.SuiteRandom(SEED);
        private long begun;

        Teller(Finish finish, ActorRef[] accounts, long count, Outcome outcome) {
            super(finish, ACCOUNTS);
            this.accounts = accounts;
            this.count = count;
            this.outcome = outcome;
        }

        @Override
        public void onReceive(Object message) {
            if (message == Savina.DONE) {
                outcome.transactions++;
                if (begun < count) {
                    begin();
                } else if (outcome.transactions == count) {
                    end();
                }
            } else if (message instanceof Balance report) {
                outcome.balance += report.balance();
                outcome.checksum += (report.account() + 1) * report.balance();
                if (reported()) {
                    finish.arrive();
                }
            } else {
                while (begun < Math.min(count, Savina.WINDOW)) {
                    begin();
                }
            }
        }

        private void begin() {
            begun++;
            int source = random.below(SOURCES);
            int distance = Math.max(random.below(ACCOUNTS - source), 1);
            long amount = random.next() + 1;
            accounts[source].tell(new Credit(amount, accounts[source + distance]), getSelf());
        }

        private void end() {
            for (ActorRef account : accounts) {
                account.tell(Savina.END, getSelf());
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        Outcome outcome = new Outcome();
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef[] accounts = Savina.actors(context, ACCOUNTS, Account.class, Account::new);
                    return Savina.actor(
                            context, Teller.class, () -> new Teller(finish, accounts, options.count(), outcome));
                },
                finish,
                options.count(),
                report);
        report.proof("transactions", outcome.transactions);
        report.proof("balance", outcome.balance);
        report.proof("checksum", outcome.checksum);
    }
}
