// SPDX-License-Identifier: Apache-2.0 OR MIT
//! transports/at-modem
#![no_std]
