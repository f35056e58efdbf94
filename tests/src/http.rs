//! One plain GET at a node's HTTP port, as curl would.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a node answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body as it came.
    pub body: String,
}

/// Asks; nothing when nobody answers any more.
pub async fn get(address: &str, path: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some(Answer { status: head.split(' ').nth(1)?.parse().ok()?, body: body.to_owned() })
}
