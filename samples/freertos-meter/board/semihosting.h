/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Arm semihosting: asks the host that runs QEMU. Called by semihosting.c and flash_file.c only; QEMU ONLY. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

/* "Semihosting for AArch32 and AArch64", section 6. */
enum semihosting_operation {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITEC = 0x03,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_SEEK = 0x0a,
    SYS_FLEN = 0x0c,
    SYS_GET_CMDLINE = 0x15,
};

/* Modes of SYS_OPEN: fopen's "rb", "r+b", "w+b". */
enum { SEMIHOSTING_READ = 1, SEMIHOSTING_UPDATE = 3, SEMIHOSTING_CREATE = 7 };

/* Asks the host; `arguments` is the operation's parameter block, or what stands in its place. */
int32_t semihosting(enum semihosting_operation operation, const void *arguments);

#endif
