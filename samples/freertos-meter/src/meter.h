/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The meter: a register that counts watt-hours of the load profile, and a task that submits it every quarter hour. */
#ifndef METER_H
#define METER_H

#include <stdbool.h>
#include <stdint.h>

#define METER_PRIORITY 2u

/* Midnight before the day of the load profile: 2026-01-14T00:00:00Z. */
#define METER_DAY_START_MS 1768348800000u

#define METER_INTERVAL_MS (15u * 60u * 1000u)

enum meter_job {
    METER_RUN,   /* readings a quarter hour apart, each when the agent is idle */
    METER_BURST, /* readings at once, as the agent takes them, sealed and sent whenever the link is free */
    METER_SKIP,  /* time passes, no readings */
};

/* What happened to the last job. */
struct meter_run {
    enum meter_job job;
    uint32_t wanted, submitted;
    uint64_t first_seq, last_seq;
    uint64_t register_wh;
    int result; /* a cairn_result_t */
};

/* Creates the task. Before the scheduler starts. */
void meter_start(void);

/* Has the task submit `readings`. False while a job runs. Console task. */
bool meter_read(enum meter_job job, uint32_t readings);

/* Has the task skip `ms` as soon as the agent is idle, without a reading. False while a job runs. Console task. */
bool meter_skip(uint64_t ms);

/* Sets what the register shows. A product's register is in memory of its own and outlives a reboot; this one is told. False
 * while a job runs. Console task. */
bool meter_set_register(uint64_t wh);

/* The last job, once when it ended. Console task. */
bool meter_ended(struct meter_run *out);

#endif
