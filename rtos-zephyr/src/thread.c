/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The agent's thread, the record queue and the waiters: the part of cairn_port.h that is about threads. Called by the
 * library and by cairn_zephyr_start. No heap. How the thread sleeps is in wake.c. */
#include "cairn_zephyr.h"
#include "cairn_port.h"
#include "internal.h"

#include <zephyr/fatal.h>
#include <zephyr/logging/log.h>
#include <zephyr/logging/log_ctrl.h>
#include <zephyr/spinlock.h>

LOG_MODULE_REGISTER(cairn, CONFIG_CAIRN_LOG_LEVEL);

BUILD_ASSERT(CONFIG_CAIRN_TASK_PRIORITY < CONFIG_NUM_PREEMPT_PRIORITIES,
	     "CONFIG_CAIRN_TASK_PRIORITY must be below CONFIG_NUM_PREEMPT_PRIORITIES");
BUILD_ASSERT(sizeof(cairn_record_t) % 8 == 0, "records in the queue are 8-byte aligned");

static cairn_storage_t storage;

static K_THREAD_STACK_DEFINE(stack, CONFIG_CAIRN_TASK_STACK_BYTES);
static struct k_thread thread;
static k_tid_t thread_id;

K_MSGQ_DEFINE(cairn_queue, sizeof(cairn_record_t), CONFIG_CAIRN_QUEUE_LENGTH, 8);
static struct k_sem waiters[CONFIG_CAIRN_WAITERS];

static struct k_spinlock lock;

static k_timeout_t timeout(uint32_t ms)
{
	return ms == CAIRN_FOREVER_MS ? K_FOREVER : K_MSEC(ms);
}

static void run(void *unused1, void *unused2, void *unused3)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	cairn_result_t result = cairn_run();
	/* Only when the agent cannot start; cairn_status and every later call say why. */
	LOG_ERR("the agent cannot start: %s", cairn_strerror(result));
}

/* The private key may be in the factory image: not left on the caller's stack. Volatile, so that no compiler takes it for useless. */
static void forget(volatile uint8_t *secret, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		secret[i] = 0;
	}
}

cairn_result_t cairn_zephyr_start(const cairn_config_t *config)
{
	if (k_is_in_isr()) {
		return CAIRN_E_CONTEXT;
	}
	/* Before cairn_init: from then on other threads may submit. */
	static bool prepared;
	if (!prepared) {
		for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
			(void)k_sem_init(&waiters[i], 0, 1);
		}
		if (!cairn_zephyr_prepare_wake()) {
			LOG_ERR("no eventfd: raise CONFIG_ZVFS_EVENTFD_MAX and CONFIG_ZVFS_OPEN_MAX");
			return CAIRN_E_MEDIUM;
		}
		if (!cairn_zephyr_prepare_flash()) {
			LOG_ERR("the flash of cairn,journal does not answer");
			return CAIRN_E_MEDIUM;
		}
		prepared = true;
	}
	uint8_t image[CAIRN_FACTORY_MAX];
	cairn_config_t own = {.factory = image, .factory_length = sizeof(image)};
	cairn_result_t result = CAIRN_E_FACTORY_ABSENT;
	if (config != NULL || cairn_zephyr_read_factory(image)) {
		result = cairn_init(&storage, config == NULL ? &own : config);
	}
	forget(image, sizeof(image));
	if (result == CAIRN_E_FACTORY_ABSENT && config == NULL) {
		LOG_ERR("no factory image in the partition cairn,factory: docs/zephyr.md, Factory image");
		return result;
	}
	if (result != CAIRN_OK) {
		LOG_ERR("cairn_init: %s", cairn_strerror(result));
		return result;
	}
	thread_id = k_thread_create(&thread, stack, K_THREAD_STACK_SIZEOF(stack), run, NULL, NULL, NULL,
				    K_PRIO_PREEMPT(CONFIG_CAIRN_TASK_PRIORITY), 0, K_NO_WAIT);
	(void)k_thread_name_set(thread_id, "cairn");
#if defined(CONFIG_CAIRN_FIRMWARE_RECORD)
	/* An image that is not confirmed yet is none of this start's troubles. */
	(void)cairn_zephyr_firmware_check();
#endif
#if defined(CONFIG_CAIRN_SNTP)
	cairn_zephyr_begin_sntp();
#endif
	return CAIRN_OK;
}

k_tid_t cairn_zephyr_thread(void)
{
	return thread_id;
}

size_t cairn_zephyr_stack_used(void)
{
#if defined(CONFIG_INIT_STACKS) && defined(CONFIG_THREAD_STACK_INFO)
	size_t unused;
	if (thread_id != NULL && k_thread_stack_space_get(thread_id, &unused) == 0) {
		return K_THREAD_STACK_SIZEOF(stack) - unused;
	}
#endif
	return 0;
}

uint32_t cairn_zephyr_queued(void)
{
	return k_msgq_num_used_get(&cairn_queue);
}

bool cairn_port_queue_put(const cairn_record_t *record, uint32_t wait_ms)
{
	return k_msgq_put(&cairn_queue, record, timeout(wait_ms)) == 0;
}

bool cairn_port_queue_put_from_isr(const cairn_record_t *record, bool *woken)
{
	ARG_UNUSED(woken); /* Zephyr switches by itself when the interrupt ends. */
	return k_msgq_put(&cairn_queue, record, K_NO_WAIT) == 0;
}

bool cairn_port_queue_take(cairn_record_t *record)
{
	return k_msgq_get(&cairn_queue, record, K_NO_WAIT) == 0;
}

bool cairn_port_waiter_wait(uint8_t waiter, uint32_t wait_ms)
{
	return k_sem_take(&waiters[waiter], timeout(wait_ms)) == 0;
}

void cairn_port_waiter_signal(uint8_t waiter)
{
	k_sem_give(&waiters[waiter]);
}

uint32_t cairn_port_lock(void)
{
	return (uint32_t)k_spin_lock(&lock).key;
}

void cairn_port_unlock(uint32_t state)
{
	k_spin_unlock(&lock, (k_spinlock_key_t){.key = (int)state});
}

bool cairn_port_in_isr(void)
{
	return k_is_in_isr();
}

const void *cairn_port_task(void)
{
	return k_current_get();
}

void cairn_port_panic(void)
{
	LOG_ERR("an invariant of Cairn is broken");
	LOG_PANIC();
	k_panic();
	CODE_UNREACHABLE;
}
