//! Spans and sizes as people write them, on command lines and in configuration: `250ms`, `3s`, `7d`; `512B`, `64KiB`.

const SPANS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Milliseconds; none where it is no span. The unit is never left out.
#[must_use]
pub fn span_ms(text: &str) -> Option<u64> {
    units(text, SPANS)
}

/// Bytes; none where it is no size. The unit is never left out.
#[must_use]
pub fn size_bytes(text: &str) -> Option<u64> {
    units(text, SIZES)
}

fn units(text: &str, known: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = known.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::{size_bytes, span_ms};

    #[test]
    fn amounts_have_a_unit_and_never_wrap() {
        assert_eq!((span_ms("250ms"), span_ms(" 2 h ")), (Some(250), Some(7_200_000)));
        assert_eq!((size_bytes("512B"), size_bytes("64KiB")), (Some(512), Some(65_536)));
        for text in ["", "5", "s", "-1s", "1.5s", "5 parsecs", "99999999999999999999d", "5KB"] {
            assert_eq!((span_ms(text), size_bytes(text)), (None, None), "{text}");
        }
        assert_eq!(size_bytes("99999999TiB"), None);
    }
}
