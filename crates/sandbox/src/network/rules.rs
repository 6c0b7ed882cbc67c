//! The rules of a sandbox's network (nftables) and the queue that they lead to.
//!
//! What goes out:
//!
//! 1. TCP that is not the first packet of a connection passes: the first one was asked about;
//! 2. what is neither TCP nor UDP passes: only the kernel itself can send it, to say what was refused;
//! 3. what is for loopback passes, to the sandbox's own programs;
//! 4. a datagram to the name server passes, any other is refused;
//! 5. a first packet waits in the queue. The daemon marks it: [`MARK_ACCEPTED`] passes; with any other
//!    mark it comes back to these rules, which refuse it with the error that the mark stands for.
//!
//! What comes in, over loopback: a first packet that was accepted goes to the daemon's listener,
//! whatever its destination (`tproxy`, which unlike address translation tracks no connections).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::net::netlink;

use super::netlink::{ACK, APPEND, Attributes, Batch, CREATE, REQUEST, socket};
use super::{LISTENER_PORT, NAME_SERVER, NAME_SERVER_PORT, QueueKind};

pub(super) const MARK_ACCEPTED: u32 = 1;
pub(super) const MARK_REFUSED: u32 = 2;
pub(super) const MARK_HOST_UNREACHABLE: u32 = 3;
pub(super) const MARK_NET_UNREACHABLE: u32 = 4;

/// Packets that may wait in the queue. Beyond it one is dropped and its sender tries again in a second.
const QUEUE_PACKETS_MAX: u32 = 256;
/// How much of a packet the daemon sees: the headers of IPv6 and TCP.
const COPIED_BYTES: u32 = 128;

/// `NFNL_SUBSYS_QUEUE` and `NFNL_SUBSYS_NFTABLES`, in the upper byte of a message's type.
pub(super) const QUEUES: u16 = 3 << 8;
const TABLES: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = TABLES;
const NEW_CHAIN: u16 = TABLES | 3;
const NEW_RULE: u16 = TABLES | 6;
const QUEUE_CONFIGURE: u16 = QUEUES | 2;

/// `nfgenmsg` of the family `inet`: both versions of IP.
const INET: [u8; 4] = [1, 0, 0, 0];
/// `nfgenmsg` of no family.
const ANY: [u8; 4] = [0, 0, 0, 0];
const TABLE: &str = "kiln";
const OUT: &str = "out";
const IN: &str = "in";
/// Netfilter's hooks, and where among others at them.
const HOOK_PREROUTING: u32 = 0;
const HOOK_OUTPUT: u32 = 3;
const PRIORITY_FILTER: i32 = 0;
const PRIORITY_MANGLE: i32 = -150;

const KEY_MARK: u32 = 3;
const KEY_VERSION: u32 = 15;
const KEY_PROTOCOL: u32 = 16;
const VERSION_4: u8 = 2;
const VERSION_6: u8 = 10;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const REGISTER: u32 = 1;
const REGISTER_TWO: u32 = 2;
const VERDICT_REGISTER: u32 = 0;
const ACCEPT: u32 = 1;
/// The flags FIN, SYN, RST and ACK of TCP, and SYN alone.
const TCP_FLAGS: u8 = 0x17;
const TCP_SYN: u8 = 0x02;

/// How a packet is refused.
#[derive(Clone, Copy)]
enum Refusal {
    /// `ECONNREFUSED`
    Reset,
    /// `EHOSTUNREACH`
    HostUnreachable,
    /// `ENETUNREACH`; of a datagram `EPERM`
    NetUnreachable,
}

/// A rule being written: it says what is so about a packet, and what to do then.
#[derive(Default)]
struct Rule(Attributes);

/// Makes all rules in the calling thread's network namespace, in one transaction.
pub(super) fn install(kind: QueueKind) -> io::Result<()> {
    let mut batch = Batch::default();
    // For which subsystem the batch is stands where messages say what they are about.
    let begin = [0, 0, 0, (TABLES >> 8) as u8];
    batch.add(BATCH_BEGIN, REQUEST, &begin, &Attributes::default());
    let table = Attributes::default().text(1, TABLE);
    batch.add(NEW_TABLE, REQUEST | CREATE, &INET, &table);
    add_chain(&mut batch, OUT, HOOK_OUTPUT, PRIORITY_FILTER);
    for rule in outgoing(kind) {
        add_rule(&mut batch, OUT, &rule);
    }
    add_chain(&mut batch, IN, HOOK_PREROUTING, PRIORITY_MANGLE);
    for rule in incoming() {
        add_rule(&mut batch, IN, &rule);
    }
    batch.add(BATCH_END, REQUEST, &begin, &Attributes::default());
    batch.perform(socket(Some(netlink::NETFILTER))?)
}

/// The queue that first packets wait in. Whoever holds this socket answers for them; when nobody does,
/// they pass, and find nobody who listens.
pub(super) fn queue() -> io::Result<OwnedFd> {
    const BIND: u8 = 1;
    const COPY_PACKET: u8 = 2;
    let queue = socket(Some(netlink::NETFILTER))?;
    let copy = [&COPIED_BYTES.to_be_bytes()[..], &[COPY_PACKET]].concat();
    let attributes = Attributes::default()
        .with(1, &[BIND, 0, 0, 0])
        .with(2, &copy)
        .number(3, QUEUE_PACKETS_MAX);
    let mut batch = Batch::default();
    batch.add(QUEUE_CONFIGURE, REQUEST | ACK, &ANY, &attributes);
    batch.perform(&queue)?;
    Ok(queue)
}

fn outgoing(kind: QueueKind) -> Vec<Rule> {
    let name_server = NAME_SERVER.octets();
    let port = NAME_SERVER_PORT.to_be_bytes();
    let v6 = Ipv6Addr::LOCALHOST.octets();
    vec![
        Rule::default()
            .protocol(libc::IPPROTO_TCP)
            .tcp_flags(NOT_EQUAL)
            .accept(),
        Rule::default()
            .meta(KEY_PROTOCOL)
            .compare(NOT_EQUAL, &[libc::IPPROTO_TCP as u8])
            .compare(NOT_EQUAL, &[libc::IPPROTO_UDP as u8])
            .accept(),
        Rule::default().destined_v4(&[127]).accept(),
        Rule::default().destined_v6(&v6).accept(),
        Rule::default()
            .protocol(libc::IPPROTO_UDP)
            .destined_v4(&name_server)
            .payload(TRANSPORT_HEADER, 2, &port)
            .accept(),
        Rule::default()
            .protocol(libc::IPPROTO_UDP)
            .refuse(Refusal::NetUnreachable),
        Rule::default().mark(MARK_REFUSED).refuse(Refusal::Reset),
        Rule::default()
            .mark(MARK_HOST_UNREACHABLE)
            .refuse(Refusal::HostUnreachable),
        Rule::default()
            .mark(MARK_NET_UNREACHABLE)
            .refuse(Refusal::NetUnreachable),
        Rule::default().queue(kind),
    ]
}

fn incoming() -> Vec<Rule> {
    let v4 = Ipv4Addr::LOCALHOST.octets();
    let v6 = Ipv6Addr::LOCALHOST.octets();
    vec![
        Rule::default()
            .mark(MARK_ACCEPTED)
            .version(VERSION_4)
            .hand_over(VERSION_4, &v4)
            .accept(),
        Rule::default()
            .mark(MARK_ACCEPTED)
            .version(VERSION_6)
            .hand_over(VERSION_6, &v6)
            .accept(),
        // Nobody listens any more.
        Rule::default().mark(MARK_ACCEPTED).refuse(Refusal::Reset),
    ]
}

fn add_chain(batch: &mut Batch, name: &str, hook: u32, priority: i32) {
    let hook = Attributes::default()
        .number(1, hook)
        .number(2, priority.cast_unsigned());
    let attributes = Attributes::default()
        .text(1, TABLE)
        .text(3, name)
        .nested(4, &hook)
        .text(7, "filter");
    batch.add(NEW_CHAIN, REQUEST | CREATE, &INET, &attributes);
}

fn add_rule(batch: &mut Batch, chain: &str, rule: &Rule) {
    let attributes = Attributes::default()
        .text(1, TABLE)
        .text(2, chain)
        .nested(4, &rule.0);
    batch.add(NEW_RULE, REQUEST | CREATE | APPEND, &INET, &attributes);
}

impl Rule {
    fn expression(self, name: &str, data: &Attributes) -> Self {
        let expression = Attributes::default().text(1, name).nested(2, data);
        Self(self.0.nested(1, &expression))
    }

    /// Loads something that is known of the packet.
    fn meta(self, key: u32) -> Self {
        let data = Attributes::default().number(2, key).number(1, REGISTER);
        self.expression("meta", &data)
    }

    /// Goes on where what was loaded compares so.
    fn compare(self, operator: u32, value: &[u8]) -> Self {
        let value = Attributes::default().with(1, value);
        let data = Attributes::default()
            .number(1, REGISTER)
            .number(2, operator)
            .nested(3, &value);
        self.expression("cmp", &data)
    }

    fn protocol(self, protocol: i32) -> Self {
        self.meta(KEY_PROTOCOL).compare(EQUAL, &[protocol as u8])
    }

    fn version(self, version: u8) -> Self {
        self.meta(KEY_VERSION).compare(EQUAL, &[version])
    }

    fn mark(self, mark: u32) -> Self {
        self.meta(KEY_MARK).compare(EQUAL, &mark.to_ne_bytes())
    }

    fn load(self, header: u32, offset: u32, length: u32) -> Self {
        let data = Attributes::default()
            .number(1, REGISTER)
            .number(2, header)
            .number(3, offset)
            .number(4, length);
        self.expression("payload", &data)
    }

    fn payload(self, header: u32, offset: u32, value: &[u8]) -> Self {
        self.load(header, offset, value.len() as u32)
            .compare(EQUAL, value)
    }

    /// To an address of IPv4 that begins so.
    fn destined_v4(self, prefix: &[u8]) -> Self {
        self.version(VERSION_4).payload(NETWORK_HEADER, 16, prefix)
    }

    fn destined_v6(self, address: &[u8]) -> Self {
        self.version(VERSION_6).payload(NETWORK_HEADER, 24, address)
    }

    /// Of the flags of TCP, SYN alone compares so.
    fn tcp_flags(self, operator: u32) -> Self {
        let bytes = |value: u8| Attributes::default().with(1, &[value]);
        let data = Attributes::default()
            .number(1, REGISTER)
            .number(2, REGISTER)
            .number(3, 1)
            .nested(4, &bytes(TCP_FLAGS))
            .nested(5, &bytes(0));
        self.load(TRANSPORT_HEADER, 13, 1)
            .expression("bitwise", &data)
            .compare(operator, &[TCP_SYN])
    }

    fn immediate(self, register: u32, value: &Attributes) -> Self {
        let data = Attributes::default().number(1, register).nested(2, value);
        self.expression("immediate", &data)
    }

    fn accept(self) -> Self {
        let verdict = Attributes::default().number(1, ACCEPT);
        let verdict = Attributes::default().nested(2, &verdict);
        self.immediate(VERDICT_REGISTER, &verdict)
    }

    fn refuse(self, refusal: Refusal) -> Self {
        const BY_RESET: u32 = 1;
        const BY_ICMP: u32 = 2;
        let data = match refusal {
            Refusal::Reset => Attributes::default().number(1, BY_RESET),
            Refusal::NetUnreachable => Attributes::default().number(1, BY_ICMP).with(2, &[0]),
            Refusal::HostUnreachable => Attributes::default().number(1, BY_ICMP).with(2, &[2]),
        };
        self.expression("reject", &data)
    }

    fn queue(self, kind: QueueKind) -> Self {
        const BYPASS: u16 = 1;
        match kind {
            QueueKind::Native => {
                let data = Attributes::default()
                    .with(1, &0_u16.to_be_bytes())
                    .with(2, &1_u16.to_be_bytes())
                    .with(3, &BYPASS.to_be_bytes());
                self.expression("queue", &data)
            }
            QueueKind::Compatible => {
                // `xt_NFQ_info_v3`: first queue, how many, flags; padded.
                let [first, count, flags] = [0_u16, 1, BYPASS].map(u16::to_ne_bytes);
                let data = Attributes::default()
                    .text(1, "NFQUEUE")
                    .number(2, 3)
                    .with(3, &[first, count, flags, [0; 2]].concat());
                self.expression("target", &data)
            }
        }
    }

    /// To the listener, whatever the destination.
    fn hand_over(self, version: u8, address: &[u8]) -> Self {
        let bytes = |value: &[u8]| Attributes::default().with(1, value);
        let data = Attributes::default()
            .number(1, version.into())
            .number(2, REGISTER)
            .number(3, REGISTER_TWO);
        self.immediate(REGISTER, &bytes(address))
            .immediate(REGISTER_TWO, &bytes(&LISTENER_PORT.to_be_bytes()))
            .expression("tproxy", &data)
    }
}
