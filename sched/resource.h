/*
 * resource: what an actor owns besides its mail. Timers, watches, sockets, its halves of monitors, its sides of links
 * and of flows, resume records, names, memberships: each begins with a jzx__resource, is in its owner's list, has a number with a generation, and
 * ends with its owner.
 *
 * Owner thread only.
 *
 * Invariants
 *   R1  A resource is in the list of exactly one live actor until it is let go; then it has no owner.
 *   R2  Its embedded cell is in one list at most: the owner's urgent list or mailbox, or an overflow. A resource that is
 *       let go while its cell is in a list stays until the cell comes out (JZX__FLAG_OVERTIME), and does nothing there.
 *   R3  A watch or socket that is let go stays until the kernel has given its last completion.
 */
#ifndef JZX__RESOURCE_H
#define JZX__RESOURCE_H

#include "io/tcp.h"
#include "io/watch.h"
#include "sched/deadlines.h"
#include "sched/map.h"
#include "sched/slot.h"
#include "sched/table.h"
#include <jzx/timer.h>

typedef enum jzx__resource_kind {
    JZX__RESOURCE_TIMER,
    JZX__RESOURCE_MONITOR,
    JZX__RESOURCE_RESUME,
    JZX__RESOURCE_WATCH,
    JZX__RESOURCE_SOCKET,
    JZX__RESOURCE_NAME,
    JZX__RESOURCE_CHILD,
    JZX__RESOURCE_BOND,
    JZX__RESOURCE_SUPERVISOR,
    JZX__RESOURCE_LINK,
    JZX__RESOURCE_FLOW,
    JZX__RESOURCE_MEMBER,
    JZX__RESOURCE_GROUP_WATCH,
    JZX__RESOURCE_WAITER,
    JZX__RESOURCE_KINDS
} jzx__resource_kind;

struct jzx__resource {
    jzx__cell cell; /* R2 */
    jzx__resource *next;
    jzx__resource **link; /* what points here; NULL without an owner (R1) */
    uint64_t number;
    uint32_t owner; /* slot index */
    uint8_t kind;
    bool listed; /* the cell is in a list */
};

typedef struct jzx__timer {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource;
    jzx__deadline deadline;
    uint32_t ticks; /* due and not yet handled, for BURST */
    uint64_t due_ns;
    uint64_t period_ns; /* 0: once */
} jzx__timer;
_Static_assert(sizeof(jzx__timer) == 2 * JZX__CACHE_LINE, "a timer is two cache lines");

/* A monitor, on the watcher's side. */
typedef struct jzx__monitor {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource;
    jzx_actor_id target;
    jzx_exit_info exit;
} jzx__monitor;

typedef enum jzx__suffered_kind {
    JZX__SUFFERED_MONITOR,
    JZX__SUFFERED_CHILD, /* part of a jzx__bond; the first of its list */
    JZX__SUFFERED_LINK,  /* part of a jzx__link */
    JZX__SUFFERED_FLOW,  /* part of a jzx__flow */
} jzx__suffered_kind;

/* Someone to be told when the target ends; the cell is its node in an overflow. */
struct jzx__suffered {
    _Alignas(JZX__CACHE_LINE) jzx__cell cell;
    jzx__map_node by_monitor; /* key: the monitor's number */
    jzx__suffered *next;      /* of the same target */
    jzx__suffered **link;
    uint64_t number;
    uint32_t target; /* slot index */
    uint8_t kind;    /* jzx__suffered_kind */
};

typedef enum jzx__link_state {
    JZX__LINK_RESERVED, /* for an actor that is being spawned elsewhere */
    JZX__LINK_LIVE,
    JZX__LINK_EXITED, /* the partner has; the notice waits in the mailbox */
    JZX__LINK_ENDING, /* the owner has; the partner is still to be told */
    JZX__LINK_UNDONE, /* until its cells are in no list */
} jzx__link_state;

/* One side of a link; the other one is the partner's. */
typedef struct jzx__link {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource; /* its cell: the partner's exit, or at the end the owner's */
    jzx__suffered half;                               /* its cell: LINK, then UNLINK */
    jzx__map_node by_pair;                            /* key: owner and partner mixed; compare both */
    jzx_actor_id owner;
    jzx_actor_id partner;
    uint64_t own;  /* the number of this side, and of the LINK it sent */
    uint64_t peer; /* the partner's, 0: not known */
    bool asked;    /* this side has sent a LINK, or is on its partner's loop */
    bool sending;  /* the cell of `half` is in an overflow */
    uint8_t state; /* jzx__link_state */
    jzx_exit_info exit;
} jzx__link;

typedef enum jzx__flow_state {
    JZX__FLOW_OPENING, /* not yet answered */
    JZX__FLOW_LIVE,
    JZX__FLOW_ENDED,   /* the other side has; the notice is still to be handled */
    JZX__FLOW_CLOSING, /* not yet answered, and its owner has left it */
    JZX__FLOW_UNDONE,  /* until its cells are in no list */
} jzx__flow_state;

/* One side of a flow; the other one is the peer's. */
typedef struct jzx__flow {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource; /* its cell: notices for the owner, then the END */
    jzx__suffered half;                               /* its cell: OPEN, ACCEPT, GRANT */
    jzx__list opening;                                /* in the lane's `opens` until it is answered */
    jzx_actor_id peer;
    uint64_t other;     /* the number of the peer's side; 0: not known yet */
    uint32_t credits;   /* unspent; at the receiver those whose messages it has not handled */
    uint32_t held;      /* granted before the flow was answered */
    uint32_t window;    /* receiver: credits come back by themselves; 0: they do not */
    int32_t err;        /* how it has ended, */
    uint32_t exit_kind; /* or how the peer is to be told so */
    uint32_t mark;      /* the sender's own, of one that serves */
    uint8_t state;      /* jzx__flow_state */
    bool receives;
    bool told;    /* the owner knows of it */
    bool serves;  /* opened by jzx__flow_serve(), see F8 */
    bool sending; /* the cell of `half` is in an overflow */
} jzx__flow;

typedef struct jzx__resume {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource;
    jzx__map_node by_pair; /* key: asker and target mixed; compare both */
    jzx__list waiting;     /* in a lane's or the pool's waiters, while it waits on this loop */
    jzx_actor_id asker;
    jzx_actor_id target;
} jzx__resume;

/* On the target's loop: someone waits for room in a mailbox, or for cells. */
typedef struct jzx__resume_wait {
    _Alignas(JZX__CACHE_LINE) jzx__cell cell; /* sender = asker, words[0] = the asker's record */
    uint64_t number;
} jzx__resume_wait;

typedef struct jzx__watch_record {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource;
    jzx__watch watch;
    bool last_event; /* its end is being handled: the record goes after it */
} jzx__watch_record;

typedef struct jzx__socket_record {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource;
    jzx__deadline deadline;
    uint64_t listener; /* number of the listener it came from, 0 for none */
    uint64_t idle_ns;  /* listener: options for its connections */
    uint64_t linger_ns;
    size_t send_max;
    bool no_delay;
    bool pause_at_high_mark;
    bool last_event;      /* CLOSED is being handled: the record goes after it */
    bool closed;          /* the kernel holds nothing of it any more */
    jzx__map_node marked; /* while it is held (X4); key: its owner's slot */
    jzx__socket socket;
} jzx__socket_record;

typedef struct jzx__name {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource;
    uint32_t place; /* of its entry in the runtime's table */
} jzx__name;

/* Puts one into its target's list: in front, but behind the bond. */
static inline void jzx__suffered_list(jzx__suffered *suffered, jzx__cold *target)
{
    jzx__suffered **place = &target->suffered;
    if (*place != NULL && (*place)->kind == JZX__SUFFERED_CHILD) {
        place = &(*place)->next;
    }
    suffered->next = *place;
    suffered->link = place;
    if (*place != NULL) {
        (*place)->link = &suffered->next;
    }
    *place = suffered;
}

static inline void jzx__suffered_unlist(jzx__suffered *suffered)
{
    JZX_ASSERT(suffered->link != NULL);
    *suffered->link = suffered->next;
    if (suffered->next != NULL) {
        suffered->next->link = suffered->link;
    }
    suffered->link = NULL;
}

static inline void jzx__resource_own(jzx__resource *resource, jzx__cold *owner, uint32_t index)
{
    JZX_ASSERT(resource->link == NULL); /* R1 */
    resource->owner = index;
    resource->next = owner->owned;
    resource->link = &owner->owned;
    if (owner->owned != NULL) {
        owner->owned->link = &resource->next;
    }
    owner->owned = resource;
}

static inline void jzx__resource_disown(jzx__resource *resource)
{
    JZX_ASSERT(resource->link != NULL);
    *resource->link = resource->next;
    if (resource->next != NULL) {
        resource->next->link = resource->link;
    }
    resource->link = NULL;
}

#endif
