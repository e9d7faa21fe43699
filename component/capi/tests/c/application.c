/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The least application: linked with the stub port it must link, and with another configuration's header it must
 * not. It also prints what its compiler makes of the header's sizes, for the test to compare with the library's. */
#include "cairn.h"

#include <stdio.h>

static cairn_storage_t storage;

int main(void)
{
    printf("storage %zu\nrecord %zu\nstatus %zu\nevent %zu\nevidence %zu\nendorsement %u %u\n", sizeof storage, sizeof(cairn_record_t),
           sizeof(cairn_status_t), sizeof(cairn_event_t), (size_t)CAIRN_EVIDENCE_MAX,
           CAIRN_ENDORSEMENT_MAX, CAIRN_ENDORSEMENT_OVERHEAD);
    return cairn_init(&storage, NULL) == CAIRN_E_NULL ? 0 : 1;
}
