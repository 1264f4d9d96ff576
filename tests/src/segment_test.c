/*
 * segment_test: what another process sees of a runtime: the layout it can rely on, a heartbeat, who runs, who waits.
 */
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Tools of another build read these: what is there stays where it is. */
_Static_assert(sizeof(jzx_segment_slot) == 64, "one cache line");
_Static_assert(offsetof(jzx_segment_slot, id) == 0 && offsetof(jzx_segment_slot, parent) == 8 &&
                   offsetof(jzx_segment_slot, handled) == 16 && offsetof(jzx_segment_slot, busy_ns) == 24 &&
                   offsetof(jzx_segment_slot, name) == 32 && offsetof(jzx_segment_slot, mailbox_length) == 48 &&
                   offsetof(jzx_segment_slot, mailbox_peak) == 52 && offsetof(jzx_segment_slot, last_tag) == 56 &&
                   offsetof(jzx_segment_slot, incarnation) == 60 && offsetof(jzx_segment_slot, state) == 62 &&
                   offsetof(jzx_segment_slot, flags) == 63,
               "the public half of a slot");
_Static_assert(offsetof(jzx_segment_header, magic) == 0 && offsetof(jzx_segment_header, header_size) == 8 &&
                   offsetof(jzx_segment_header, loop_struct_size) == 12 &&
                   offsetof(jzx_segment_header, slot_struct_size) == 16 &&
                   offsetof(jzx_segment_header, loops_max) == 20 && offsetof(jzx_segment_header, loops_offset) == 24 &&
                   offsetof(jzx_segment_header, loop_size) == 32 && offsetof(jzx_segment_header, slots_offset) == 40 &&
                   offsetof(jzx_segment_header, slots_max) == 48 && offsetof(jzx_segment_header, created_ns) == 56 &&
                   offsetof(jzx_segment_header, pid) == 64 && offsetof(jzx_segment_header, loop_count) == 72 &&
                   offsetof(jzx_segment_header, stopping) == 76,
               "the header");
_Static_assert(offsetof(jzx_segment_loop, index) == 0 && offsetof(jzx_segment_loop, thread_id) == 8 &&
                   offsetof(jzx_segment_loop, state) == 16 && offsetof(jzx_segment_loop, turn) == 24 &&
                   offsetof(jzx_segment_loop, turn_began_ns) == 32 && offsetof(jzx_segment_loop, parked) == 40 &&
                   offsetof(jzx_segment_loop, running_id) == 48 && offsetof(jzx_segment_loop, running_since_ns) == 56,
               "a loop");
_Static_assert(sizeof(jzx_counters) % sizeof(uint64_t) == 0, "counters are words");

/* The segment as a tool maps it: by /proc, for reading. */
typedef struct view {
    const uint8_t *bytes;
    size_t size;
    const jzx_segment_header *header;
} view;

static bool view_open(view *v, pid_t pid, int fd)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    int own = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (own < 0 || fstat(own, &status) != 0) {
        return false;
    }
    v->size = (size_t)status.st_size;
    v->bytes = mmap(NULL, v->size, PROT_READ, MAP_SHARED, own, 0);
    close(own);
    v->header = (const void *)v->bytes;
    return v->bytes != MAP_FAILED;
}

static void view_close(view *v)
{
    munmap((void *)(uintptr_t)v->bytes, v->size);
}

static const jzx_segment_loop *view_loop(const view *v, uint32_t index)
{
    return (const void *)(v->bytes + v->header->loops_offset + index * v->header->loop_size);
}

static const jzx_segment_slot *view_slot(const view *v, jzx_actor_id id)
{
    const uint8_t *part = (const uint8_t *)view_loop(v, jzx_actor_loop(id));
    return (const jzx_segment_slot *)(const void *)(part + v->header->slots_offset) + ((id >> 32) & 0xFFFFFFu);
}

static uint64_t word(const uint64_t *of)
{
    return __atomic_load_n(of, __ATOMIC_RELAXED);
}

Test(segment, the_header_describes_it, .timeout = 30)
{
    uint64_t before_ns = test_now_ns();
    test_world world;
    test_world_open(&world, 2, NULL);
    view v;
    cr_assert(view_open(&v, getpid(), jzx_runtime_segment_fd(world.runtime)));
    const jzx_segment_header *header = v.header;
    cr_assert_eq(header->magic, JZX_SEGMENT_MAGIC);
    cr_assert_eq(memcmp(&header->magic, "JZXSEG01", 8), 0, "as a hex dump shows it");
    cr_assert_eq(header->header_size, sizeof *header);
    cr_assert_eq(header->loop_struct_size, sizeof(jzx_segment_loop));
    cr_assert_eq(header->slot_struct_size, sizeof(jzx_segment_slot));
    cr_assert(header->loops_max == 2 && header->loop_count == 2);
    cr_assert_geq(header->slots_max, world.config.actors_max);
    cr_assert(header->loops_offset % 4096 == 0 && header->loop_size % 4096 == 0, "a loop has its pages for itself");
    cr_assert_geq(header->loop_size, header->slots_offset + header->slots_max * sizeof(jzx_segment_slot));
    cr_assert_geq(v.size, header->loops_offset + 2 * header->loop_size);
    cr_assert_eq(header->pid, getpid());
    cr_assert(header->created_ns >= before_ns && header->created_ns <= test_now_ns());
    cr_assert(view_loop(&v, 0)->index == 0 && view_loop(&v, 1)->index == 1);
    view_close(&v);
    test_world_close(&world);
}

Test(segment, loops_are_counted_as_they_are_created, .timeout = 30)
{
    jzx_config config;
    test_config(&config);
    config.loops_max = 3;
    jzx_runtime *runtime;
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
    view v;
    cr_assert(view_open(&v, getpid(), jzx_runtime_segment_fd(runtime)));
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(v.header->loop_count, i);
        jzx_loop *loop;
        cr_assert_eq(jzx_loop_create(runtime, NULL, &loop), JZX_OK);
    }
    cr_assert_eq(v.header->loop_count, 3);
    view_close(&v);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
}

Test(segment, nobody_else_can_write_or_resize_it, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    int fd = jzx_runtime_segment_fd(world.runtime);
    int seals = fcntl(fd, F_GET_SEALS);
    int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    cr_assert_eq(seals & wanted, wanted);
    cr_assert(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    cr_assert(ftruncate(fd, 4096) != 0 && errno == EPERM);
    cr_assert(pwrite(fd, "x", 1, 0) < 0 && errno == EPERM);
    cr_assert((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    test_world_close(&world);
}

Test(segment, it_is_found_by_its_name, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    char path[64];
    char target[128];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", jzx_runtime_segment_fd(world.runtime));
    ssize_t length = readlink(path, target, sizeof target - 1);
    cr_assert_gt(length, 0);
    target[length] = '\0';
    cr_assert_not_null(strstr(target, JZX_SEGMENT_NAME), "%s", target);
    test_world_close(&world);
}

static jzx_behavior_result behave(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag == 1 ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

Test(segment, an_actor_is_seen_from_its_spawn_to_its_end, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    view v;
    cr_assert(view_open(&v, getpid(), jzx_runtime_segment_fd(world.runtime)));
    test_actor actor = {.on = behave};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.name = "a-worker";
    test_spawn_with(&world, 1, &actor, &options);
    const jzx_segment_slot *slot = view_slot(&v, actor.id);
    cr_assert(slot->id == actor.id && slot->state == 2 && slot->parent == 0);
    cr_assert_str_eq(slot->name, "a-worker");
    for (int i = 0; i < 5; i++) {
        test_send(&world, &actor, 77);
    }
    cr_assert(slot->mailbox_length == 5 && slot->mailbox_peak == 5 && slot->handled == 0);
    test_until(&world, actor.received == 5);
    cr_assert(slot->mailbox_length == 0 && slot->mailbox_peak == 5 && slot->handled == 5 && slot->last_tag == 77);
    test_send(&world, &actor, 1);
    test_until(&world, actor.finis == 1);
    test_world_settle(&world);
    cr_assert(slot->id == 0 && slot->state == 0);
    view_close(&v);
    test_world_close(&world);
}

Test(segment, a_loop_says_that_it_lives_and_how_far_it_is, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    view v;
    cr_assert(view_open(&v, getpid(), jzx_runtime_segment_fd(world.runtime)));
    const jzx_segment_loop *loop = view_loop(&v, 0);
    cr_assert(loop->state == 0 && loop->turn == 0 && loop->thread_id == 0);
    for (uint64_t turn = 1; turn <= 5; turn++) {
        uint64_t before_ns = test_now_ns();
        test_world_step(&world);
        cr_assert_eq(loop->turn, turn);
        cr_assert(loop->turn_began_ns >= before_ns && loop->turn_began_ns <= test_now_ns());
    }
    cr_assert(loop->state == 1 && loop->thread_id == (uint64_t)syscall(SYS_gettid));
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    cr_assert_eq(v.header->stopping, 0);
    test_until(&world, world.closed[0]);
    cr_assert_neq(v.header->stopping, 0);
    cr_assert_eq(loop->state, 2);
    view_close(&v);
    test_world_close(&world);
}

Test(segment, a_loop_that_was_stopped_before_it_ran_has_left, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    view v;
    cr_assert(view_open(&v, getpid(), jzx_runtime_segment_fd(world.runtime)));
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    cr_assert_eq(jzx_loop_run(world.loops[0]), JZX_OK);
    cr_assert(view_loop(&v, 0)->state == 2 && view_loop(&v, 0)->turn == 0);
    view_close(&v);
    test_world_close(&world);
}

/* ---- a loop on a thread of its own: asleep, busy, stuck ---- */

static _Atomic(bool) let_go;

static jzx_behavior_result hang(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    if (message->tag == 5) {
        while (!atomic_load(&let_go)) {
        }
    }
    return JZX_BEHAVIOR_OK;
}

Test(segment, it_shows_who_sleeps_and_who_does_not_return, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.measure_handlers = true;
    test_world world;
    test_world_open(&world, 1, &config);
    view v;
    cr_assert(view_open(&v, getpid(), jzx_runtime_segment_fd(world.runtime)));
    const jzx_segment_loop *loop = view_loop(&v, 0);
    test_actor actor = {.on = hang};
    test_spawn(&world, 0, &actor);
    test_world_start(&world);
    test_until(&world, word(&loop->parked) == 1);
    cr_assert_eq(word(&loop->running_id), 0);
    uint64_t before_ns = test_now_ns();
    test_send(&world, &actor, 5);
    test_until(&world, word(&loop->running_id) == actor.id && word(&loop->running_since_ns) >= before_ns);
    uint64_t turn = word(&loop->turn);
    for (int i = 0; i < 100; i++) {
        test_world_step(&world);
    }
    cr_assert(word(&loop->turn) == turn && word(&loop->parked) == 0, "its heart does not beat");
    cr_assert_leq(word(&loop->running_since_ns), test_now_ns());
    atomic_store(&let_go, true);
    test_until(&world, word(&loop->parked) == 1);
    cr_assert_eq(word(&loop->running_id), 0);
    test_send(&world, &actor, 6);
    test_until(&world, word(&loop->turn) > turn);
    cr_assert_gt(word(&view_slot(&v, actor.id)->busy_ns), 0);
    view_close(&v);
    test_world_close(&world);
}

/* ---- from another process ---- */

/* Exits 0 when it sees what it should; looks at nothing but the mapping. */
static int look_from_outside(pid_t pid, int fd, jzx_actor_id id)
{
    view v;
    if (!view_open(&v, pid, fd)) {
        return 1;
    }
    const jzx_segment_slot *slot = view_slot(&v, id);
    if (v.header->magic != JZX_SEGMENT_MAGIC || v.header->pid != pid || v.header->loop_count != 1) {
        return 2;
    }
    if (word(&slot->id) != id || strcmp(slot->name, "seen") != 0) {
        return 3;
    }
    uint64_t turn = word(&view_loop(&v, 0)->turn);
    for (uint64_t until = test_now_ns() + 10000000000ull; word(&view_loop(&v, 0)->turn) == turn;) {
        if (test_now_ns() > until) {
            return 4;
        }
    }
    return 0;
}

static jzx_err start_beat(jzx_context *context, test_actor *actor)
{
    (void)actor;
    jzx_message message = jzx_message_empty(1);
    return jzx_timer_every(context, 1000000, JZX_TICKS_SKIP, &message, NULL);
}

Test(segment, another_process_sees_the_actors_and_the_heartbeat, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {.on_init = start_beat};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.name = "seen";
    test_spawn_with(&world, 0, &actor, &options);
    test_world_start(&world);
    pid_t parent = getpid();
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        _exit(look_from_outside(parent, jzx_runtime_segment_fd(world.runtime), actor.id));
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    test_world_close(&world);
}

/* ---- a file instead ---- */

Test(segment, a_named_file_is_whole_at_once_and_stays, .timeout = 30)
{
    char folder[] = "/tmp/jzx-segment-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    char path[64];
    (void)snprintf(path, sizeof path, "%s/segment", folder);
    jzx_config config;
    test_config(&config);
    config.segment_path = path;
    test_world world;
    test_world_open(&world, 1, &config);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_geq((uint64_t)status.st_blocks * 512, (uint64_t)status.st_size, "a full disk shows now, not later");
    jzx_runtime *other;
    jzx_config wrong = config;
    wrong.segment_path = folder;
    cr_assert_eq(jzx_runtime_create(&wrong, &other), JZX_ERR_OS, "a folder is no file");
    test_world_step(&world);
    test_world_close(&world);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    jzx_segment_header header;
    cr_assert_eq(read(fd, &header, sizeof header), (ssize_t)sizeof header);
    cr_assert(header.magic == JZX_SEGMENT_MAGIC && header.pid == getpid() && header.stopping != 0);
    close(fd);
    cr_assert(unlink(path) == 0 && rmdir(folder) == 0);
}

Test(segment, no_runtime_has_no_segment, .timeout = 10)
{
    cr_assert_eq(jzx_runtime_segment_fd(NULL), -1);
}
