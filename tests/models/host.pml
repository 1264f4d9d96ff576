/*
 * host: a loop that a host drives, asleep in its own poll on one descriptor (sched/park.c P1, io/uring.c).
 *
 * The host sleeps until the descriptor is readable, then has the loop run one turn, and again. PEERS other loops tell it one
 * thing each MAIL times, and so does a foreign thread, whose wake goes by the ring or, on an older kernel (OLD), by a
 * descriptor that the ring polls, or straight to the host's. The kernel makes the host's descriptor readable when a
 * completion comes while the notification is on; a completion says no more than that one came.
 *
 * Memory: as in wake.pml. That what the kernel does when a completion comes is one step is taken from the kernel.
 *
 * Holds: when nothing moves any more, all that was published has been taken.
 *
 * To be taken out:
 *   NO_LOOK      the look at everything that could have come, after the notification is on
 *   LOOK_FIRST   that look is after the notification is on, not before
 *   NO_TOUCH     what is found makes the descriptor readable
 *   EMPTY_LATE   the descriptor is read empty before the turn; here before the host sleeps
 *   NO_BUSY      a completion that came before the notification was on is looked for
 *   PLAIN_NOTIFY a fence stands between turning the notification on and the look
 */
#ifndef PEERS
#define PEERS 1
#endif
#ifndef MAIL
#define MAIL 2
#endif
#ifndef OLD
#define OLD 1
#endif
#define WAYS (PEERS + 1) /* the last is the thread's */

byte wrote[WAYS];
byte tail[WAYS];
byte taken[WAYS];
bit parked;
bit host_asleep; /* uring->host_asleep, as others see it */
bit notify;      /* as the kernel sees it */
bit notified;    /* PLAIN_NOTIFY: it waits in the store buffer to be turned on */
bit completion;
bit readable;

inline complete() /* the kernel */
{
    completion = 1;
    if
    :: notify -> readable = 1
    :: else
    fi
}

inline look() /* of jzx__park_host(): lanes and inboxes, then ops->busy() */
{
    do
    :: d_step { way < WAYS && tail[way] != taken[way] -> found = 1; way = WAYS }
    :: d_step { way < WAYS && tail[way] == taken[way] -> way++ }
    :: d_step { way == WAYS -> way = 0 }; break
    od;
#ifndef NO_BUSY
    found = found || completion
#endif
}

proctype Host()
{
    byte way;
    bit found;

turn: /* jzx_loop_run_once() */
    parked = 0;      /* an exchange */
    host_asleep = 0; /* uring_host_awake() */
    d_step { notified = 0; notify = 0 };
#ifndef EMPTY_LATE
    readable = 0;
#endif
    completion = 0; /* reap */
    do /* drain() */
    :: way < WAYS -> d_step { taken[way] = tail[way]; way++ }
    :: way == WAYS -> way = 0; break
    od;
    /* jzx__park_host() */
    parked = 1; /* an exchange */
#ifdef LOOK_FIRST
    look();
#endif
    /* uring_host_sleep() */
    host_asleep = 1;
#ifdef PLAIN_NOTIFY
    notified = 1;
#else
    notify = 1;
#endif
#if !defined(NO_LOOK) && !defined(LOOK_FIRST)
    look();
#endif
    if
    :: found ->
        found = 0;
        parked = 0;
#ifndef NO_TOUCH
        readable = 1 /* jzx__loop_touch(), uring_host_ring() */
#endif
    :: else
#ifdef EMPTY_LATE
        -> readable = 0
#endif
    fi;
end_asleep:
    readable; /* epoll_wait() of the host */
    goto turn
}

proctype Sender(byte me)
{
    bit was;
    bit asleep;
    do
    :: wrote[me] < MAIL ->
        wrote[me]++; /* a store */
        d_step { tail[me] = wrote[me]; was = parked; parked = 0 }; /* jzx__ring_peer() or jzx__wake() */
        if
        :: was && (me < PEERS || !OLD) -> d_step { complete() }
        :: was && me == PEERS && OLD -> /* uring_wake() */
            asleep = host_asleep;
            if
            :: asleep -> readable = 1
            :: !asleep -> d_step { complete() } /* the ring polls wake_fd */
            fi
        :: !was
        fi;
        d_step { was = 0; asleep = 0 }
    :: else -> break
    od
}

/* Store buffers. */
proctype Buffer(byte way)
{
end:
    do
    :: d_step { wrote[way] != tail[way] -> tail[way]++ }
#ifdef PLAIN_NOTIFY
    :: d_step { notified -> notified = 0; notify = 1 }
#endif
    od
}

init
{
    byte n;
    atomic {
        run Host();
        do
        :: n < WAYS -> run Sender(n); run Buffer(n); n++
        :: else -> n = 0; break
        od
    };
    timeout; /* nothing moves any more */
    d_step {
        do
        :: n < WAYS -> assert(taken[n] == MAIL); n++
        :: else -> break
        od
    }
#ifdef REACHED
    assert(false)
#endif
}
