/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Between the two files of the FreeRTOS glue; nobody else includes it. */
#ifndef CAIRN_FREERTOS_INTERNAL_H
#define CAIRN_FREERTOS_INTERNAL_H

/* Carries the tick counter on into 64 bits. Tasks only, at least once in half a turn of the counter. */
void cairn_freertos_count_time(void);

#endif
