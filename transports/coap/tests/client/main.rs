// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the client behaves when the network and the other end do what they do in the field, on virtual time.

mod attacks;
mod exchanges;
mod network;
mod stack;
