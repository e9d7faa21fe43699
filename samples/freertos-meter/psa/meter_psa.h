/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The platform's PSA Crypto, where the meter is built with one. */
#ifndef METER_PSA_H
#define METER_PSA_H

/* Before anything uses PSA Crypto. */
void meter_psa_prepare(void);

#endif /* METER_PSA_H */
