//! The bytes of every version. From the first release on, what was stored or replicated under a version stays readable for ever:
//! a line that differs here is answered with a new version beside the old one, never with new bytes for the old one. Until then
//! a changed line is answered with a higher `FORMAT_VERSION` of the data directory, which refuses what older builds wrote.

mod arrays;
mod commands;
mod keys;
mod records;
mod replies;

use std::{collections::BTreeMap, fmt::Debug};

use quorla_ledger::codec;
use serde::{Serialize, de::DeserializeOwned};

const ADVICE: &str = "a shipped version never changes: add a new version, and keep this one readable";

/// One value under its name, in a file of lines `name hex`.
struct Golden {
    lines: BTreeMap<&'static str, Vec<u8>>,
    file: &'static str,
    /// The lines that this build would write instead.
    differing: Vec<String>,
}

impl Golden {
    fn read(file: &'static str, text: &'static str) -> Self {
        let lines = text.lines().map(|line| {
            let (name, hex) = line.split_once(' ').expect("a line is a name and its bytes");
            (name, from_hex(hex))
        });
        Self { lines: lines.collect(), file, differing: Vec::new() }
    }

    /// The stored bytes of `name` must be `found`.
    fn check_bytes(&mut self, name: &str, found: &[u8]) {
        if self.lines.remove(name).as_deref() != Some(found) {
            self.differing.push(format!("{name} {}", to_hex(found)));
        }
    }

    /// They must also decode to `value`.
    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: &T) {
        let bytes = self.lines.get(name).cloned();
        self.check_bytes(name, &codec::encode(value));
        let Some(bytes) = bytes else { return };
        assert_eq!(codec::decode(&bytes).as_ref(), Some(value), "{}, {name}: {ADVICE}", self.file);
    }

    /// Every line was checked, and none differs.
    fn finish(self) {
        assert!(self.differing.is_empty(), "{}: {ADVICE}\n{}", self.file, self.differing.join("\n"));
        let names: Vec<_> = self.lines.keys().collect();
        assert!(names.is_empty(), "{}: nothing checks {names:?}: {ADVICE}", self.file);
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
