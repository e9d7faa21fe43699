/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Ring buffers. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_SYS_RING_BUFFER_H
#define STUB_SYS_RING_BUFFER_H

#include <zephyr/sys/util.h>

struct ring_buf {
	uint8_t *buffer;
	uint32_t size;
};

#define RING_BUF_DECLARE(name, size8)                                                                                          \
	static uint8_t _ring_buffer_data_##name[size8];                                                                        \
	struct ring_buf name = {_ring_buffer_data_##name, (size8)}

uint32_t ring_buf_put_claim(struct ring_buf *buf, uint8_t **data, uint32_t size);
int ring_buf_put_finish(struct ring_buf *buf, uint32_t size);
uint32_t ring_buf_put(struct ring_buf *buf, const uint8_t *data, uint32_t size);
uint32_t ring_buf_get_claim(struct ring_buf *buf, uint8_t **data, uint32_t size);
int ring_buf_get_finish(struct ring_buf *buf, uint32_t size);
uint32_t ring_buf_get(struct ring_buf *buf, uint8_t *data, uint32_t size);
bool ring_buf_is_empty(const struct ring_buf *buf);
uint32_t ring_buf_size_get(const struct ring_buf *buf);

#endif
