/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the scenarios share: checks, the one instance, waiting for the agent. Included by each program of scenarios. */
#ifndef SCENARIO_H
#define SCENARIO_H

#define _GNU_SOURCE
#include "cairn.h"
#include "pthread_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 60000u /* never reached unless something hangs */

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                           \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

#define EXPECT(call, result)                                                                                          \
    do {                                                                                                              \
        cairn_result_t got = (call);                                                                                  \
        if (got != (result)) {                                                                                        \
            fprintf(stderr, "%s:%d: %s is %d (%s), not %s\n", __FILE__, __LINE__, #call, got, cairn_strerror(got),    \
                    #result);                                                                                         \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

static cairn_storage_t storage;
static uint8_t blob[1024];
static size_t blob_length;
static const uint8_t payload[CONFIG_CAIRN_PAYLOAD_MAX + 1];

static inline void load(const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    blob_length = fread(blob, 1, sizeof blob, file);
    CHECK(blob_length > 0 && fclose(file) == 0);
}

static inline cairn_config_t config(void)
{
    return (cairn_config_t){.factory = blob, .factory_length = blob_length};
}

static inline void init(const char *factory)
{
    load(factory);
    cairn_config_t with = config();
    EXPECT(cairn_init(&storage, &with), CAIRN_OK);
}

static inline cairn_status_t status(void)
{
    cairn_status_t out;
    EXPECT(cairn_status(&out), CAIRN_OK);
    return out;
}

static inline cairn_result_t reading(size_t length)
{
    return cairn_submit(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, length);
}

static inline cairn_result_t reading_wait(uint32_t timeout_ms, uint64_t *seq)
{
    return cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, 4, timeout_ms, seq);
}

static inline void until_idle(void)
{
    for (unsigned i = 0; i < PATIENCE_MS / 5u; i++) {
        cairn_status_t now = status();
        if (now.idle) {
            return;
        }
        usleep(5000);
    }
    CHECK(!"idle at last");
}

/* Waits until the journal has signed `signatures` batches. */
static inline void until_signed(uint32_t signatures)
{
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().signatures < signatures; i++) {
        usleep(5000);
    }
    CHECK(status().signatures >= signatures);
}

/* A line in hexadecimal, for the test that runs the scenario. */
static inline void print_bytes(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        printf("%02x", bytes[i]);
    }
    printf("\n");
}

static inline void print_evidence(uint64_t seq)
{
    static uint8_t out[CAIRN_EVIDENCE_MAX];
    size_t length = 0;
    EXPECT(cairn_evidence(seq, out, sizeof out, &length, PATIENCE_MS), CAIRN_OK);
    print_bytes(out, length);
}

struct scenario {
    const char *name;
    void (*run)(char **arguments);
};

static inline int run_scenario(const struct scenario *scenarios, size_t count, int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < count; i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run(argv + 2);
            return 0;
        }
    }
    fprintf(stderr, "no such scenario\n");
    return 2;
}

#endif
