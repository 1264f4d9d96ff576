/* savina_tables.cpp: the members in which many ask one, or each other, for data: see bench/savina/README.md. */
#include "savina.hpp"

#include <unordered_map>

using caf::actor;
using caf::behavior;

namespace
{

constexpr size_t workers_count = 20;

using read_atom = caf::atom_constant<caf::atom("read")>;
using write_atom = caf::atom_constant<caf::atom("write")>;
using size_atom = caf::atom_constant<caf::atom("size")>;

/* ---- concurrent-dictionary ---- */

constexpr uint64_t dictionary_size = 524287;

struct dictionary_world {
    uint64_t each;
    actor master;
    actor dictionary;
    std::vector<actor> workers;
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t keys = 0;
    uint64_t written = 0;
    uint64_t reported_writes = 0;
};

class dictionary : public caf::event_based_actor
{
  public:
    dictionary(caf::actor_config &config, dictionary_world *all) : event_based_actor(config), all_(all)
    {
        for (uint64_t i = 0; i < dictionary_size; i++) {
            pairs_[i] = i;
        }
    }

    behavior make_behavior() override
    {
        return {
            [this](write_atom, uint64_t key, uint64_t value) {
                writes_++;
                keys_ += key;
                return pairs_[key] = value;
            },
            [this](read_atom, uint64_t key) {
                reads_++;
                keys_ += key;
                return pairs_.at(key);
            },
            [this](end_atom) { send(all_->master, done_atom::value, reads_, writes_, keys_); },
        };
    }

  private:
    dictionary_world *all_;
    std::unordered_map<uint64_t, uint64_t> pairs_;
    uint64_t reads_ = 0;
    uint64_t writes_ = 0;
    uint64_t keys_ = 0;
};

class dictionary_worker : public caf::event_based_actor
{
  public:
    dictionary_worker(caf::actor_config &config, const dictionary_world *all, uint64_t index)
        : event_based_actor(config), all_(all), random_(index + all->each + 10)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { ask(); },
            [this](uint64_t value) {
                written_ += writing_ ? value : 0;
                ask();
            },
        };
    }

  private:
    void ask()
    {
        if (asked_++ == all_->each) {
            send(all_->master, report_atom::value, writes_, written_);
            quit();
            return;
        }
        writing_ = random_.below(100) < 10;
        if (writing_) {
            writes_++;
            uint64_t key = random_.next();
            send(all_->dictionary, write_atom::value, key, random_.next());
        } else {
            send(all_->dictionary, read_atom::value, random_.next());
        }
    }

    const dictionary_world *all_;
    suite_random random_;
    bool writing_ = false;
    uint64_t asked_ = 0;
    uint64_t writes_ = 0;
    uint64_t written_ = 0;
};

class dictionary_master : public central_actor
{
  public:
    dictionary_master(caf::actor_config &config, finish *finish, dictionary_world *all)
        : central_actor(config, finish), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) {
                for (const auto &worker : all_->workers) {
                    send(worker, go_atom::value);
                }
            },
            [this](report_atom, uint64_t writes, uint64_t written) {
                all_->reported_writes += writes;
                all_->written += written;
                if (reported(workers_count)) {
                    send(all_->dictionary, end_atom::value);
                }
            },
            [this](done_atom, uint64_t reads, uint64_t writes, uint64_t keys) {
                all_->reads = reads;
                all_->writes = writes;
                all_->keys = keys;
                finished();
            },
        };
    }

  private:
    dictionary_world *all_;
};

void concurrent_dictionary(const options &options, size_t threads, report &report)
{
    dictionary_world all{each_of(options.count, workers_count), {}, {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.master = place.spawn<dictionary_master>(&finish, &all);
    all.dictionary = place.spawn<dictionary>(&all);
    for (size_t i = 0; i < workers_count; i++) {
        all.workers.push_back(place.spawn<dictionary_worker>(&all, i));
    }
    time_savina(place, all.master, finish, all.each * workers_count, report);
    place.end();
    if (all.reported_writes != all.writes) {
        throw invalid("the workers wrote " + std::to_string(all.reported_writes) + " times, the dictionary handled " +
                      std::to_string(all.writes));
    }
    report.proof("reads", all.reads);
    report.proof("writes", all.writes);
    report.proof("keys", all.keys);
    report.proof("written", all.written);
}

/* ---- concurrent-sorted-list ---- */

using add_atom = caf::atom_constant<caf::atom("add")>;
using contains_atom = caf::atom_constant<caf::atom("contains")>;

struct list_world {
    uint64_t each;
    actor master;
    actor list;
    std::vector<actor> workers;
    uint64_t adds = 0;
    uint64_t sizes = 0;
    uint64_t lookups = 0;
    uint64_t checksum = 0;
};

/* Singly linked, ascending. */
class sorted_list
{
  public:
    void add(uint64_t value)
    {
        std::unique_ptr<node> *link = &head_;
        while (*link != nullptr && (*link)->value <= value) {
            link = &(*link)->next;
        }
        *link = std::make_unique<node>(node{value, std::move(*link)});
    }

    bool contains(uint64_t value) const
    {
        for (const node *at = head_.get(); at != nullptr; at = at->next.get()) {
            if (at->value == value) {
                return true;
            }
        }
        return false;
    }

    uint64_t size() const
    {
        uint64_t size = 0;
        for (const node *at = head_.get(); at != nullptr; at = at->next.get()) {
            size++;
        }
        return size;
    }

    uint64_t checksum() const
    {
        uint64_t sum = 0;
        uint64_t position = 0;
        for (const node *at = head_.get(); at != nullptr; at = at->next.get()) {
            sum += ++position * at->value;
        }
        return sum;
    }

    ~sorted_list()
    {
        while (head_ != nullptr) {
            head_ = std::move(head_->next); /* one by one: the default would nest as deep as the list is long */
        }
    }

  private:
    struct node {
        uint64_t value;
        std::unique_ptr<node> next;
    };
    std::unique_ptr<node> head_;
};

class list_actor : public caf::event_based_actor
{
  public:
    list_actor(caf::actor_config &config, const list_world *all) : event_based_actor(config), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](add_atom, uint64_t value) {
                adds_++;
                list_.add(value);
                return value;
            },
            [this](size_atom) {
                sizes_++;
                return list_.size();
            },
            [this](contains_atom, uint64_t value) {
                lookups_++;
                return uint64_t{list_.contains(value)};
            },
            [this](end_atom) { send(all_->master, done_atom::value, adds_, sizes_, lookups_, list_.checksum()); },
        };
    }

  private:
    const list_world *all_;
    sorted_list list_;
    uint64_t adds_ = 0;
    uint64_t sizes_ = 0;
    uint64_t lookups_ = 0;
};

class list_worker : public caf::event_based_actor
{
  public:
    list_worker(caf::actor_config &config, const list_world *all, uint64_t index)
        : event_based_actor(config), all_(all), random_(index + all->each + 11)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { ask(); },
            [this](uint64_t) { ask(); },
        };
    }

  private:
    void ask()
    {
        if (asked_++ == all_->each) {
            send(all_->master, report_atom::value);
            quit();
            return;
        }
        uint64_t drawn = random_.below(100);
        if (drawn < 1) {
            send(all_->list, size_atom::value);
        } else if (drawn < 11) {
            send(all_->list, add_atom::value, random_.next());
        } else {
            send(all_->list, contains_atom::value, random_.next());
        }
    }

    const list_world *all_;
    suite_random random_;
    uint64_t asked_ = 0;
};

class list_master : public central_actor
{
  public:
    list_master(caf::actor_config &config, finish *finish, list_world *all) : central_actor(config, finish), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) {
                for (const auto &worker : all_->workers) {
                    send(worker, go_atom::value);
                }
            },
            [this](report_atom) {
                if (reported(workers_count)) {
                    send(all_->list, end_atom::value);
                }
            },
            [this](done_atom, uint64_t adds, uint64_t sizes, uint64_t lookups, uint64_t checksum) {
                all_->adds = adds;
                all_->sizes = sizes;
                all_->lookups = lookups;
                all_->checksum = checksum;
                finished();
            },
        };
    }

  private:
    list_world *all_;
};

void concurrent_sorted_list(const options &options, size_t threads, report &report)
{
    list_world all{each_of(options.count, workers_count), {}, {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.master = place.spawn<list_master>(&finish, &all);
    all.list = place.spawn<list_actor>(&all);
    for (size_t i = 0; i < workers_count; i++) {
        all.workers.push_back(place.spawn<list_worker>(&all, i));
    }
    time_savina(place, all.master, finish, all.each * workers_count, report);
    place.end();
    report.proof("adds", all.adds);
    report.proof("sizes", all.sizes);
    report.proof("lookups", all.lookups);
    report.proof("checksum", all.checksum);
}

/* ---- bank-transaction ---- */

using credit_atom = caf::atom_constant<caf::atom("credit")>;
using debit_atom = caf::atom_constant<caf::atom("debit")>;

constexpr uint64_t accounts_count = 1000;
constexpr uint64_t sources_count = 800;
constexpr uint64_t balance_first = uint64_t{1} << 32;
constexpr uint64_t bank_seed = 123456;

struct bank {
    uint64_t count;
    actor teller;
    std::vector<actor> accounts;
    uint64_t transactions = 0;
    uint64_t balance = 0;
    uint64_t checksum = 0;
};

class account : public caf::event_based_actor
{
  public:
    account(caf::actor_config &config, const bank *all, uint64_t index)
        : event_based_actor(config), all_(all), index_(index)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](credit_atom, uint64_t amount, uint64_t other) {
                balance_ -= amount;
                /* await(): nothing else is handled until the answer is there. */
                request(all_->accounts[other], caf::infinite, debit_atom::value, amount).await([this](ack_atom) {
                    send(all_->teller, done_atom::value);
                });
            },
            [this](debit_atom, uint64_t amount) {
                balance_ += amount;
                return ack_atom::value;
            },
            [this](end_atom) {
                send(all_->teller, report_atom::value, index_, balance_);
                quit();
            },
        };
    }

  private:
    const bank *all_;
    uint64_t index_;
    uint64_t balance_ = balance_first;
};

class teller : public central_actor
{
  public:
    teller(caf::actor_config &config, finish *finish, bank *all)
        : central_actor(config, finish), all_(all), random_(bank_seed)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) {
                while (begun_ < std::min(all_->count, window)) {
                    begin();
                }
            },
            [this](done_atom) {
                all_->transactions++;
                if (begun_ < all_->count) {
                    begin();
                } else if (all_->transactions == all_->count) {
                    for (const auto &account : all_->accounts) {
                        send(account, end_atom::value);
                    }
                }
            },
            [this](report_atom, uint64_t index, uint64_t balance) {
                all_->balance += balance;
                all_->checksum += (index + 1) * balance;
                if (reported(accounts_count)) {
                    finished();
                }
            },
        };
    }

  private:
    void begin()
    {
        begun_++;
        uint64_t source = random_.below(sources_count);
        uint64_t distance = std::max<uint64_t>(random_.below(accounts_count - source), 1);
        uint64_t amount = random_.next() + 1;
        send(all_->accounts[source], credit_atom::value, amount, source + distance);
    }

    bank *all_;
    suite_random random_;
    uint64_t begun_ = 0;
};

void bank_transaction(const options &options, size_t threads, report &report)
{
    bank all{options.count, {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.teller = place.spawn<teller>(&finish, &all);
    for (uint64_t i = 0; i < accounts_count; i++) {
        all.accounts.push_back(place.spawn<account>(&all, i));
    }
    time_savina(place, all.teller, finish, options.count, report);
    place.end();
    report.proof("transactions", all.transactions);
    report.proof("balance", all.balance);
    report.proof("checksum", all.checksum);
}

workloads make_workloads()
{
    workloads all;
    add_member<concurrent_dictionary>(all, "savina/concurrent-dictionary", "savina/concurrent-dictionary-threads");
    add_member<concurrent_sorted_list>(all, "savina/concurrent-sorted-list", "savina/concurrent-sorted-list-threads");
    add_member<bank_transaction>(all, "savina/bank-transaction", "savina/bank-transaction-threads");
    return all;
}

} // namespace

const workloads &savina_tables_workloads()
{
    static const workloads all = make_workloads();
    return all;
}
