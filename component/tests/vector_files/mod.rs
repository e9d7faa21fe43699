// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loads `tests/vectors/<family>.json` and reads its fields. Each test that uses a family ends with [`Family::finish`], which
//! fails unless every vector was either run or named as not applying.
#![allow(dead_code, reason = "each test program uses the readers it needs")]

pub(crate) mod solidity;

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

/// One file of vectors and what became of them.
pub(crate) struct Family {
    name: String,
    count: usize,
    /// The vectors, in the file's order.
    vectors: Vec<Value>,
    ran: BTreeMap<String, usize>,
    skipped: BTreeMap<String, usize>,
}

impl Family {
    /// Reads a file; its `count` must be the number of vectors it holds.
    pub(crate) fn load(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut file: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(file["family"], name);
        let count = usize::try_from(file["count"].as_u64().expect("count")).unwrap();
        let Value::Array(vectors) = file["vectors"].take() else { panic!("{name}: no vectors") };
        assert_eq!(vectors.len(), count, "{name}: the file is not whole");
        assert_ne!(count, 0, "{name}: the file is empty");
        Self { name: name.to_owned(), count, vectors, ran: BTreeMap::new(), skipped: BTreeMap::new() }
    }

    /// Runs `test` on every vector for which `not_applying` gives no reason.
    pub(crate) fn run(
        mut self,
        not_applying: impl Fn(&Value) -> Option<&'static str>,
        mut test: impl FnMut(&Value),
    ) -> Self {
        for vector in std::mem::take(&mut self.vectors) {
            let kind = vector.get("kind").and_then(Value::as_str).unwrap_or("vector").to_owned();
            if let Some(reason) = not_applying(&vector) {
                *self.skipped.entry(format!("{kind}: {reason}")).or_default() += 1;
            } else {
                println!("{} {}", self.name, text(&vector["id"]));
                test(&vector);
                *self.ran.entry(kind).or_default() += 1;
            }
        }
        self
    }

    /// Fails unless exactly `ran` and `skipped`, by kind, add up to the whole file.
    pub(crate) fn finish(self, ran: &[(&str, usize)], skipped: &[(&str, usize)]) {
        let expected =
            |list: &[(&str, usize)]| list.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect::<BTreeMap<_, _>>();
        assert_eq!(self.ran, expected(ran), "{}: run", self.name);
        assert_eq!(self.skipped, expected(skipped), "{}: not applying", self.name);
        let total: usize = ran.iter().chain(skipped).map(|(_, n)| n).sum();
        assert_eq!(total, self.count, "{}: vectors", self.name);
    }
}

/// A JSON string.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

/// 0x-hex bytes.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = text(value);
    hex::decode(text.strip_prefix("0x").unwrap_or_else(|| panic!("not 0x-hex: {text}"))).expect("hex")
}

/// 0x-hex bytes of a fixed length.
pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap_or_else(|b: Vec<u8>| panic!("{} bytes, not {N}: {value}", b.len()))
}

/// An unsigned integer, as a JSON number or a decimal string.
pub(crate) fn number<T: TryFrom<u64>>(value: &Value) -> T {
    let number = value.as_u64().unwrap_or_else(|| text(value).parse().expect("decimal"));
    T::try_from(number).unwrap_or_else(|_| panic!("out of range: {number}"))
}

/// A signed integer, as a JSON number or a decimal string.
pub(crate) fn signed<T: TryFrom<i64>>(value: &Value) -> T {
    let number = value.as_i64().unwrap_or_else(|| text(value).parse().expect("decimal"));
    T::try_from(number).unwrap_or_else(|_| panic!("out of range: {number}"))
}

/// A JSON array.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not an array: {value}"))
}
