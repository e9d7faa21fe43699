/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The call to the host that runs QEMU, and random bytes from it. QEMU ONLY, started with
 * -semihosting-config enable=on,target=native: the emulated board has no entropy source. On hardware without a debugger the
 * breakpoint faults, so this file cannot reach a product unnoticed. */
#include "semihosting.h"

#include "board.h"

int32_t semihosting(enum semihosting_operation operation, const void *arguments)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

bool board_entropy(uint8_t *out, size_t length)
{
    static const char path[] = "/dev/urandom";
    const uint32_t open[] = {(uint32_t)(uintptr_t)path, SEMIHOSTING_READ, sizeof path - 1};
    int32_t file = semihosting(SYS_OPEN, open);
    if (file == -1) {
        return false;
    }
    const uint32_t read[] = {(uint32_t)file, (uint32_t)(uintptr_t)out, (uint32_t)length};
    /* The answer is how many bytes were NOT read. */
    bool whole = semihosting(SYS_READ, read) == 0;
    const uint32_t close[] = {(uint32_t)file};
    (void)semihosting(SYS_CLOSE, close);
    return whole;
}
