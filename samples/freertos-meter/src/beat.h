/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A task with something more important to do than signing: it runs every 20 ms and measures whether signatures delay
 * it. */
#ifndef BEAT_H
#define BEAT_H

#include <stdint.h>

#define BEAT_PERIOD_MS 20u
#define BEAT_PRIORITY 4u

/* What the beats saw of the signatures so far. Times in ticks of board_timer (40 ns). */
struct beat_report {
    uint32_t beats;            /* since boot */
    uint32_t signatures;       /* finished */
    uint32_t fewest_inside;    /* beats that ran while one signature was made: the fewest of all signatures */
    uint32_t due_inside;       /* beats that were due while a signature was made, all signatures */
    uint32_t worst_late;       /* longest from the tick a beat was due at to its start, of those */
    uint32_t worst_interval;   /* largest deviation from 20 ms between two beats inside one signature */
    uint32_t last_signature;   /* duration of the last signature, ticks and beats in it included */
    uint32_t longest_signature;
};

/* Creates the task. Before the scheduler starts. */
void beat_start(void);

/* The agent's task calls these when a signature begins and when it is there. */
void beat_signing(void);
void beat_signed(void);

/* A consistent copy. Tasks only. */
void beat_get(struct beat_report *out);

#endif
