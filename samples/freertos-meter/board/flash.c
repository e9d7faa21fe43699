/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The journal's flash as the board's PSRAM acts it: it has the rules of NOR flash with words of
 * CONFIG_CAIRN_FLASH_WRITE_SIZE, checks them, and is blank after every start of QEMU. */
#include "board.h"
#include "cairn_config.h"

#include <string.h>

extern uint8_t board_flash[CONFIG_CAIRN_JOURNAL_BYTES]; /* where the linker script says */

static bool formed;

/* PSRAM starts as it likes: it becomes flash as delivered, blank. */
static bool inside(uint32_t offset, size_t length)
{
    if (!formed) {
        memset(board_flash, 0xFF, CONFIG_CAIRN_JOURNAL_BYTES);
        formed = true;
    }
    return offset <= CONFIG_CAIRN_JOURNAL_BYTES && length <= CONFIG_CAIRN_JOURNAL_BYTES - offset;
}

int board_flash_read(uint32_t offset, void *to, size_t length)
{
    if (!inside(offset, length)) {
        return -1;
    }
    memcpy(to, board_flash + offset, length);
    return 0;
}

int board_flash_program(uint32_t offset, const void *from, size_t length)
{
    if (!inside(offset, length) || offset % CONFIG_CAIRN_FLASH_WRITE_SIZE != 0 ||
        length % CONFIG_CAIRN_FLASH_WRITE_SIZE != 0) {
        return -1;
    }
    for (size_t i = 0; i < length; i++) {
        if (board_flash[offset + i] != 0xFF) {
            return -1;
        }
    }
    memcpy(board_flash + offset, from, length);
    return 0;
}

int board_flash_erase(uint32_t offset, size_t length)
{
    if (!inside(offset, length) || offset % CONFIG_CAIRN_FLASH_ERASE_SIZE != 0 ||
        length % CONFIG_CAIRN_FLASH_ERASE_SIZE != 0) {
        return -1;
    }
    memset(board_flash + offset, 0xFF, length);
    return 0;
}
