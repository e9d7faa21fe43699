/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A QEMU plugin that counts and hashes what the processor does between two addresses of the image: each executed
 * address, and each address that is read or written. Prints one line per interval. With profile=on also how often
 * each address was executed, at the end. Declares what it uses of qemu-plugin.h (API version 1, stable since QEMU
 * 4.2) because distributions do not ship that header.
 *
 * cc -shared -fPIC -O2 -o trace.so trace.c
 * qemu-system-arm … -plugin ./trace.so,begin=0x…,end=0x… -d plugin */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*tb_trans_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*udata_cb)(unsigned int, void *);
typedef void (*mem_cb)(unsigned int, qemu_plugin_meminfo_t, uint64_t, void *);
enum { CB_NO_REGS = 0, MEM_RW = 3 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_trans_cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, udata_cb, int, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, mem_cb, int, int, void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);

#ifndef API_VERSION
#define API_VERSION 1
#endif
__attribute__((visibility("default"))) int qemu_plugin_version = API_VERSION;

enum { CODE_BYTES = 4 << 20 };
static uint64_t begin_address, end_address;
static bool profile, inside;
static uint64_t executed, executed_hash, accessed, accessed_hash;
static uint32_t counts[CODE_BYTES / 2];

/* One step of FNV-1a over a 64-bit word instead of a byte: any other word gives another hash. */
static uint64_t absorb(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static void on_instruction(unsigned int cpu, void *address)
{
    (void)cpu;
    uint64_t pc = (uint64_t)(uintptr_t)address;
    if (pc == begin_address) {
        inside = true;
        executed = accessed = 0;
        executed_hash = accessed_hash = 0xcbf29ce484222325u;
    } else if (pc == end_address && inside) {
        inside = false;
        printf("trace instructions=%" PRIu64 " path=%016" PRIx64 " accesses=%" PRIu64 " addresses=%016" PRIx64 "\n",
               executed, executed_hash, accessed, accessed_hash);
    } else if (inside) {
        executed++;
        executed_hash = absorb(executed_hash, pc);
        if (profile && pc < CODE_BYTES) {
            counts[pc / 2]++;
        }
    }
}

static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *unused)
{
    (void)cpu;
    (void)unused;
    if (inside) {
        accessed++;
        accessed_hash = absorb(accessed_hash, address << 1 | (uint64_t)qemu_plugin_mem_is_store(info));
    }
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t instructions = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < instructions; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        void *address = (void *)(uintptr_t)qemu_plugin_insn_vaddr(instruction);
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_instruction, CB_NO_REGS, address);
        qemu_plugin_register_vcpu_mem_cb(instruction, on_access, CB_NO_REGS, MEM_RW, NULL);
    }
}

static void on_exit_print_profile(qemu_plugin_id_t id, void *unused)
{
    (void)id;
    (void)unused;
    for (size_t i = 0; profile && i < CODE_BYTES / 2; i++) {
        if (counts[i] != 0) {
            printf("executed %zx %" PRIu32 "\n", i * 2, counts[i]);
        }
    }
    fflush(stdout);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
                                                                char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "begin=", 6) == 0) {
            begin_address = strtoull(argv[i] + 6, NULL, 0);
        } else if (strncmp(argv[i], "end=", 4) == 0) {
            end_address = strtoull(argv[i] + 4, NULL, 0);
        } else if (strcmp(argv[i], "profile=on") == 0) {
            profile = true;
        } else {
            fprintf(stderr, "trace: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (begin_address == 0 || end_address == 0) {
        fprintf(stderr, "trace: begin= and end= are needed\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_print_profile, NULL);
    return 0;
}
