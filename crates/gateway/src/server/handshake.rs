//! The beginning of an encrypted connection.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::tls::Tls;

/// What a client reads that forgot the `s` of `https`.
const NOT_ENCRYPTED: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 69\r\n\
    connection: close\r\n\r\nThis port speaks TLS: begin its address with https:// and not http://";

/// How much of such a request is read, so that closing the connection does not take the answer with it.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Agrees with a client on how the connection is encrypted, within a time; none where that was all it wanted.
pub(super) async fn secured(
    tls: &Tls,
    stream: TcpStream,
    within: Duration,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let agreed = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        // The first byte of a handshake is 22; of a request, the first letter of its method.
        if first[0].is_ascii_uppercase() {
            return turn_away(stream).await;
        }
        tls.accept(stream).await
    };
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
    let agreed = tokio::time::timeout(within, agreed).await;
    agreed.map_err(|_| timed_out())?
}

async fn turn_away(mut stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut request = vec![0; REQUEST_BYTES_MAX];
    // What is there already; more would have to be waited for.
    let _ = stream.try_read(&mut request);
    stream.write_all(NOT_ENCRYPTED).await?;
    stream.shutdown().await?;
    Err(io::Error::other("a request that is not encrypted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_what_is_not_encrypted_is_whole() {
        let text = std::str::from_utf8(NOT_ENCRYPTED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
