/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The journal's flash: a file of the host that runs QEMU, by Arm semihosting, so that it outlives the emulated board. Called
 * by the agent's task only. QEMU ONLY: a product drives its internal flash controller or its serial NOR here and keeps
 * everything else; a partition, and what a driver promises, is in cairn_port.h.
 *
 * It behaves as NOR flash does, not as a file, because QEMU may be killed at any moment and the journal must live with what
 * NOR flash is left with. Programming goes word by word, and each word passes through a state with half of its bits
 * programmed. Erasing goes in pieces of 64 bytes in a scattered order, and each piece passes through a state with half of
 * its bits erased. Each step is a write to the file before the next begins. What no flash with ECC forgives, to program a
 * word that is not blank, stops the board.
 *
 * The name comes with QEMU's -semihosting-config enable=on,target=native,arg=flash=FILE; a file that is not there is made,
 * blank. With arg=slow-flash=FILE each word and each piece takes a tick, so that a kill at a random moment often falls into one;
 * and a lamp says on QEMU's standard error what the flash does: p, program; e, erase; a dot, nothing any more. */
#include "board.h"
#include "cairn_config.h"
#include "semihosting.h"

#include "FreeRTOS.h"
#include "task.h"

#include <string.h>

#define WORD CONFIG_CAIRN_FLASH_WRITE_SIZE
#define PIECE 64u
/* Coprime with the number of pieces, which is a power of two: every piece has its turn, neighbours have not. */
#define PIECE_STRIDE 5u
#define BLANK 0xffu

/* Bits of a byte that program and erase change first: any half will do. */
#define FIRST_HALF 0x5au

static int32_t file = -1;
static bool slow;

static bool seek(uint32_t offset)
{
    const uint32_t arguments[] = {(uint32_t)file, offset};
    return semihosting(SYS_SEEK, arguments) == 0;
}

/* SYS_READ and SYS_WRITE answer how many bytes they did NOT move. */
static bool move(enum semihosting_operation operation, uint32_t offset, const void *bytes, size_t length)
{
    const uint32_t arguments[] = {(uint32_t)file, (uint32_t)(uintptr_t)bytes, (uint32_t)length};
    return seek(offset) && semihosting(operation, arguments) == 0;
}

static void write_or_stop(uint32_t offset, const void *bytes, size_t length)
{
    if (!move(SYS_WRITE, offset, bytes, length)) {
        board_stop("flash: the host does not write the file");
    }
}

static void read_or_stop(uint32_t offset, void *bytes, size_t length)
{
    if (!move(SYS_READ, offset, bytes, length)) {
        board_stop("flash: the host does not read the file");
    }
}

/* The file's name, from QEMU's command line. Stays in `line`. */
static const char *name(char *line, size_t capacity)
{
    static const char fast_word[] = "flash=", slow_word[] = "slow-flash=";
    uint32_t arguments[] = {(uint32_t)(uintptr_t)line, (uint32_t)capacity - 1u};
    memset(line, 0, capacity);
    if (semihosting(SYS_GET_CMDLINE, arguments) != 0) {
        line[0] = '\0';
    }
    slow = strncmp(line, slow_word, sizeof slow_word - 1) == 0;
    const char *path = slow ? line + sizeof slow_word - 1 : line + sizeof fast_word - 1;
    if ((!slow && strncmp(line, fast_word, sizeof fast_word - 1) != 0) || *path == '\0') {
        board_stop("no flash: start QEMU with -semihosting-config enable=on,target=native,arg=flash=FILE");
    }
    return path;
}

static int32_t open_as(const char *path, uint32_t mode)
{
    const uint32_t arguments[] = {(uint32_t)(uintptr_t)path, mode, (uint32_t)strlen(path)};
    return semihosting(SYS_OPEN, arguments);
}

/* Opens the file; a new one, or one that was being made when power went, is filled up blank. */
static void open_once(void)
{
    static char line[512];
    static uint8_t blank[PIECE];
    if (file != -1) {
        return;
    }
    const char *path = name(line, sizeof line);
    file = open_as(path, SEMIHOSTING_UPDATE);
    if (file == -1) {
        file = open_as(path, SEMIHOSTING_CREATE);
    }
    const uint32_t arguments[] = {(uint32_t)file};
    int32_t length = file == -1 ? -1 : semihosting(SYS_FLEN, arguments);
    if (length < 0) {
        board_stop("flash: the host cannot open the file");
    }
    if (length > CONFIG_CAIRN_JOURNAL_BYTES) {
        board_stop("flash: the file is longer than CONFIG_CAIRN_JOURNAL_BYTES");
    }
    memset(blank, BLANK, sizeof blank);
    for (uint32_t at = (uint32_t)length / PIECE * PIECE; at < CONFIG_CAIRN_JOURNAL_BYTES; at += PIECE) {
        write_or_stop(at, blank, sizeof blank);
    }
}

/* How long a word or a piece takes. */
static void take_time(void)
{
    if (slow && xTaskGetSchedulerState() == taskSCHEDULER_RUNNING) {
        vTaskDelay(1);
    }
}

static void lamp(char what)
{
    if (slow) {
        (void)semihosting(SYS_WRITEC, &what);
    }
}

static void check(uint32_t offset, size_t length, size_t unit, const char *why)
{
    if (offset % unit != 0 || length % unit != 0 || offset > CONFIG_CAIRN_JOURNAL_BYTES ||
        length > CONFIG_CAIRN_JOURNAL_BYTES - offset) {
        board_stop(why);
    }
}

int board_flash_read(uint32_t offset, void *to, size_t length)
{
    open_once();
    check(offset, length, 1, "flash: read outside of the partition");
    read_or_stop(offset, to, length);
    return 0;
}

static void program_word(uint32_t offset, const uint8_t *word)
{
    uint8_t state[WORD];
    read_or_stop(offset, state, sizeof state);
    for (size_t i = 0; i < sizeof state; i++) {
        if (state[i] != BLANK) {
            board_stop("flash: a word was programmed that is not blank");
        }
        state[i] = word[i] | FIRST_HALF;
    }
    write_or_stop(offset, state, sizeof state);
    take_time();
    write_or_stop(offset, word, WORD);
}

int board_flash_program(uint32_t offset, const void *from, size_t length)
{
    open_once();
    check(offset, length, WORD, "flash: program outside of the partition, or of half a word");
    lamp('p');
    for (size_t at = 0; at < length; at += WORD) {
        program_word(offset + at, (const uint8_t *)from + at);
    }
    lamp('.');
    return 0;
}

static void erase_piece(uint32_t offset)
{
    uint8_t state[PIECE];
    read_or_stop(offset, state, sizeof state);
    for (size_t i = 0; i < sizeof state; i++) {
        state[i] |= FIRST_HALF;
    }
    write_or_stop(offset, state, sizeof state);
    take_time();
    memset(state, BLANK, sizeof state);
    write_or_stop(offset, state, sizeof state);
}

int board_flash_erase(uint32_t offset, size_t length)
{
    open_once();
    check(offset, length, CONFIG_CAIRN_FLASH_ERASE_SIZE, "flash: erase outside of the partition, or of half a unit");
    lamp('e');
    const uint32_t pieces = CONFIG_CAIRN_FLASH_ERASE_SIZE / PIECE;
    for (uint32_t unit = 0; unit < length; unit += CONFIG_CAIRN_FLASH_ERASE_SIZE) {
        for (uint32_t i = 0; i < pieces; i++) {
            erase_piece(offset + unit + i * PIECE_STRIDE % pieces * PIECE);
        }
    }
    lamp('.');
    return 0;
}
