//! Durations and sizes as people type them: `250ms`, `3s`, `10m`, `2h`, `7d`; `512`, `64KiB`, `2GiB`.

use quorla_client::amount::{self, size_bytes};

/// Milliseconds.
pub(crate) fn span_ms(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text:?} is no duration: write 250ms, 3s, 10m, 2h or 7d");
    amount::span_ms(text).ok_or_else(refuse)
}

/// Bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text:?} is no size: write 512, 64KiB, 256MiB or 2GiB");
    // Without a unit, bytes.
    text.parse().ok().or_else(|| size_bytes(text)).ok_or_else(refuse)
}

/// Thousandths of a CPU, from `2`, `0.5` or `250m`.
pub(crate) fn cpu_milli(text: &str) -> Result<u32, String> {
    let refuse = || format!("{text:?} is no number of CPUs: write 2, 0.5 or 250m");
    if let Some(milli) = text.strip_suffix('m') {
        return milli.parse().map_err(|_| refuse());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(refuse());
    }
    let whole: u32 = whole.parse().map_err(|_| refuse())?;
    let milli: u32 = format!("{fraction:0<3}").parse().map_err(|_| refuse())?;
    whole.checked_mul(1_000).and_then(|whole| whole.checked_add(milli)).ok_or_else(refuse)
}

/// `name=value`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form name=value")),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, cpu_milli, pair, span_ms};

    #[test]
    fn what_people_type_is_read() {
        assert_eq!(span_ms("250ms"), Ok(250));
        assert_eq!(span_ms("2h"), Ok(7_200_000));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("512"), Ok(512));
        assert_eq!(cpu_milli("0.5"), Ok(500));
        assert_eq!(cpu_milli("2"), Ok(2_000));
        assert_eq!(cpu_milli("250m"), Ok(250));
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "5", "5 parsecs", "-1s", "99999999999999999999d"] {
            assert!(span_ms(text).is_err(), "{text}");
        }
        assert!(bytes("5KB").is_err());
        assert!(cpu_milli("0.0001").is_err());
        assert!(pair("=b").is_err());
    }
}
