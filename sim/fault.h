/*
 * fault: what a machine draws from its seed, and what goes wrong in it.
 *
 * A draw is a function of the seed, its stream and how often that stream was drawn from. Whether an occasion has its fault
 * is a function of the seed, the kind and the occasion's number, or was said by jzx_sim_inject() or by a plan. So a fault
 * left out changes no other, as far as the run goes the same way: which is what makes failures small (shrink.c).
 *
 * Owned by the machine; used on its real thread.
 *
 * Invariants
 *   F1  Each occasion is counted once, also when its kind is off.
 *   F2  Scripted faults come first, and are in no record: a scenario that is run again scripts them again.
 *   F3  What is recorded, given as a plan to a machine of the same seed, is the same run.
 */
#ifndef JZX__SIM_FAULT_H
#define JZX__SIM_FAULT_H

#include "sim/inside.h"

enum {
    JZX__SIM_INJECTIONS_MAX = 256,
    JZX__SIM_HITS_MAX = 32768, /* of a record; a plan has no more */
    JZX__SIM_SIZES_MAX = 32,
    JZX__SIM_SIZE_NAME = 32, /* bytes, with the 0 */
};

typedef struct jzx__sim_hit {
    uint64_t occasion; /* from 1 */
    uint32_t fault;
    uint32_t unused;
} jzx__sim_hit;

typedef struct jzx__sim_size {
    char name[JZX__SIM_SIZE_NAME];
    uint64_t value;
    uint64_t least;
} jzx__sim_size;

/* What a run drew, for who wants it smaller. It may lie in memory that outlives the process. */
typedef struct jzx__sim_record {
    uint32_t hit_count;
    uint32_t hits_lost; /* more than there is room for */
    uint32_t size_count;
    uint32_t switches;
    jzx__sim_size sizes[JZX__SIM_SIZES_MAX];
    jzx__sim_hit hits[JZX__SIM_HITS_MAX];
} jzx__sim_record;

/* What a run does instead of drawing. */
typedef struct jzx__sim_plan {
    uint64_t seed;
    uint64_t kinds;     /* bit f: kind f happens, as its rate says; without a list */
    bool listed;        /* exactly `hits`, whatever the rates say */
    uint32_t switches;  /* or JZX_SIM_DRAWN: as configured. Who creates the machine configures it so. */
    jzx__sim_hit *hits; /* sorted by fault, then by occasion; from malloc, the plan's */
    uint32_t hit_count;
    uint32_t size_count;
    jzx__sim_size sizes[JZX__SIM_SIZES_MAX];
} jzx__sim_plan;

typedef struct jzx__sim_faults {
    uint64_t seed;
    uint32_t switches; /* of 1,024 points: configured, or drawn */
    uint32_t rates[JZX_SIM_FAULTS];
    bool held;                        /* no rate counts for now */
    uint64_t drawn[JZX__SIM_STREAMS]; /* how often */
    uint64_t occasions[JZX_SIM_FAULTS];
    uint64_t injected[JZX_SIM_FAULTS];
    jzx_sim_injection injections[JZX__SIM_INJECTIONS_MAX]; /* oldest first; what has done its work is gone */
    uint32_t injection_count;
    uint32_t scripted[JZX_SIM_FAULTS]; /* how many of them are of each kind */
    jzx__sim_size sizes[JZX__SIM_SIZES_MAX];
    uint32_t size_count;
    const jzx__sim_plan *plan;          /* or NULL */
    uint32_t plan_next[JZX_SIM_FAULTS]; /* its next hit of each kind */
    jzx__sim_record *record;            /* or NULL */
} jzx__sim_faults;

jzx__sim_faults *jzx__sim_faults_of(jzx_sim *sim); /* sim.c */

/* Part of jzx_sim_create(), before anything is drawn; nothing has to be given back. */
void jzx__sim_faults_init(jzx__sim_faults *faults, uint64_t seed, const jzx_sim_config *config);
/* Behind jzx_sim_create(), before anything happens. Both may be NULL, and must live as long as the machine. */
void jzx__sim_faults_follow(jzx__sim_faults *faults, const jzx__sim_plan *plan, jzx__sim_record *record);

uint64_t jzx__sim_injected_all(const jzx_sim *sim);
bool jzx__sim_word(const char *text, size_t length, const char *more); /* a-z, 0-9, and the characters of `more` */
bool jzx__sim_fault_find(const char *name, size_t length, jzx_sim_fault *fault);

#endif
