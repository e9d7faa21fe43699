/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The journal's flash, and with CONFIG_CAIRN_KEY_STORE the key's: files of the host that runs QEMU, by Arm semihosting, so that they
 * outlive the emulated board. Called by the agent's task only. QEMU ONLY: a product drives its internal flash controller or its
 * serial NOR here and keeps everything else; a partition, and what a driver promises, is in cairn_port.h.
 *
 * It behaves as NOR flash does, not as a file, because QEMU may be killed at any moment and the journal must live with what
 * NOR flash is left with. Programming goes word by word, and each word passes through a state with half of its bits
 * programmed. Erasing goes in pieces of 64 bytes in a scattered order, and each piece passes through a state with half of
 * its bits erased. Each step is a write to the file before the next begins. What no flash with ECC forgives, to program a
 * word that is not blank, stops the board.
 *
 * The name comes with QEMU's -semihosting-config enable=on,target=native,arg=flash=FILE; a file that is not there is made,
 * blank. The key's flash is FILE.keys, and FILE.device-secret stands for a memory that is programmed once. With
 * arg=slow-flash=FILE each word and each piece takes a tick, so that a kill at a random moment often falls into one; and a lamp
 * says on QEMU's standard error what the flash does: p, program; e, erase; a dot, nothing any more. */
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
#define DEVICE_SECRET_BYTES 32u

/* Bits of a byte that program and erase change first: any half will do. */
#define FIRST_HALF 0x5au

/* A flash of its own. */
struct flash {
    int32_t *file; /* -1 until it is used */
    uint32_t bytes;
    const char *ending; /* of the file's name */
};

static int32_t journal_file = -1;
static const struct flash journal = {.file = &journal_file, .bytes = CONFIG_CAIRN_JOURNAL_BYTES, .ending = ""};
static bool slow;

static bool seek(int32_t file, uint32_t offset)
{
    const uint32_t arguments[] = {(uint32_t)file, offset};
    return semihosting(SYS_SEEK, arguments) == 0;
}

/* SYS_READ and SYS_WRITE answer how many bytes they did NOT move. */
static bool move(enum semihosting_operation operation, int32_t file, uint32_t offset, const void *bytes, size_t length)
{
    const uint32_t arguments[] = {(uint32_t)file, (uint32_t)(uintptr_t)bytes, (uint32_t)length};
    return seek(file, offset) && semihosting(operation, arguments) == 0;
}

static void write_or_stop(const struct flash *flash, uint32_t offset, const void *bytes, size_t length)
{
    if (!move(SYS_WRITE, *flash->file, offset, bytes, length)) {
        board_stop("flash: the host does not write the file");
    }
}

static void read_or_stop(const struct flash *flash, uint32_t offset, void *bytes, size_t length)
{
    if (!move(SYS_READ, *flash->file, offset, bytes, length)) {
        board_stop("flash: the host does not read the file");
    }
}

/* The file's name: from QEMU's command line, with an ending. Stays in `line`. */
static const char *name(char *line, size_t capacity, const char *ending)
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
    size_t length = strlen(line), more = strlen(ending);
    if (more >= capacity - length) {
        board_stop("flash: the file's name is too long");
    }
    memcpy(line + length, ending, more + 1u);
    return path;
}

static int32_t open_as(const char *path, uint32_t mode)
{
    const uint32_t arguments[] = {(uint32_t)(uintptr_t)path, mode, (uint32_t)strlen(path)};
    return semihosting(SYS_OPEN, arguments);
}

/* Opens the file; a new one, or one that was being made when power went, is filled up blank. */
static void open_once(const struct flash *flash)
{
    static char line[512];
    static uint8_t blank[PIECE];
    if (*flash->file != -1) {
        return;
    }
    const char *path = name(line, sizeof line, flash->ending);
    *flash->file = open_as(path, SEMIHOSTING_UPDATE);
    if (*flash->file == -1) {
        *flash->file = open_as(path, SEMIHOSTING_CREATE);
    }
    const uint32_t arguments[] = {(uint32_t)*flash->file};
    int32_t length = *flash->file == -1 ? -1 : semihosting(SYS_FLEN, arguments);
    if (length < 0) {
        board_stop("flash: the host cannot open the file");
    }
    if ((uint32_t)length > flash->bytes) {
        board_stop("flash: the file is longer than its partition");
    }
    memset(blank, BLANK, sizeof blank);
    for (uint32_t at = (uint32_t)length / PIECE * PIECE; at < flash->bytes; at += PIECE) {
        write_or_stop(flash, at, blank, sizeof blank);
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

static void check(const struct flash *flash, uint32_t offset, size_t length, size_t unit, const char *why)
{
    if (offset % unit != 0 || length % unit != 0 || offset > flash->bytes || length > flash->bytes - offset) {
        board_stop(why);
    }
}

static void read(const struct flash *flash, uint32_t offset, void *to, size_t length)
{
    open_once(flash);
    check(flash, offset, length, 1, "flash: read outside of the partition");
    read_or_stop(flash, offset, to, length);
}

static void program_word(const struct flash *flash, uint32_t offset, const uint8_t *word)
{
    uint8_t state[WORD];
    read_or_stop(flash, offset, state, sizeof state);
    for (size_t i = 0; i < sizeof state; i++) {
        if (state[i] != BLANK) {
            board_stop("flash: a word was programmed that is not blank");
        }
        state[i] = word[i] | FIRST_HALF;
    }
    write_or_stop(flash, offset, state, sizeof state);
    take_time();
    write_or_stop(flash, offset, word, WORD);
}

static void program(const struct flash *flash, uint32_t offset, const void *from, size_t length)
{
    open_once(flash);
    check(flash, offset, length, WORD, "flash: program outside of the partition, or of half a word");
    lamp('p');
    for (size_t at = 0; at < length; at += WORD) {
        program_word(flash, offset + at, (const uint8_t *)from + at);
    }
    lamp('.');
}

static void erase_piece(const struct flash *flash, uint32_t offset)
{
    uint8_t state[PIECE];
    read_or_stop(flash, offset, state, sizeof state);
    for (size_t i = 0; i < sizeof state; i++) {
        state[i] |= FIRST_HALF;
    }
    write_or_stop(flash, offset, state, sizeof state);
    take_time();
    memset(state, BLANK, sizeof state);
    write_or_stop(flash, offset, state, sizeof state);
}

static void erase(const struct flash *flash, uint32_t offset, size_t length)
{
    open_once(flash);
    check(flash, offset, length, CONFIG_CAIRN_FLASH_ERASE_SIZE, "flash: erase outside of the partition, or of half a unit");
    lamp('e');
    const uint32_t pieces = CONFIG_CAIRN_FLASH_ERASE_SIZE / PIECE;
    for (uint32_t unit = 0; unit < length; unit += CONFIG_CAIRN_FLASH_ERASE_SIZE) {
        for (uint32_t i = 0; i < pieces; i++) {
            erase_piece(flash, offset + unit + i * PIECE_STRIDE % pieces * PIECE);
        }
    }
    lamp('.');
}

int board_flash_read(uint32_t offset, void *to, size_t length)
{
    read(&journal, offset, to, length);
    return 0;
}

int board_flash_program(uint32_t offset, const void *from, size_t length)
{
    program(&journal, offset, from, length);
    return 0;
}

int board_flash_erase(uint32_t offset, size_t length)
{
    erase(&journal, offset, length);
    return 0;
}

#ifdef CONFIG_CAIRN_KEY_STORE
static int32_t keys_file = -1;
static const struct flash keys = {.file = &keys_file, .bytes = 2u * CONFIG_CAIRN_FLASH_ERASE_SIZE, .ending = ".keys"};

int board_key_flash_read(uint32_t offset, void *to, size_t length)
{
    read(&keys, offset, to, length);
    return 0;
}

int board_key_flash_program(uint32_t offset, const void *from, size_t length)
{
    program(&keys, offset, from, length);
    return 0;
}

int board_key_flash_erase(uint32_t offset, size_t length)
{
    erase(&keys, offset, length);
    return 0;
}

bool board_device_secret(uint8_t *secret)
{
    static int32_t once_file = -1;
    static const struct flash once = {.file = &once_file, .bytes = PIECE, .ending = ".device-secret"};
    read(&once, 0, secret, DEVICE_SECRET_BYTES);
    /* What is at the end says that it is whole: power may have gone while it was written. */
    uint8_t whole;
    read(&once, PIECE - 1u, &whole, 1);
    if (whole != BLANK) {
        return true;
    }
    if (!board_entropy(secret, DEVICE_SECRET_BYTES)) {
        return false;
    }
    write_or_stop(&once, 0, secret, DEVICE_SECRET_BYTES);
    whole = 0;
    write_or_stop(&once, PIECE - 1u, &whole, 1);
    return true;
}
#endif
