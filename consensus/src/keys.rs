//! The keys of both databases. A group id comes first in every key, so that several Raft groups can share one.
//!
//! Log: `group | 'L' | index` holds an entry, `group | 'M' | tag` vote, purge point and commit point.
//! State: `group | ledger key`; ledger keys start with a table tag below 0xF0, tags from 0xF0 on are ours.

/// The Raft group; there is one today, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupId(pub u16);

/// First table tag that belongs to this crate instead of the ledger.
pub(crate) const OWN_TAG_MIN: u8 = 0xF0;

const ENTRY: u8 = b'L';
const META: u8 = b'M';
const TAG_APPLIED: u8 = 0xF0;
const ENTRY_KEY_BYTES: usize = 11;

/// What the log keeps besides its entries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meta {
    Vote = 1,
    Purged = 2,
    Committed = 3,
}

pub(crate) fn entry(group: GroupId, index: u64) -> [u8; ENTRY_KEY_BYTES] {
    let mut key = [0; ENTRY_KEY_BYTES];
    key[..2].copy_from_slice(&group.0.to_be_bytes());
    key[2] = ENTRY;
    key[3..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The index in an entry's key of this group; `None` for any other key.
pub(crate) fn entry_index(group: GroupId, key: &[u8]) -> Option<u64> {
    let rest = key.strip_prefix(&group.0.to_be_bytes())?.strip_prefix(&[ENTRY])?;
    Some(u64::from_be_bytes(rest.try_into().ok()?))
}

pub(crate) fn meta(group: GroupId, meta: Meta) -> [u8; 4] {
    let [high, low] = group.0.to_be_bytes();
    let tag = match meta {
        Meta::Vote => 1,
        Meta::Purged => 2,
        Meta::Committed => 3,
    };
    [high, low, META, tag]
}

/// The group of an entry's key; `None` for any other key.
pub(crate) fn group_of_entry(key: &[u8]) -> Option<GroupId> {
    let key: &[u8; ENTRY_KEY_BYTES] = key.try_into().ok()?;
    (key[2] == ENTRY).then(|| GroupId(u16::from_be_bytes([key[0], key[1]])))
}

/// The key of a ledger record in the state database.
pub(crate) fn state(group: GroupId, key: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(2 + key.len());
    write_state(&mut whole, group, key);
    whole
}

/// The same into `whole`, in the place of what was there.
pub(crate) fn write_state(whole: &mut Vec<u8>, group: GroupId, key: &[u8]) {
    whole.clear();
    whole.extend_from_slice(&group.0.to_be_bytes());
    whole.extend_from_slice(key);
}

/// Where the applied log id and the membership lie.
pub(crate) fn applied(group: GroupId) -> [u8; 3] {
    let [high, low] = group.0.to_be_bytes();
    [high, low, TAG_APPLIED]
}

/// The ledger key inside a state key of this group; `None` for other groups and for our own records.
pub(crate) fn ledger(group: GroupId, key: &[u8]) -> Option<&[u8]> {
    let rest = key.strip_prefix(&group.0.to_be_bytes())?;
    (*rest.first()? < OWN_TAG_MIN).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_sort_by_group_then_index() {
        let keys = [entry(GroupId(0), 255), entry(GroupId(0), 256), entry(GroupId(1), 0)];
        assert!(keys.is_sorted());
        assert_eq!(entry_index(GroupId(0), &keys[1]), Some(256));
        assert_eq!(entry_index(GroupId(1), &keys[1]), None);
        assert_eq!(group_of_entry(&keys[2]), Some(GroupId(1)));
        assert_eq!(group_of_entry(&meta(GroupId(1), Meta::Vote)), None);
    }

    #[test]
    fn own_records_are_no_ledger_records() {
        assert_eq!(ledger(GroupId(3), &state(GroupId(3), &[1, 9])), Some([1, 9].as_slice()));
        assert_eq!(ledger(GroupId(3), &applied(GroupId(3))), None);
        assert_eq!(ledger(GroupId(2), &state(GroupId(3), &[1, 9])), None);
    }
}
