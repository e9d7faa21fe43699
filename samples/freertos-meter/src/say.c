/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* See say.h. Called by the console, meter and event code; writes straight to the console UART. */
#include "say.h"

#include "board.h"

#include "FreeRTOS.h"
#include "semphr.h"
#include "task.h"

#include <string.h>

static StaticSemaphore_t line_mutex_memory;
static SemaphoreHandle_t line_mutex;

void say_init(void)
{
    line_mutex = xSemaphoreCreateMutexStatic(&line_mutex_memory);
}

static void write(const char *text)
{
    board_console_write(text, strlen(text));
}

void say_begin(const char *word)
{
    (void)xSemaphoreTake(line_mutex, portMAX_DELAY);
    write(word);
}

void say_end(void)
{
    write("\n");
    (void)xSemaphoreGive(line_mutex);
}

void say_text(const char *text)
{
    write(" ");
    write(text);
}

void say_word(const char *name, const char *text)
{
    write(" ");
    write(name);
    write("=");
    write(text);
}

void say_number(const char *name, uint64_t number)
{
    char digits[21];
    char *at = &digits[sizeof digits - 1];
    *at = '\0';
    do {
        *--at = (char)('0' + (char)(number % 10u));
        number /= 10u;
    } while (number != 0);
    say_word(name, at);
}

void say_hex(const char *name, const uint8_t *bytes, size_t length)
{
    static const char digit[] = "0123456789abcdef";
    say_word(name, "");
    for (size_t i = 0; i < length; i++) {
        const char pair[2] = {digit[bytes[i] >> 4], digit[bytes[i] & 15u]};
        board_console_write(pair, sizeof pair);
    }
}
