/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* See pthread_port.h. UART and secure element are in element_port.c. The lock is error-checking: a library that nests it aborts. */
#define _GNU_SOURCE
#include "pthread_port.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

_Thread_local bool port_pretend_isr;
volatile bool port_entropy_fails;
volatile bool port_flash_fails;
volatile bool port_flash_is_worn;
volatile bool port_counter_fails;
volatile bool port_device_secret_fails;
volatile bool port_device_secret_is_another;
volatile bool port_noise_is_stuck;
volatile cairn_result_t port_agent_result;

static pthread_mutex_t lock = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static volatile uint64_t added_ms;
static bool clock_is_stopped;

static void must(int error)
{
    if (error != 0) {
        fprintf(stderr, "port: %s\n", strerror(error));
        abort();
    }
}

/* A semaphore whose count is bounded: a binary one, a queue's free places, a queue's records. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned count, most;
};
#define GATE(count, most) {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count, most}

static bool gate_take(struct gate *gate, uint32_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000u;
    until.tv_nsec += (long)(wait_ms % 1000u) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    must(pthread_mutex_lock(&gate->mutex));
    int error = 0;
    while (gate->count == 0 && error == 0) {
        error = wait_ms == CAIRN_FOREVER_MS ? pthread_cond_wait(&gate->changed, &gate->mutex)
                                            : pthread_cond_timedwait(&gate->changed, &gate->mutex, &until);
    }
    bool taken = gate->count > 0;
    gate->count -= taken;
    must(pthread_mutex_unlock(&gate->mutex));
    return taken;
}

static void gate_give(struct gate *gate)
{
    must(pthread_mutex_lock(&gate->mutex));
    gate->count += gate->count < gate->most;
    must(pthread_cond_signal(&gate->changed));
    must(pthread_mutex_unlock(&gate->mutex));
}

static struct gate places = GATE(CONFIG_CAIRN_QUEUE_LENGTH, CONFIG_CAIRN_QUEUE_LENGTH);
static pthread_mutex_t queue_mutex = PTHREAD_MUTEX_INITIALIZER;
static cairn_record_t queue[CONFIG_CAIRN_QUEUE_LENGTH];
static unsigned queue_first, queue_count;

bool cairn_port_queue_put(const cairn_record_t *record, uint32_t wait_ms)
{
    if (!gate_take(&places, wait_ms)) {
        return false;
    }
    must(pthread_mutex_lock(&queue_mutex));
    queue[(queue_first + queue_count++) % CONFIG_CAIRN_QUEUE_LENGTH] = *record;
    must(pthread_mutex_unlock(&queue_mutex));
    return true;
}

bool cairn_port_queue_put_from_isr(const cairn_record_t *record, bool *woken)
{
    *woken = true;
    return cairn_port_queue_put(record, 0);
}

bool cairn_port_queue_take(cairn_record_t *record)
{
    must(pthread_mutex_lock(&queue_mutex));
    bool any = queue_count > 0;
    if (any) {
        *record = queue[queue_first];
        queue_first = (queue_first + 1u) % CONFIG_CAIRN_QUEUE_LENGTH;
        queue_count--;
    }
    must(pthread_mutex_unlock(&queue_mutex));
    if (any) {
        gate_give(&places);
    }
    return any;
}

static struct gate wake = GATE(0, 1);

void cairn_port_wake(void)
{
    gate_give(&wake);
}

void cairn_port_wake_from_isr(bool *woken)
{
    *woken = true;
    gate_give(&wake);
}

void cairn_port_wait(uint32_t wait_ms)
{
    (void)gate_take(&wake, wait_ms);
}

static struct gate waiters[CONFIG_CAIRN_WAITERS] = {[0 ... CONFIG_CAIRN_WAITERS - 1] = GATE(0, 1)};

bool cairn_port_waiter_wait(uint8_t waiter, uint32_t wait_ms)
{
    return gate_take(&waiters[waiter], wait_ms);
}

void cairn_port_waiter_signal(uint8_t waiter)
{
    gate_give(&waiters[waiter]);
}

uint32_t cairn_port_lock(void)
{
    must(pthread_mutex_lock(&lock));
    return 0xC0FFEE;
}

void cairn_port_unlock(uint32_t state)
{
    if (state != 0xC0FFEE) {
        abort();
    }
    must(pthread_mutex_unlock(&lock));
}

bool cairn_port_in_isr(void)
{
    return port_pretend_isr;
}

const void *cairn_port_task(void)
{
    static _Thread_local char name;
    return &name;
}

uint64_t cairn_port_now_ms(void)
{
    struct timespec now = {0};
    if (!clock_is_stopped) {
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u + added_ms;
}

void port_stop_clock(void)
{
    added_ms = cairn_port_now_ms();
    clock_is_stopped = true;
}

void port_add_time(uint64_t ms)
{
    added_ms += ms;
    (void)cairn_wake();
}

uint8_t cairn_port_wall(uint64_t *unix_ms)
{
    *unix_ms = 1768348800000u + cairn_port_now_ms();
    return CAIRN_TIME_NETWORK;
}

void cairn_port_set_wall(uint64_t unix_ms, uint8_t quality)
{
    (void)unix_ms;
    (void)quality;
}

bool cairn_port_entropy(uint8_t *out, size_t length)
{
    return !port_entropy_fails && getrandom(out, length, 0) == (ssize_t)length;
}

/* The flash: blank memory, or a file. A word that is programmed twice, and an access that cairn_port.h does not promise, abort. */
static uint8_t blank_flash[CONFIG_CAIRN_JOURNAL_BYTES];
static uint8_t *flash;

static void flash_rule(bool kept, const char *rule)
{
    if (!kept) {
        fprintf(stderr, "port: flash: %s\n", rule);
        abort();
    }
}

static uint8_t *flash_at(uint32_t offset, size_t length)
{
    flash_rule(offset <= CONFIG_CAIRN_JOURNAL_BYTES && length <= CONFIG_CAIRN_JOURNAL_BYTES - offset, "out of bounds");
    if (flash == NULL) {
        flash = memset(blank_flash, 0xff, sizeof blank_flash);
    }
    return flash + offset;
}

/* The file's content, which changes with it. */
static void *map(const char *path, size_t length)
{
    int file = open(path, O_RDWR);
    must(file < 0 ? errno : 0);
    void *mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    must(mapped == MAP_FAILED ? errno : 0);
    must(close(file) < 0 ? errno : 0);
    return mapped;
}

void port_flash_file(const char *path)
{
    flash = map(path, CONFIG_CAIRN_JOURNAL_BYTES);
}

/* The counter: three numbers, in a file or not. */
static uint64_t no_counter[3];
static uint64_t *counter = no_counter;

void port_counter_file(const char *path)
{
    counter = map(path, sizeof no_counter);
}

bool cairn_port_counter_read(uint8_t mark, uint64_t *value)
{
    if (mark >= 3 || port_counter_fails) {
        return false;
    }
    *value = counter[mark];
    return true;
}

bool cairn_port_counter_raise(uint8_t mark, uint64_t value)
{
    if (mark >= 3 || port_counter_fails) {
        return false;
    }
    if (value > counter[mark]) {
        counter[mark] = value;
    }
    return true;
}

static unsigned cut_after;

void port_cut_after(unsigned operations)
{
    cut_after = operations;
}

/* How much of an operation is done: all, or half of it and then the power goes. */
static size_t before_the_cut(size_t length)
{
    return cut_after == 1 ? length / 2u : length;
}

static void perhaps_cut(void)
{
    if (cut_after > 0 && --cut_after == 0) {
        _exit(99);
    }
}

static void program(uint8_t *at, uint32_t offset, const void *from, size_t length)
{
    flash_rule(offset % CONFIG_CAIRN_FLASH_WRITE_SIZE == 0 && length % CONFIG_CAIRN_FLASH_WRITE_SIZE == 0, "half a word");
    flash_rule((uintptr_t)from % 8u == 0, "from is not aligned");
    flash_rule(length > 0 && offset / 64u == (offset + length - 1u) / 64u, "a multiple of 64 is crossed");
    for (size_t i = 0; i < length; i++) {
        flash_rule(at[i] == 0xff, "a word is programmed twice");
    }
    memcpy(at, from, before_the_cut(length));
    perhaps_cut();
}

static void erase(uint8_t *at, uint32_t offset, size_t length)
{
    flash_rule(offset % CONFIG_CAIRN_FLASH_ERASE_SIZE == 0 && length % CONFIG_CAIRN_FLASH_ERASE_SIZE == 0, "half a unit");
    memset(at, 0xff, before_the_cut(length));
    perhaps_cut();
}

#ifdef CONFIG_CAIRN_KEY_STORE
#define KEY_FLASH_BYTES (2u * CONFIG_CAIRN_FLASH_ERASE_SIZE)

static uint8_t blank_key_flash[KEY_FLASH_BYTES];
static uint8_t *key_flash;

void port_key_flash_file(const char *path)
{
    key_flash = map(path, KEY_FLASH_BYTES);
}

static uint8_t *key_flash_at(uint32_t offset, size_t length)
{
    flash_rule(offset <= KEY_FLASH_BYTES && length <= KEY_FLASH_BYTES - offset, "out of bounds");
    if (key_flash == NULL) {
        key_flash = memset(blank_key_flash, 0xff, sizeof blank_key_flash);
    }
    return key_flash + offset;
}

int cairn_port_key_flash_read(uint32_t offset, void *to, size_t length)
{
    memcpy(to, key_flash_at(offset, length), length);
    return 0;
}

int cairn_port_key_flash_program(uint32_t offset, const void *from, size_t length)
{
    program(key_flash_at(offset, length), offset, from, length);
    return 0;
}

int cairn_port_key_flash_erase(uint32_t offset, size_t length)
{
    erase(key_flash_at(offset, length), offset, length);
    return 0;
}

bool cairn_port_device_secret(uint8_t *secret)
{
    memset(secret, port_device_secret_is_another ? 0xd6 : 0xd5, 32);
    return !port_device_secret_fails;
}

bool cairn_port_noise(uint8_t *sample)
{
    *sample = 7;
    return port_noise_is_stuck || getrandom(sample, 1, 0) == 1;
}
#endif

int cairn_port_flash_read(uint32_t offset, void *to, size_t length)
{
    memcpy(to, flash_at(offset, length), length);
    return port_flash_fails ? -1 : 0;
}

int cairn_port_flash_program(uint32_t offset, const void *from, size_t length)
{
    if (port_flash_is_worn) {
        (void)flash_at(offset, length);
        return 0;
    }
    program(flash_at(offset, length), offset, from, length);
    return 0;
}

int cairn_port_flash_erase(uint32_t offset, size_t length)
{
    erase(flash_at(offset, length), offset, length);
    return 0;
}

_Noreturn void cairn_port_panic(void)
{
    abort();
}

static pthread_t agent;
static volatile bool agent_stops;

static void *run(void *unused)
{
    (void)unused;
    while (!agent_stops) {
        uint32_t wait_ms = 10;
        port_agent_result = cairn_poll(&wait_ms);
        cairn_port_wait(wait_ms);
    }
    return NULL;
}

void port_agent_start(void)
{
    agent_stops = false;
    must(pthread_create(&agent, NULL, run, NULL));
}

void port_agent_stop(void)
{
    agent_stops = true;
    gate_give(&wake);
    must(pthread_join(agent, NULL));
}
