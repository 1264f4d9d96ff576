/* main.cpp: the protocol of bench/README.md. */
#include "side.hpp"

#include <caf/config.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace
{

const char usage[] =
    "usage: caf list | caf measure WORKLOAD caf count=N [warm=N] [cpus=A,B] [seed=N] [NAME=VALUE...]\n";

workloads all_workloads()
{
    workloads all;
    for (const auto *some :
         {&message_workloads(), &call_workloads(), &many_workloads(), &life_workloads(), &timer_workloads(),
          &supervision_workloads(), &savina_many_workloads(), &savina_shared_workloads(), &savina_tables_workloads()}) {
        all.insert(all.end(), some->begin(), some->end());
    }
    return all;
}

int list()
{
    for (const auto &workload : all_workloads()) {
        std::printf("%s caf\n", workload.name);
    }
    return 0;
}

/* Takes one NAME=VALUE; one whose value is no number is of no workload here. */
void take(options &options, const std::string &argument)
{
    size_t equals = argument.find('=');
    if (equals == std::string::npos) {
        throw invalid("not NAME=VALUE: " + argument);
    }
    std::string name = argument.substr(0, equals);
    std::string value = argument.substr(equals + 1);
    if (name == "cpus") {
        options.cpus = static_cast<size_t>(std::count(value.begin(), value.end(), ',')) + 1;
        return;
    }
    char *end = nullptr;
    uint64_t number = std::strtoull(value.c_str(), &end, 10);
    if (!value.empty() && *end == '\0') {
        options.named[name] = number;
    }
}

options parse(int argc, char **argv)
{
    options options;
    options.workload = argv[2];
    for (int i = 4; i < argc; i++) {
        take(options, argv[i]);
    }
    if (options.named["count"] == 0) {
        throw invalid("count=N is missing");
    }
    if (options.named.count("seed") != 0) {
        options.seed = options.named["seed"];
    }
    return options;
}

void run(workload_fn work, options options, const char *name, report &report)
{
    options.count = options.named[name];
    options.warming_up = name == std::string("warm");
    if (options.count != 0) {
        work(options, report);
    }
}

int measure(int argc, char **argv)
{
    options options = parse(argc, argv);
    for (const auto &workload : all_workloads()) {
        if (options.workload == workload.name) {
            report warm_up;
            report report;
            run(workload.run, options, "warm", warm_up);
            run(workload.run, options, "count", report);
            std::printf("version CAF %d.%d.%d\n%s", CAF_MAJOR_VERSION, CAF_MINOR_VERSION, CAF_PATCH_VERSION,
                        report.text().c_str());
            return 0;
        }
    }
    throw invalid("no such workload: " + options.workload);
}

} // namespace

int main(int argc, char **argv)
{
    std::string verb = argc > 1 ? argv[1] : "";
    try {
        if (verb == "list" && argc == 2) {
            return list();
        }
        if (verb == "measure" && argc > 3 && std::string(argv[3]) == "caf") {
            return measure(argc, argv);
        }
    } catch (const skipped &reason) {
        std::printf("skip %s\n", reason.what());
        return 0;
    } catch (const invalid &reason) {
        std::printf("invalid %s\n", reason.what());
        return 0;
    }
    std::fputs(usage, stderr);
    return 2;
}
