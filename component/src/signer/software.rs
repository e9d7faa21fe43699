// SPDX-License-Identifier: Apache-2.0 OR MIT
//! secp256k1 in software (k256): RFC 6979, low-S, constant-time, guarded against faults by signing twice.
