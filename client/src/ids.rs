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
/// The highest random bit: set in the ids of arrays and of their tasks, and in no job's.
const ARRAY_BIT: u128 = 1 << (RANDOM_BITS - 1);
/// The lowest random bits of an array's id are zero; in a task's they are its index and one.
const TASK_MASK: u128 = (1 << 20) - 1;
const TIME_MASK: u128 = (1 << 48) - 1;

/// The id of a job, an array, or one task of an array: time-ordered as a number, told apart by its first characters as
/// text. A task's is written as its array's, `/` and its index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u128);

/// The id of a mutating request. A submit's is its job's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RequestId(u128);

/// Text that is no job id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "read {text:?} as a job id: expected {RANDOM_CHARS} characters, a dash and {TIME_CHARS} characters of base 32, \
     for a task of an array then a slash and its index"
)]
pub struct ParseJobIdError {
    text: String,
}

impl JobId {
    /// A job's id from the server's time in milliseconds (its lower 48 bits) and 79 random bits (the lower ones).
    #[must_use]
    pub const fn from_parts(time_ms: u64, random: u128) -> Self {
        Self(compose(time_ms, random) & !ARRAY_BIT)
    }

    /// An array's id from the same; of the random bits it takes those that no task's index needs.
    #[must_use]
    pub const fn array_from_parts(time_ms: u64, random: u128) -> Self {
        Self((compose(time_ms, random) | ARRAY_BIT) & !TASK_MASK)
    }

    /// Whether it is an array's.
    #[must_use]
    pub const fn is_array(self) -> bool {
        self.0 & ARRAY_BIT != 0 && self.0 & TASK_MASK == 0
    }

    /// The id of this array's task with that index; none where this is no array's, or no task can have it.
    #[must_use]
    pub fn task(self, index: u32) -> Option<Self> {
        let low = u128::from(index) + 1;
        (self.is_array() && low <= TASK_MASK).then_some(Self(self.0 | low))
    }

    /// The array and the index, where it is a task's.
    #[must_use]
    pub fn of_task(self) -> Option<(Self, u32)> {
        let index = u32::try_from(self.0 & TASK_MASK).expect("20 bits fit").checked_sub(1)?;
        (self.0 & ARRAY_BIT != 0).then_some((Self(self.0 & !TASK_MASK), index))
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

    /// The first eight characters, which people type; with its index where it is a task's.
    #[must_use]
    pub fn short(self) -> String {
        if let Some((array, index)) = self.of_task() {
            return format!("{}/{index}", array.short());
        }
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
        if let Some((array, index)) = self.of_task() {
            return write!(f, "{array}/{index}");
        }
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
        if let Some((array, index)) = text.split_once('/') {
            let array: Self = array.parse().map_err(|_| refuse())?;
            return index.parse().ok().and_then(|index| array.task(index)).ok_or_else(refuse);
        }
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
            let array = JobId::array_from_parts(time, random);
            for id in [JobId::from_parts(time, random), array, array.task(0).unwrap(), array.task(999_999).unwrap()] {
                assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
                assert_eq!(id.time_ms(), time);
            }
        }
        let id = JobId::from_parts(7, u128::MAX);
        assert_eq!(id.to_string(), "fzzzzzzzzzzzzzzz-0000000007");
        assert_eq!(id.short(), "fzzzzzzz");
        let task = JobId::array_from_parts(7, 0).task(12).unwrap();
        assert_eq!(task.to_string(), "g000000000000000-0000000007/12");
        assert_eq!(task.short(), "g0000000/12");
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
        let no_array = "0000000000000000-0000000000/1";
        let no_index = "g000000000000000-0000000000/";
        let too_far = "g000000000000000-0000000000/1048575";
        let texts = ["", "-", "0000000000000000", "0000000000000000-000000000", "000000000000000u-0000000000"];
        for text in texts.into_iter().chain([no_array, no_index, too_far]) {
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
