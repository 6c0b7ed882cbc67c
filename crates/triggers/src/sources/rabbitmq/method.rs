//! The methods of AMQP 0-9-1 that a consumer needs (the protocol's reference): those that are sent, and those that come.

use super::table::{Reader, Writer};
use crate::source::Trouble;
use crate::sources::dial::lost;

/// What the broker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Method {
    /// How one may log in.
    Start { mechanisms: String },
    /// What a connection may be like: its largest frame, and how often it is to be heard of, in seconds. 0 is no limit.
    Tune { frame_max: u32, heartbeat: u16 },
    /// What was asked for is so.
    Ok(Asked),
    /// A message follows.
    Deliver { tag: u64, is_redelivered: bool },
    /// No more messages come: the queue is gone, or the node that had it.
    Cancelled,
    /// The channel or the whole connection ends.
    Closed {
        is_connection: bool,
        code: u16,
        text: String,
    },
    /// Something that a consumer need not know.
    Other,
}

/// What one may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Open,
    OpenChannel,
    Declare,
    Qos,
    Consume,
    Close,
}

impl Method {
    pub(super) fn read(payload: &[u8]) -> Result<Self, Trouble> {
        let mut reader = Reader(payload);
        Ok(match (reader.u16()?, reader.u16()?) {
            (10, 10) => {
                let (_major, _minor) = (reader.u8()?, reader.u8()?);
                reader.table()?;
                let mechanisms = String::from_utf8_lossy(reader.long()?).into_owned();
                Method::Start { mechanisms }
            }
            (10, 30) => {
                let _channels_max = reader.u16()?;
                Method::Tune {
                    frame_max: reader.u32()?,
                    heartbeat: reader.u16()?,
                }
            }
            (10, 41) => Method::Ok(Asked::Open),
            (10, 51) => Method::Ok(Asked::Close),
            (20, 11) => Method::Ok(Asked::OpenChannel),
            (50, 11) => Method::Ok(Asked::Declare),
            (60, 11) => Method::Ok(Asked::Qos),
            (60, 21) => Method::Ok(Asked::Consume),
            (60, 30) => Method::Cancelled,
            (60, 60) => {
                let _consumer = reader.short()?;
                Method::Deliver {
                    tag: reader.u64()?,
                    is_redelivered: reader.u8()? & 1 != 0,
                }
            }
            (class @ (10 | 20), 50 | 40) => Method::Closed {
                is_connection: class == 10,
                code: reader.u16()?,
                text: reader.short()?,
            },
            _ => Method::Other,
        })
    }
}

fn method(class: u16, method: u16) -> Writer {
    Writer::default().u16(class).u16(method)
}

/// Says who one is.
pub(super) fn start_ok(user: &str, password: &str) -> Writer {
    let response = format!("\0{user}\0{password}");
    method(10, 11)
        .table(
            &[
                ("product", "Kiln"),
                ("version", env!("CARGO_PKG_VERSION")),
                ("connection_name", "kiln"),
            ],
            // Without them a wrong password and a queue that is gone would not be told of.
            &["authentication_failure_close", "consumer_cancel_notify"],
        )
        .short("PLAIN")
        .long(response.as_bytes())
        .short("en_US")
}

/// One channel, frames of so many bytes, and a sign of life every so many seconds.
pub(super) fn tune_ok(frame_max: u32, heartbeat: u16) -> Writer {
    method(10, 31).u16(1).u32(frame_max).u16(heartbeat)
}

pub(super) fn open(virtual_host: &str) -> Writer {
    method(10, 40).short(virtual_host).short("").u8(0)
}

/// Ends a connection.
pub(super) fn close() -> Writer {
    method(10, 50).u16(200).short("done").u16(0).u16(0)
}

/// Agrees that a connection ends.
pub(super) fn close_ok() -> Writer {
    method(10, 51)
}

pub(super) fn open_channel() -> Writer {
    method(20, 10).short("")
}

/// Asks whether a queue is there, and makes none.
pub(super) fn declare(queue: &str) -> Writer {
    const PASSIVE: u8 = 1;
    method(50, 10)
        .u16(0)
        .short(queue)
        .u8(PASSIVE)
        .table(&[], &[])
}

/// So many messages may be on their way that nobody has acknowledged.
pub(super) fn qos(count: u16) -> Writer {
    method(60, 10).u32(0).u16(count).u8(0)
}

/// Has messages sent that must be acknowledged.
pub(super) fn consume(queue: &str, consumer: &str) -> Writer {
    let method = method(60, 20).u16(0).short(queue).short(consumer);
    method.u8(0).table(&[], &[])
}

/// Acknowledges all messages up to this one.
pub(super) fn ack(tag: u64) -> Writer {
    const ALL_BEFORE: u8 = 1;
    method(60, 80).u64(tag).u8(ALL_BEFORE)
}

/// What a channel that was closed says of why.
pub(super) fn refused(code: u16, text: &str) -> Trouble {
    match code {
        // The connection is ended by an operator, or the broker ends.
        320 => lost(format!("the broker closed it: {text}")),
        _ => Trouble::new(format!("the broker says: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_as_the_protocol_has_them() {
        let tune = method(10, 30).u16(2_047).u32(131_072).u16(60);
        let deliver = method(60, 60)
            .short("kiln")
            .u64(7)
            .u8(1)
            .short("")
            .short("orders");
        let closed = method(20, 40).u16(404).short("NOT_FOUND").u16(50).u16(10);
        let start = method(10, 10).u8(0).u8(9);
        let start = start.table(&[("product", "RabbitMQ")], &["basic.nack"]);
        let start = start.long(b"PLAIN AMQPLAIN").long(b"en_US");
        for (sent, expected) in [
            (
                start,
                Method::Start {
                    mechanisms: "PLAIN AMQPLAIN".to_owned(),
                },
            ),
            (
                tune,
                Method::Tune {
                    frame_max: 131_072,
                    heartbeat: 60,
                },
            ),
            (
                deliver,
                Method::Deliver {
                    tag: 7,
                    is_redelivered: true,
                },
            ),
            (
                closed,
                Method::Closed {
                    is_connection: false,
                    code: 404,
                    text: "NOT_FOUND".to_owned(),
                },
            ),
            (method(60, 21).short("kiln"), Method::Ok(Asked::Consume)),
            (method(60, 30).short("kiln").u8(1), Method::Cancelled),
            (method(20, 20).u8(1), Method::Other),
        ] {
            assert_eq!(Method::read(&sent.0).unwrap(), expected);
            assert!(Method::read(&sent.0[..3]).is_err());
        }
    }
}
