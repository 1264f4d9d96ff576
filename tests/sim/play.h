/* play: what cast.c (the run), player.c (the actors), flows.c and books.c (what must come of it) share. */
#ifndef TESTS_PLAY_H
#define TESTS_PLAY_H

#include "tests/sim/cast.h"

enum { OPEN_MAX = 12 }; /* monitors, and requests, that one player has open at a time */

enum { TAG_SAY = 1, TAG_ASK, TAG_REPLY, TAG_TICK, TAG_ALARM };

/* Why a player may have ended, as bits of player.asked: 1 << jzx_exit_kind. */

typedef enum sim_fate {
    FATE_NONE = 0, /* offered and refused, or not yet offered */
    FATE_OUT,      /* accepted */
    FATE_HANDLED,
    FATE_DEAD, /* reported dead; its destructor comes now */
    FATE_DROPPED,
} sim_fate;

/* One message: what its payload names. */
typedef struct sim_mail {
    uint16_t from;
    uint16_t to;
    uint32_t sequence; /* of those from `from` to `to` */
    uint8_t fate;
    bool pointer;
    bool alarm;   /* a timer's: its destructor runs without a report, and it keeps no order */
    bool yielded; /* its handler has put it back once */
    bool refused; /* its handler returned UNHANDLED: the destructor is the runtime's to call */
    bool high;
    bool stashed;   /* once; it has kept its place among what its sender sent */
    uint32_t place; /* among all that its receiver stashed, from 0 */
    uint32_t group; /* of those that came back with it; 0: it is in the stash */
    uint32_t flow;  /* index + 1 of the flow it goes through; 0: none */
} sim_mail;

/* A flow, from the call that opens it. In pairs: the sender's, the receiver's. */
typedef struct sim_flow {
    uint16_t sides[2]; /* players */
    uint8_t opener;
    jzx_flow_id ids[2];
    bool met[2];   /* it knows of it */
    bool left[2];  /* it has closed or refused it, or has ended */
    bool told[2];  /* of the end */
    bool windowed; /* credits came back by themselves: `granted` is not all */
    bool informed; /* the sender has heard that it has credits */
    uint64_t granted;
    uint64_t sent;
    uint64_t handled;
    uint32_t out; /* sent, and neither handled, stashed nor dropped yet */
} sim_flow;

typedef enum sim_life { LIFE_NONE = 0, LIFE_ASKED, LIFE_ALIVE, LIFE_STILLBORN, LIFE_ENDED } life;

typedef struct open_monitor {
    uint64_t number; /* 0: free */
    uint16_t target;
} open_monitor;

typedef struct open_request {
    uint64_t ref;   /* 0: free */
    uint16_t about; /* a spawn: the player; else PLAYERS */
} open_request;

typedef struct sim_play sim_play;

typedef struct sim_player {
    sim_play *play;
    uint16_t index;
    uint8_t life;
    bool fails;     /* its init */
    uint16_t asker; /* who waits for its spawn; PLAYERS: nobody */
    uint32_t loop;
    jzx_actor_id id;
    uint32_t ticks;
    uint32_t asked;
    uint32_t fixed; /* the exit kind that it must end with, once its end was the first to come; 0: not known */
    jzx_exit_info exit;
    open_monitor monitors[OPEN_MAX];
    open_request requests[OPEN_MAX];
    bool waiting[PLAYERS]; /* for a resume notice */
    bool traps;
    bool born_linked;     /* to its asker */
    bool linked[PLAYERS]; /* it has asked so, and neither undone it nor heard of an end since */
    bool has_linked[PLAYERS];
    bool has_unlinked[PLAYERS];
    bool told[PLAYERS];      /* of the end */
    uint16_t courted;        /* who was last linked or unlinked with it */
    uint32_t exits[PLAYERS]; /* that may come for its own links, made since it has undone one */
    uint64_t kept[KEPT];     /* requests to answer later; 0: free */
    jzx_timer_id alarm;
    uint64_t alarm_due_ns;
    uint32_t alarm_mail;
    int watch; /* a descriptor, or -1 */
    uint32_t cap;
    uint32_t stashes;    /* messages stashed so far */
    uint32_t unstashed;  /* of those, come back */
    uint32_t groups;     /* times that some came back */
    uint32_t high_row;   /* high messages handled in a row while normal mail waited */
    bool sheds;          /* what waits may be dropped, and high mail come into its place */
    bool limited;        /* any handler may turn out to be too long for it to live */
    bool stash_was_full; /* it fails for that */
    uint32_t unfair;     /* signals handled in a row while mail waited */
    uint32_t vanished;   /* notices and requests that may wait and will not be handled */
} sim_player;

typedef struct sim_stranger {
    sim_play *play;
    uint16_t index; /* among the senders */
    uint32_t posts;
    bool done;
} sim_stranger;

typedef enum sim_drive { DRIVE_RUN, DRIVE_ONCE, DRIVE_LEVEL, DRIVE_EDGE } drive;

typedef struct sim_driven {
    sim_play *play;
    uint32_t index;
    uint8_t drive;
    bool never;       /* nobody runs it */
    bool turned;      /* it did run */
    bool host_asleep; /* in the poll of its host */
    uint64_t late_ns; /* when it begins to run */
    jzx_loop *loop;
    jzx_err result;
    bool ended;
} sim_driven;

struct sim_play {
    jzx_sim *sim;
    const cast_knobs *knobs;
    jzx_config config;
    jzx_runtime *runtime;
    sim_driven loops[LOOPS];
    uint32_t loop_count;
    uint32_t ticks_most; /* of this run */
    uint32_t actions_most;
    sim_player players[PLAYERS];
    uint32_t player_count; /* those that ever were */
    sim_stranger strangers[STRANGERS];
    uint32_t stranger_count;
    int descriptors[WATCHES];
    sim_player *holders[NAMES]; /* from its registration until it begins to give the name up, or to end */
    uint64_t written[WATCHES];
    uint64_t read[WATCHES];

    sim_flow flows[FLOWS];
    uint32_t flow_count;

    sim_mail *mails;
    uint32_t mail_count;
    uint32_t mail_room;
    uint32_t mail_open;
    uint16_t pair_open[SENDERS][PLAYERS];
    uint32_t next_out[SENDERS][PLAYERS];
    uint32_t next_in[SENDERS][PLAYERS];
    uint32_t high_out[SENDERS][PLAYERS]; /* the same of high priority */
    uint32_t high_in[SENDERS][PLAYERS];

    uint64_t signals; /* handled */
    uint64_t starts;  /* told to observers */
    uint64_t stops;
    bool stopping;     /* the stop was asked for */
    bool alone[LOOPS]; /* a stop of this loop was */
    bool silent;       /* hosts say nothing more */
    bool destroying;
};

/* player.c */
void player_cast(sim_play *play, jzx_context *context, uint32_t loop); /* one more, through a host's context */
void player_options(sim_player *player, jzx_spawn_options *options);
sim_player *player_new(sim_play *play);         /* NULL: all parts are given */
open_request *player_request(sim_player *self); /* one that is free, or NULL */
void stranger_main(void *stranger);
void host_says(sim_driven *driven); /* from outside of a turn, on the loop's own thread */

/* flows.c */
void flows_act(sim_player *self, jzx_context *context);
void flows_last_word(sim_player *self, jzx_context *context);
jzx_behavior_result flows_opened(sim_player *self, const jzx_context *context, const jzx_flow_opened *opened);
void flows_credit(const sim_player *self, const jzx_flow_credit *credit);
void flows_ended(const sim_player *self, const jzx_flow_ended *ended);
void flows_handled(sim_play *play, const sim_mail *mail, const jzx_message *message);
void flows_stashed(sim_play *play, const sim_mail *mail); /* for the first time */
void flows_dead(sim_play *play, const sim_mail *mail, jzx_drop_reason reason);
void flows_left(const sim_player *player); /* it has ended */
const char *flows_open(const sim_play *play);
void flows_rest(const sim_play *play);

/* books.c */
uint32_t books_offer(sim_play *play, uint32_t from, uint32_t to, uint32_t tag, bool pointer, jzx_message *message);
void books_high(sim_play *play, uint32_t number); /* it is of high priority, and not sent yet */
void books_refused(sim_play *play, uint32_t number);
void books_stashed(sim_play *play, sim_player *receiver, const jzx_message *message);
void books_unstashed(sim_player *player, uint32_t count);
void books_exit(sim_player *player, const jzx_exit *exit);
void books_link(sim_player *player, const sim_player *target);
uint32_t books_number(const jzx_message *message);
void books_handled(sim_play *play, sim_player *receiver, const jzx_message *message);
void books_dead(void *play, jzx_context *context, jzx_actor_id target, const jzx_message *message,
                jzx_drop_reason reason);
void books_down(sim_player *watcher, const jzx_down *down);
void books_ended(sim_player *player, const jzx_exit_info *info);
const char *books_name(uint32_t name);
/* It has no name any more: whoever heard of its end may take them. */
void books_nameless(const sim_player *player);
const char *books_open(sim_play *play); /* what is still to come, or NULL */
void books_idle(void *play);            /* nobody sleeps on work */
void books_rest(sim_play *play);        /* when nothing is to come: each record, cell and block is where it belongs */
void books_close(sim_play *play);       /* all at the very end */

#endif
