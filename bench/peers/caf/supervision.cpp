/*
 * supervision.cpp: supervision/..., what it costs that children fail, come back and are stopped.
 *
 * CAF has no supervisors, so one is written here with what it has for it: a supervisor monitors its children, and makes a
 * new one when it hears of an end. A child fails by quit() with an error, which is how a CAF actor says that it cannot go
 * on.
 */
#include "side.hpp"

#include <algorithm>
#include <unordered_map>

using caf::actor;
using caf::behavior;

namespace
{

constexpr uint64_t group_size = 1000;

/* Fails on each message. */
class child : public caf::event_based_actor
{
  public:
    explicit child(caf::actor_config &config) : event_based_actor(config)
    {
    }

    behavior make_behavior() override
    {
        return {[this](const payload &) { quit(caf::sec::runtime_error); }};
    }
};

/* Keeps children by place, and knows the place of one that has ended. */
class supervisor : public caf::event_based_actor
{
  public:
    supervisor(caf::actor_config &config, finish *finish, size_t size)
        : event_based_actor(config), finish_(finish), children_(size)
    {
        set_down_handler([this](const caf::down_msg &down) {
            auto found = places_.find(down.source.id());
            size_t place = found->second;
            places_.erase(found);
            ended(place);
        });
    }

    void on_exit() override
    {
        for (const auto &child : children_) {
            send_exit(child, caf::exit_reason::kill);
        }
        children_.clear();
    }

  protected:
    void start(size_t place)
    {
        children_[place] = spawn<child, caf::monitored>();
        places_.emplace(children_[place].id(), place);
    }

    void start_all()
    {
        for (size_t i = 0; i < children_.size(); i++) {
            start(i);
        }
    }

    void hit(size_t place)
    {
        send(children_[place], first_word(place));
    }
    void stop(size_t place)
    {
        send_exit(children_[place], caf::exit_reason::user_shutdown);
    }
    size_t size() const
    {
        return children_.size();
    }
    size_t alive() const
    {
        return places_.size();
    }
    void finished()
    {
        finish_->arrive();
    }

  private:
    virtual void ended(size_t place) = 0;

    finish *finish_;
    std::vector<actor> children_;
    std::unordered_map<caf::actor_id, size_t> places_;
};

/*
 * supervision/restart, storm-N: one for one. All are hit once a round, which ends when all are back. After the first round,
 * which is not measured, it waits for another `go`.
 */
class one_for_one : public supervisor
{
  public:
    one_for_one(caf::actor_config &config, finish *finish, size_t size, uint64_t total, ::finish *first,
                uint64_t *restarts)
        : supervisor(config, finish, size), total_(total), first_(first), restarts_(restarts)
    {
    }

    behavior make_behavior() override
    {
        start_all();
        return {[this](go_atom) { hit_all(); }};
    }

  private:
    void hit_all()
    {
        for (size_t i = 0; i < size(); i++) {
            hit(i);
        }
    }

    void ended(size_t place) override
    {
        start(place);
        ++*restarts_;
        if (*restarts_ % size() != 0) {
            return;
        }
        if (*restarts_ == size()) {
            first_->arrive();
        } else if (*restarts_ == size() + total_) {
            finished();
        } else {
            hit_all();
        }
    }

    uint64_t total_;
    finish *first_;
    uint64_t *restarts_;
};

/* supervision/group: one for all. The first fails, the others are stopped in reverse order, then all are started. */
class one_for_all : public supervisor
{
  public:
    one_for_all(caf::actor_config &config, finish *finish, size_t size, uint64_t total, uint64_t *restarts)
        : supervisor(config, finish, size), total_(total), restarts_(restarts)
    {
    }

    behavior make_behavior() override
    {
        start_all();
        return {[this](go_atom) { hit(0); }};
    }

  private:
    void ended(size_t) override
    {
        if (alive() > 0) {
            stop(alive());
            return;
        }
        start_all();
        *restarts_ += size();
        if (*restarts_ >= total_) {
            finished();
        } else {
            hit(0);
        }
    }

    uint64_t total_;
    uint64_t *restarts_;
};

/* supervision/shutdown: stops its children in reverse order, each after the end of the one before, then ends. */
class stopping : public supervisor
{
  public:
    stopping(caf::actor_config &config, finish *finish, size_t size, uint64_t *stopped)
        : supervisor(config, finish, size), stopped_(stopped)
    {
    }

    behavior make_behavior() override
    {
        start_all();
        return {[this](go_atom) { stop(size() - 1); }};
    }

  private:
    void ended(size_t) override
    {
        ++*stopped_;
        if (alive() > 0) {
            stop(alive() - 1);
        } else {
            quit();
            finished();
        }
    }

    uint64_t *stopped_;
};

/* Sends `go`, and reports the time until the supervisor has finished. */
void time_supervisor(const actor &supervisor, finish &finish, uint64_t operations, report &report)
{
    stopwatch stopwatch;
    caf::anon_send(supervisor, go_atom::value);
    finish.wait();
    report.time("time", stopwatch.elapsed_ns(), operations);
}

/* Makes a supervisor, and waits until its children, which it makes as it begins, have begun, too. */
template <class Supervisor, class... Arguments> actor make_supervisor(place &place, Arguments... arguments)
{
    actor supervisor = place.spawn<Supervisor>(arguments...);
    place.settle();
    place.settle();
    return supervisor;
}

template <size_t size> void storm(const options &options, report &report)
{
    uint64_t total = std::max<uint64_t>(options.count / size, 1) * size;
    uint64_t restarts = 0;
    finish first;
    finish finish;
    place place(1);
    actor supervisor = make_supervisor<one_for_one>(place, &finish, size, total, &first, &restarts);
    caf::anon_send(supervisor, go_atom::value);
    first.wait();
    time_supervisor(supervisor, finish, total, report);
    report.proof("restarts", restarts - size);
}

void group(const options &options, report &report)
{
    uint64_t total = std::max<uint64_t>(options.count / group_size, 1) * group_size;
    uint64_t restarts = 0;
    finish finish;
    place place(1);
    actor supervisor = make_supervisor<one_for_all>(place, &finish, size_t{group_size}, total, &restarts);
    time_supervisor(supervisor, finish, total, report);
    report.proof("children", restarts);
}

void shutdown(const options &options, report &report)
{
    uint64_t stopped = 0;
    finish finish;
    place place(1);
    actor supervisor = make_supervisor<stopping>(place, &finish, size_t{options.count}, &stopped);
    time_supervisor(supervisor, finish, options.count, report);
    report.proof("children", stopped);
}

} // namespace

const workloads &supervision_workloads()
{
    static const workloads all = {
        {"supervision/restart", storm<1>},           {"supervision/storm-1", storm<1>},
        {"supervision/storm-10", storm<10>},         {"supervision/storm-100", storm<100>},
        {"supervision/storm-1000", storm<1000>},     {"supervision/storm-10000", storm<10000>},
        {"supervision/storm-100000", storm<100000>}, {"supervision/group", group},
        {"supervision/shutdown", shutdown},
    };
    return all;
}
