/*
 * api_fuzz: bytes -> a machine of the simulator with one to three loops, at most 200 calls of the public API by actors, hosts
 * and outsiders, faults, time that passes, peers, and a stop at any point; see api.h for what must hold.
 *
 * In the end the machine is healed, the runtime stopped and destroyed, and nothing may be left: no payload, no actor, no
 * byte, no descriptor, no operation. A machine that does not come to rest fails by its limit of steps.
 *
 *   input   seed u16 | machine u8... | sizes u8... | faults u8... | program: calls of the hosts, then steps of the driver and
 *           what handlers do, in the order in which they come to it
 */
#include "api.h"

enum { STEPS_MAX = 1000000 };

static bool begin(void)
{
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    uint16_t seed = fuzz_u16(&api.program);
    config.steps_max = STEPS_MAX;
    config.trace_max = getenv("JZX_TRACE") != NULL ? 64u << 20 : 0; /* to be shown when it fails */
    config.switches = api_below(3) * 300 + 100;
    config.tick_max_ns = api_below(2) * 200;
    config.ring_entries_max = api_below(3) == 0 ? 1u << api_below(4) : 64;
    for (uint32_t faults = api_below(6); faults > 0; faults--) {
        uint32_t fault = api_below(JZX_SIM_FAULTS);
        config.rates[fault] = 64u << api_below(7);
    }
    config.rates[JZX_SIM_ENTER_FAILS] /= 64; /* it ends a loop */
    return api_begin(seed, &config);
}

static void drive_fault(void)
{
    jzx_sim_injection injection = {.fault = (jzx_sim_fault)api_below(JZX_SIM_FAULTS)};
    injection.after = api_below(32);
    injection.times = 1 + api_below(3);
    (void)jzx_sim_inject(api.sim, &injection);
}

static void drive(void)
{
    while (api.program.left > 0 && api.calls > 0 && jzx_sim_failure(api.sim) == NULL) {
        switch (api_below(12)) {
        case 0:
        case 1:
            api_call_outside();
            break;
        case 2:
            api_drive_peer();
            break;
        case 3:
            api_drive_file();
            break;
        case 4:
            drive_fault();
            break;
        case 5:
            (void)jzx_sim_kill(api.sim, api.runtime, api_any(&api.actors));
            break;
        case 6:
            (void)jzx_sim_fail_actor(api.sim, api.runtime, api_any(&api.actors), 9);
            break;
        case 7:
            api.calls--;
            (void)jzx_sim_heal(api.sim);
            break;
        default:
            api_drive_time();
            break;
        }
        api.calls -= api.calls > 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&api, 0, sizeof api);
    api.program = (struct fuzz_input){data, size};
    if (begin()) {
        api_start();
        drive();
        (void)api_stop();
    }
    api_end();
    return 0;
}
