// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EIP-712: hashing of typed data, from a description of the types that is a constant of the program. Called by whoever signs
//! such data; anchors, whose type never changes, hash themselves.

use core::slice::Iter;

use super::{
    evm::Address,
    value::{MAX_NESTING, Value},
};
use crate::{
    keccak::{Keccak, keccak256},
    signer::Digest,
    word::Word,
};

/// Most struct types one type may refer to, directly or not.
pub const MAX_REFERENCED_TYPES: usize = 8;

/// A member of a struct.
#[derive(Clone, Copy, Debug)]
pub struct Field<'t> {
    /// Its name.
    pub name: &'t str,
    /// Its type as EIP-712 writes it, such as `uint64`, `string`, `Item[]` or `uint16[3]`.
    pub ty: &'t str,
    /// The struct type that `ty` names, if it names one.
    pub of: Option<&'t StructType<'t>>,
}

impl<'t> Field<'t> {
    /// A member of an atomic type, `bytes`, `string`, or an array of these.
    #[must_use]
    pub const fn new(name: &'t str, ty: &'t str) -> Self {
        Self { name, ty, of: None }
    }

    /// A member of a struct type or an array of it.
    #[must_use]
    pub const fn of(name: &'t str, ty: &'t str, of: &'t StructType<'t>) -> Self {
        Self { name, ty, of: Some(of) }
    }
}

/// A struct type.
#[derive(Clone, Copy, Debug)]
pub struct StructType<'t> {
    /// Its name.
    pub name: &'t str,
    /// Its members in order.
    pub fields: &'t [Field<'t>],
}

/// Why typed data was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedDataError {
    /// A value has not the shape of its type, or the type is none.
    Shape,
    /// The values nest deeper than [`MAX_NESTING`].
    TooDeep,
    /// The type refers to more than [`MAX_REFERENCED_TYPES`] others.
    TooManyTypes,
}

/// The domain of a signature; members that are `None` are not part of its type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Domain<'d> {
    /// What the user signs for.
    pub name: Option<&'d str>,
    /// Its version.
    pub version: Option<&'d str>,
    /// The chain, EIP-155.
    pub chain_id: Option<u64>,
    /// The contract that checks the signature.
    pub verifying_contract: Option<Address>,
    /// Tells domains apart when nothing else does.
    pub salt: Option<[u8; 32]>,
}

impl Domain<'_> {
    /// hashStruct(eip712Domain).
    #[must_use]
    pub fn separator(&self) -> [u8; 32] {
        let text = |text: &str| Word(keccak256(&[text.as_bytes()]));
        let members = [
            ("string name", self.name.map(text)),
            ("string version", self.version.map(text)),
            ("uint256 chainId", self.chain_id.map(Word::from)),
            ("address verifyingContract", self.verifying_contract.map(Word::from)),
            ("bytes32 salt", self.salt.map(Word)),
        ];
        let mut domain_type = Keccak::new();
        domain_type.update(b"EIP712Domain(");
        let mut separator: &[u8] = b"";
        for (member, _) in members.iter().filter(|(_, value)| value.is_some()) {
            domain_type.update(separator);
            domain_type.update(member.as_bytes());
            separator = b",";
        }
        domain_type.update(b")");

        let mut hash = Keccak::new();
        hash.update(&domain_type.finalize());
        for value in members.iter().filter_map(|(_, value)| *value) {
            hash.update(&value.0);
        }
        hash.finalize()
    }
}

/// keccak256(0x1901 ‖ domain separator ‖ struct hash): what is signed.
#[must_use]
pub fn digest(domain_separator: &[u8; 32], struct_hash: &[u8; 32]) -> Digest {
    Digest(keccak256(&[&[0x19, 0x01], domain_separator, struct_hash]))
}

impl<'t> StructType<'t> {
    /// keccak256(encodeType): this type, then those it refers to in the order of their names.
    ///
    /// # Errors
    /// [`TypedDataError::TooManyTypes`].
    pub fn type_hash(&self) -> Result<[u8; 32], TypedDataError> {
        let referenced = self.referenced()?;
        let mut hash = Keccak::new();
        self.put_type(&mut hash);
        let mut last = None;
        let following = |last: Option<&str>| {
            referenced.iter().filter(|ty| last.is_none_or(|last| ty.name > last)).min_by_key(|ty| ty.name)
        };
        while let Some(ty) = following(last) {
            ty.put_type(&mut hash);
            last = Some(ty.name);
        }
        Ok(hash.finalize())
    }

    /// hashStruct: keccak256(type hash ‖ encodeData). `values` are the members in order.
    ///
    /// # Errors
    /// [`TypedDataError`]. Whether an integer is in its type's range is not checked.
    pub fn hash(&self, values: &[Value<'_>]) -> Result<[u8; 32], TypedDataError> {
        let mut levels = heapless::Vec::<Level<'t, '_>, MAX_NESTING>::new();
        push(&mut levels, Level::of_struct(self, values)?)?;
        while let Some(level) = levels.last_mut() {
            if let Some(value) = level.values.next() {
                let (ty, of) = level.members.next().ok_or(TypedDataError::Shape)?;
                if let Some(inner) = level.absorb(value, ty, of)? {
                    push(&mut levels, inner)?;
                }
                continue;
            }
            let Some(done) = levels.pop() else { break };
            let hash = done.hash.finalize();
            match levels.last_mut() {
                Some(outer) => outer.hash.update(&hash),
                None => return Ok(hash),
            }
        }
        Err(TypedDataError::Shape)
    }

    fn put_type(&self, hash: &mut Keccak) {
        hash.update(self.name.as_bytes());
        let mut separator: &[u8] = b"(";
        for field in self.fields {
            for part in [separator, field.ty.as_bytes(), b" ", field.name.as_bytes()] {
                hash.update(part);
            }
            separator = b",";
        }
        hash.update(if self.fields.is_empty() { b"()" } else { b")" });
    }

    /// The struct types this one refers to, each once, itself not among them.
    fn referenced(&self) -> Result<heapless::Vec<&'t StructType<'t>, MAX_REFERENCED_TYPES>, TypedDataError> {
        let mut found = heapless::Vec::<&'t StructType<'t>, MAX_REFERENCED_TYPES>::new();
        let mut fields = self.fields;
        let mut visited = 0;
        loop {
            for ty in fields.iter().filter_map(|field| field.of) {
                if ty.name != self.name && found.iter().all(|known| known.name != ty.name) {
                    found.push(ty).map_err(|_| TypedDataError::TooManyTypes)?;
                }
            }
            let Some(next) = found.get(visited) else { return Ok(found) };
            fields = next.fields;
            visited += 1;
        }
    }
}

/// A struct or an array whose members are being hashed.
struct Level<'t, 'v> {
    hash: Keccak,
    members: Members<'t>,
    values: Iter<'v, Value<'v>>,
}

/// The types of the members.
enum Members<'t> {
    Fields(Iter<'t, Field<'t>>),
    Elements(&'t str, Option<&'t StructType<'t>>),
}

impl<'t> Members<'t> {
    fn next(&mut self) -> Option<(&'t str, Option<&'t StructType<'t>>)> {
        match self {
            Self::Fields(fields) => fields.next().map(|field| (field.ty, field.of)),
            Self::Elements(ty, of) => Some((*ty, *of)),
        }
    }
}

fn push<'t, 'v>(
    levels: &mut heapless::Vec<Level<'t, 'v>, MAX_NESTING>,
    level: Level<'t, 'v>,
) -> Result<(), TypedDataError> {
    levels.push(level).map_err(|_| TypedDataError::TooDeep)
}

impl<'t, 'v> Level<'t, 'v> {
    fn of_struct(ty: &StructType<'t>, values: &'v [Value<'v>]) -> Result<Self, TypedDataError> {
        if ty.fields.len() != values.len() {
            return Err(TypedDataError::Shape);
        }
        let mut hash = Keccak::new();
        hash.update(&ty.type_hash()?);
        Ok(Self { hash, members: Members::Fields(ty.fields.iter()), values: values.iter() })
    }

    /// Hashes a member that is atomic or bytes; gives the level of one that is a struct or an array.
    fn absorb(
        &mut self,
        value: &Value<'v>,
        ty: &'t str,
        of: Option<&'t StructType<'t>>,
    ) -> Result<Option<Self>, TypedDataError> {
        if let Some((element, size)) = array(ty) {
            let ((Value::Array(items), "") | (Value::Tuple(items), _)) = (value, size) else {
                return Err(TypedDataError::Shape);
            };
            if matches!(value, Value::Tuple(_)) && size.parse() != Ok(items.len()) {
                return Err(TypedDataError::Shape);
            }
            let members = Members::Elements(element, of);
            return Ok(Some(Self { hash: Keccak::new(), members, values: items.iter() }));
        }
        match (value, of) {
            (Value::Tuple(items), Some(of)) if of.name == ty => return Self::of_struct(of, items).map(Some),
            (Value::Bytes(bytes), None) if matches!(ty, "bytes" | "string") => self.hash.update(&keccak256(&[bytes])),
            (Value::Word(word), None) if is_atomic(ty) => self.hash.update(&word.0),
            _ => return Err(TypedDataError::Shape),
        }
        Ok(None)
    }
}

/// The element type of an array type, and what stands between its brackets.
fn array(ty: &str) -> Option<(&str, &str)> {
    ty.strip_suffix(']')?.rsplit_once('[')
}

/// Whether `ty` fits a word: `address`, `bool`, `uintN`, `intN`, `bytesN`.
fn is_atomic(ty: &str) -> bool {
    let number = |digits: &str| if digits.starts_with(['0', '+']) { None } else { digits.parse::<u16>().ok() };
    if let Some(bits) = ty.strip_prefix("uint").or_else(|| ty.strip_prefix("int")) {
        return number(bits).is_some_and(|bits| bits % 8 == 0 && (8..=256).contains(&bits));
    }
    if let Some(bytes) = ty.strip_prefix("bytes") {
        return number(bytes).is_some_and(|bytes| (1..=32).contains(&bytes));
    }
    matches!(ty, "address" | "bool")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: StructType<'_> =
        StructType { name: "Person", fields: &[Field::new("name", "string"), Field::new("wallet", "address")] };
    const MAIL: StructType<'_> = StructType {
        name: "Mail",
        fields: &[
            Field::of("from", "Person", &PERSON),
            Field::of("to", "Person", &PERSON),
            Field::new("contents", "string"),
        ],
    };

    fn bytes32(hex: &str) -> [u8; 32] {
        core::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    /// The example of EIP-712 itself.
    #[test]
    fn the_mail_of_the_specification_is_hashed_the_same() {
        let contract = [0xcc; 20];
        let cow = Word(bytes32("000000000000000000000000cd2a3d9f938e13cd947ec05abc7fe734df8dd826"));
        let from = [Value::Bytes(b"Cow"), Value::Word(cow)];
        let to = [Value::Bytes(b"Bob"), Value::word(Address([0xbb; 20]))];
        let mail = [Value::Tuple(&from), Value::Tuple(&to), Value::Bytes(b"Hello, Bob!")];
        let expected = bytes32("a0cedeb2dc280ba39b857546d74f5549c3a1d7bdc2dd96bf881f76108e23dac2");
        assert_eq!(MAIL.type_hash(), Ok(expected));
        let hash = MAIL.hash(&mail).unwrap();
        assert_eq!(hash, bytes32("c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e"));
        let domain = Domain {
            name: Some("Ether Mail"),
            version: Some("1"),
            chain_id: Some(1),
            verifying_contract: Some(Address(contract)),
            salt: None,
        };
        let separator = domain.separator();
        assert_eq!(separator, bytes32("f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"));
        let expected = bytes32("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
        assert_eq!(digest(&separator, &hash).0, expected);
    }

    #[test]
    fn referenced_types_follow_once_each_in_the_order_of_their_names() {
        const C: StructType<'_> = StructType { name: "C", fields: &[Field::new("x", "uint8")] };
        const A: StructType<'_> = StructType { name: "A", fields: &[Field::of("c", "C[]", &C)] };
        const B: StructType<'_> = StructType { name: "B", fields: &[] };
        const TOP: StructType<'_> = StructType {
            name: "Top",
            fields: &[Field::of("b", "B", &B), Field::of("a", "A[2][]", &A), Field::of("c", "C", &C)],
        };
        let text = "Top(B b,A[2][] a,C c)A(C[] c)B()C(uint8 x)";
        assert_eq!(TOP.type_hash(), Ok(keccak256(&[text.as_bytes()])));
    }

    #[test]
    fn a_value_of_another_shape_than_its_type_is_refused() {
        let word = Value::word(1_u8);
        let refuses = |ty: &str, value: Value<'_>| {
            let fields = [Field::new("x", ty)];
            let result = StructType { name: "T", fields: &fields }.hash(&[value]);
            assert_eq!(result, Err(TypedDataError::Shape), "{ty}");
        };
        for ty in ["uint8", "int256", "address", "bool", "bytes1", "bytes32"] {
            let fields = [Field::new("x", ty)];
            assert!(StructType { name: "T", fields: &fields }.hash(&[word]).is_ok(), "{ty}");
            refuses(ty, Value::Bytes(b""));
            refuses(ty, Value::Tuple(&[]));
        }
        for ty in
            ["uint", "uint7", "uint264", "uint08", "uint+8", "bytes0", "bytes33", "foo", "string", "bytes", "", "]"]
        {
            refuses(ty, word);
        }
        refuses("uint8[]", word);
        refuses("uint8[]", Value::Tuple(&[word]));
        refuses("uint8[2]", Value::Tuple(&[word]));
        refuses("uint8[1]", Value::Array(&[word]));
        refuses("Person", Value::Tuple(&[word]));
        assert_eq!(PERSON.hash(&[Value::Bytes(b"Bob")]), Err(TypedDataError::Shape));
        assert_eq!(PERSON.hash(&[Value::Bytes(b"Bob"), word, word]), Err(TypedDataError::Shape));
        let misnamed = [Field::of("x", "Human", &PERSON)];
        let person = [Value::Bytes(b"Bob"), word];
        let result = StructType { name: "T", fields: &misnamed }.hash(&[Value::Tuple(&person)]);
        assert_eq!(result, Err(TypedDataError::Shape));
    }

    #[test]
    fn nesting_and_types_beyond_the_limits_are_refused() {
        let fields = [Field::new("x", "uint8[][][][]")];
        let four = StructType { name: "T", fields: &fields };
        let (a, b) = ([Value::word(1_u8)], [Value::Array(&[Value::word(2_u8)])]);
        let deep = [Value::Array(&[Value::Array(&[Value::Array(&b)])])];
        assert!(four.hash(&deep).is_ok());
        let fields = [Field::new("x", "uint8[][][][][]")];
        let five = StructType { name: "T", fields: &fields };
        let one = [Value::Array(&a)];
        let deeper = [Value::Array(&[Value::Array(&[Value::Array(&[Value::Array(&one)])])])];
        assert_eq!(five.hash(&deeper), Err(TypedDataError::TooDeep));

        let names = ["A", "B", "C", "D", "E", "F", "G", "H", "I"];
        let types = names.map(|name| StructType { name, fields: &[] });
        let fields: [Field<'_>; 9] = core::array::from_fn(|at| Field::of("x", names[at], &types[at]));
        assert!(StructType { name: "T", fields: &fields[..MAX_REFERENCED_TYPES] }.type_hash().is_ok());
        let result = StructType { name: "T", fields: &fields }.type_hash();
        assert_eq!(result, Err(TypedDataError::TooManyTypes));
    }
}
