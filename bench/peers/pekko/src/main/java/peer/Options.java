package peer;

/** What a workload is asked for: so many operations, with so many CPUs. */
record Options(long count, int cpus, boolean warmingUp) {}
