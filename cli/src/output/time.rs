//! Times and spans as people read them. Everything is UTC.

/// `2026-11-21 10:24:11`, from milliseconds since 1970.
pub(crate) fn date(ms: u64) -> String {
    let seconds = ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Milliseconds since 1970, from `2026-11-21T10:24:11Z`, `2026-11-21 10:24:11` or `2026-11-21`.
pub(crate) fn moment_ms(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let [year, month, day] = numbers(day, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    Some((((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000)
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let plain = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit()) && part.len() <= 4;
    let numbers: Option<Vec<u64>> = text.split(between).map(|part| part.parse().ok().filter(|_| plain(part))).collect();
    numbers?.try_into().ok()
}

/// `850ms`, `3.2s`, `5m12s`, `2h03m`, `4d07h`.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}m{:02}s", ms / 60_000, ms / 1_000 % 60),
        3_600_000..86_400_000 => format!("{}h{:02}m", ms / 3_600_000, ms / 60_000 % 60),
        _ => format!("{}d{:02}h", ms / 86_400_000, ms / 3_600_000 % 24),
    }
}

/// How long before `now_ms` something was.
pub(crate) fn ago(ms: u64, now_ms: u64) -> String {
    format!("{} ago", span(now_ms.saturating_sub(ms)))
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The inverse, from the same source.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::{date, moment_ms, span};

    #[test]
    fn dates_are_those_of_the_calendar() {
        let rows = [
            (0, "1970-01-01 00:00:00"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_700_000_000_000, "2023-11-14 22:13:20"),
        ];
        for (ms, expected) in rows {
            assert_eq!(date(ms), expected);
            assert_eq!(moment_ms(expected), Some(ms));
        }
        assert_eq!(moment_ms("2023-11-14T22:13:20Z"), Some(1_700_000_000_000));
        assert_eq!(moment_ms("2000-02-29"), Some(951_782_400_000));
        for text in ["", "2000", "2000-13-01", "1969-12-31", "2000-01-01T25:00:00", "2000-+1-01", "10:00:00"] {
            assert_eq!(moment_ms(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_short() {
        let rows = [(5, "5ms"), (3_250, "3.2s"), (312_000, "5m12s"), (7_380_000, "2h03m"), (371_000_000, "4d07h")];
        for (ms, expected) in rows {
            assert_eq!(span(ms), expected);
        }
    }
}
