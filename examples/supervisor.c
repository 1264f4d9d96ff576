/*
 * supervisor: a child that fails now and then, and the one that starts it again. Each incarnation begins with a fresh state; a
 * reference finds whichever lives now. When it fails too often its supervisor gives up, and the run says so.
 */
#include <jzx/jzx.h>
#include <stdio.h>

enum { TAG_DIVIDE = 1 };

/* Each state belongs to one incarnation: here, how much it has done. */
struct divider {
    unsigned divisions;
};

static jzx_child_ref divider_ref; /* told once, good for every incarnation */

static jzx_err divider_init(jzx_context *context, void *argument, void **state)
{
    (void)argument;
    (void)state; /* zeroed memory of state_size bytes */
    divider_ref = jzx_child_self(context);
    return JZX_OK;
}

static jzx_behavior_result divider_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct divider *divider = state;
    if (message->tag != TAG_DIVIDE) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    if (message->words[0] == 0) {
        jzx_fail(context, jzx_self(context), 1, "divided by zero");
        return JZX_BEHAVIOR_FAIL;
    }
    divider->divisions++;
    printf("division %u of this divider: %u\n", divider->divisions, (unsigned)(100 / message->words[0]));
    return JZX_BEHAVIOR_OK;
}

/* One line for each thing that happens under a supervisor. */
static void tell(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    (void)user;
    (void)context;
    if (event->kind == JZX_SUPERVISION_RESTART) {
        printf("%s failed (%s), restart %u\n", event->name, event->exit->text, event->restarts);
    } else if (event->kind == JZX_SUPERVISION_ESCALATED) {
        printf("%s failed too often (%s)\n", event->name, event->exit->text);
    }
}

static jzx_err start(jzx_context *context)
{
    jzx_child_spec divider;
    jzx_child_spec_init(&divider);
    divider.name = "divider";
    divider.init = divider_init;
    divider.behavior = divider_behave;
    divider.state_size = sizeof(struct divider);
    divider.keep_mail = true; /* what was sent meanwhile is for the next incarnation */

    jzx_supervisor_spec supervisor;
    jzx_supervisor_spec_init(&supervisor);
    supervisor.intensity = 2; /* two restarts in five seconds; a third failure is one too many */
    supervisor.child_count = 1;
    supervisor.children = &divider;
    return jzx_supervisor_start(context, &supervisor, NULL, NULL);
}

static jzx_err run(jzx_runtime *runtime)
{
    static const uint64_t divisors[] = {4, 0, 5, 10, 0, 20, 0, 25};
    const jzx_observer observer = {.struct_size = sizeof observer, .supervision = tell};
    jzx_loop *loop;
    jzx_err err = jzx_loop_create(runtime, NULL, &loop);
    if (err == JZX_OK) {
        err = jzx_observer_add(loop, &observer, NULL);
    }
    if (err == JZX_OK) {
        err = start(jzx_loop_context(loop));
    }
    while (err == JZX_OK && divider_ref == 0) {
        err = jzx_loop_run_once(loop, JZX_FOREVER); /* it starts in the loop's first turns */
    }
    for (unsigned i = 0; err == JZX_OK && i < sizeof divisors / sizeof divisors[0]; i++) {
        jzx_message divide = jzx_message_value(TAG_DIVIDE, &divisors[i], sizeof divisors[i]);
        err = jzx_child_send(jzx_loop_context(loop), divider_ref, &divide);
    }
    return err != JZX_OK ? err : jzx_loop_run(loop);
}

int main(void)
{
    jzx_runtime *runtime;
    jzx_err err = jzx_runtime_create(NULL, &runtime);
    if (err == JZX_OK) {
        err = run(runtime);
        jzx_runtime_destroy(runtime);
    }
    printf("the runtime ended: %s\n", jzx_strerror(err));
    return err == JZX_ERR_ESCALATED ? 0 : 1;
}
