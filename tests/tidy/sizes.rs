//! A file is one idea and a function fits a screen: hard bounds, far above what is usual.

use super::findings::Finding;
use super::source::Source;
use super::tokens::Token;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// At most 400 lines a file.
pub(super) fn file_is_short(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let what = format!("{lines} lines, {FILE_LINES_MAX} at most: split it by noun");
    if lines > FILE_LINES_MAX { vec![Finding::new("file-size", &source.path, 0, what)] } else { Vec::new() }
}

/// At most 70 lines a function, from its `fn` to its last brace.
pub(super) fn functions_fit_a_screen(source: &Source) -> Vec<Finding> {
    let long =
        |index: &usize| lines_of_function(&source.tokens[*index..]).is_some_and(|lines| lines > FUNCTION_LINES_MAX);
    let told = |index: usize| {
        let name = &source.tokens[index + 1].text;
        source.finding(
            "function-size",
            index,
            format!("`{name}` is longer than {FUNCTION_LINES_MAX} lines: let the parent branch and the leaves compute"),
        )
    };
    source.find(&["fn"]).into_iter().filter(long).map(told).collect()
}

/// The lines of the function whose `fn` comes first; none for a type `fn()` or a declaration without a body.
fn lines_of_function(tokens: &[Token]) -> Option<usize> {
    if !tokens.get(1)?.is_word() {
        return None;
    }
    let mut depth = 0_usize;
    let mut body_depth = None;
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            ";" if depth == 0 => return None,
            "{" if depth == 0 && !is_const_argument(tokens, index) => {
                body_depth = Some(depth);
                depth += 1;
            }
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.checked_sub(1)?;
                if body_depth == Some(depth) {
                    return Some(token.line - tokens[0].line + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// `Array<{ N }>` in a signature is no body; the brace after `where A: B,` is one.
fn is_const_argument(tokens: &[Token], index: usize) -> bool {
    let opens_here = matches!(tokens[index - 1].text.as_str(), "<" | ",");
    let mut depth = 0_usize;
    let closes = tokens[index..].iter().position(|token| {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let after = closes.and_then(|length| tokens.get(index + length + 1));
    opens_here && after.is_some_and(|token| matches!(token.text.as_str(), ">" | ","))
}

#[cfg(test)]
mod tests {
    use super::{file_is_short, functions_fit_a_screen};
    use crate::tidy::source::Source;

    fn function(signature: &str, body_lines: usize) -> String {
        format!("{signature} {{\n{}}}\n", "    step();\n".repeat(body_lines))
    }

    fn long_functions(text: &str) -> usize {
        functions_fit_a_screen(&Source::parse("a/src/a.rs", text)).len()
    }

    #[test]
    fn the_401st_line_is_found() {
        let found = |lines: usize| file_is_short(&Source::parse("a/src/a.rs", &"// why\n".repeat(lines))).len();
        assert_eq!((found(400), found(401)), (0, 1));
    }

    #[test]
    fn the_71st_line_of_a_function_is_found() {
        assert_eq!((long_functions(&function("fn f()", 68)), long_functions(&function("fn f()", 69))), (0, 1));
    }

    #[test]
    fn signatures_do_not_hide_a_long_body() {
        for signature in [
            "pub async fn f<T>(a: [u8; { 3 }]) -> Result<T, E> where T: Fn()",
            "fn f() -> A<{ 3 }>",
            "fn f(call: fn(u8) -> u8)",
        ] {
            assert_eq!(long_functions(&function(signature, 80)), 1, "{signature}");
        }
    }

    #[test]
    fn a_long_function_inside_an_impl_is_found_once() {
        let text = format!("impl A {{\n{}\n{}}}\n", function("fn short()", 3), function("fn long()", 80));
        assert_eq!(long_functions(&text), 1);
    }

    #[test]
    fn a_where_clause_that_ends_in_a_comma_hides_nothing() {
        let text = format!("{}\n{}", function("fn a<T>() where T: B,", 3), function("fn c<T>() where T: B,", 80));
        assert_eq!(long_functions(&text), 1);
    }

    #[test]
    fn declarations_have_no_length() {
        let text = format!("trait A {{ fn f(); }}\n{}struct B {{ call: fn() }}", "// why\n".repeat(90));
        assert_eq!(long_functions(&text), 0);
    }
}
