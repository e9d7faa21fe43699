// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What Cairn's glue for Zephyr reads of an image of MCUboot: version and hash of images that imgtool made and of such as are written
//! here, and nothing of what is no image. The reader is C and knows no Zephyr; `c/mcuboot_image.c` runs it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use c_builds::{compiler, here, succeed};

#[allow(unused_imports, reason = "what other test programs use of it")]
mod c_builds;

/// imgtool 2.5.0: `sign --version 255.255.65535+4294967295 --header-size 0x40 --pad-header --slot-size 0x4000 --align 4
/// --security-counter 7` of 40 bytes 'P'.
const BY_IMGTOOL: &str = concat!(
    "3db8f3960000000040000c002800000000000000ffffffffffffffff00000000",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "50505050505050505050505050505050505050505050505050505050505050505050505050505050",
    "08690c005000040007000000",
    "07692800100020003b89a8524c8ce83d4a94a5f4de3988e399ecf843c18610a91e533a0303f14aef",
);
const ITS_HASH: &str = "3b89a8524c8ce83d4a94a5f4de3988e399ecf843c18610a91e533a0303f14aef";

fn directory() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn reader() -> &'static Path {
    static READER: OnceLock<PathBuf> = OnceLock::new();
    READER.get_or_init(|| {
        let program = directory().join("mcuboot_image");
        let mut cc = compiler();
        cc.args(["-Wconversion", "-g", "-o"]).arg(&program).arg(here().join("tests/c/mcuboot_image.c"));
        succeed(cc.arg(here().join("../../rtos-zephyr/src/mcuboot_image.c")));
        program
    })
}

fn run(name: &str, slot: &[u8], more: &[&str]) -> String {
    let path = directory().join(format!("{name}.slot"));
    fs::write(&path, slot).unwrap();
    let output = succeed(Command::new(reader()).arg(path).args(more));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A list of TLVs: type and value.
fn list(magic: u16, entries: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in entries {
        body.extend_from_slice(&kind.to_le_bytes());
        body.extend_from_slice(&u16::try_from(value.len()).unwrap().to_le_bytes());
        body.extend_from_slice(value);
    }
    let length = u16::try_from(body.len() + 4).unwrap();
    [&magic.to_le_bytes()[..], &length.to_le_bytes(), &body].concat()
}

/// What MCUboot's design document says, written anew.
struct Image {
    version: (u8, u8, u16, u32),
    header: u16,
    program: usize,
    protected: Vec<u8>,
    unprotected: Vec<u8>,
}

impl Image {
    fn with(entries: &[(u16, Vec<u8>)]) -> Self {
        let unprotected = list(0x6907, entries);
        Self { version: (1, 2, 3, 0), header: 32, program: 100, protected: Vec::new(), unprotected }
    }

    fn bytes(&self) -> Vec<u8> {
        let (major, minor, revision, build) = self.version;
        let mut header = 0x96f3_b83d_u32.to_le_bytes().to_vec();
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&self.header.to_le_bytes());
        header.extend_from_slice(&u16::try_from(self.protected.len()).unwrap().to_le_bytes());
        header.extend_from_slice(&u32::try_from(self.program).unwrap().to_le_bytes());
        header.extend_from_slice(&[0, 0, 0, 0, major, minor]);
        header.extend_from_slice(&revision.to_le_bytes());
        header.extend_from_slice(&build.to_le_bytes());
        header.resize(usize::from(self.header), 0);
        [&header[..], &vec![0xc3; self.program], &self.protected, &self.unprotected].concat()
    }
}

fn sha256(fill: u8) -> (u16, Vec<u8>) {
    (0x10, vec![fill; 32])
}

#[test]
fn an_image_that_imgtool_made_says_its_version_and_its_hash() {
    let mut slot = hex::decode(BY_IMGTOOL).unwrap();
    let said = format!("255.255.65535+4294967295 {ITS_HASH}");
    assert_eq!(run("by_imgtool", &slot, &[]), said);
    // As it lies in a slot.
    slot.resize(0x4000, 0xff);
    assert_eq!(run("by_imgtool_in_a_slot", &slot, &[]), said);
}

#[test]
fn an_image_says_its_version_and_its_hash_wherever_the_hash_is() {
    let hash = "5a".repeat(32);
    let key = (0x01, vec![1; 32]);
    let signature = (0x22, vec![2; 71]);
    let plain = Image::with(&[sha256(0x5a)]);
    assert_eq!(run("plain", &plain.bytes(), &[]), format!("1.2.3 {hash}"));
    let versioned =
        Image { version: (0, 0, 1, 7), header: 0x200, ..Image::with(&[key.clone(), sha256(0x5a), signature]) };
    assert_eq!(run("versioned", &versioned.bytes(), &[]), format!("0.0.1+7 {hash}"));
    let protected =
        Image { protected: list(0x6908, &[(0x50, vec![9; 4]), sha256(0xee)]), ..Image::with(&[key, sha256(0x5a)]) };
    assert_eq!(
        run("protected", &protected.bytes(), &[]),
        format!("1.2.3 {hash}"),
        "the hash is not among the protected"
    );
}

#[test]
fn what_is_no_image_or_has_no_such_hash_says_nothing() {
    let none = |name: &str, slot: &[u8]| assert_eq!(run(name, slot, &[]), "none", "{name}");
    none("empty", &[]);
    none("erased", &[0xff; 0x1000]);
    none("zeros", &[0; 0x1000]);
    none("no_hash", &Image::with(&[(0x01, vec![1; 32])]).bytes());
    none("sha_512", &Image::with(&[(0x12, vec![1; 64])]).bytes());
    none("short_hash", &Image::with(&[(0x10, vec![1; 31])]).bytes());
    none("no_tlvs", &Image { unprotected: Vec::new(), ..Image::with(&[]) }.bytes());
    none("other_magic", &Image { unprotected: list(0x6908, &[sha256(1)]), ..Image::with(&[]) }.bytes());
    none("short_header", &Image { header: 28, ..Image::with(&[sha256(1)]) }.bytes());
    none("empty_tlvs_without_end", &Image::with(&vec![(0x99, Vec::new()); 16_000]).bytes());
    let mut cut = Image::with(&[sha256(1)]);
    cut.unprotected.truncate(20);
    none("cut", &cut.bytes());
    let mut long = Image::with(&[sha256(1)]);
    long.unprotected[2..4].copy_from_slice(&8_u16.to_le_bytes());
    none("hash_behind_the_list", &long.bytes());
    let mut protected = Image { protected: list(0x6908, &[(0x50, vec![9; 4])]), ..Image::with(&[sha256(1)]) };
    protected.protected[2] += 1;
    none("protected_of_another_length", &protected.bytes());
    for program in [0xffff_ff00_u32, 0x8000_0000, 0x1000] {
        let mut slot = Image::with(&[sha256(1)]).bytes();
        slot[12..16].copy_from_slice(&program.to_le_bytes());
        none("a_program_longer_than_the_slot", &slot);
    }
}

#[test]
fn whatever_a_slot_holds_nothing_outside_it_is_read() {
    let slot = hex::decode(BY_IMGTOOL).unwrap();
    let found: u32 = run("changed", &slot, &["every"]).parse().unwrap();
    // Changes of the program, the version and the hash make other images; those of a length or a magic make none.
    assert!(found > 0 && found < 10 * u32::try_from(slot.len()).unwrap(), "{found}");
}
