// SPDX-License-Identifier: Apache-2.0 OR MIT
//! transports/coap
#![no_std]
