//! How a command ended, and what a refusal must say: what was attempted and why, the next thing to try, a stable code.

use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What a command said, and its exit code.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) exit: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Said {
    /// Runs to the end, with this on standard input. A command may refuse without reading all of it.
    pub(super) async fn by(command: &mut Command, stdin: &[u8]) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(stdin).await.ok();
        drop(input);
        Self::of(&child.wait_with_output().await.unwrap())
    }

    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let exit = output.status.code().unwrap_or(-1);
        Self { exit, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// It did what was asked, and this is what it printed.
    pub(super) fn done(&self) -> &str {
        assert_eq!(self.exit, 0, "{self:?}");
        self.stdout.trim()
    }

    /// It refused in this way, and said so as a refusal must.
    pub(super) fn refused(&self, exit: i32, code: &str, words: &[&str]) {
        assert_eq!(self.exit, exit, "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert!(lines.iter().any(|line| line.starts_with("error: ")), "what was attempted, and why: {self:?}");
        assert!(lines.contains(&format!("  code: {code}").as_str()), "the code {code}: {self:?}");
        let tries = |line: &&&str| line.starts_with("  try:  ") || line.contains("try '--help'");
        assert!(lines.iter().any(|line| tries(&line)), "the next thing to try: {self:?}");
        for word in words {
            assert!(self.stderr.contains(word) || self.stdout.contains(word), "{word:?}: {self:?}");
        }
    }
}
