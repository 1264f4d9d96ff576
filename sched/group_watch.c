#include "sched/group_watch.h"
#include "sched/loop.h"
#include "sched/spin.h"

enum { LOOKS = 64 }; /* at changes, each time that a watch is looked after */

static void put_behind(jzx__list *mark, jzx__list *node)
{
    jzx__list_remove(mark);
    jzx__list_append(node->next, mark);
}

/* Among the changes are members and the marks of watches, which are not in the space's block. */
static bool is_mark(const jzx_space *space, const jzx__list *node)
{
    return (uintptr_t)node - (uintptr_t)space >= space->size;
}

/* Under the lock: true when there is something to tell of this member. */
static bool differs(const jzx__group_watch *watch, const jzx__member *member, jzx_member_notice *notice)
{
    const jzx_space *space = watch->group.space;
    jzx__told *told = &watch->told[member - space->members];
    bool is = member->id != 0 && jzx__space_is(space, member->place, &watch->group);
    if (told->id != 0 && !(is && told->id == member->id && told->tag == member->tag)) {
        *notice = (jzx_member_notice){.id = told->id, .tag = told->tag, .joined = false};
        told->id = 0;
        return true;
    }
    if (told->id == 0 && is) {
        *told = (jzx__told){member->id, member->tag};
        *notice = (jzx_member_notice){.id = member->id, .tag = member->tag, .joined = true};
        return true;
    }
    return false;
}

/* Under the lock. A member is passed when there is nothing more to tell of it (GW1). */
static bool find_difference(jzx__group_watch *watch, jzx_member_notice *notice)
{
    jzx_space *space = watch->group.space;
    for (uint32_t i = 0; i < LOOKS && watch->mark.next != &space->changes; i++) {
        jzx__list *node = watch->mark.next;
        if (!is_mark(space, node) && differs(watch, jzx__container_of(node, jzx__member, changed), notice)) {
            return true;
        }
        put_behind(&watch->mark, node);
    }
    return false;
}

bool jzx__group_watch_next(jzx_loop *loop, jzx__group_watch *watch, jzx_member_notice *notice)
{
    jzx_space *space = watch->group.space;
    jzx__spin_lock(&space->lock);
    bool found = find_difference(watch, notice);
    bool more = watch->mark.next != &space->changes;
    jzx__spin_unlock(&space->lock);
    if (more) {
        jzx__resource_notify(loop, &watch->resource); /* GW3 */
    }
    return found;
}

jzx_err jzx__group_watch_start(jzx_context *context, const jzx_group *group, uint64_t *number)
{
    jzx_loop *loop = context->loop;
    jzx_space *space = group->space;
    void *record;
    uint64_t taken;
    jzx_err err = jzx__table_take(&loop->group_watches, &record, &taken);
    if (err != JZX_OK) {
        return err;
    }
    jzx__group_watch *watch = record;
    size_t size = space->members_max * sizeof(jzx__told);
    watch->told = jzx__allocate(loop, JZX_MEMORY_METADATA, size, _Alignof(jzx__told));
    if (watch->told == NULL) {
        jzx__table_give(&loop->group_watches, taken);
        return JZX_ERR_NO_MEMORY;
    }
    memset(watch->told, 0, size);
    watch->group = *group;
    watch->loop = loop->index;
    jzx__resource_begin(loop, &watch->resource, JZX__RESOURCE_GROUP_WATCH, taken, context->slot);
    watch->resource.cell.kind = JZX__CELL_GROUP_WATCH;
    jzx__list_init(&watch->mine);
    jzx__list_init(&watch->listed);
    jzx__list_init(&watch->mark);
    jzx__list_append(&loop->group_watching, &watch->mine);
    jzx__spin_lock(&space->lock);
    jzx__list_append(&space->watches, &watch->listed);
    jzx__list_append(space->changes.next, &watch->mark); /* all members are behind it */
    jzx__spin_unlock(&space->lock);
    jzx__resource_notify(loop, &watch->resource);
    *number = watch->resource.number;
    return JZX_OK;
}

void jzx__group_watch_let_go(jzx_loop *loop, jzx__group_watch *watch)
{
    jzx_space *space = watch->group.space;
    jzx__spin_lock(&space->lock);
    jzx__list_remove(&watch->listed);
    jzx__list_remove(&watch->mark);
    jzx__spin_unlock(&space->lock);
    jzx__list_remove(&watch->mine);
    jzx__release(loop, JZX_MEMORY_METADATA, watch->told, space->members_max * sizeof(jzx__told), _Alignof(jzx__told));
    jzx__resource_disown(&watch->resource);
    jzx__resource_free(loop, &watch->resource);
}

jzx_err jzx__group_watch_stop(jzx_context *context, uint64_t number)
{
    jzx_loop *loop = context->loop;
    jzx__group_watch *watch = jzx__table_find(&loop->group_watches, number);
    if (watch == NULL || watch->resource.number != number || watch->resource.link == NULL ||
        watch->resource.owner != context->slot) {
        return JZX_ERR_NOT_FOUND;
    }
    jzx__group_watch_let_go(loop, watch);
    return JZX_OK;
}

/* ---- news ---- */

void jzx__group_watches_touched(const jzx_space *space, uint32_t place, jzx__wake_set *wake)
{
    for (const jzx__list *node = space->watches.next; node != &space->watches; node = node->next) {
        const jzx__group_watch *watch = jzx__container_of(node, jzx__group_watch, listed);
        if (jzx__space_is(space, place, &watch->group)) {
            if (!wake->any) {
                memset(wake, 0, sizeof *wake);
                wake->any = true;
            }
            wake->loops[watch->loop / 64] |= 1ull << watch->loop % 64;
        }
    }
}

void jzx__group_watches_look(jzx_loop *loop)
{
    for (jzx__list *node = loop->group_watching.next; node != &loop->group_watching; node = node->next) {
        jzx__resource_notify(loop, &jzx__container_of(node, jzx__group_watch, mine)->resource);
    }
}

void jzx__group_watches_wake(jzx_loop *loop, const jzx__wake_set *wake)
{
    for (uint32_t i = 0; wake->any && i < loop->runtime->loop_count; i++) {
        if ((wake->loops[i / 64] >> i % 64 & 1) == 0) {
            continue;
        }
        if (i == loop->index) {
            jzx__group_watches_look(loop);
            continue;
        }
        jzx_loop *other = loop->runtime->loops[i];
        /* Release: the change comes before it (GW2). */
        atomic_fetch_or_explicit(&other->asked, JZX__ASKED_GROUPS, memory_order_release);
        JZX__SIM_POINT("groups: asked");
        if (atomic_load_explicit(&other->state, memory_order_acquire) == JZX__LOOP_RUNNING) {
            jzx__ring_peer(loop, i);
        }
    }
}
