//! A file explains itself, and depends on no particular machine: neither its folders nor its ports.

use super::findings::Finding;
use super::source::Source;
use super::tokens::Token;

/// Hosts that a test really binds or dials; addresses of the documentation networks are text and may have any port.
const REAL_HOSTS: &[&str] = &["127.0.0.1:", "0.0.0.0:", "localhost:", "[::1]:", "[::]:"];

/// Constants of std for the same hosts.
const REAL_ADDRESSES: &[&str] = &["LOCALHOST", "UNSPECIFIED"];

/// Every file opens by saying what it owns and what it refuses to know.
pub(super) fn file_says_what_it_owns(source: &Source) -> Vec<Finding> {
    let opens_well =
        source.text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > "//! ".len());
    let what = "open with `//!`: what the file owns, what it refuses to know, which invariants it upholds";
    if opens_well { Vec::new() } else { vec![Finding::new("opening", &source.path, 1, what)] }
}

/// Tests let the kernel choose ports, so that any number of them run side by side. Everything in the package of the
/// integration tests counts; unit tests may write an address down, but not bind it.
pub(super) fn tests_take_any_port(source: &Source) -> Vec<Finding> {
    let is_fixed = |index: usize| {
        let token = &source.tokens[index];
        let counts = !source.ships() || (token.in_tests && is_bound(&source.tokens[..index]));
        counts && (token.as_string().is_some_and(has_fixed_port) || is_address_with_port(&source.tokens[index..]))
    };
    let indices = (0..source.tokens.len()).filter(|&index| !source.path.starts_with("tests/tidy/") && is_fixed(index));
    indices.map(|index| source.finding("fixed-port", index, "take port 0 and ask which one it became")).collect()
}

/// Whether the tokens end in `bind(`, perhaps with a tuple or the path of a type begun.
fn is_bound(before: &[Token]) -> bool {
    let begun = ["(", "&", "::", "std", "net", "Ipv4Addr", "Ipv6Addr", "IpAddr", "SocketAddr", "from"];
    before.iter().rev().find(|token| !begun.contains(&token.text.as_str())).is_some_and(|token| token.text == "bind")
}

fn has_fixed_port(text: &str) -> bool {
    REAL_HOSTS.iter().any(|host| {
        text.match_indices(host).any(|(at, _)| {
            let digits: String = text[at + host.len()..].chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u16>().is_ok_and(|port| port != 0)
        })
    })
}

/// `LOCALHOST, 7000` and `LOCALHOST.into(), 7000`.
fn is_address_with_port(tokens: &[Token]) -> bool {
    if !REAL_ADDRESSES.contains(&tokens[0].text.as_str()) {
        return false;
    }
    let after =
        tokens[1..].iter().map(|token| token.text.as_str()).skip_while(|text| [".", "into", "(", ")"].contains(text));
    let mut after = after.take(2);
    after.next() == Some(",")
        && after.next().is_some_and(|port| port.starts_with(|digit: char| ('1'..='9').contains(&digit)))
}

/// No path into somebody's machine in any file that people write.
pub(super) fn no_machine_is_named(path: &str, text: &str) -> Vec<Finding> {
    // Put together here, so that this file does not find itself.
    let folders = [
        ["/", "root", "/"].concat(),
        ["/", "work", "/"].concat(),
        ["/", "home", "/"].concat(),
        ["/", "Users", "/"].concat(),
    ];
    let is_named = |line: &str, folder: &String| {
        line.match_indices(folder.as_str()).any(|(at, _)| {
            at == 0 || !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}*".contains(before))
        })
    };
    let lines = text.lines().enumerate().filter(|(_, line)| folders.iter().any(|folder| is_named(line, folder)));
    lines
        .map(|(index, _)| {
            Finding::new("machine-path", path, index + 1, "a path of one machine: take it from the environment")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{file_says_what_it_owns, no_machine_is_named, tests_take_any_port};
    use crate::tidy::source::Source;

    #[test]
    fn a_file_without_an_opening_is_found() {
        for (text, expected) in [("//! Owns a.\n", 0), ("use a::b;\n", 1), ("", 1), ("//!\n", 1)] {
            assert_eq!(file_says_what_it_owns(&Source::parse("a/src/a.rs", text)).len(), expected, "{text:?}");
        }
    }

    #[test]
    fn fixed_ports_are_found() {
        for text in [
            "fn f() { start(\"127.0.0.1:7000\") }",
            "fn f() { g(\"http://[::1]:80/x\") }",
            "fn f() { g((Ipv4Addr::LOCALHOST.into(), 7000)) }",
        ] {
            assert_eq!(tests_take_any_port(&Source::parse("tests/cluster/leader.rs", text)).len(), 1, "{text}");
        }
        for text in ["fn f() { start(\"127.0.0.1:0\") }", "fn f() { g(\"192.0.2.1:7000\", (Ipv4Addr::LOCALHOST, 0)) }"]
        {
            assert!(tests_take_any_port(&Source::parse("tests/cluster/leader.rs", text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn unit_tests_may_write_a_port_but_not_bind_it() {
        let in_tests = |body: &str| format!("#[cfg(test)] mod tests {{ fn f() {{ {body} }} }}");
        let found = |body| tests_take_any_port(&Source::parse("node/src/config.rs", &in_tests(body))).len();
        assert_eq!(found("parse(\"127.0.0.1:7000\")"), 0);
        assert_eq!(found("UdpSocket::bind(\"127.0.0.1:7000\")"), 1);
        assert_eq!(found("UdpSocket::bind((Ipv4Addr::LOCALHOST, 7000))"), 1);
    }

    #[test]
    fn machine_paths_are_found() {
        let in_home = ["see ", "/home", "/ada/quorla"].concat();
        for (text, expected) in [(in_home.as_str(), 1), ("see target/debug", 0), ("see https://example.org/at/home", 0)]
        {
            assert_eq!(no_machine_is_named("README.md", text).len(), expected, "{text}");
        }
    }
}
