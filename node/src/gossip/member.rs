//! One member, and how it is written into gossip's key-value pairs.
//!
//! Values come from other machines and perhaps other versions: what can't be read is left at its default, and a member
//! without a key is none.

use std::collections::BTreeMap;

use crate::identity::KeyId;

/// What a member says about itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its identity.
    pub key: KeyId,
    /// Its name.
    pub name: String,
    /// Where its endpoint is dialled, `host:port`.
    pub address: String,
    /// The program's version.
    pub version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

const NAME: &str = "name";
const ADDRESS: &str = "address";
const VERSION: &str = "version";
const LABEL_PREFIX: &str = "label.";

/// Values longer than this are cut: gossip is no place for documents.
const VALUE_BYTES_MAX: usize = 256;

impl Member {
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let fixed = [(NAME, self.name.clone()), (ADDRESS, self.address.clone()), (VERSION, self.version.clone())];
        let fixed = fixed.into_iter().map(|(key, value)| (key.to_owned(), value));
        let labels = self.labels.iter().map(|(key, value)| (format!("{LABEL_PREFIX}{key}"), value.clone()));
        fixed.chain(labels).collect()
    }

    /// The member with this id and these pairs; `None` when the id is no key.
    pub(super) fn read<'a>(id: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut member = Self {
            key: KeyId::parse(id)?,
            name: String::new(),
            address: String::new(),
            version: String::new(),
            labels: BTreeMap::new(),
        };
        for (key, value) in pairs.filter(|(_, value)| value.len() <= VALUE_BYTES_MAX) {
            match key {
                NAME => member.name = value.to_owned(),
                ADDRESS => member.address = value.to_owned(),
                VERSION => member.version = value.to_owned(),
                _ => {
                    if let Some(label) = key.strip_prefix(LABEL_PREFIX) {
                        member.labels.insert(label.to_owned(), value.to_owned());
                    }
                }
            }
        }
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Member, VALUE_BYTES_MAX};
    use crate::identity::KeyId;

    fn member() -> Member {
        Member {
            key: KeyId([7; 32]),
            name: "n1".to_owned(),
            address: "10.0.0.1:7710".to_owned(),
            version: "0.1.0".to_owned(),
            labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
        }
    }

    #[test]
    fn member_reads_back_what_it_publishes() {
        let pairs = member().pairs();
        let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        assert_eq!(Member::read(&member().key.to_string(), pairs), Some(member()));
    }

    #[test]
    fn what_can_not_be_read_is_left_out() {
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let pairs = [("colour", "red"), ("name", long.as_str())];
        let read = Member::read(&member().key.to_string(), pairs.into_iter()).unwrap();
        assert_eq!(read.name, "");
        assert_eq!(Member::read("somebody", [].into_iter()), None);
    }
}
