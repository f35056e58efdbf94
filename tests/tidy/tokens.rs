//! Turns Rust text into a flat list of tokens that know their line and whether they are test code.
//!
//! Comments vanish and strings stay one token each, so that a banned word in prose is no finding. Knows no rule.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// One token of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// As written; `::` is one token, brackets are tokens of their own.
    pub(super) text: String,
    /// From 1.
    pub(super) line: usize,
    /// Under `#[cfg(test)]` or `#[test]`.
    pub(super) in_tests: bool,
}

impl Token {
    /// Whether this is a name or a keyword.
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_') && !self.text.contains(['"', '\''])
    }

    /// The contents of a string literal.
    pub(super) fn as_string(&self) -> Option<&str> {
        let (from, to) = (self.text.find('"')?, self.text.rfind('"')?);
        (from < to).then(|| &self.text[from + 1..to])
    }
}

/// All tokens of a file, top to bottom.
pub(super) fn flatten(path: &str, text: &str) -> Vec<Token> {
    let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: not Rust: {error}"));
    let mut tokens = Vec::new();
    push_stream(stream, false, &mut tokens);
    tokens
}

/// Where `pattern` occurs: index of its first token.
pub(super) fn occurrences(tokens: &[Token], pattern: &[&str]) -> Vec<usize> {
    tokens
        .windows(pattern.len())
        .enumerate()
        .filter(|(_, window)| window.iter().zip(pattern).all(|(token, word)| token.text == *word))
        .map(|(index, _)| index)
        .collect()
}

fn push_stream(stream: TokenStream, in_tests: bool, tokens: &mut Vec<Token>) {
    let mut in_tests = in_tests;
    let mut next_item_in_tests = false;
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                push(tokens, "#".to_owned(), punct.span().start().line, in_tests);
                let inner = matches!(trees.peek(), Some(TokenTree::Punct(mark)) if mark.as_char() == '!');
                if inner {
                    trees.next();
                }
                if let Some(TokenTree::Group(attribute)) = trees.peek() {
                    if is_doc(attribute) {
                        tokens.pop();
                        trees.next();
                    } else if is_test(attribute) {
                        in_tests |= inner;
                        next_item_in_tests |= !inner;
                    }
                }
            }
            TokenTree::Punct(punct) => {
                next_item_in_tests &= punct.as_char() != ';';
                let line = punct.span().start().line;
                let joins = punct.as_char() == ':' && punct.spacing() == Spacing::Joint;
                if joins && matches!(trees.peek(), Some(TokenTree::Punct(second)) if second.as_char() == ':') {
                    trees.next();
                    push(tokens, "::".to_owned(), line, in_tests);
                } else {
                    push(tokens, punct.as_char().to_string(), line, in_tests);
                }
            }
            TokenTree::Group(group) => {
                push_group(&group, in_tests || next_item_in_tests, tokens);
                next_item_in_tests &= group.delimiter() != Delimiter::Brace;
            }
            TokenTree::Ident(word) => {
                push(tokens, word.to_string(), word.span().start().line, in_tests || next_item_in_tests)
            }
            TokenTree::Literal(literal) => push(tokens, literal.to_string(), literal.span().start().line, in_tests),
        }
    }
}

fn push(tokens: &mut Vec<Token>, text: String, line: usize, in_tests: bool) {
    tokens.push(Token { text, line, in_tests });
}

fn push_group(group: &Group, in_tests: bool, tokens: &mut Vec<Token>) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    push(tokens, open.to_owned(), group.span_open().start().line, in_tests);
    push_stream(group.stream(), in_tests, tokens);
    push(tokens, close.to_owned(), group.span_close().end().line, in_tests);
}

fn squeezed(attribute: &Group) -> String {
    attribute.stream().to_string().split_whitespace().collect()
}

fn is_doc(attribute: &Group) -> bool {
    squeezed(attribute).starts_with("doc=")
}

fn is_test(attribute: &Group) -> bool {
    let text = squeezed(attribute);
    text == "test"
        || text.starts_with("cfg(test)")
        || text.starts_with("cfg(all(test")
        || text.starts_with("tokio::test")
}

#[cfg(test)]
mod tests {
    use super::{flatten, occurrences};

    fn texts(source: &str) -> Vec<String> {
        flatten("sample.rs", source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn prose_is_no_code() {
        assert_eq!(texts("//! todo!()\n/// todo!()\nfn f() {} // todo!()"), ["fn", "f", "(", ")", "{", "}"]);
    }

    #[test]
    fn paths_are_matched_token_by_token() {
        let tokens = flatten("sample.rs", "fn f() {\n    std::thread::sleep(d);\n}");
        let at = occurrences(&tokens, &["thread", "::", "sleep"]);
        assert_eq!(at.iter().map(|&index| tokens[index].line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn test_code_is_told_from_product_code() {
        let tokens = flatten("sample.rs", "fn a() {} #[cfg(test)] mod tests { fn b() {} } fn c() {}");
        let in_tests = |name| tokens.iter().find(|token| token.text == name).map(|token| token.in_tests);
        assert_eq!([in_tests("a"), in_tests("b"), in_tests("c")], [Some(false), Some(true), Some(false)]);
    }

    #[test]
    fn an_attribute_without_a_body_marks_nothing_after_it() {
        let tokens = flatten("sample.rs", "#[cfg(test)] mod tests; fn a() {}");
        assert!(tokens.iter().all(|token| token.text != "a" || !token.in_tests));
    }
}
