//! Untyped settings as they were found, and the readers that turn them into typed values.
//!
//! A reader returns what it expected instead when the text is not of its form; it knows nothing of keys or origins.

use std::collections::BTreeMap;
use std::time::Duration;

use quorla_client::amount::{size_bytes, span_ms};

use super::problem::Origin;

/// A value as a source gave it. The environment and flags only know text.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Float(f64),
    List(Vec<String>),
    Table(BTreeMap<String, String>),
}

/// A value and where it was set.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Setting {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// The settings found so far, by key; a stronger source replaces a weaker one's.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Draft {
    pub(super) settings: BTreeMap<&'static str, Setting>,
}

impl Draft {
    pub(super) fn set(&mut self, key: &'static str, raw: Raw, origin: Origin) {
        self.settings.insert(key, Setting { raw, origin });
    }

    pub(super) fn origin(&self, key: &str) -> Origin {
        self.settings.get(key).map_or(Origin::Default, |setting| setting.origin.clone())
    }
}

/// What was expected instead.
pub(super) type Expected = &'static str;

pub(super) fn text(raw: &Raw) -> Result<String, Expected> {
    match raw {
        Raw::Text(text) => Ok(text.clone()),
        _ => Err("a string"),
    }
}

pub(super) fn count(raw: &Raw) -> Result<u32, Expected> {
    const EXPECTED: Expected = "a whole number from 0 to 4294967295";
    match raw {
        Raw::Integer(number) => u32::try_from(*number).map_err(|_| EXPECTED),
        Raw::Text(text) => text.trim().parse().map_err(|_| EXPECTED),
        _ => Err(EXPECTED),
    }
}

/// `["a", "b"]`, or `a,b` from the environment.
pub(super) fn list(raw: &Raw) -> Result<Vec<String>, Expected> {
    match raw {
        Raw::List(items) => Ok(items.clone()),
        Raw::Text(text) => Ok(split_commas(text).map(str::to_owned).collect()),
        _ => Err("a list of strings"),
    }
}

/// `{ zone = "a" }`, or `zone=a,disk=ssd` from the environment.
pub(super) fn table(raw: &Raw) -> Result<BTreeMap<String, String>, Expected> {
    const EXPECTED: Expected = "a table of strings, or key=value pairs with commas between";
    match raw {
        Raw::Table(entries) => Ok(entries.clone()),
        Raw::Text(text) => split_commas(text)
            .map(|pair| pair.split_once('=').ok_or(EXPECTED))
            .map(|pair| pair.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())))
            .collect(),
        _ => Err(EXPECTED),
    }
}

/// `"250ms"`, `"3s"`, `"10m"`, `"2h"`, `"7d"`; the unit is never left out.
pub(super) fn duration(raw: &Raw) -> Result<Duration, Expected> {
    const EXPECTED: Expected = "a duration such as \"250ms\", \"3s\", \"10m\", \"2h\" or \"7d\"";
    let Raw::Text(text) = raw else {
        return Err(EXPECTED);
    };
    span_ms(text).map(Duration::from_millis).ok_or(EXPECTED)
}

/// `"512B"`, `"64KiB"`, `"64MiB"`, `"2GiB"`, `"1TiB"`, or plain bytes as a number.
pub(super) fn bytes(raw: &Raw) -> Result<u64, Expected> {
    const EXPECTED: Expected = "a size such as \"512B\", \"64KiB\", \"64MiB\" or \"2GiB\"";
    if let Raw::Integer(number) = raw {
        return u64::try_from(*number).map_err(|_| EXPECTED);
    }
    let Raw::Text(text) = raw else {
        return Err(EXPECTED);
    };
    size_bytes(text).ok_or(EXPECTED)
}

/// Cores as `"2.5"`, `2.5` or `2`, with at most three decimals; the result is in thousandths.
pub(super) fn cpu_milli(raw: &Raw) -> Result<u64, Expected> {
    const EXPECTED: Expected = "a number of cores such as \"2.5\", with at most three decimals";
    let written = match raw {
        Raw::Text(text) => text.trim().to_owned(),
        Raw::Integer(number) => number.to_string(),
        Raw::Float(number) => number.to_string(),
        _ => return Err(EXPECTED),
    };
    let (whole, decimals) = written.split_once('.').unwrap_or((&written, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
        return Err(EXPECTED);
    }
    let whole: u64 = whole.parse().map_err(|_| EXPECTED)?;
    let milli: u64 = format!("{decimals:0<3}").parse().map_err(|_| EXPECTED)?;
    whole.checked_mul(1_000).and_then(|cores| cores.checked_add(milli)).ok_or(EXPECTED)
}

fn split_commas(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Raw, bytes, cpu_milli, duration, list, table};

    fn written(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, expected_ms) in [("250ms", 250), ("3s", 3_000), ("7d", 604_800_000), ("2 h", 7_200_000)] {
            assert_eq!(duration(&written(text)), Ok(Duration::from_millis(expected_ms)), "{text}");
        }
        for text in ["3", "", "s", "-3s", "3 weeks", "99999999999999999999d", "1.5s"] {
            assert!(duration(&written(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary_and_never_wrap() {
        assert_eq!(bytes(&written("64MiB")), Ok(67_108_864));
        assert_eq!(bytes(&Raw::Integer(4_096)), Ok(4_096));
        for raw in [written("64MB"), written("99999999TiB"), written("lots"), Raw::Integer(-1)] {
            assert!(bytes(&raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn cores_are_exact_to_a_thousandth() {
        for (raw, milli) in
            [(written("2.5"), 2_500), (written("0.125"), 125), (Raw::Integer(4), 4_000), (Raw::Float(0.5), 500)]
        {
            assert_eq!(cpu_milli(&raw), Ok(milli), "{raw:?}");
        }
        for raw in [written("2.0001"), written("-1"), written("."), Raw::Float(-0.5), written("2.5e1")] {
            assert!(cpu_milli(&raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn environment_lists_and_tables_use_commas() {
        assert_eq!(list(&written("a:1, b:2,")), Ok(vec!["a:1".to_owned(), "b:2".to_owned()]));
        assert_eq!(table(&written("zone=a, disk=ssd")).map(|table| table.len()), Ok(2));
        assert!(table(&written("zone")).is_err());
    }
}
