// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chain adapters: what a device writes and signs when it speaks a ledger's own language (wallet mode).
