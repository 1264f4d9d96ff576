/*
 * side.hpp: what every workload of this peer uses: the options it is called with, the report it writes, and the threads
 * that its actors live on.
 *
 * Settings, and what else was tried. Ratios are of CPU time by message in a local ping-pong, to what is used here:
 *
 *   threads        A CAF actor lives wherever a worker takes it from a queue, so two actors that only wait for each
 *                  other soon share one. The rows with threads ask for the opposite. Here a thread is an actor_system
 *                  with one worker: caf::anon_send() has a message handled by a worker of the receiver's system.
 *   busy waiting   A worker polls for some milliseconds before it sleeps (the default is a few microseconds): a peer that
 *                  answers within that finds it awake.
 *   payload        One struct of four words that is marked as allowed in messages, which need not be serialized.
 *                  Four integers instead: 1.03.
 *   actors         Dynamically typed classes: event_based_actor. Typed actors: 0.99, so the same.
 *   policy         Work stealing; one queue for all workers (sharing): 1.02.
 *   max-throughput Not limited, the default: an actor that has mail goes on as long as it has some.
 *   allocator      glibc's. mimalloc: 1.00, jemalloc: 1.00; an idle actor takes 1.13 and 1.21 times as much memory with them.
 */
#ifndef PEER_CAF_SIDE_HPP
#define PEER_CAF_SIDE_HPP

#include <caf/all.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

/* The 32 bytes that a message carries. */
struct payload {
    std::array<uint64_t, 4> words;
};
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(payload)

inline payload first_word(uint64_t word)
{
    return payload{{word, 0, 0, 0}};
}

using go_atom = caf::atom_constant<caf::atom("go")>;
using ack_atom = caf::atom_constant<caf::atom("ack")>;
using next_atom = caf::atom_constant<caf::atom("next")>;

/* What `measure` was asked for. */
struct options {
    std::string workload;
    uint64_t count = 0; /* operations: those of `warm` first */
    uint64_t seed = 1;
    size_t cpus = 1;
    bool warming_up = false;
    std::map<std::string, uint64_t> named; /* other numbers: NAME=VALUE */
};

/* A workload that cannot be done here, and one that went wrong. */
struct skipped : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct invalid : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/* The lines that a run ends with. */
class report
{
  public:
    void time(const std::string &name, uint64_t elapsed_ns, uint64_t operations);
    void figure(const std::string &name, const std::string &unit, const char *better, double value);
    void latency(uint64_t ns);
    void proof(const std::string &name, uint64_t value);
    const std::string &text() const
    {
        return text_;
    }

  private:
    std::string text_;
};

/* Measures from where it is made. */
class stopwatch
{
  public:
    uint64_t elapsed_ns() const
    {
        return static_cast<uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now() - start_).count());
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/* What the thread of main waits for: that so many have arrived, or that one has failed. Any thread may call it. */
class finish
{
  public:
    explicit finish(size_t parts = 1) : left_(parts)
    {
    }
    void arrive()
    {
        if (left_.fetch_sub(1) == 1) {
            done_.set_value();
        }
    }
    void fail(const std::string &text)
    {
        if (!failed_.exchange(true)) {
            done_.set_exception(std::make_exception_ptr(invalid(text)));
        }
    }
    void wait()
    {
        done_.get_future().get();
    }

  private:
    std::atomic<size_t> left_;
    std::atomic<bool> failed_{false};
    std::promise<void> done_;
};

/* Keeps the calling thread on the CPU of that index among those it may use. */
void pin(size_t index);

/* What actors counted themselves, put together as they end. */
struct tally {
    std::atomic<uint64_t> messages{0};
    std::atomic<uint64_t> sum{0};
};

/*
 * One actor_system with so many workers, which wait busily where what they wait for comes from another CPU. Its actors are
 * ended with it.
 */
class place
{
  public:
    explicit place(size_t workers, bool waits_busily = false, size_t throughput = 0);
    ~place();
    caf::actor_system &system()
    {
        return *system_;
    }
    template <class Actor, class... Arguments> caf::actor spawn(Arguments &&...arguments)
    {
        actors_.push_back(system_->spawn<Actor>(std::forward<Arguments>(arguments)...));
        return actors_.back();
    }
    /* Waits until the actors made so far have begun. */
    void settle();
    /* Ends the actors that spawn() has made, and waits until none is left. */
    void end();

  private:
    caf::actor_system_config config_;
    std::unique_ptr<caf::actor_system> system_;
    std::vector<caf::actor> actors_;
};

/* The threads of a workload: one, or two of which each has actors of its own. */
class places
{
  public:
    explicit places(size_t count);
    place &operator[](size_t i)
    {
        return *places_[i % places_.size()];
    }
    void settle();
    void end();

  private:
    std::vector<std::unique_ptr<place>> places_;
};

using workload_fn = void (*)(const options &options, report &report);
struct workload {
    const char *name;
    workload_fn run;
};
using workloads = std::vector<workload>;

/* One file each. */
const workloads &message_workloads();
const workloads &call_workloads();
const workloads &many_workloads();
const workloads &life_workloads();
const workloads &timer_workloads();
const workloads &supervision_workloads();
const workloads &savina_many_workloads();
const workloads &savina_shared_workloads();
const workloads &savina_tables_workloads();

#endif
