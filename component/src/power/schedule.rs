// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to seal and when to wake the radio.
