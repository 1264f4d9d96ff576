/* life.cpp: life/..., what actors cost as they come and go, and while they wait. */
#include "side.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

using caf::actor;
using caf::behavior;

namespace
{

constexpr uint64_t brood_size = 64;

/* ---- life/spawn ---- */

/* What the mayflies of a run were sent, counted as they end: by on_exit(), on the worker that has them all. */
struct brood {
    actor maker;
    uint64_t made = 0;
    uint64_t ended = 0;
    uint64_t sum = 0;
};

/* Handles one message and ends. The last of those that were made tells their maker. */
class mayfly : public caf::event_based_actor
{
  public:
    mayfly(caf::actor_config &config, brood *brood) : event_based_actor(config), brood_(brood)
    {
    }

    behavior make_behavior() override
    {
        return {[this](const payload &payload) {
            handled_ = payload.words[0];
            quit();
        }};
    }

    void on_exit() override
    {
        brood_->sum += handled_;
        if (++brood_->ended == brood_->made) {
            send(brood_->maker, go_atom::value);
        }
    }

  private:
    brood *brood_;
    uint64_t handled_ = 0;
};

/* Makes `total` mayflies, 64 at a time; the next 64 when all have ended. */
class maker : public caf::event_based_actor
{
  public:
    maker(caf::actor_config &config, brood *brood, finish *finish, uint64_t total)
        : event_based_actor(config), brood_(brood), finish_(finish), total_(total)
    {
    }

    behavior make_behavior() override
    {
        return {[this](go_atom) {
            if (brood_->ended == total_) {
                finish_->arrive();
            } else {
                make_brood();
            }
        }};
    }

  private:
    void make_brood()
    {
        uint64_t first = brood_->made;
        brood_->made += std::min(brood_size, total_ - first);
        for (uint64_t i = first; i < brood_->made; i++) {
            /* Made lazily, it is run once: for its message. */
            send(spawn<mayfly, caf::lazy_init>(brood_), first_word(i));
        }
    }

    brood *brood_;
    finish *finish_;
    uint64_t total_;
};

void spawn(const options &options, report &report)
{
    finish finish;
    place place(1);
    brood brood;
    brood.maker = place.spawn<maker>(&brood, &finish, options.count);
    place.settle();
    stopwatch stopwatch;
    caf::anon_send(brood.maker, go_atom::value);
    finish.wait();
    report.time("time", stopwatch.elapsed_ns(), options.count);
    report.proof("actors", brood.ended);
    report.proof("sum", brood.sum);
    brood.maker = nullptr;
}

/* ---- life/idle ---- */

/* Waits for messages, and has handled one when it counts. */
class idler : public caf::event_based_actor
{
  public:
    idler(caf::actor_config &config, finish *finish) : event_based_actor(config), finish_(finish)
    {
    }

    behavior make_behavior() override
    {
        return {[this](const payload &) { finish_->arrive(); }};
    }

  private:
    finish *finish_;
};

/* Makes the idlers, so that the thread that they live on is that whose memory they take. */
class hatcher : public caf::event_based_actor
{
  public:
    hatcher(caf::actor_config &config, std::vector<actor> *idlers, finish *finish, uint64_t count)
        : event_based_actor(config), idlers_(idlers), finish_(finish), count_(count)
    {
    }

    behavior make_behavior() override
    {
        return {[this](go_atom) {
            for (uint64_t i = 0; i < count_; i++) {
                idlers_->push_back(spawn<idler, caf::lazy_init>(finish_));
                send(idlers_->back(), first_word(i));
            }
        }};
    }

  private:
    std::vector<actor> *idlers_;
    finish *finish_;
    uint64_t count_;
};

uint64_t resident_bytes()
{
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *file = std::fopen("/proc/self/statm", "r");
    if (file == nullptr || std::fscanf(file, "%lu %lu", &size, &resident) != 2) {
        throw invalid("/proc/self/statm cannot be read");
    }
    std::fclose(file);
    return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void idle(const options &options, report &report)
{
    if (options.warming_up) {
        return; /* memory that a warm-up had freed would be in the figure before */
    }
    finish finish(options.count);
    place place(1);
    std::vector<actor> idlers(options.count);
    idlers.clear();
    actor hatcher_ = place.spawn<hatcher>(&idlers, &finish, options.count);
    place.settle();
    uint64_t before = resident_bytes();
    caf::anon_send(hatcher_, go_atom::value);
    finish.wait();
    place.settle();
    double grown = static_cast<double>(resident_bytes()) - static_cast<double>(before);
    report.figure("size", "bytes", "lower", grown / static_cast<double>(options.count));
    report.proof("actors", idlers.size());
    for (const auto &idler : idlers) {
        caf::anon_send_exit(idler, caf::exit_reason::user_shutdown);
    }
}

} // namespace

const workloads &life_workloads()
{
    static const workloads all = {
        {"life/spawn", spawn},
        {"life/idle", idle},
    };
    return all;
}
