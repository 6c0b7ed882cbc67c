//! Asks the host's name servers, and says what they said.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use kiln_sandbox::NAME_SERVER_PORT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::message::{self, BYTES_MAX, Question};

/// How long one name server is waited for. The C library asks again after five seconds: by then the
/// next two were asked here.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How often the list of name servers is gone through.
const ROUNDS: usize = 2;
/// How long a name server may take over one answer by TCP.
const STREAM_WITHIN: Duration = Duration::from_secs(5);
/// Name servers that are read from a file, as many as the C library reads.
const NAMESERVERS_MAX: usize = 3;

/// Asks these name servers.
#[derive(Debug)]
pub(crate) struct Resolver {
    nameservers: Vec<SocketAddr>,
}

/// The name servers that a file such as `/etc/resolv.conf` names, in its order.
///
/// # Errors
/// What the file system says; a file without any is none.
pub fn host_nameservers(file: &Path) -> io::Result<Vec<SocketAddr>> {
    Ok(parse(&std::fs::read_to_string(file)?))
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let words = text.lines().map(|line| line.split_whitespace());
    let servers = words.filter_map(|mut words| match words.next() {
        // An address of a link (`fe80::1%eth0`) needs more than an address says.
        Some("nameserver") => words.next()?.parse::<IpAddr>().ok(),
        _ => None,
    });
    let servers = servers.map(|server| SocketAddr::new(server, NAME_SERVER_PORT));
    servers.take(NAMESERVERS_MAX).collect()
}

impl Resolver {
    pub(crate) fn new(nameservers: Vec<SocketAddr>) -> Self {
        Self { nameservers }
    }

    /// Asks one name server after the other until one answers.
    pub(crate) async fn ask(&self, query: &[u8], question: &Question) -> Option<Vec<u8>> {
        for _ in 0..ROUNDS {
            for server in &self.nameservers {
                match timeout(ANSWER_WITHIN, datagram(*server, query, question)).await {
                    Ok(Ok(answer)) => return Some(answer),
                    Ok(Err(error)) => tracing::debug!(%server, %error, "a name server fails"),
                    Err(_) => tracing::debug!(%server, "a name server does not answer"),
                }
            }
        }
        None
    }

    /// The same over TCP, where answers may be long.
    pub(crate) async fn ask_at_length(&self, query: &[u8], question: &Question) -> Option<Vec<u8>> {
        for server in &self.nameservers {
            match timeout(STREAM_WITHIN, stream(*server, query, question)).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => tracing::debug!(%server, %error, "a name server fails"),
                Err(_) => tracing::debug!(%server, "a name server does not answer"),
            }
        }
        None
    }
}

async fn datagram(server: SocketAddr, query: &[u8], question: &Question) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server.ip() {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A socket each: its port is one more thing that a forger would have to guess.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; BYTES_MAX];
    loop {
        let length = socket.recv(&mut answer).await?;
        if message::answers(&answer[..length], query, question) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn stream(server: SocketAddr, query: &[u8], question: &Question) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, query).await?;
    let answer = read_framed(&mut stream).await?;
    match message::answers(&answer, query, question) {
        true => Ok(answer),
        false => Err(io::Error::other("the answer is to another question")),
    }
}

/// Writes a message as it goes over TCP: its length before it (RFC 1035, 4.2.2).
pub(crate) async fn write_framed(
    to: &mut (impl AsyncWriteExt + Unpin),
    message: &[u8],
) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_be_bytes(), message].concat())
        .await
}

/// Reads one.
pub(crate) async fn read_framed(from: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = vec![0; from.read_u16().await?.into()];
    from.read_exact(&mut message).await?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::message::tests::query;

    #[test]
    fn name_servers_are_read_as_the_c_library_reads_them() {
        let text = "# nameserver 1.1.1.1\nnameserver 10.0.0.2\nsearch a.b\n nameserver\tfd00::1 \n\
                    nameserver fe80::1%eth0\nnameserver\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n";
        let found: Vec<_> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.2:53", "[fd00::1]:53", "10.0.0.3:53"]);
    }

    /// A name server that first sends what is no answer.
    async fn serve(socket: UdpSocket) {
        let mut buffer = [0; 512];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let mut answer = buffer[..length].to_vec();
        answer[2] |= 0x80;
        let mut forged = answer.clone();
        forged[0] ^= 0xFF;
        for message in [&[0; 3][..], &forged, &answer] {
            socket.send_to(message, from).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_next_one_is_asked_when_one_fails_and_forgeries_are_passed_over() {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let gone = gone.local_addr().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = Resolver::new(vec![gone, socket.local_addr().unwrap()]);
        let query = query("example.com", 1);
        let question = message::question(&query).unwrap();
        let (answer, ()) = tokio::join!(resolver.ask(&query, &question), serve(socket));
        assert_eq!(answer.unwrap()[..2], query[..2]);
        assert_eq!(Resolver::new(vec![]).ask(&query, &question).await, None);
    }

    #[tokio::test]
    async fn long_answers_come_over_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let resolver = Resolver::new(vec![listener.local_addr().unwrap()]);
        let query = query("example.com", 16);
        let question = message::question(&query).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut answer = read_framed(&mut stream).await.unwrap();
            answer[2] |= 0x80;
            answer.resize(60_000, 0);
            write_framed(&mut stream, &answer).await.unwrap();
        };
        let (answer, ()) = tokio::join!(resolver.ask_at_length(&query, &question), serve);
        assert_eq!(answer.unwrap().len(), 60_000);
    }
}
