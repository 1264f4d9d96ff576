package peer;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.pekko.Version;

/** The protocol of bench/README.md. */
public final class Main {
    /** How long to warm up at least: about what the second compiler needs to be done with the paths that matter. */
    private static final long WARM_UP_NS = 3_000_000_000L;

    private static final int WARM_UPS_MAX = 50;

    /** A workload: does the work once. */
    interface Workload {
        void run(Options options, Report report) throws Exception;
    }

    private static final Map<String, Workload> WORKLOADS = new LinkedHashMap<>();

    static {
        Messages.register(WORKLOADS);
        Calls.register(WORKLOADS);
        Many.register(WORKLOADS);
        Lives.register(WORKLOADS);
        Timers.register(WORKLOADS);
        Supervision.register(WORKLOADS);
        Savina.register(WORKLOADS);
    }

    public static void main(String[] arguments) {
        int status = 2;
        try {
            status = run(arguments);
        } catch (Report.Skipped reason) {
            System.out.println("skip " + reason.getMessage());
            status = 0;
        } catch (Report.Invalid reason) {
            System.out.println("invalid " + reason.getMessage());
            status = 0;
        } catch (Throwable error) {
            error.printStackTrace();
            status = 1;
        }
        System.out.flush();
        System.exit(status);
    }

    private static int run(String[] arguments) throws Exception {
        if (arguments.length == 1 && arguments[0].equals("list")) {
            WORKLOADS.keySet().forEach(name -> System.out.println(name + " pekko"));
            return 0;
        }
        if (arguments.length > 2 && arguments[0].equals("measure") && arguments[2].equals("pekko")) {
            measure(arguments);
            return 0;
        }
        System.err.println("usage: pekko list | pekko measure WORKLOAD pekko count=N [warm=N] [cpus=A,B] [NAME=VALUE...]");
        return 2;
    }

    private static void measure(String[] arguments) throws Exception {
        Workload workload = WORKLOADS.get(arguments[1]);
        if (workload == null) {
            throw new Report.Invalid("no such workload: " + arguments[1]);
        }
        Map<String, String> named = named(arguments);
        long count = number(named, "count", 0);
        if (count == 0) {
            throw new Report.Invalid("count=N is missing");
        }
        int cpus = named.getOrDefault("cpus", "0").split(",").length;
        warmUp(workload, number(named, "warm", 0), cpus, number(named, "quick", 0) == 1);
        Report report = new Report();
        workload.run(new Options(count, cpus, false), report);
        System.out.println("version Apache Pekko " + Version.current() + ", Java " + Runtime.version());
        System.out.print(report);
    }

    private static Map<String, String> named(String[] arguments) {
        Map<String, String> named = new TreeMap<>();
        for (int i = 3; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            if (pair.length != 2) {
                throw new Report.Invalid("not NAME=VALUE: " + arguments[i]);
            }
            named.put(pair[0], pair[1]);
        }
        return named;
    }

    private static long number(Map<String, String> named, String name, long otherwise) {
        try {
            return named.containsKey(name) ? Long.parseLong(named.get(name)) : otherwise;
        } catch (NumberFormatException error) {
            throw new Report.Invalid(name + " is no number: " + named.get(name));
        }
    }

    /** The work of `warm` may be too short for the compiler, so it is repeated, unless only a quick look is wanted. */
    private static void warmUp(Workload workload, long warm, int cpus, boolean quick) throws Exception {
        if (warm == 0) {
            return;
        }
        long deadline = System.nanoTime() + (quick ? 0 : WARM_UP_NS);
        int times = 0;
        do {
            workload.run(new Options(warm, cpus, true), new Report());
        } while (++times < WARM_UPS_MAX && System.nanoTime() < deadline);
    }
}
