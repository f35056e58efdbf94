//! Output of jobs for a terminal: text alone, nothing that drives it.
//!
//! A job's bytes come from anywhere. Escape sequences vanish, whole ones and cut ones alike; other control characters are
//! shown as their pictures; characters that reorder a line are replaced, as are bytes that are no UTF-8. Tabs and line
//! feeds pass; a carriage return is a line feed, so that no line is written over. The state goes on from one record to the
//! next. No sequence hides more than the rest of its line.

/// Where in a sequence the text stands (ECMA-48, sections 5.3 to 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// In a control sequence.
    Control,
    /// In a string that a command carries: a title, a link, a picture.
    Text,
    /// After ESC in such a string.
    TextEscape,
}

/// Makes bytes harmless, however they are cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plain {
    state: State,
    /// After a carriage return that was not told yet.
    returned: bool,
    /// The beginning of a character.
    begun: Vec<u8>,
}

const ESCAPE: char = '\x1b';
const UNKNOWN: char = char::REPLACEMENT_CHARACTER;

impl Plain {
    /// The text of these bytes; what they only begin is kept for the next.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut rest = all.as_slice();
        loop {
            let (valid, broken) = match std::str::from_utf8(rest) {
                Ok(valid) => (valid, None),
                Err(error) => {
                    let (valid, broken) = rest.split_at(error.valid_up_to());
                    let valid = std::str::from_utf8(valid).expect("it is valid up to there");
                    (valid, Some((broken, error.error_len())))
                }
            };
            valid.chars().for_each(|c| self.push(c, &mut text));
            match broken {
                None => return text,
                Some((broken, Some(length))) => {
                    self.push(UNKNOWN, &mut text);
                    rest = &broken[length..];
                }
                Some((broken, None)) => {
                    self.begun = broken.to_vec();
                    return text;
                }
            }
        }
    }

    fn push(&mut self, c: char, text: &mut String) {
        if std::mem::take(&mut self.returned) {
            text.push('\n');
            if c == '\n' {
                return;
            }
        }
        self.state = match (self.state, c) {
            (State::Ground, ESCAPE) => State::Escape,
            (State::Ground, c) => self.show(c, text),
            (State::Escape, '[') => State::Control,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::Text,
            (State::Escape, ' '..='/') => State::Escape,
            (State::Escape, '0'..='~') => State::Ground,
            (State::Control, ' '..='?') => State::Control,
            (State::Control, '@'..='~') => State::Ground,
            (State::Escape | State::Control, ESCAPE) => State::Escape,
            (State::Text, ESCAPE) => State::TextEscape,
            (State::Text, '\x07' | '\u{9c}' | '\x18' | '\x1a') | (State::TextEscape, '\\') => State::Ground,
            (State::Text, '\n' | '\r') | (State::Escape | State::Control, _) => self.show(c, text),
            (State::Text, _) => State::Text,
            (State::TextEscape, c) => {
                self.state = State::Escape;
                return self.push(c, text);
            }
        };
    }

    /// A character outside of any sequence.
    fn show(&mut self, c: char, text: &mut String) -> State {
        match c {
            '\r' => self.returned = true,
            '\u{9b}' => return State::Control,
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => return State::Text,
            '\n' | '\t' => text.push(c),
            '\0'..' ' => text.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or(UNKNOWN)),
            '\x7f' => text.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => text.push(UNKNOWN),
            // They would let a line read other than it is.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                text.push(UNKNOWN);
            }
            '\u{2028}' | '\u{2029}' => text.push(UNKNOWN),
            c => text.push(c),
        }
        State::Ground
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop};
    use proptest::{prop_oneof, proptest};

    use super::Plain;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(Plain::default().text(bytes), expected, "{bytes:?}");
    }

    /// Bytes that a terminal may take for more than text.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            3 => prop::sample::select(b"\x1b\x1b\x1b[]PX^_\\;?0123mHJ\x07\x18\r\n\t\x9b\x9d\xc2\xe2\x80\xae".to_vec()),
            1 => any::<u8>(),
        ];
        prop::collection::vec(byte, 0..64)
    }

    proptest! {
        #[test]
        fn nothing_drives_the_terminal(bytes in hostile()) {
            let text = Plain::default().text(&bytes);
            assert!(text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "{text:?}");
            assert!(!text.contains('\u{202e}'));
        }

        #[test]
        fn cuts_between_records_change_nothing(bytes in hostile(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
            let whole = Plain::default().text(&bytes);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut plain = Plain::default();
            let parts: String = cuts.windows(2).map(|cut| plain.text(&bytes[cut[0]..cut[1]])).collect();
            assert_eq!(parts, whole);
        }

        #[test]
        fn plain_text_passes_as_it_is(text in "[a-zA-Z0-9 \\t\\n.,;:äöüß中文🎉]{0,64}") {
            check(text.as_bytes(), &text);
        }
    }

    #[test]
    fn what_is_no_text_vanishes_or_shows() {
        check(b"\x1b[31mred\x1b[0m \x1b[2Jx", "red x");
        check(b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1bPq#0\x1b\\c", "abc");
        check(b"a\x1b]0;never ended\nb", "a\nb");
        check(b"\x1b(Bplain\x1bc", "plain");
        check(b"10%\r20%\r\ndone\r", "10%\n20%\ndone");
        check(b"bell\x07 nul\0 del\x7f", "bell\u{2407} nul\u{2400} del\u{2421}");
        check(b"a\xffb\xe4\xb8c", "a\u{fffd}b\u{fffd}c");
        check("\u{9b}31mx\u{202e}y\u{85}".as_bytes(), "x\u{fffd}y\u{fffd}");
    }
}
