/* side.cpp: see side.hpp. */
#include "side.hpp"

#include <sched.h>

#include <cinttypes>
#include <cstdio>

namespace
{

/* About ten milliseconds: long enough to find a peer's answer without a system call, short enough to leave a CPU that
 * somebody else needs. */
constexpr size_t polls = 1000000;

/* Says when it has begun: then all that were made before it on the same worker have. */
class marker : public caf::event_based_actor
{
  public:
    marker(caf::actor_config &config, std::promise<void> *begun) : event_based_actor(config), begun_(begun)
    {
    }
    caf::behavior make_behavior() override
    {
        begun_->set_value();
        return {};
    }

  private:
    std::promise<void> *begun_;
};

} // namespace

void report::time(const std::string &name, uint64_t elapsed_ns, uint64_t operations)
{
    text_ += "time " + name + " " + std::to_string(elapsed_ns) + " " + std::to_string(operations) + "\n";
}

void report::figure(const std::string &name, const std::string &unit, const char *better, double value)
{
    text_ += "figure " + name + " " + unit + " " + better + " " + std::to_string(value) + "\n";
}

void report::latency(uint64_t ns)
{
    text_ += "latency " + std::to_string(ns) + " 1\n";
}

void report::proof(const std::string &name, uint64_t value)
{
    text_ += "proof " + name + " " + std::to_string(value) + "\n";
}

void pin(size_t index)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        throw invalid("no set of CPUs");
    }
    int cpu = 0;
    for (size_t left = index + 1; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set) && --left == 0) {
            break;
        }
    }
    if (cpu == CPU_SETSIZE) {
        throw skipped("it wants more CPUs");
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        throw invalid("a thread stays where it is");
    }
}

place::place(size_t workers, bool waits_busily, size_t throughput)
{
    config_.set("scheduler.policy", caf::atom("stealing"));
    config_.set("scheduler.max-threads", workers);
    if (waits_busily) {
        config_.set("work-stealing.aggressive-poll-attempts", polls);
    }
    if (throughput != 0) {
        config_.set("scheduler.max-throughput", throughput);
    }
    system_ = std::make_unique<caf::actor_system>(config_);
}

place::~place()
{
    end();
}

void place::settle()
{
    std::promise<void> begun;
    system_->spawn<marker>(&begun);
    begun.get_future().wait();
}

void place::end()
{
    for (const auto &actor : actors_) {
        caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    }
    actors_.clear();
    system_->await_all_actors_done();
}

places::places(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        places_.push_back(std::make_unique<place>(1, count > 1));
    }
}

void places::settle()
{
    for (auto &place : places_) {
        place->settle();
    }
}

void places::end()
{
    for (auto &place : places_) {
        place->end();
    }
}
