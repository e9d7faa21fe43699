// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SHA-256 and AES-CCM-16-64-128 by PSA Crypto: an accelerator's driver, TF-M's secure side, or Mbed TLS. `cairn` hashes with it
//! (feature `psa-hash`) and `cairn-coap` encrypts with it (feature `psa-aead`); this crate knows neither, and no keys but those it
//! is handed.
//!
//! [`hash`]: SHA-256 as the traits of `digest` have it, and what became of hashes that failed. [`ccm`]: the cipher. `ffi` has the C
//! half's functions (c/cairn_psa_crypto.h).
#![no_std]

pub mod ccm;
mod ffi;
pub mod hash;

pub use hash::{Sha256, hash_faults};
