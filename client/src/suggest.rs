//! "Did you mean": the nearest known name for one that is unknown.

/// Names further away than this share of their length are no help.
const SIMILARITY_MIN: f64 = 0.6;

/// The candidate nearest to `word`, when one is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (similarity(word, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// The nearest field for serde's "unknown field `x`, expected one of `a`, `b`".
#[must_use]
pub(crate) fn nearest_field(message: &str) -> Option<String> {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    nearest(unknown, words).map(str::to_owned)
}

/// Letters first, and words in another order count as near: `max_attempts` is `attempts_max`.
fn similarity(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b).min(strsim::normalized_levenshtein(a, b) + 0.3).max(same_words(a, b))
}

fn same_words(a: &str, b: &str) -> f64 {
    let sorted = |text: &str| {
        let mut words: Vec<String> = text.split('_').map(str::to_owned).collect();
        words.sort();
        words.join("_")
    };
    strsim::normalized_levenshtein(&sorted(a), &sorted(b))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_is_found_and_nothing_is_better_than_nonsense() {
        let known = ["priority", "queue", "attempts_max"];
        assert_eq!(nearest("prio", known), Some("priority"));
        assert_eq!(nearest("max_attempts", known), Some("attempts_max"));
        assert_eq!(nearest("zzz", known), None);
    }
}
