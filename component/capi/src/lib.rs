// SPDX-License-Identifier: Apache-2.0 OR MIT
//! component/capi
#![no_std]
