// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the platform's attestation service is asked, and what becomes of its answers. The service here is a stand-in: TF-M does not
//! run on a host. What a platform's token must say is tested where it is judged, in `host/src/endorsement/tests.rs`.

use std::sync::Mutex;

use cairn::endorsement::{RootError, RootOfTrust as _};
use cairn_psa::PsaRoot;

/// What the service answers next, and what it was asked last. One test at a time.
static SERVICE: Mutex<Service> = Mutex::new(Service { status: 0, says_length: 0, challenge: Vec::new(), room: 0 });
static ONE: Mutex<()> = Mutex::new(());

struct Service {
    status: i32,
    says_length: usize,
    challenge: Vec<u8>,
    room: usize,
}

/// # Safety
/// As the PSA Attestation API says.
#[unsafe(no_mangle)]
unsafe extern "C" fn psa_initial_attest_get_token(
    challenge: *const u8,
    challenge_size: usize,
    token: *mut u8,
    room: usize,
    length: *mut usize,
) -> i32 {
    let mut service = SERVICE.lock().unwrap();
    // SAFETY: the caller vouches for it.
    service.challenge = unsafe { std::slice::from_raw_parts(challenge, challenge_size) }.to_vec();
    service.room = room;
    // SAFETY: the caller vouches for `room` bytes and for `length`.
    unsafe {
        token.write_bytes(0x5a, room.min(service.says_length));
        length.write(service.says_length);
    }
    service.status
}

fn ask(status: i32, says_length: usize, room: usize) -> (Result<usize, RootError>, Vec<u8>) {
    {
        let mut service = SERVICE.lock().unwrap();
        (service.status, service.says_length) = (status, says_length);
    }
    let mut out = vec![0; room];
    (PsaRoot.token(&[0xc4; 32], &mut out), out)
}

#[test]
fn the_challenge_and_the_room_reach_the_service_and_its_token_comes_back() {
    let _one = ONE.lock().unwrap();
    let (answer, out) = ask(0, 300, 512);
    assert_eq!(answer, Ok(300));
    assert_eq!((&out[..300], &out[300..]), (&[0x5a; 300][..], &[0; 212][..]));
    let service = SERVICE.lock().unwrap();
    assert_eq!((&service.challenge[..], service.room), (&[0xc4; 32][..], 512));
}

#[test]
fn too_little_room_a_refusal_and_a_length_that_cannot_be_are_told_apart() {
    let _one = ONE.lock().unwrap();
    assert_eq!(ask(-138, 0, 100).0, Err(RootError::BufferTooSmall));
    assert_eq!(ask(0, 1, 0).0, Err(RootError::BufferTooSmall), "the service is not even asked");
    assert_eq!(ask(-132, 0, 100).0, Err(RootError::Refused(-132)));
    assert_eq!(ask(0, 101, 100).0, Err(RootError::BufferTooSmall), "longer than its room, it says");
    assert_eq!(ask(0, 100, 100).0, Ok(100));
}
