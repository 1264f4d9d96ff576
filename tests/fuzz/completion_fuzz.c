/*
 * completion_fuzz: bytes -> completions as no kernel gives them, to loops that run on the simulator while actors use
 * descriptors and sockets; see api.h.
 *
 *   for an operation in flight   its end, or one more result of it, with any result, flags and buffer: the machine takes the
 *                                operation away with its end, as the kernel would have
 *   for none                     one that has ended, one of the library's own, one of no operation at all
 *
 * in any order, some more than once, and more of them than the ring has room for; also, a completion that is lost. There is
 * no memory error, and the loops go on, or end with an error, or an assertion stops the program: what a kernel says of
 * buffers and operations that are not there leaves nothing to go on with.
 *
 * What a kernel must never do is left out: an accept that gives a descriptor of somebody else, since whoever is told that a
 * descriptor is theirs closes it.
 */
#include "api.h"
#include "io/backend.h"
#include "sim/ring.h"

#include <errno.h>
#include <setjmp.h>

enum { STEPS_MAX = 1000000, SEEN_MAX = 64, ERROR_MAX = 4095 /* as the kernel has it, MAX_ERRNO */ };

static struct {
    uint64_t seen[SEEN_MAX]; /* user_data of operations, the newest in place of the oldest */
    uint32_t count;
} completions;

static bool begin(void)
{
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    uint16_t seed = fuzz_u16(&api.program);
    config.steps_max = STEPS_MAX;
    config.trace_max = getenv("JZX_TRACE") != NULL ? 64u << 20 : 0; /* to be shown when it fails */
    config.switches = api_below(3) * 300 + 100;
    config.ring_entries_max = api_below(3) == 0 ? 4 : 64;
    return api_begin(seed, &config);
}

static void note(uint64_t user_data)
{
    completions.seen[completions.count++ % SEEN_MAX] = user_data;
}

static void note_all(void)
{
    for (uint32_t i = 0; i < api.sim->ring_count; i++) {
        for (uint32_t op = 0; op < api.sim->rings[i]->op_count; op++) {
            note(api.sim->rings[i]->ops[op].sqe.user_data);
        }
    }
}

static int32_t any_result(void)
{
    static const int32_t results[] = {0,      1,       -1,     -EAGAIN, -ECANCELED, -ENOBUFS,    -EINTR,
                                      -EBADF, -EMFILE, -EPIPE, -EINVAL, -ENOENT,    -ECONNRESET, -ETIME,
                                      512,    513,     16384,  65536,   INT32_MAX,  -ERROR_MAX};
    uint32_t which = api_below(sizeof results / sizeof results[0] + 2);
    int32_t result = which < sizeof results / sizeof results[0] ? results[which] : (int32_t)fuzz_u32(&api.program);
    return result < -ERROR_MAX ? -ERROR_MAX : result;
}

/* IORING_CQE_F_BUFFER with any number of a buffer, F_MORE, F_NOTIF and flags that nobody knows. */
static uint32_t any_flags(void)
{
    uint32_t flags = api_below(16);
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        flags |= (uint32_t)(api_below(4) == 0 ? fuzz_u16(&api.program) : api_below(8)) << IORING_CQE_BUFFER_SHIFT;
    }
    return api_below(8) == 7 ? flags | 1u << api_below(16) : flags;
}

static void complete_one_in_flight(jzx__sim_ring *ring)
{
    uint32_t place = api_below(256) % ring->op_count;
    const struct io_uring_sqe sqe = ring->ops[place].sqe;
    int32_t result = any_result();
    uint32_t flags = any_flags();
    if (sqe.opcode == IORING_OP_ACCEPT && result >= 0) {
        result = -ECONNABORTED;
    }
    if ((flags & IORING_CQE_F_MORE) == 0) {
        ring->ops[place] = ring->ops[--ring->op_count];
    }
    jzx__sim_complete(ring, sqe.user_data, result, flags);
}

static void complete_none(jzx__sim_ring *ring)
{
    static const uint64_t own[] = {JZX__USER_DOORBELL, JZX__USER_INTERNAL, 0, UINT64_MAX, 0x10ull << 56, 0x20ull << 56};
    uint64_t user_data;
    switch (api_below(4)) {
    case 0:
        user_data = own[api_below(6)];
        user_data += api_below(8);
        break;
    case 1:
        user_data = fuzz_u64(&api.program);
        break;
    default: /* of one that was; or is, with another bit */
        user_data = completions.count > 0 ? completions.seen[api_below(SEEN_MAX) % completions.count] : 1;
        user_data ^= api_below(4) == 0 ? 1ull << api_below(64) : 0;
        break;
    }
    for (uint32_t i = 0; i < ring->op_count; i++) { /* that would be its end, and it must be taken away */
        if (ring->ops[i].sqe.user_data == user_data) {
            return;
        }
    }
    int32_t result = any_result();
    uint32_t flags = any_flags();
    for (uint32_t times = api_below(8) == 7 ? 300 : 1; times > 0; times--) {
        jzx__sim_complete(ring, user_data, result, flags);
    }
}

static void drive_completion(void)
{
    note_all();
    if (api.sim->ring_count == 0) {
        return;
    }
    jzx__sim_ring *ring = api.sim->rings[api_below(256) % api.sim->ring_count];
    if (ring->op_count > 0 && api_below(3) != 0) {
        complete_one_in_flight(ring);
    } else {
        complete_none(ring);
    }
}

static void drive(void)
{
    const jzx_sim_injection lost = {.fault = JZX_SIM_ENTER_FAILS, .times = 1, .amount = EBADR};
    while (api.program.left > 0 && api.calls > 0 && jzx_sim_failure(api.sim) == NULL) {
        switch (api_below(16)) {
        case 0:
            api_call_outside();
            break;
        case 1:
        case 2:
            api_drive_peer();
            break;
        case 3:
            api_drive_file();
            break;
        case 4:
        case 5:
        case 6:
        case 7:
            api_drive_time();
            break;
        case 8:
            if (api_below(8) == 7) {
                (void)jzx_sim_inject(api.sim, &lost);
            }
            break;
        default:
            drive_completion();
            break;
        }
        api.calls -= api.calls > 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&api, 0, sizeof api);
    memset(&completions, 0, sizeof completions);
    api.program = (struct fuzz_input){data, size};
    api.kernel_lies = true;
    if (begin()) {
        jmp_buf escape; /* from what fails on no thread of the machine: loops that never ran are torn down there */
        if (_setjmp(escape) != 0) {
            api_abandon();
            return 0;
        }
        api.sim->world.escape = &escape;
        api_start();
        drive();
        if (!api_stop()) {
            return 0;
        }
        api.sim->world.escape = NULL;
    }
    api_end();
    return 0;
}
