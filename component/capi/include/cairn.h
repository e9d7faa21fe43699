/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Cairn: hand it records, it journals, batches, signs and uploads them. Made by cbindgen from component/capi/src:
 * change that.
 *
 * Every function says whether it blocks, where it may be called, and each error it gives. "The agent's task" is the one
 * that runs cairn_run() or calls cairn_poll(); the RTOS glue makes it. What a product supplies is in cairn_port.h. */
#ifndef CAIRN_H
#define CAIRN_H


#include "cairn_config.h" /* made by cairn-config from the build's .config */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a cairn_storage_t: what grows with the configuration, and what does not. The library asserts on every target
 * that an instance fits and that little is wasted; a test that its formula is this one. */
#define CAIRN_STORAGE_SIZE                                                                          \
    ((CONFIG_CAIRN_UPLINK_MAX + CAIRN_STORAGE_LINK +                                                \
      2u * CONFIG_CAIRN_PAYLOAD_MAX + CAIRN_STORAGE_FIXED +                                         \
      CAIRN_STORAGE_SIGNER + CAIRN_STORAGE_WAITER * CONFIG_CAIRN_WAITERS + 15u) /                   \
     16u * 16u)
#if defined(CONFIG_CAIRN_AT_MODEM)
#define CAIRN_DATAGRAM_MAX (CONFIG_CAIRN_UPLINK_MAX + 86u < 1024u ? CONFIG_CAIRN_UPLINK_MAX + 86u : 1024u)
#define CAIRN_STORAGE_LINK                                                                          \
    (2u * CAIRN_DATAGRAM_MAX + 5u * CONFIG_CAIRN_AT_LINE_MAX / 2u + (sizeof(void *) == 8u ? 1296u : 1232u))
#else
#define CAIRN_DATAGRAM_MAX (CONFIG_CAIRN_UPLINK_MAX + 86u)
#define CAIRN_STORAGE_LINK (CAIRN_DATAGRAM_MAX + 1152u)
#endif
#define CAIRN_STORAGE_FIXED (sizeof(void *) == 8u ? 3616u : 3552u)
#if defined(CONFIG_CAIRN_SIGNER_SE050)
#define CAIRN_STORAGE_SIGNER 672u
#elif defined(CONFIG_CAIRN_SIGNER_LIBSECP256K1)
#define CAIRN_STORAGE_SIGNER 432u
#elif defined(CONFIG_CAIRN_SIGNER_SIM)
#define CAIRN_STORAGE_SIGNER 160u
#else
#define CAIRN_STORAGE_SIGNER 0u
#endif
#define CAIRN_STORAGE_WAITER (sizeof(void *) == 8u ? 32u : 24u)

/* Bytes that are always enough for cairn_evidence. */
#define CAIRN_EVIDENCE_MAX (838u + (CONFIG_CAIRN_PAYLOAD_MAX > 138u ? CONFIG_CAIRN_PAYLOAD_MAX : 138u))

/* Bytes that are always enough for cairn_endorse with an attestation key, and bytes of an endorsement around its token. */
#define CAIRN_ENDORSEMENT_MAX 549u
#define CAIRN_ENDORSEMENT_OVERHEAD 190u

/* The storage of one instance. Give it static storage duration; do not touch what is in it. */
typedef struct {
#ifdef __cplusplus
    alignas(16)
#else
    _Alignas(16)
#endif
        uint8_t bytes[CAIRN_STORAGE_SIZE];
} cairn_storage_t;

/* Defined by the library, named after its configuration: with another configuration's cairn_config.h nothing links. */
#ifdef __cplusplus
extern "C" {
#endif
extern const uint8_t CAIRN_CONFIG_SYMBOL;
#ifdef __cplusplus
} /* extern "C" */
#endif


/*
 Bytes of a verifier's nonce.
 */
#define CAIRN_NONCE_BYTES 32

/*
 A timer that the network did not grant, or that nobody knows.
 */
#define CAIRN_TIMER_UNKNOWN UINT32_MAX

/*
 Most characters of a firmware's version.
 */
#define CAIRN_FIRMWARE_VERSION_MAX 24

/*
 Bytes of a firmware's hash, SHA-256.
 */
#define CAIRN_FIRMWARE_HASH_BYTES 32

/*
 Bytes of a compressed public key.
 */
#define CAIRN_PUBLIC_KEY_BYTES 33

/*
 A meter reading. Kinds from `CAIRN_KIND_APPLICATION` on are the application's own.
 */
#define CAIRN_KIND_READING 1

/*
 Something that happened: a door opened, a lid was lifted.
 */
#define CAIRN_KIND_EVENT 2

/*
 First kind that is the application's own.
 */
#define CAIRN_KIND_APPLICATION 64

/*
 A batch number that means: no batch yet.
 */
#define CAIRN_NO_BATCH UINT32_MAX

/*
 What a function of Cairn answers. `cairn_strerror` gives each value's text.
 */
typedef enum {
    /*
     It was done.
     */
    CAIRN_OK = 0,
    /*
     A pointer that must not be NULL is NULL.
     */
    CAIRN_E_NULL = 1,
    /*
     A value is outside what the function takes: an unknown priority or upload mode.
     */
    CAIRN_E_ARGUMENT = 2,
    /*
     `cairn_init` was not called, or did not succeed.
     */
    CAIRN_E_NOT_INITIALISED = 3,
    /*
     `cairn_init` succeeded before.
     */
    CAIRN_E_ALREADY_INITIALISED = 4,
    /*
     The storage is smaller than `CAIRN_STORAGE_SIZE`, or not aligned like `cairn_storage_t`.
     */
    CAIRN_E_STORAGE = 5,
    /*
     Not allowed where it was called: in an interrupt, in the event callback, or in the wrong task.
     */
    CAIRN_E_CONTEXT = 6,
    /*
     The payload is longer than `CONFIG_CAIRN_PAYLOAD_MAX`.
     */
    CAIRN_E_TOO_LONG = 7,
    /*
     An application may not submit this kind: only `CAIRN_KIND_READING`, `CAIRN_KIND_EVENT`, and from 64 on.
     */
    CAIRN_E_KIND = 8,
    /*
     The queue between the application and the agent's task is full; the refusal is counted in the status.
     */
    CAIRN_E_QUEUE_FULL = 9,
    /*
     The journal is full, and nothing in it may be reclaimed.
     */
    CAIRN_E_JOURNAL_FULL = 10,
    /*
     The journal's flash failed: it cannot be reached, or does not hold what is written to it.
     */
    CAIRN_E_MEDIUM = 11,
    /*
     The agent's task did not answer in time. A record that was submitted may still be journaled.
     */
    CAIRN_E_TIMEOUT = 12,
    /*
     `CONFIG_CAIRN_WAITERS` tasks wait for the agent already.
     */
    CAIRN_E_BUSY = 13,
    /*
     There is no such record or batch, or it was reclaimed.
     */
    CAIRN_E_NOT_FOUND = 14,
    /*
     The record's batch is not sealed and signed yet: try again after `CAIRN_EVENT_SIGNED`.
     */
    CAIRN_E_NOT_SEALED = 15,
    /*
     The buffer is too small for the evidence or the endorsement.
     */
    CAIRN_E_BUFFER = 16,
    /*
     There is no factory blob at the address given: the partition was never written, or it is another place.
     */
    CAIRN_E_FACTORY_ABSENT = 17,
    /*
     The factory blob is cut short, or its check sum or content is wrong.
     */
    CAIRN_E_FACTORY_DAMAGED = 18,
    /*
     The factory blob's version or key is not one this build can use.
     */
    CAIRN_E_FACTORY_UNSUPPORTED = 19,
    /*
     The entropy source gave nothing.
     */
    CAIRN_E_ENTROPY = 20,
    /*
     The signer detected a fault: two signatures that differ, one that does not verify, an answer that makes no sense. Nothing
     was signed.
     */
    CAIRN_E_SIGNER_FAULT = 21,
    /*
     The journal's or the batch's state forbids it.
     */
    CAIRN_E_CONFLICT = 22,
    /*
     The record was lost before its batch was sealed; its place in the batch says so.
     */
    CAIRN_E_LOST = 23,
    /*
     The journal's flash holds something that is no journal. Is it the right partition? If nothing in it is wanted, have it
     formatted by `cairn_journal_format`.
     */
    CAIRN_E_JOURNAL_FOREIGN = 24,
    /*
     The journal was written by a version of Cairn with another format: run that version, or give up what the journal
     holds by `cairn_journal_format`.
     */
    CAIRN_E_JOURNAL_VERSION = 25,
    /*
     The journal was made with another `CONFIG_CAIRN_JOURNAL_BYTES`, `CONFIG_CAIRN_FLASH_WRITE_SIZE` or
     `CONFIG_CAIRN_FLASH_ERASE_SIZE`: build with those, or give up what it holds by `cairn_journal_format`.
     */
    CAIRN_E_JOURNAL_GEOMETRY = 26,
    /*
     There is no root of trust to vouch for the device, or it refused: the factory blob has no attestation key of an
     algorithm this build has, the build has no root, or the platform's service does not attest.
     */
    CAIRN_E_ROOT = 27,
    /*
     The journal's flash is behind the product's counter: an older content was put back, or another device's flash put in.
     The way on is a new stream: have the journal formatted by `cairn_journal_format`; `after_rollback` in the status says so
     from then on.
     */
    CAIRN_E_JOURNAL_ROLLED_BACK = 28,
    /*
     The product's counter does not answer.
     */
    CAIRN_E_COUNTER = 29,
    /*
     The signer has no key: none of this number in PSA Crypto, no such object on the secure element, no applet or no key
     on the SIM.
     */
    CAIRN_E_SIGNER_NOT_PROVISIONED = 30,
    /*
     The signer's key exists and may not be used: a PIN, a policy, wrong platform keys.
     */
    CAIRN_E_SIGNER_LOCKED = 31,
    /*
     The secure element, the SIM or the modem does not answer at all. The agent looks again a minute later.
     */
    CAIRN_E_SIGNER_GONE = 32,
    /*
     The secure element or the SIM did not answer in time. The agent looks again a minute later.
     */
    CAIRN_E_SIGNER_TIMEOUT = 33,
    /*
     The factory blob has no private key, and this build signs with one that the factory gives.
     */
    CAIRN_E_KEY_MISSING = 34,
    /*
     The factory blob has a private key, and in this build something else holds the device's key. One that lies about in flash
     protects nothing: provision the device with `--public-key`, and take the other key for lost.
     */
    CAIRN_E_KEY_UNWANTED = 35,
    /*
     The key is not the one whose turn it is, or is another device's: the journal was begun with another key, or a rotation
     named another. Was the factory blob of another device written beside an old journal?
     */
    CAIRN_E_OTHER_KEY = 36,
    /*
     The platform's SHA-256 failed (`CONFIG_CAIRN_PSA_HASH`): what depends on it was not done, and is tried again when it is due.
     */
    CAIRN_E_HASH = 37,
    /*
     A primitive did not give its known answer: `selftest_failed` in the status says which. The agent does not run then, until
     the device restarts.
     */
    CAIRN_E_SELFTEST = 38,
    /*
     The key store's flash failed, or holds what a later version wrote.
     */
    CAIRN_E_KEY_STORE = 39,
    /*
     The key in flash is sealed and this device's secret does not open it, it is plain where keys are to be sealed, or the
     platform gave no secret.
     */
    CAIRN_E_KEY_SEAL = 40,
    /*
     Both copies of the key in flash are damaged.
     */
    CAIRN_E_KEY_DAMAGED = 41,
    /*
     A key that was to be erased may still be in the flash.
     */
    CAIRN_E_KEY_NOT_ERASED = 42,
    /*
     The device's key was destroyed.
     */
    CAIRN_E_KEY_DESTROYED = 43,
    /*
     More urgent records of its kind came than are taken (`CONFIG_CAIRN_URGENT_BURST`, `CONFIG_CAIRN_URGENT_INTERVAL_S`): it was
     not journaled but counted, durably, and one record will say how many there were.
     */
    CAIRN_E_COALESCED = 44,
    /*
     The energy model contradicts itself: a coverage level costs less than a better one.
     */
    CAIRN_E_ENERGY_MODEL = 45,
    /*
     Nothing is left of the battery for Cairn beside the rest of the device and the modem's sleep, for as long as it must last.
     */
    CAIRN_E_BATTERY = 46,
} cairn_result_t;

/*
 How the last failed exchange failed.
 */
typedef enum {
    /*
     None failed.
     */
    CAIRN_LINK_OK = 0,
    /*
     The link did not take the uplink.
     */
    CAIRN_LINK_REFUSED = 1,
    /*
     No answer within the time the protocol allows.
     */
    CAIRN_LINK_TIMEOUT = 2,
    /*
     The network could not be reached: no coverage, modem error, socket error.
     */
    CAIRN_LINK_UNREACHABLE = 3,
    /*
     The relay refused; the code beside it is the protocol's.
     */
    CAIRN_LINK_REJECTED = 4,
    /*
     The sender sequence numbers granted are used up.
     */
    CAIRN_LINK_SEQUENCE_EXHAUSTED = 5,
    /*
     The answer is authentic and does not belong to the uplink.
     */
    CAIRN_LINK_UNUSABLE = 6,
} cairn_link_t;

/*
 What happened.
 */
typedef enum {
    /*
     `batch` is fixed for ever, with `value` records.
     */
    CAIRN_EVENT_SEALED = 0,
    /*
     The signer is asked for the signature of `batch` now.
     */
    CAIRN_EVENT_SIGNING = 1,
    /*
     `batch` is signed, when `result` is `CAIRN_OK`.
     */
    CAIRN_EVENT_SIGNED = 2,
    /*
     The uplink of `batch`, `value` bytes before the secure channel, was given to the link.
     */
    CAIRN_EVENT_SENT = 3,
    /*
     The relay has `batch`.
     */
    CAIRN_EVENT_STORED = 4,
    /*
     `batch` is on chain.
     */
    CAIRN_EVENT_INCLUDED = 5,
    /*
     `batch` is on chain for good.
     */
    CAIRN_EVENT_FINAL = 6,
    /*
     An exchange gave nothing: `link` says how, `value` the protocol's code. It will be tried again.
     */
    CAIRN_EVENT_EXCHANGE_FAILED = 7,
    /*
     The wall clock stepped from `old_ms` to `new_ms`; a record of it is journaled.
     */
    CAIRN_EVENT_CLOCK_STEPPED = 8,
    /*
     A submission got no sequence number: `result` says why.
     */
    CAIRN_EVENT_REFUSED = 9,
    /*
     `value` unsealed routine records gave way to an urgent one in a full journal.
     */
    CAIRN_EVENT_DISPLACED = 10,
    /*
     The key signed its last batch, `batch`; the next key signs from here on.
     */
    CAIRN_EVENT_ROTATED = 11,
} cairn_event_kind_t;

/*
 How long a record may wait.
 */
typedef enum {
    /*
     Days: logs, statistics.
     */
    CAIRN_PRIORITY_BULK = 0,
    /*
     Hours: readings.
     */
    CAIRN_PRIORITY_ROUTINE = 1,
    /*
     Seconds: tampering, a door forced.
     */
    CAIRN_PRIORITY_URGENT = 2,
} cairn_priority_t;

/*
 What the relay is given of a batch.
 */
typedef enum {
    /*
     The anchor and the records: the relay makes the evidence.
     */
    CAIRN_UPLOAD_DATA = 0,
    /*
     The anchor only: the device keeps the records until they are released.
     */
    CAIRN_UPLOAD_HASH_ONLY = 1,
} cairn_upload_t;

/*
 How far what is left to spend makes the device do less.
 */
typedef enum {
    /*
     Not at all: half of what may be saved up is there.
     */
    CAIRN_DEGRADATION_NONE = 0,
    /*
     Routine and bulk records wait twice as long.
     */
    CAIRN_DEGRADATION_LONGER_INTERVALS = 1,
    /*
     They wait four times as long, and go as hashes: the device keeps their data.
     */
    CAIRN_DEGRADATION_HASH_ONLY = 2,
    /*
     Only urgent records are sent.
     */
    CAIRN_DEGRADATION_URGENT_ONLY = 3,
} cairn_degradation_t;

/*
 Where a wall time came from; a later one is better.
 */
typedef enum {
    /*
     The clock was never set: milliseconds since boot.
     */
    CAIRN_TIME_SINCE_BOOT = 0,
    /*
     Set from a hint of the relay.
     */
    CAIRN_TIME_RELAY = 1,
    /*
     Set from the network (NITZ, SNTP).
     */
    CAIRN_TIME_NETWORK = 2,
    /*
     Set from an authenticated source.
     */
    CAIRN_TIME_AUTHENTICATED = 3,
} cairn_time_quality_t;

/*
 What a self-test tests. `cairn_primitive_name` gives each one's name.
 */
typedef enum {
    /*
     None.
     */
    CAIRN_PRIMITIVE_NONE = 0,
    /*
     SHA-256: the tree, the anchors' digests.
     */
    CAIRN_PRIMITIVE_SHA256 = 1,
    /*
     HMAC-SHA-256: blinds.
     */
    CAIRN_PRIMITIVE_HMAC_SHA256 = 2,
    /*
     HKDF-SHA-256: batch keys.
     */
    CAIRN_PRIMITIVE_HKDF_SHA256 = 3,
    /*
     Keccak-256: what is signed, and key ids.
     */
    CAIRN_PRIMITIVE_KECCAK256 = 4,
    /*
     Signatures on secp256k1 in software.
     */
    CAIRN_PRIMITIVE_ES256K = 5,
    /*
     Signatures on P-256 in software.
     */
    CAIRN_PRIMITIVE_ES256 = 6,
    /*
     AES-128: the channel to a secure element.
     */
    CAIRN_PRIMITIVE_AES128 = 7,
    /*
     AES-CMAC: the same.
     */
    CAIRN_PRIMITIVE_AES_CMAC = 8,
    /*
     AES Key Wrap: keys at rest.
     */
    CAIRN_PRIMITIVE_AES_KEY_WRAP = 9,
    /*
     AES-CCM: the channel to the relay.
     */
    CAIRN_PRIMITIVE_AES_CCM = 10,
    /*
     The derivation of that channel's keys.
     */
    CAIRN_PRIMITIVE_OSCORE_KEYS = 11,
    /*
     The signer's key, where an accelerator or an element keeps it: what it signs is verified.
     */
    CAIRN_PRIMITIVE_SIGNER = 12,
} cairn_primitive_t;

/*
 What the agent needs to know at run time; everything else is in the build's configuration.
 */
typedef struct {
    /*
     The factory blob, as `cairn provision` wrote it: keys, secrets, the relay's address. Read in cairn_init only.
     */
    const uint8_t *factory;
    /*
     Its length in bytes, or that of the partition it lies at the start of.
     */
    size_t factory_length;
} cairn_config_t;

/*
 The agent as it was after its last step. Sums count since boot.
 */
typedef struct {
    /*
     The stream: 64 random bits, drawn when the journal was formatted.
     */
    uint64_t stream;
    /*
     The sequence number the next record gets.
     */
    uint64_t next_seq;
    /*
     The oldest sequence number still kept.
     */
    uint64_t oldest_seq;
    /*
     Submissions journaled.
     */
    uint64_t accepted;
    /*
     UDP payload bytes sent, retransmissions included.
     */
    uint64_t bytes_up;
    /*
     UDP payload bytes received.
     */
    uint64_t bytes_down;
    /*
     The wall clock, Unix milliseconds, or milliseconds since boot while it is not set.
     */
    uint64_t wall_ms;
    /*
     What is saved up and may be spent for routine and bulk records, in microjoules.
     */
    uint64_t energy_uj;
    /*
     What is saved up beside that for urgent records alone, in microjoules.
     */
    uint64_t energy_reserve_uj;
    /*
     What exchanges cost more than was there, in microjoules: the refill pays it before anything routine starts.
     */
    uint64_t energy_debt_uj;
    /*
     What was charged since boot, in microjoules.
     */
    uint64_t energy_charged_uj;
    /*
     What comes in, in microwatts.
     */
    uint32_t energy_refill_uw;
    /*
     The device's id.
     */
    uint8_t device[32];
    /*
     The id of the key that signs.
     */
    uint8_t key[20];
    /*
     Records in no batch yet.
     */
    uint32_t unsealed;
    /*
     The number the next sealed batch gets.
     */
    uint32_t next_batch;
    /*
     Sealed batches the relay does not have.
     */
    uint32_t unsent;
    /*
     Every batch up to this one is at the relay, or `CAIRN_NO_BATCH`.
     */
    uint32_t stored_through;
    /*
     Every batch up to this one is on chain, or `CAIRN_NO_BATCH`.
     */
    uint32_t included_through;
    /*
     Every batch up to this one is on chain for good, or `CAIRN_NO_BATCH`.
     */
    uint32_t final_through;
    /*
     Submissions the queue had no room for.
     */
    uint32_t queue_full;
    /*
     Submissions the journal had no room for.
     */
    uint32_t journal_full;
    /*
     Unsealed routine records that gave way to urgent ones in a full journal: they are lost, and their batch says so.
     */
    uint32_t displaced;
    /*
     Submissions refused for another reason.
     */
    uint32_t refused;
    /*
     Urgent submissions over their limit: each was counted, and one record says how many there were.
     */
    uint32_t coalesced;
    /*
     Exchanges started: each is one radio wake.
     */
    uint32_t exchanges;
    /*
     Exchanges that gave nothing; the batch is sent again.
     */
    uint32_t exchange_failures;
    /*
     Datagrams sent.
     */
    uint32_t datagrams_up;
    /*
     Datagrams received.
     */
    uint32_t datagrams_down;
    /*
     Sockets opened.
     */
    uint32_t connections;
    /*
     Signatures made.
     */
    uint32_t signatures;
    /*
     Rotations that the old key signed.
     */
    uint32_t rotations;
    /*
     Times the signer refused.
     */
    uint32_t signer_failures;
    /*
     Times something was not sealed, proven or sent because the platform's SHA-256 failed (`CONFIG_CAIRN_PSA_HASH`).
     */
    uint32_t hash_faults;
    /*
     Clock steps recorded.
     */
    uint32_t clock_steps;
    /*
     Clock hints of the relay that were refused as too large a step.
     */
    uint32_t clock_steps_refused;
    /*
     How the last failed exchange failed.
     */
    cairn_link_t last_link;
    /*
     Why the signer last refused, `CAIRN_OK` when it never did.
     */
    cairn_result_t last_signer;
    /*
     Why the next key could not take its turn, while `rotation` is 2 because of it: the flash that keys are in, or the platform's
     secret. Nothing is sealed meanwhile; it is tried again every minute. `CAIRN_OK` otherwise, and without
     `CONFIG_CAIRN_KEY_STORE`.
     */
    cairn_result_t last_rotation;
    /*
     `CAIRN_OK`, or why the agent could not start: then it never will until the next boot, but for `CAIRN_E_SIGNER_GONE` and
     `CAIRN_E_SIGNER_TIMEOUT`, after which it tries again every minute.
     */
    cairn_result_t start;
    /*
     The protocol's code when `last_link` is `CAIRN_LINK_REJECTED` (CoAP: class * 32 + detail).
     */
    uint8_t last_link_code;
    /*
     The `cairn_primitive_t` whose self-test failed, when `start` is `CAIRN_E_SELFTEST`.
     */
    uint8_t selftest_failed;
    /*
     Where the wall clock's time came from, a `cairn_time_quality_t`.
     */
    uint8_t wall_quality;
    /*
     How far what is left to spend makes the device do less, a `cairn_degradation_t`.
     */
    uint8_t degradation;
    /*
     How far a rotation to another key is: 0 none, 1 journaled and not signed by the old key yet, 2 signed, and the next key is
     waited for.
     */
    uint8_t rotation;
    /*
     The stream was begun because the journal's flash had been rolled back; only with `CONFIG_CAIRN_MONOTONIC`.
     */
    bool after_rollback;
    /*
     A flush is wanted and no exchange was begun for it yet: it waits until it can be paid for, for the signer or for the next key.
     */
    bool flush_waits;
    /*
     The agent waits for a deadline or a submission, and nothing was handed to it that it has not seen.
     */
    bool idle;
} cairn_status_t;

/*
 Something that happened; which fields mean something depends on `kind`, the others are 0.
 */
typedef struct {
    /*
     What happened.
     */
    cairn_event_kind_t kind;
    /*
     How it went.
     */
    cairn_result_t result;
    /*
     How an exchange failed.
     */
    cairn_link_t link;
    /*
     Of which batch.
     */
    uint32_t batch;
    /*
     A count, a length or a code.
     */
    uint32_t value;
    /*
     What the clock would have shown.
     */
    uint64_t old_ms;
    /*
     What it shows.
     */
    uint64_t new_ms;
} cairn_event_t;

/*
 Told what happened, in the agent's task, while the agent waits: be quick. `event` is valid during the call only. It
 may call cairn_submit, cairn_flush, cairn_set_upload, cairn_radio_hint and cairn_status; what would wait for the
 agent answers CAIRN_E_CONTEXT.
 */
typedef void (*cairn_event_callback_t)(const cairn_event_t *event, void *context);

/*
 What things cost at one coverage level of NB-IoT, on the battery's side: microjoules, but for the last.
 */
typedef struct {
    /*
     Waking the modem and finding the cell.
     */
    uint32_t wake_uj;
    /*
     Random access and the set-up of a connection.
     */
    uint32_t setup_uj;
    /*
     One byte on the wire, headers counted.
     */
    uint32_t byte_uj;
    /*
     Waiting for one answer.
     */
    uint32_t round_trip_uj;
    /*
     Giving the connection up.
     */
    uint32_t release_uj;
    /*
     A tracking area update with nothing else.
     */
    uint32_t tau_uj;
    /*
     Listening once in an eDRX cycle.
     */
    uint32_t paging_cycle_uj;
    /*
     Attaching after power was off.
     */
    uint32_t attach_uj;
    /*
     How long an exchange of one round trip takes that nothing delays, in milliseconds.
     */
    uint32_t usual_ms;
} cairn_level_costs_t;

/*
 What things cost. `cairn_energy_model_configured` gives the one of the configuration, to change a row of.
 */
typedef struct {
    /*
     At the coverage levels 0, 1 and 2.
     */
    cairn_level_costs_t levels[3];
    /*
     What the modem draws asleep, in nanowatts.
     */
    uint32_t floor_nw;
    /*
     What a connection draws that waits, in microwatts.
     */
    uint32_t tail_uw;
    /*
     How long the network keeps a connection after the last byte, in milliseconds: 0 where release assistance works.
     */
    uint32_t tail_ms;
    /*
     A signature, in microjoules.
     */
    uint32_t signature_uj;
    /*
     A write to flash, in microjoules.
     */
    uint32_t flash_write_uj;
    /*
     A sector of it erased, in microjoules.
     */
    uint32_t flash_erase_uj;
    /*
     The coverage level to reckon with where none was reported: 0, 1 or 2.
     */
    uint8_t unknown_level;
} cairn_energy_model_t;

/*
 A battery, how long it must last, and what draws on it beside Cairn and the modem.
 */
typedef struct {
    /*
     Nominal capacity, in milliampere hours: 1 to 10000000.
     */
    uint32_t capacity_mah;
    /*
     Nominal voltage, in millivolts: 500 to 60000.
     */
    uint32_t millivolts;
    /*
     Share of the capacity that can be used, in thousandths: 1 to 1000.
     */
    uint32_t usable_permille;
    /*
     What it loses by itself in a year, in thousandths of its capacity: at most 1000.
     */
    uint32_t self_discharge_permille;
    /*
     Years it must last from now on: 1 to 50.
     */
    uint32_t life_years;
    /*
     What the rest of the device draws on the mean, in microwatts: at most 4000000.
     */
    uint32_t device_uw;
} cairn_battery_t;

/*
 One submission on its way to the agent. The port's queue copies it whole and looks at nothing inside.
 */
typedef struct {
    /*
     When it was submitted, Unix milliseconds or milliseconds since boot.
     */
    uint64_t time_ms;
    /*
     What it is about.
     */
    uint16_t kind;
    /*
     Bytes used of `payload`.
     */
    uint16_t length;
    /*
     How long it may wait, a `cairn_priority_t`.
     */
    uint8_t priority;
    /*
     Where the time came from, a `cairn_time_quality_t`.
     */
    uint8_t quality;
    /*
     Which waiter wants the answer; 255 for none.
     */
    uint8_t ticket;
    /*
     Always 0.
     */
    uint8_t reserved;
    /*
     The application's bytes.
     */
    uint8_t payload[CONFIG_CAIRN_PAYLOAD_MAX];
} cairn_record_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Behind cairn_init, which is an inline function so that a header made for one configuration does not link with a
 library made for another.

 # Safety
 `storage` is NULL or valid for `storage_size` bytes for ever and used by nobody else; `config` is NULL or valid, and
 so is what it points to.
 */
cairn_result_t cairn_init_configured(const uint8_t *configuration,
                                     cairn_storage_t *storage,
                                     size_t storage_size,
                                     const cairn_config_t *config);

/*
 Has the agent format the journal's flash when it starts, whatever is in it: a new journal, and a new stream. What an
 earlier journal held is given up for good, also what was never uploaded. Call it only after CAIRN_E_JOURNAL_FOREIGN,
 CAIRN_E_JOURNAL_VERSION or CAIRN_E_JOURNAL_GEOMETRY, once somebody decided that nothing in there is wanted, or for a factory
 reset. Flash as delivered is formatted without this; nothing else ever is.

 Blocks: never; the agent's first step then erases one sector, or all that it cannot read. Tasks: any, or main before the
 scheduler runs; before cairn_init. Interrupts: no.

 Errors: CAIRN_E_CONTEXT in an interrupt, CAIRN_E_ALREADY_INITIALISED: nothing is formatted then.
 */
cairn_result_t cairn_journal_format(void);

/*
 Hands a record over, to be journaled soon; its sequence number is not told. Stamped with the time of this call.

 @param kind     CAIRN_KIND_READING, CAIRN_KIND_EVENT, or a number from CAIRN_KIND_APPLICATION on.
 @param priority A cairn_priority_t.
 @param payload  `length` bytes, copied; may be NULL when `length` is 0.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no, see cairn_submit_from_isr. Uses
 CONFIG_CAIRN_PAYLOAD_MAX + 16 bytes of the caller's stack.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL, CAIRN_E_TOO_LONG, CAIRN_E_KIND,
 CAIRN_E_ARGUMENT for an unknown priority, CAIRN_E_QUEUE_FULL; why the agent could not start, if it could not.
 Nothing was handed over then.

 # Safety
 `payload` is NULL or valid for reading `length` bytes.
 */
cairn_result_t cairn_submit(uint16_t kind, uint8_t priority, const uint8_t *payload, size_t length);

/*
 cairn_submit for interrupts.

 @param woken Set when a task more important than the interrupted one became ready, never cleared: pass it to
              portYIELD_FROM_ISR on FreeRTOS. May be NULL where the RTOS switches by itself.

 Blocks: never. Tasks: no. Interrupts: those that may call the RTOS.

 Errors: those of cairn_submit; CAIRN_E_CONTEXT outside an interrupt.

 # Safety
 `payload` is NULL or valid for reading `length` bytes; `woken` is NULL or valid for writing.
 */
cairn_result_t cairn_submit_from_isr(uint16_t kind,
                                     uint8_t priority,
                                     const uint8_t *payload,
                                     size_t length,
                                     bool *woken);

/*
 Hands a record over and waits until it is journaled. When it answers CAIRN_OK the record is in the journal, and will
 be in exactly one batch.

 @param kind, priority, payload, length As cairn_submit.
 @param timeout_ms Waits for space in the queue and for the agent for at most this long together.
 @param seq        Where its sequence number goes; may be NULL. Untouched unless the answer is CAIRN_OK.

 Blocks: until the agent journaled it, which takes one signature and one flash erase at most when it runs; at most
 `timeout_ms`. Tasks: any but the agent's. Interrupts and event callback: no.

 Errors: those of cairn_submit; CAIRN_E_CONTEXT in the agent's task; CAIRN_E_BUSY; CAIRN_E_TIMEOUT: the record may
 still be journaled; CAIRN_E_JOURNAL_FULL, CAIRN_E_MEDIUM: it was not; CAIRN_E_COALESCED: it was counted.

 # Safety
 `payload` is NULL or valid for reading `length` bytes; `seq` is NULL or valid for writing.
 */
cairn_result_t cairn_submit_wait(uint16_t kind,
                                 uint8_t priority,
                                 const uint8_t *payload,
                                 size_t length,
                                 uint32_t timeout_ms,
                                 uint64_t *seq);

/*
 Asks for everything unsealed to be sealed, signed and sent now, whatever the schedule had in mind. Done by the
 agent's task; events tell. What the energy budget cannot pay for yet is sent as soon as it can: until an exchange
 begins, the wish stays and cairn_status's flush_waits is true. A restart forgets it. With nothing to send it is done.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt; why the agent could not start.
 */
cairn_result_t cairn_flush(void);

/*
 Chooses what the relay is given of batches sealed from now on.

 @param upload A cairn_upload_t.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no.

 Errors: those of cairn_flush; CAIRN_E_ARGUMENT.
 */
cairn_result_t cairn_set_upload(uint8_t upload);

/*
 Says that the radio is up anyway for the next `for_ms`: what waits may ride along.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no.

 Errors: those of cairn_flush.
 */
cairn_result_t cairn_radio_hint(uint32_t for_ms);

/*
 Tells how the agent is doing: a copy made after its last step.

 @param status Where it goes. Untouched unless the answer is CAIRN_OK.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL. Not why the agent could not start:
 that is in `status->start`.

 # Safety
 `status` is NULL or valid for writing.
 */
cairn_result_t cairn_status(cairn_status_t *status);

/*
 Gives the device's evidence of one record: record, blind, inclusion proof, anchor and signature, as CBOR; the relay
 adds where it was included. The batch must be signed, and its records kept: a relay that has the data makes it
 itself.

 @param buffer     Where it goes; CAIRN_EVIDENCE_MAX bytes are always enough. Written only before this call returns.
 @param capacity   How much fits.
 @param length     Where its length goes. Untouched unless the answer is CAIRN_OK.
 @param timeout_ms Waits for the agent to begin for at most this long; it then reads the batch once.

 Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_NULL, CAIRN_E_BUSY, CAIRN_E_TIMEOUT, CAIRN_E_NOT_FOUND,
 CAIRN_E_NOT_SEALED, CAIRN_E_LOST, CAIRN_E_BUFFER, CAIRN_E_MEDIUM; why the agent could not start. `buffer` may be
 written partly then.

 # Safety
 `buffer` is NULL or valid for writing `capacity` bytes; `length` is NULL or valid for writing.
 */
cairn_result_t cairn_evidence(uint64_t seq, uint8_t *buffer, size_t capacity, size_t *length, uint32_t timeout_ms);

/*
 Lets go of the records of a hash-only batch, and of those of all batches before it: from now on they may be reclaimed once
 their batch is final and space is needed. An anchor whose records are gone proves nothing: take the evidence first.

 @param batch      The last batch's number, as the events told: it and every earlier one are released.
 @param timeout_ms Waits for the agent to begin for at most this long.

 Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_BUSY, CAIRN_E_TIMEOUT, CAIRN_E_NOT_FOUND, CAIRN_E_MEDIUM;
 why the agent could not start.
 */
cairn_result_t cairn_release(uint32_t batch,
                             uint32_t timeout_ms);

/*
 Has `callback` called at every event from now on, instead of the one before; NULL calls nobody.

 @param context Handed to the callback.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no. A callback that is being called while it is
 replaced runs to its end.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt.
 */
cairn_result_t cairn_set_event_callback(cairn_event_callback_t callback, void *context);

/*
 Has the agent look what became due: a clock was changed, the link has news.

 Blocks: never. Tasks: any. Interrupts: no, see cairn_wake_from_isr.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt.
 */
cairn_result_t cairn_wake(void);

/*
 cairn_wake for interrupts; a UART driver calls it when the modem sent something.

 @param woken As in cairn_submit_from_isr.

 Blocks: never. Tasks: no. Interrupts: those that may call the RTOS.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT outside an interrupt.

 # Safety
 `woken` is NULL or valid for writing.
 */
cairn_result_t cairn_wake_from_isr(bool *woken);

/*
 Has the platform's root of trust vouch for this device, and the device's key prove that it is there: writes an
 endorsement, which `cairn provision endorse` verifies before the key is registered (docs/endorsement.md).

 CAIRN_ROOT of the configuration chooses the root: PSA initial attestation, the secure element that signs, or the attestation
 key of the factory blob.

 @param nonce      CAIRN_NONCE_BYTES bytes that `cairn provision challenge` drew.
 @param buffer     Where it goes. CAIRN_ENDORSEMENT_MAX bytes are always enough but with PSA: then
                   CAIRN_ENDORSEMENT_OVERHEAD more than PSA_INITIAL_ATTEST_MAX_TOKEN_SIZE. Written only before this call
                   returns.
 @param capacity   How much fits.
 @param length     Where its length goes. Untouched unless the answer is CAIRN_OK.
 @param timeout_ms Waits for the agent to begin for at most this long; it then signs twice.

 Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_NULL, CAIRN_E_BUSY, CAIRN_E_TIMEOUT, CAIRN_E_BUFFER,
 those of the signer (CAIRN_E_SIGNER_NOT_PROVISIONED to CAIRN_E_SIGNER_FAULT); CAIRN_E_ROOT when there is no root of trust or
 it refuses; why the agent could not start. `buffer` may be written partly then.

 # Safety
 `nonce` is NULL or valid for reading CAIRN_NONCE_BYTES bytes; `buffer` is NULL or valid for writing `capacity`
 bytes; `length` is NULL or valid for writing.
 */
cairn_result_t cairn_endorse(const uint8_t *nonce,
                             uint8_t *buffer,
                             size_t capacity,
                             size_t *length,
                             uint32_t timeout_ms);

/*
 Gives the energy model of the configuration (menu *Energy model*), whatever is in force.

 @param model Where it goes.

 Blocks: never. Tasks: any, before cairn_init too. Interrupts: yes.

 Errors: CAIRN_E_NULL.

 # Safety
 `model` is NULL or valid for writing.
 */
cairn_result_t cairn_energy_model_configured(cairn_energy_model_t *model);

/*
 Has everything be charged and planned by another energy model from now on: one that was measured on this device. Not kept over
 a reset: call it after each cairn_init, before the agent's task runs, so that the first exchange is paid for by it too.

 @param model Copied. Energies at most 1000 J, times at most ten minutes, `floor_nw` at most 1 W, `tail_uw` at most 10 W.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no.

 Errors: those of cairn_flush; CAIRN_E_NULL, CAIRN_E_ARGUMENT for a number out of its bounds, CAIRN_E_ENERGY_MODEL when a
 coverage level costs less than a better one, CAIRN_E_BATTERY when the modem's sleep leaves nothing of the battery in force.
 Nothing is changed then.

 # Safety
 `model` is NULL or valid for reading.
 */
cairn_result_t cairn_set_energy_model(const cairn_energy_model_t *model);

/*
 Tells that another battery was fitted, or that it must last another time: the energy budget's refill from now on. What was saved
 up stays, and how much may be saved up is the build's: nothing is given for a new battery, so that nothing can be had by saying so
 twice. Not kept over a reset: call it after each cairn_init, before the agent's task runs.

 @param battery Copied; each field says its bounds.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no.

 Errors: those of cairn_flush; CAIRN_E_NULL, CAIRN_E_ARGUMENT for a number out of its bounds, CAIRN_E_BATTERY when nothing is left
 of it for Cairn beside the rest of the device and the modem's sleep. Nothing is changed then.

 # Safety
 `battery` is NULL or valid for reading.
 */
cairn_result_t cairn_set_battery(const cairn_battery_t *battery);

/*
 Tells which timers of power saving mode the network granted, where the product's own modem driver knows them and Cairn's does not:
 from T3412 follows when the next tracking area update is due, which an upload puts off.

 @param t3324_s From the end of a connection to sleep, in seconds: at most 11160; CAIRN_TIMER_UNKNOWN.
 @param t3412_s From a connection to the tracking area update after it, in seconds: 1 to 35712000; CAIRN_TIMER_UNKNOWN.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no.

 Errors: those of cairn_flush; CAIRN_E_ARGUMENT. A timer that is unknown leaves what was known of it.
 */
cairn_result_t cairn_radio_timers(uint32_t t3324_s,
                                  uint32_t t3412_s);

/*
 Says that the boot loader confirmed the image that runs: a firmware record `[version, hash, slot]` goes into the journal, once.
 Call it at every start and after each confirmation; an image that the newest firmware record in the journal names makes no other
 (docs/wire.md). One that the journal does not take, because it is full, is tried again later, and counted in the status each
 time. It goes with the next batch; the radio is not woken for it. The image confirmed last counts.

 @param version What its maker calls it: 1 to CAIRN_FIRMWARE_VERSION_MAX printable ASCII characters and a NUL. Copied.
 @param hash    CAIRN_FIRMWARE_HASH_BYTES bytes, SHA-256 of the image as the boot loader checks it. Copied.
 @param slot    The slot it runs from, in the boot loader's numbers.

 Blocks: never; the agent's task reads the journal for it, 128 records a step. Tasks: any, and the event callback. Interrupts: no.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL, CAIRN_E_ARGUMENT for such a version; why the
 agent could not start.

 # Safety
 `version` is NULL or a C string; `hash` is NULL or valid for reading CAIRN_FIRMWARE_HASH_BYTES bytes.
 */
cairn_result_t cairn_firmware_confirmed(const char *version,
                                        const uint8_t *hash,
                                        uint8_t slot);

/*
 Gives the public key that signs, compressed (SEC 1): what `cairn provision` registers.

 @param key Where its CAIRN_PUBLIC_KEY_BYTES bytes go. Untouched unless the answer is CAIRN_OK.

 Blocks: never. Tasks: any, and the event callback. Interrupts: no.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL; CAIRN_E_NOT_FOUND before the agent's first step;
 why the agent could not start.

 # Safety
 `key` is NULL or valid for writing CAIRN_PUBLIC_KEY_BYTES bytes.
 */
cairn_result_t cairn_public_key(uint8_t *key);

/*
 Begins a rotation: draws the next key, keeps it in flash, and journals the rotation record with its proof. The old key signs its
 last batch, then the next one takes its place in flash, the old one is erased there and wiped in RAM, and the agent goes on
 with the next one: by itself, also after a power cut at any point. CAIRN_EVENT_ROTATED tells that the old key is done. Have the
 owner register the new key (docs/keys.md). Builds with CONFIG_CAIRN_KEY_STORE only.

 @param timeout_ms Waits for the agent to begin for at most this long; it then seals what is open and makes up to four signatures.
 @param seq        Where the rotation record's sequence number goes; may be NULL. Untouched unless the answer is CAIRN_OK.

 Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_BUSY, CAIRN_E_TIMEOUT; CAIRN_E_CONFLICT while a rotation is under way;
 CAIRN_E_ENTROPY: there is no next key; CAIRN_E_KEY_STORE, CAIRN_E_KEY_SEAL, CAIRN_E_KEY_NOT_ERASED; CAIRN_E_SIGNER_FAULT;
 CAIRN_E_JOURNAL_FULL, CAIRN_E_MEDIUM; why the agent could not start. The old key goes on then.

 # Safety
 `seq` is NULL or valid for writing.
 */
cairn_result_t cairn_rotate(uint32_t timeout_ms,
                            uint64_t *seq);

/*
 Destroys the device's key for good: erases it in flash, reads that it is gone, and wipes it in RAM. The agent stops; everything
 answers CAIRN_E_KEY_DESTROYED from then on, after a restart too, also when the factory blob still has the first key: erase that
 yourself. What the device signed before stays provable. Builds with CONFIG_CAIRN_KEY_STORE only.

 @param timeout_ms Waits for the agent to begin for at most this long.

 Blocks: as said, and for up to three erases. Tasks: any but the agent's. Interrupts and event callback: no.

 Needs neither the platform's secret nor an agent that could start: without one it is done in the calling task, with 3 kB of stack,
 and CAIRN_E_BUSY means that cairn_poll runs: ask again.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_BUSY, CAIRN_E_TIMEOUT, CAIRN_E_KEY_STORE: nothing was changed;
 CAIRN_E_KEY_NOT_ERASED: the agent stopped, but the flash may still hold the key and must be destroyed otherwise, or ask again;
 CAIRN_E_KEY_DESTROYED: it is destroyed already.
 */
cairn_result_t cairn_key_destroy(uint32_t timeout_ms);

/*
 The text of a result, in English, without a full stop.

 @return A string that lives for ever; "unknown result" for a number that is none. Never NULL.

 Blocks: never. Tasks: any. Interrupts: yes. Before cairn_init: yes.
 */
const char *cairn_strerror(int32_t result);

/*
 The agent's task, for those who write their own: one step of bounded length, which may make a signature and erase flash.
 The first step starts the agent: it derives the public key and takes up the journal. Call it again after `wait_ms`, or when
 cairn_port_wake was called.

 @param wait_ms Where the time until the next step goes, UINT32_MAX when only cairn_port_wake makes one due. May be
                NULL.

 Blocks: for a signature and the flash operations of cairn_port.h. Tasks: always the same one. Interrupts and event callback:
 no. Needs CONFIG_CAIRN_TASK_STACK_BYTES of stack.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT while another step runs; at every call why the agent could not
 start: CAIRN_E_SELFTEST, CAIRN_E_SIGNER_NOT_PROVISIONED, CAIRN_E_SIGNER_LOCKED, CAIRN_E_SIGNER_FAULT,
 CAIRN_E_FACTORY_UNSUPPORTED, CAIRN_E_MEDIUM, CAIRN_E_JOURNAL_FULL, CAIRN_E_JOURNAL_FOREIGN,
 CAIRN_E_JOURNAL_VERSION, CAIRN_E_JOURNAL_GEOMETRY. CAIRN_OK while a secure element or a SIM does not answer: the
 next step looks again, and until then every other call answers CAIRN_E_SIGNER_GONE or CAIRN_E_SIGNER_TIMEOUT.

 # Safety
 `wait_ms` is NULL or valid for writing.
 */
cairn_result_t cairn_poll(uint32_t *wait_ms);

/*
 The agent's task: steps and sleeps in turns.

 Blocks: for ever; returns only when the agent could not start. Tasks: one. Interrupts and event callback: no. Needs
 CONFIG_CAIRN_TASK_STACK_BYTES of stack.

 Errors: those of cairn_poll.
 */
cairn_result_t cairn_run(void);

/*
 The name of a primitive, for people.

 @return A string that lives for ever; "none" for 0, "unknown" for a number that is no cairn_primitive_t. Never NULL.

 Blocks: never. Tasks: any. Interrupts: yes. Before cairn_init: yes.
 */
const char *cairn_primitive_name(uint8_t primitive);

/*
 Has the agent's task test what this build is configured with: known answers of every primitive, from published vectors, and,
 where an accelerator, an element or a SIM keeps the key, a signature of its own over nothing that means anything, which is
 verified. When one is wrong the agent stops, for what it would hash, sign and send could not be trusted: from then on everything answers
 CAIRN_E_SELFTEST until the device restarts. CONFIG_CAIRN_SELFTEST_AT_BOOT has it done before the agent starts, too.

 @param timeout_ms Waits for the agent to begin for at most this long; it then takes about as long as two signatures.
 @param failed     Where the cairn_primitive_t goes that failed, CAIRN_PRIMITIVE_NONE when none did; may be NULL. Untouched
                   unless the answer is CAIRN_OK or CAIRN_E_SELFTEST.

 Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no. It runs on the agent's stack, which is made for
 signatures; the caller needs little.

 Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_BUSY, CAIRN_E_TIMEOUT: nothing was tested; CAIRN_E_SELFTEST, now or at
 the start; CAIRN_E_SIGNER_… when the signer does not answer, which stops nothing; why else the agent could not start.

 # Safety
 `failed` is NULL or valid for writing.
 */
cairn_result_t cairn_selftest(uint32_t timeout_ms,
                              uint8_t *failed);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#ifdef __cplusplus
extern "C" {
#endif

/*
 Makes the one instance in `storage`, which is Cairn's from then on and for ever. The agent itself starts with the first
 step of its task; until then records wait in the queue.

 @param storage Static storage of the caller.
 @param config  What the agent needs to know; need not stay.

 Blocks: for milliseconds, to check the factory blob and to draw random bytes. Tasks: any, or main before the scheduler
 runs. Interrupts: no. May be called again after an error. Needs 1.6 kB of the caller's stack, which it wipes.

 Errors: CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL, CAIRN_E_STORAGE, CAIRN_E_ALREADY_INITIALISED,
 CAIRN_E_FACTORY_ABSENT, CAIRN_E_FACTORY_DAMAGED, CAIRN_E_FACTORY_UNSUPPORTED, CAIRN_E_ENTROPY;
 CAIRN_E_KEY_MISSING, CAIRN_E_KEY_UNWANTED: the blob was provisioned for another signer than CAIRN_SIGNER chooses.
 */
static inline cairn_result_t cairn_init(cairn_storage_t *storage, const cairn_config_t *config)
{
    return cairn_init_configured(&CAIRN_CONFIG_SYMBOL, storage, sizeof *storage, config);
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CAIRN_H */
