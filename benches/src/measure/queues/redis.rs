//! A Redis stream with a consumer group, which is what messages go through in Redis when each has one taker.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, bail};
use kiln_testkit::Redis;

use super::{BATCH, MESSAGE_BYTES, Queue};
use crate::load::{Connection, IsWhole};

const GROUP: [&str; 2] = ["GROUP", "takers"];

/// A stream and who takes from it.
pub(super) struct Stream {
    address: SocketAddr,
    send: Vec<u8>,
    receive: Vec<u8>,
}

/// What Redis answers, in its protocol's second version.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Nothing,
    Text(String),
    Many(Vec<Reply>),
}

impl Stream {
    pub(super) fn create(server: &Redis) -> anyhow::Result<Self> {
        // The bench measures the stream, not who may use it.
        server.ask(&["ACL", "SETUSER", "default", "nopass"]);
        let made = server.ask(&["XGROUP", "CREATE", "measured", GROUP[1], "$", "MKSTREAM"]);
        anyhow::ensure!(made == "OK", "{made}");
        let message = "x".repeat(MESSAGE_BYTES);
        let [group, takers] = GROUP;
        let most = BATCH.to_string();
        Ok(Self {
            address: (Ipv4Addr::LOCALHOST, server.port()).into(),
            send: command(&["XADD", "measured", "*", "m", &message]),
            receive: command(&[
                "XREADGROUP",
                group,
                takers,
                "one",
                "COUNT",
                &most,
                "STREAMS",
                "measured",
                ">",
            ]),
        })
    }
}

impl Queue for Stream {
    const IS_WHOLE: IsWhole = |bytes| Ok(reply(bytes)?.is_some());

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn message(&self) -> &[u8] {
        &self.send
    }

    async fn take(&self, connection: &mut Connection) -> anyhow::Result<usize> {
        let (received, _) = reply(connection.ask(&self.receive).await?)?.context("a reply")?;
        let ids = ids(received);
        if !ids.is_empty() {
            let mut words = vec!["XACK", "measured", GROUP[1]];
            words.extend(ids.iter().map(String::as_str));
            connection.ask(&command(&words)).await?;
        }
        Ok(ids.len())
    }
}

/// The ids in what XREADGROUP says: a list of streams, each with its name and a list of entries, each an id and fields.
fn ids(received: Reply) -> Vec<String> {
    let many = |reply| match reply {
        Reply::Many(parts) => parts,
        _ => Vec::new(),
    };
    let entries = many(received)
        .into_iter()
        .flat_map(|stream| many(stream).pop());
    let ids = entries.flat_map(many).filter_map(|entry| {
        let id = many(entry).into_iter().next();
        match id {
            Some(Reply::Text(id)) => Some(id),
            _ => None,
        }
    });
    ids.collect()
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text.into_bytes()
}

/// The first reply and its length; none while more must come. What says that something failed is an error.
fn reply(bytes: &[u8]) -> anyhow::Result<Option<(Reply, usize)>> {
    let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") else {
        return Ok(None);
    };
    let line = std::str::from_utf8(&bytes[..end])?;
    let (kind, text) = line.split_at_checked(1).context("a kind")?;
    let mut length = end + 2;
    if text == "-1" {
        return Ok(Some((Reply::Nothing, length)));
    }
    let reply = match kind {
        "+" | ":" => Reply::Text(text.to_owned()),
        "$" => {
            let size: usize = text.parse()?;
            let Some(text) = bytes.get(length..length + size) else {
                return Ok(None);
            };
            length += size + 2;
            Reply::Text(std::str::from_utf8(text)?.to_owned())
        }
        "*" => {
            let mut parts = Vec::new();
            for _ in 0..text.parse::<usize>()? {
                let Some((part, size)) = reply(&bytes[length..])? else {
                    return Ok(None);
                };
                parts.push(part);
                length += size;
            }
            Reply::Many(parts)
        }
        _ => bail!("Redis says {line}"),
    };
    Ok((length <= bytes.len()).then_some((reply, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_what_a_group_reads() {
        let text = "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nm\r\n$1\r\nx\r\n*2\r\n$3\r\n2-0\r\n\
                    *2\r\n$1\r\nm\r\n$1\r\ny\r\n";
        let (received, length) = reply(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        assert_eq!(ids(received), ["1-0", "2-0"]);
    }

    #[test]
    fn a_reply_is_whole_at_its_end_and_not_before() {
        for text in ["+OK\r\n", ":10\r\n", "*-1\r\n", "$2\r\nab\r\n"] {
            for end in 0..text.len() {
                assert_eq!(
                    reply(&text.as_bytes()[..end]).unwrap(),
                    None,
                    "{end} of {text}"
                );
            }
            assert!(reply(text.as_bytes()).unwrap().is_some());
        }
        assert!(reply(b"-NOAUTH\r\n").is_err());
    }
}
