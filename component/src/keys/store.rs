// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A software key at rest: two erase units of NOR flash, of which one holds the key and the other is blank. Sealed under a
//! secret of the device where the platform has one. Called when a signer is opened, and when a key is born, follows another or
//! is buried; power may go away at any time. docs/keys.md has every byte.

use aes_kw::{KwAes128, aes::cipher::KeyInit as _};
use embedded_storage::nor_flash::NorFlash;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::NoKey;
use crate::{
    journal::crc32,
    ports::Entropy,
    signer::{Algorithm, DeviceId},
};

/// How keys lie in flash.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub enum AtRest {
    /// Sealed (AES Key Wrap, RFC 3394) under a key derived from this secret, which never leaves the device and is not in the same
    /// flash: a hardware unique key, a PUF's output, one-time-programmable memory.
    Sealed([u8; 32]),
    /// As they are: who reads the flash has the key. For platforms that protect the flash itself, and for trials.
    InsecurelyPlain,
    /// No matter: the secret is not to be had, or not needed. No key is read or stored, but all can be destroyed, and the device's id
    /// is read.
    Locked,
}

/// Which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The one that signs.
    Current = 0,
    /// The one that a rotation announced, which signs next.
    Next = 1,
}

/// A key out of the store.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct StoredKey {
    /// What it signs with.
    #[zeroize(skip)]
    pub alg: Algorithm,
    /// The secret, big-endian.
    pub secret: [u8; 32],
}

/// Why the store did not do what it was asked. What it held it still holds, but for [`StoreError::NotErased`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// There is no key in this slot.
    NoKey,
    /// There is one already: nothing is overwritten.
    AlreadyThere,
    /// The 32 bytes are no secret key.
    NotASecret,
    /// No entropy to make a key from.
    Entropy,
    /// The key was sealed and this device's secret does not open it, or it lies there plain and may not, or the store is locked.
    WrongSeal,
    /// What is in the flash is of a version that this build does not know.
    UnknownVersion,
    /// There is something and it is no image: a first writing was cut, or both copies rotted. Importing a key overwrites it.
    Damaged,
    /// The flash failed.
    Medium,
    /// The old content could not be erased, or is still there after it.
    NotErased,
}

impl From<NoKey> for StoreError {
    fn from(NoKey::Entropy: NoKey) -> Self {
        Self::Entropy
    }
}

const MAGIC: [u8; 2] = *b"CK";
const VERSION: u8 = 1;
/// Magic, version, 0, number of the writing.
const HEAD: usize = 8;
/// Algorithm, seal, 0, 0, 40 bytes.
const ENTRY: usize = 44;
const WRAPPED: usize = 40;
const SLOTS: usize = 2;
/// Where the device's id is, once the key that it comes from is gone.
const DEVICE: usize = HEAD + SLOTS * ENTRY;
const CONTENT: usize = DEVICE + 32;
/// With the CRC-32, padded to whole words of any length.
const IMAGE: usize = (CONTENT + 4).next_multiple_of(32);
#[allow(clippy::cast_possible_truncation, reason = "160")]
const IMAGE_BYTES: u32 = IMAGE as u32;

/// Copies of the image in a unit: rot in one takes nothing with it.
const COPIES: u32 = 2;

/// No id: none of SHA-256's values that anybody will meet.
const NO_DEVICE: [u8; 32] = [0xff; 32];

/// Seal byte of an entry: none, plain, sealed.
const EMPTY: u8 = 0xff;
const PLAIN: u8 = 0;
const SEALED: u8 = 1;

/// What a unit holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Blank,
    /// An image, of this number.
    Image(u32),
    /// Neither: a writing or an erasure was cut, or both copies rotted.
    Damaged,
    UnknownVersion,
}

/// An image in RAM: keys in the form they have in flash.
struct Image(Zeroizing<[u8; IMAGE]>);

/// The store in the first two erase units of `flash`.
pub struct KeyStore<F> {
    flash: F,
    at_rest: AtRest,
    /// The unit that holds the image, if there is one.
    live: Option<u8>,
    /// Its number.
    number: u32,
    /// There is something, and it is no image.
    damaged: bool,
}

impl<F: NorFlash> KeyStore<F> {
    /// Opens the store, and ends what a power cut interrupted: of two images the newer counts, and what is beside it is erased.
    ///
    /// # Errors
    /// [`StoreError::UnknownVersion`], [`StoreError::Medium`], [`StoreError::NotErased`].
    pub fn open(flash: F, at_rest: AtRest) -> Result<Self, StoreError> {
        const {
            assert!(F::WRITE_SIZE.is_power_of_two() && F::WRITE_SIZE <= 32, "the write size is 1 to 32 bytes");
            assert!(F::READ_SIZE.is_power_of_two() && F::READ_SIZE <= 32, "the read size is 1 to 32 bytes");
            assert!(F::ERASE_SIZE >= COPIES as usize * IMAGE, "an erase unit is shorter than two images");
        }
        if flash.capacity() < 2 * F::ERASE_SIZE {
            return Err(StoreError::Medium);
        }
        let mut store = Self { flash, at_rest, live: None, number: 0, damaged: false };
        let units = [store.look(0)?, store.look(1)?];
        if units.contains(&Unit::UnknownVersion) {
            return Err(StoreError::UnknownVersion);
        }
        for (unit, seen) in [(0, units[0]), (1, units[1])] {
            if let Unit::Image(number) = seen
                && (store.live.is_none() || number > store.number)
            {
                (store.live, store.number) = (Some(unit), number);
            }
        }
        store.damaged = store.live.is_none() && units.contains(&Unit::Damaged);
        for (unit, seen) in [(0, units[0]), (1, units[1])] {
            if store.live.is_some_and(|live| live != unit) && seen != Unit::Blank {
                store.erase(unit)?;
            }
        }
        Ok(store)
    }

    /// Whether the store is empty because its keys were destroyed: there is an image, and no key in it.
    pub fn was_emptied(&mut self) -> bool {
        self.live.is_some() && self.image().is_ok_and(|image| image.entry(Slot::Current).is_none())
    }

    /// The key in `slot`, or `None`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::WrongSeal`], [`StoreError::Medium`].
    pub fn load(&mut self, slot: Slot) -> Result<Option<StoredKey>, StoreError> {
        if self.damaged {
            return Err(StoreError::Damaged);
        }
        let image = self.image()?;
        let Some((alg, seal, blob)) = image.entry(slot) else { return Ok(None) };
        let mut key = StoredKey { alg: Algorithm::from_cose(alg).ok_or(StoreError::Medium)?, secret: [0; 32] };
        match (seal, &self.at_rest) {
            (SEALED, AtRest::Sealed(device)) => {
                wrap(device).unwrap_key(blob, &mut key.secret).map_err(|_| StoreError::WrongSeal)?;
            }
            (PLAIN, AtRest::InsecurelyPlain) => {
                for (to, from) in key.secret.iter_mut().zip(blob) {
                    *to = *from;
                }
            }
            _ => return Err(StoreError::WrongSeal),
        }
        if key.alg.is_scalar(&key.secret) { Ok(Some(key)) } else { Err(StoreError::WrongSeal) }
    }

    /// Draws a key and stores it.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`], [`StoreError::Entropy`], [`StoreError::Medium`], [`StoreError::NotErased`].
    pub fn generate(&mut self, slot: Slot, alg: Algorithm, entropy: &mut impl Entropy) -> Result<(), StoreError> {
        let secret = super::draw(alg, entropy)?;
        self.import(slot, alg, &secret)
    }

    /// Stores a key from outside: in a factory that draws keys elsewhere. The caller erases its copy.
    ///
    /// # Errors
    /// As [`KeyStore::generate`]; [`StoreError::NotASecret`]; [`StoreError::WrongSeal`] when the store is locked.
    pub fn import(&mut self, slot: Slot, alg: Algorithm, secret: &[u8; 32]) -> Result<(), StoreError> {
        if !alg.is_scalar(secret) {
            return Err(StoreError::NotASecret);
        }
        let mut image = self.image()?;
        if image.entry(slot).is_some() {
            return Err(StoreError::AlreadyThere);
        }
        let mut blob = Zeroizing::new([0xff; WRAPPED]);
        let seal = match &self.at_rest {
            AtRest::Sealed(device) => {
                wrap(device).wrap_key(secret, &mut *blob).map_err(|_| StoreError::Medium)?;
                SEALED
            }
            AtRest::InsecurelyPlain => {
                for (to, from) in blob.iter_mut().zip(secret) {
                    *to = *from;
                }
                PLAIN
            }
            AtRest::Locked => return Err(StoreError::WrongSeal),
        };
        image.put(slot, alg, seal, &blob);
        self.replace(&mut image)
    }

    /// The device's id, once a key followed its first one; `None` while the current key is the first, from which the id comes.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Medium`].
    pub fn device(&mut self) -> Result<Option<DeviceId>, StoreError> {
        if self.damaged {
            return Err(StoreError::Damaged);
        }
        let id = self.image()?.field(DEVICE);
        Ok((id != NO_DEVICE).then_some(DeviceId(id)))
    }

    /// Makes the next key the current one; the old one is erased. `device` is the device's id: it is kept from the first time on, and
    /// no later one replaces it.
    ///
    /// # Errors
    /// [`StoreError::NoKey`] when there is no next one, [`StoreError::Medium`], [`StoreError::NotErased`].
    pub fn promote(&mut self, device: &DeviceId) -> Result<(), StoreError> {
        let mut image = self.image()?;
        if image.entry(Slot::Next).is_none() {
            return Err(StoreError::NoKey);
        }
        if image.field(DEVICE) == NO_DEVICE {
            image.set(DEVICE, &device.0);
        }
        image.promote();
        self.replace(&mut image)
    }

    /// Erases all keys, and reads that they are gone. An empty image stays, which says so.
    ///
    /// # Errors
    /// [`StoreError::NotErased`]: the flash is worn or protected, and must be destroyed otherwise.
    pub fn destroy(&mut self) -> Result<(), StoreError> {
        match self.replace(&mut Image::empty()) {
            // What cannot be written may still be erased.
            Err(StoreError::Medium) => {
                (self.live, self.number, self.damaged) = (None, 0, false);
                let (first, second) = (self.erase(0), self.erase(1));
                first.and(second)
            }
            other => other,
        }
    }

    fn address(unit: u8) -> u32 {
        #[allow(clippy::cast_possible_truncation, reason = "erase units of key stores are below 4 GiB")]
        let unit_bytes = F::ERASE_SIZE as u32;
        u32::from(unit) * unit_bytes
    }

    fn read(&mut self, unit: u8, copy: u32) -> Result<Image, StoreError> {
        let mut image = Image::empty();
        let address = Self::address(unit) + copy * IMAGE_BYTES;
        self.flash.read(address, &mut *image.0).map_err(|_| StoreError::Medium)?;
        Ok(image)
    }

    fn look(&mut self, unit: u8) -> Result<Unit, StoreError> {
        for copy in 0..COPIES {
            if let Some(seen) = self.read(unit, copy)?.look() {
                return Ok(seen);
            }
        }
        Ok(if self.is_blank(unit)? { Unit::Blank } else { Unit::Damaged })
    }

    /// The image that counts, or an empty one.
    fn image(&mut self) -> Result<Image, StoreError> {
        let Some(unit) = self.live else { return Ok(Image::empty()) };
        for copy in 0..COPIES {
            let image = self.read(unit, copy)?;
            if image.look() == Some(Unit::Image(self.number)) {
                return Ok(image);
            }
        }
        Err(StoreError::Damaged)
    }

    /// Writes `image` to the unit that is not live, reads it back, and erases the other.
    fn replace(&mut self, image: &mut Image) -> Result<(), StoreError> {
        let number = self.number.checked_add(1).ok_or(StoreError::Medium)?;
        let unit = self.live.map_or(0, |live| 1 - live);
        image.seal(number);
        // It is blank; but whether it was wholly erased cannot be seen, so it is erased again.
        self.erase(unit)?;
        for copy in 0..COPIES {
            let written = self.flash.write(Self::address(unit) + copy * IMAGE_BYTES, &*image.0);
            let same = self.read(unit, copy).is_ok_and(|read| *read.0 == *image.0);
            if written.is_err() || !same {
                self.erase(unit)?;
                return Err(StoreError::Medium);
            }
        }
        let old = self.live.replace(unit);
        (self.number, self.damaged) = (number, false);
        old.map_or(Ok(()), |old| self.erase(old))
    }

    fn erase(&mut self, unit: u8) -> Result<(), StoreError> {
        let start = Self::address(unit);
        self.flash.erase(start, start + Self::address(1)).map_err(|_| StoreError::NotErased)?;
        if self.is_blank(unit).is_ok_and(|blank| blank) { Ok(()) } else { Err(StoreError::NotErased) }
    }

    fn is_blank(&mut self, unit: u8) -> Result<bool, StoreError> {
        let start = Self::address(unit);
        let mut piece = Zeroizing::new([0; 32]);
        for address in (start..start + Self::address(1)).step_by(piece.len()) {
            self.flash.read(address, &mut *piece).map_err(|_| StoreError::Medium)?;
            if piece.iter().any(|&byte| byte != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The cipher that seals keys on the device with this secret.
fn wrap(device: &[u8; 32]) -> KwAes128 {
    let mut key = Zeroizing::new([0; 16]);
    // 16 bytes are a length that HKDF-SHA-256 gives.
    let _: Result<(), _> = Hkdf::<Sha256>::new(None, device).expand(b"cairn-key-store-1", &mut *key);
    KwAes128::new((&*key).into())
}

impl Image {
    fn empty() -> Self {
        let mut image = Self(Zeroizing::new([0xff; IMAGE]));
        for (to, from) in image.0.iter_mut().zip([MAGIC[0], MAGIC[1], VERSION, 0]) {
            *to = from;
        }
        image
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn content(&self) -> &[u8] {
        self.0.get(..CONTENT).unwrap_or_default()
    }

    /// What these bytes are; `None` when they are blank or damaged.
    fn look(&self) -> Option<Unit> {
        if self.field(0) != MAGIC || self.field::<4>(CONTENT) != crc32(self.content()).to_le_bytes() {
            return None;
        }
        let [version] = self.field(2);
        Some(if version == VERSION { Unit::Image(u32::from_le_bytes(self.field(4))) } else { Unit::UnknownVersion })
    }

    /// Gives it its number and its checksum.
    fn seal(&mut self, number: u32) {
        self.set(4, &number.to_le_bytes());
        let crc = crc32(self.content());
        self.set(CONTENT, &crc.to_le_bytes());
    }

    fn set(&mut self, at: usize, bytes: &[u8]) {
        for (to, from) in self.0.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    const fn at(slot: Slot) -> usize {
        HEAD + slot as usize * ENTRY
    }

    /// Algorithm, seal and content of a slot that is not empty.
    fn entry(&self, slot: Slot) -> Option<(i8, u8, &[u8])> {
        let [alg, seal] = self.field(Self::at(slot));
        let blob = self.0.get(Self::at(slot) + 4..Self::at(slot) + ENTRY)?;
        (seal != EMPTY).then_some((alg.cast_signed(), seal, blob))
    }

    fn put(&mut self, slot: Slot, alg: Algorithm, seal: u8, blob: &[u8; WRAPPED]) {
        self.set(Self::at(slot), &[alg.cose().cast_unsigned(), seal, 0, 0]);
        self.set(Self::at(slot) + 4, blob);
    }

    /// The next key becomes the current one, and its slot empty.
    fn promote(&mut self) {
        let next = Zeroizing::new(self.field::<ENTRY>(Self::at(Slot::Next)));
        self.set(Self::at(Slot::Current), &*next);
        self.set(Self::at(Slot::Next), &[0xff; ENTRY]);
    }
}
