/*
 * savina.hpp: what the members of bench/savina/README.md share.
 *
 * With threads there is one actor_system with two workers: CAF places actors itself. What actors know of each other stands in
 * a struct of the workload that outlives them, so that no actor keeps another alive.
 */
#ifndef PEER_CAF_SAVINA_HPP
#define PEER_CAF_SAVINA_HPP

#include "side.hpp"

#include <algorithm>

using report_atom = caf::atom_constant<caf::atom("report")>;
using done_atom = caf::atom_constant<caf::atom("done")>;
using end_atom = caf::atom_constant<caf::atom("end")>;

constexpr uint64_t window = 1000;
constexpr uint64_t ack_every = 500;

/* The generator of the suite. */
class suite_random
{
  public:
    explicit suite_random(uint64_t seed) : value_(seed)
    {
    }
    uint64_t next()
    {
        value_ = (value_ * 1309 + 13849) & 65535;
        return value_;
    }
    uint64_t below(uint64_t n)
    {
        return next() % n;
    }
    double real()
    {
        return 1.0 / static_cast<double>(next() + 1);
    }

  private:
    uint64_t value_;
};

/* One draw after the other, and no draw left out: the compiler is not told what one gave. */
inline uint64_t busy(uint64_t n)
{
    uint64_t value = n;
    for (uint64_t i = 0; i < n; i++) {
        value = suite_random(value).next();
        __asm__ volatile("" : "+r"(value));
    }
    return value;
}

/* The central actor of a member: it counts, and says when the last report is there. */
class central_actor : public caf::event_based_actor
{
  public:
    central_actor(caf::actor_config &config, finish *finish) : event_based_actor(config), finish_(finish)
    {
    }

  protected:
    /* Returns true with the last of so many. */
    bool reported(size_t of)
    {
        return ++reports_ == of;
    }
    void finished()
    {
        finish_->arrive();
    }
    void failed(const std::string &text)
    {
        finish_->fail(text);
    }

  private:
    finish *finish_;
    size_t reports_ = 0;
};

/* What each of so many does of `count` operations. */
inline uint64_t each_of(uint64_t count, uint64_t workers)
{
    return std::max<uint64_t>(count / workers, 1);
}

/* Sends `central` its `go`, and reports the time until `finish`. */
inline void time_savina(place &place, const caf::actor &central, finish &finish, uint64_t operations, report &report)
{
    place.settle();
    stopwatch stopwatch;
    caf::anon_send(central, go_atom::value);
    finish.wait();
    report.time("time", stopwatch.elapsed_ns(), operations);
}

/* A member as its two workloads: what it is called with is the number of workers. */
using member_fn = void (*)(const options &options, size_t threads, report &report);
template <member_fn run> void add_member(workloads &all, const char *name, const char *name_threads)
{
    all.push_back({name, [](const options &options, report &report) { run(options, 1, report); }});
    all.push_back({name_threads, [](const options &options, report &report) { run(options, 2, report); }});
}

#endif
