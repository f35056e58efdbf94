//! A task's own command: `{}` in the array's becomes the task's item.

/// What stands for the item in a command.
pub const PLACEHOLDER: &str = "{}";

/// The command of the task with this item. The program's name is replaced too.
#[must_use]
pub fn expand(command: Vec<String>, item: &str) -> Vec<String> {
    let put = |word: String| if word.contains(PLACEHOLDER) { word.replace(PLACEHOLDER, item) } else { word };
    command.into_iter().map(put).collect()
}

/// Bytes of the longest command that items of so many bytes give, with one more for each word.
#[must_use]
pub fn widest(command: &[String], item_bytes_max: u32) -> u64 {
    let word = |word: &String| {
        let places = word.matches(PLACEHOLDER).count();
        let rest = word.len() - places * PLACEHOLDER.len() + 1;
        let [places, rest] = [places, rest].map(|number| u64::try_from(number).expect("a length fits 64 bits"));
        rest + places * u64::from(item_bytes_max)
    };
    command.iter().map(word).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_replaced_and_counted() {
        let command = ["gzip", "{}", "--to={}-{}", "plain"].map(str::to_owned).to_vec();
        assert_eq!(expand(command.clone(), "a b"), ["gzip", "a b", "--to=a b-a b", "plain"]);
        let longest: usize = expand(command.clone(), "a b").iter().map(|word| word.len() + 1).sum();
        assert_eq!(widest(&command, 3), u64::try_from(longest).unwrap());
    }
}
