//! The ids that a client draws: of jobs and of other mutating requests.
//!
//! 128 bits: 48 of milliseconds (of the server's clock, so that a client whose clock is wrong is not refused) and 80
//! random ones. The text form puts the random part first, so that a short prefix tells jobs apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_BITS: u32 = 80;
const RANDOM_CHARS: usize = 16;
const TIME_CHARS: usize = 10;
const SHORT_CHARS: usize = 8;
const TIME_MASK: u128 = (1 << 48) - 1;

/// A job's id: time-ordered as a number, told apart by its first characters as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u128);

/// The id of a mutating request. A submit's is its job's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RequestId(u128);

/// Text that is no job id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("read {text:?} as a job id: expected {RANDOM_CHARS} characters, a dash and {TIME_CHARS} characters of base 32")]
pub struct ParseJobIdError {
    text: String,
}

impl JobId {
    /// An id from the server's time in milliseconds (its lower 48 bits) and 80 random bits (the lower ones).
    #[must_use]
    pub const fn from_parts(time_ms: u64, random: u128) -> Self {
        Self(compose(time_ms, random))
    }

    /// An id from its number, as stored by a server.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The id's number.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// When it was drawn, in milliseconds of the server's clock.
    #[must_use]
    pub fn time_ms(self) -> u64 {
        time_ms(self.0)
    }

    /// The first eight characters, which people type.
    #[must_use]
    pub fn short(self) -> String {
        self.to_string()[..SHORT_CHARS].to_owned()
    }
}

impl RequestId {
    /// An id from the server's time in milliseconds (its lower 48 bits) and 80 random bits (the lower ones).
    #[must_use]
    pub const fn from_parts(time_ms: u64, random: u128) -> Self {
        Self(compose(time_ms, random))
    }

    /// An id from its number.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The id's number.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// When it was drawn, in milliseconds of the server's clock.
    #[must_use]
    pub fn time_ms(self) -> u64 {
        time_ms(self.0)
    }
}

impl From<JobId> for RequestId {
    fn from(job: JobId) -> Self {
        Self(job.0)
    }
}

const fn compose(time_ms: u64, random: u128) -> u128 {
    ((time_ms as u128 & TIME_MASK) << RANDOM_BITS) | (random & ((1 << RANDOM_BITS) - 1))
}

fn time_ms(number: u128) -> u64 {
    u64::try_from(number >> RANDOM_BITS).expect("48 bits remain after 80 of 128 are shifted out")
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let random = self.0 & ((1 << RANDOM_BITS) - 1);
        let time = self.0 >> RANDOM_BITS;
        let mut text = String::with_capacity(RANDOM_CHARS + 1 + TIME_CHARS);
        push_base32(&mut text, random, RANDOM_CHARS);
        text.push('-');
        push_base32(&mut text, time, TIME_CHARS);
        f.write_str(&text)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({self})")
    }
}

impl FromStr for JobId {
    type Err = ParseJobIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseJobIdError { text: text.to_owned() };
        let (random, time) = text.split_once('-').ok_or_else(refuse)?;
        if random.len() != RANDOM_CHARS || time.len() != TIME_CHARS {
            return Err(refuse());
        }
        let random = read_base32(random).ok_or_else(refuse)?;
        let time = read_base32(time).filter(|time| *time <= TIME_MASK).ok_or_else(refuse)?;
        Ok(Self((time << RANDOM_BITS) | random))
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            u128::deserialize(deserializer).map(Self)
        }
    }
}

/// A typed prefix in the form in which ids are compared: lower case, with Crockford's look-alikes resolved.
/// None when a character can't be part of an id.
#[must_use]
pub fn canonical_prefix(text: &str) -> Option<String> {
    text.chars().map(|c| if c == '-' { Some('-') } else { digit(c).map(|d| char::from(ALPHABET[d])) }).collect()
}

fn push_base32(text: &mut String, number: u128, chars: usize) {
    for position in (0..chars).rev() {
        let digit = usize::try_from((number >> (5 * position)) & 31).expect("five bits fit");
        text.push(char::from(ALPHABET[digit]));
    }
}

fn read_base32(text: &str) -> Option<u128> {
    text.chars().try_fold(0_u128, |number, c| Some((number << 5) | digit(c)? as u128))
}

fn digit(c: char) -> Option<usize> {
    let c = match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    ALPHABET.iter().position(|known| char::from(*known) == c)
}

#[cfg(test)]
mod tests {
    use super::{JobId, canonical_prefix};

    #[test]
    fn text_form_round_trips_and_begins_with_the_random_part() {
        for (time, random) in [(0, 0), (1_700_000_000_000, 42), ((1 << 48) - 1, u128::MAX)] {
            let id = JobId::from_parts(time, random);
            assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
            assert_eq!(id.time_ms(), time);
        }
        let id = JobId::from_parts(7, u128::MAX);
        assert_eq!(id.to_string(), "zzzzzzzzzzzzzzzz-0000000007");
        assert_eq!(id.short(), "zzzzzzzz");
    }

    #[test]
    fn look_alikes_and_capitals_are_read_as_meant() {
        let id = JobId::from_parts(1, 1);
        assert_eq!("OOOOOOOOOOOOOOOL-000000000I".parse::<JobId>().unwrap(), id);
        assert_eq!(canonical_prefix("OIL-").unwrap(), "011-");
        assert_eq!(canonical_prefix("u"), None);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "-", "0000000000000000", "0000000000000000-000000000", "000000000000000u-0000000000"] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
        assert!("0000000000000000-zzzzzzzzzz".parse::<JobId>().is_err(), "a time beyond 48 bits");
    }

    #[test]
    fn later_ids_are_greater_numbers() {
        assert!(JobId::from_parts(2, 0) > JobId::from_parts(1, u128::MAX));
    }

    #[test]
    fn json_holds_the_text_form() {
        let id = JobId::from_parts(3, 9);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<JobId>(&json).unwrap(), id);
    }
}
