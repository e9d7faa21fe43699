/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The kernel: threads, time, semaphores, queues. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_KERNEL_H
#define STUB_KERNEL_H

#include <zephyr/irq.h>
#include <zephyr/spinlock.h>
#include <zephyr/sys/util.h>

#include <errno.h>
#include <limits.h>

typedef int64_t k_ticks_t;
typedef struct {
	k_ticks_t ticks;
} k_timeout_t;

#define K_NO_WAIT      ((k_timeout_t){0})
#define K_FOREVER      ((k_timeout_t){-1})
#define K_MSEC(ms)     ((k_timeout_t){(k_ticks_t)(ms)})
#define SYS_FOREVER_MS (-1)

int64_t k_uptime_get(void);
int32_t k_usleep(int32_t us);
int32_t k_sleep(k_timeout_t timeout);
void k_busy_wait(uint32_t usec_to_wait);

struct k_thread {
	char unused;
};
typedef struct k_thread *k_tid_t;
typedef void (*k_thread_entry_t)(void *p1, void *p2, void *p3);
typedef struct z_thread_stack_element {
	char data;
} k_thread_stack_t;

#define K_PRIO_PREEMPT(x)                 (x)
#define K_LOWEST_APPLICATION_THREAD_PRIO  (CONFIG_NUM_PREEMPT_PRIORITIES - 1)
#define K_THREAD_STACK_DEFINE(sym, size)  struct z_thread_stack_element sym[size]
#define K_THREAD_STACK_SIZEOF(sym)        sizeof(sym)
#define K_THREAD_DEFINE(name, stack_size, entry, p1, p2, p3, prio, options, delay)                                             \
	static const k_thread_entry_t name##_entry __attribute__((unused)) = (entry);                                          \
	enum {name##_stack_bytes = (stack_size)};                                                                              \
	static const int name##_numbers[] __attribute__((unused)) = {(prio), (options), (delay)};                              \
	static struct k_thread name##_thread;                                                                                  \
	static const k_tid_t name __attribute__((unused)) = &name##_thread

k_tid_t k_thread_create(struct k_thread *new_thread, k_thread_stack_t *stack, size_t stack_size, k_thread_entry_t entry, void *p1,
			void *p2, void *p3, int prio, uint32_t options, k_timeout_t delay);
void k_thread_start(k_tid_t thread);
int k_thread_name_set(k_tid_t thread, const char *str);
int k_thread_stack_space_get(const struct k_thread *thread, size_t *unused_ptr);
k_tid_t k_current_get(void);
bool k_is_in_isr(void);
__attribute__((noreturn)) void k_panic(void);

struct k_sem {
	unsigned int count;
};

#define K_SEM_DEFINE(name, initial_count, count_limit)                                                                         \
	struct k_sem name = {(initial_count)};                                                                                 \
	BUILD_ASSERT((count_limit) >= (initial_count), "a semaphore begins above its limit")

int k_sem_init(struct k_sem *sem, unsigned int initial_count, unsigned int limit);
int k_sem_take(struct k_sem *sem, k_timeout_t timeout);
void k_sem_give(struct k_sem *sem);
void k_sem_reset(struct k_sem *sem);

struct k_msgq {
	size_t msg_size;
	uint32_t max_msgs;
};

#define K_MSGQ_DEFINE(q_name, q_msg_size, q_max_msgs, q_align) struct k_msgq q_name = {(q_msg_size), (q_max_msgs)}

int k_msgq_put(struct k_msgq *msgq, const void *data, k_timeout_t timeout);
int k_msgq_get(struct k_msgq *msgq, void *data, k_timeout_t timeout);
uint32_t k_msgq_num_used_get(struct k_msgq *msgq);

#endif
