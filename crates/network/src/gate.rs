//! The task that serves one sandbox's way out.
//!
//! An attempt waits in the kernel until the policy and then the other side have answered. Where both
//! say yes it is let through, and is accepted here a moment later: the two are put together by their
//! addresses.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_sandbox::{Answer, Attempt, Uplink};
use kiln_types::Moment;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::address;
use crate::connect::{Peer, connect};
use crate::learned::Learned;
use crate::limit::{Bucket, Throttle};
use crate::line::Shared;
use crate::message::{self, BYTES_MAX, Reply};
use crate::policy::{Denial, Policy, Resolution, Way};
use crate::relay::{Meter, Relay};
use crate::resolver::{read_framed, write_framed};

/// Questions for names that one instance may have open at once. Beyond it they are dropped, and their
/// programs ask again.
const QUESTIONS_MAX: usize = 64;
/// How long a connection that was let through may take to be accepted.
const ACCEPT_WITHIN: Duration = Duration::from_secs(10);
/// How long nothing is read after reading has failed.
const REST: Duration = Duration::from_millis(100);
/// Different notices that one instance writes to its log.
const NOTICES_MAX: usize = 100;

/// Serves one sandbox.
pub(crate) struct Gate {
    uplink: Arc<Uplink>,
    names: Arc<Names>,
    shared: Arc<Shared>,
    relay: Arc<Relay>,
    notices: mpsc::Sender<String>,
    /// What was said already.
    said: HashSet<String>,
    starts: Bucket,
    own_connections: Arc<Semaphore>,
    waiting: HashMap<Ends, Waiting>,
    connecting: JoinSet<(Ends, Result<Peer, Answer>)>,
    serving: JoinSet<()>,
    asking: JoinSet<()>,
}

/// A program's end and where it wanted to.
type Ends = (SocketAddr, SocketAddr);

/// An attempt that is not a connection yet.
struct Waiting {
    /// Its last packet.
    attempt: Attempt,
    permits: Permits,
    /// The other end, once it is there, and since when.
    peer: Option<(Peer, Moment)>,
}

/// What a connection holds of its limits.
struct Permits {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

/// Answers questions for names, and keeps what was learned from the answers.
struct Names {
    policy: Policy,
    learned: Mutex<Learned>,
    shared: Arc<Shared>,
    meter: Arc<Meter>,
}

/// How a question came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Datagram,
    Stream,
}

impl Gate {
    pub(crate) fn new(
        uplink: Uplink,
        policy: Policy,
        shared: Arc<Shared>,
        meter: Arc<Meter>,
        notices: mpsc::Sender<String>,
    ) -> Self {
        let config = &shared.config;
        let now = shared.clock.now();
        let relay = Relay {
            buffers: Arc::clone(&shared.buffers),
            meter: Arc::clone(&meter),
            throttle: Arc::new(Throttle::new(config.bytes_per_second, now)),
            clock: Arc::clone(&shared.clock),
        };
        let names = Names {
            policy,
            learned: Mutex::default(),
            shared: Arc::clone(&shared),
            meter,
        };
        Self {
            uplink: Arc::new(uplink),
            names: Arc::new(names),
            relay: Arc::new(relay),
            notices,
            said: HashSet::new(),
            starts: Bucket::new(config.connections_per_second, now),
            own_connections: Arc::new(Semaphore::new(config.connections_max)),
            shared,
            waiting: HashMap::new(),
            connecting: JoinSet::new(),
            serving: JoinSet::new(),
            asking: JoinSet::new(),
        }
    }

    /// Serves until it is dropped, which ends every connection.
    pub(crate) async fn run(mut self) {
        let mut query = [0; BYTES_MAX];
        let uplink = Arc::clone(&self.uplink);
        loop {
            tokio::select! {
                attempt = uplink.attempt() => match attempt {
                    Ok(attempt) => self.on_attempt(attempt),
                    Err(error) => rest("attempts to connect", &error).await,
                },
                Some(Ok((ends, peer))) = self.connecting.join_next() => self.on_peer(ends, peer),
                accepted = uplink.accept() => match accepted {
                    Ok((stream, from, to)) => self.on_accepted(stream, (from, to)),
                    Err(error) => rest("connections", &error).await,
                },
                received = uplink.names().recv_from(&mut query) => match received {
                    Ok((length, from)) => self.on_query(query[..length].to_vec(), from),
                    Err(error) => rest("questions for names", &error).await,
                },
                Some(_) = self.serving.join_next() => {}
                Some(_) = self.asking.join_next() => {}
            }
        }
    }

    fn on_attempt(&mut self, attempt: Attempt) {
        let now = self.shared.clock.now();
        let ends = (attempt.from, attempt.to);
        self.forget_unaccepted(now);
        if let Some(waiting) = self.waiting.get_mut(&ends) {
            // The program tries again while its first packet waits, or after it was lost.
            let before = std::mem::replace(&mut waiting.attempt, attempt);
            match waiting.peer {
                Some(_) => self.answer(&attempt, Answer::Accept),
                None => self.answer(&before, Answer::Ignore),
            }
            return;
        }
        let learned = self.names.learned.lock().expect("no holder panics");
        let own_port = self.shared.own_port(attempt.to.port());
        let way = self.names.policy.way(attempt.to, &learned, own_port, now);
        drop(learned);
        match way {
            Ok(way) => self.begin(attempt, way, now),
            Err(denial) => {
                self.say_denied(attempt.to, denial);
                self.answer(&attempt, Answer::NetUnreachable);
            }
        }
    }

    fn begin(&mut self, attempt: Attempt, way: Way, now: Moment) {
        let ends = (attempt.from, attempt.to);
        let config = &self.shared.config;
        let reached = match self.permits() {
            _ if !self.starts.take(now) => {
                format!(
                    "{} new connections per second",
                    config.connections_per_second
                )
            }
            Some(permits) => {
                let peer = None;
                let waiting = Waiting {
                    attempt,
                    permits,
                    peer,
                };
                self.waiting.insert(ends, waiting);
                self.connecting
                    .spawn(async move { (ends, connect(way).await) });
                return;
            }
            None => match self.own_connections.available_permits() {
                0 => format!("{} connections at once", config.connections_max),
                _ => "connections of all functions together".to_owned(),
            },
        };
        self.say(format!(
            "Network: the limit of {reached} is reached, so a connection is refused"
        ));
        self.answer(&attempt, Answer::Refuse);
    }

    fn permits(&self) -> Option<Permits> {
        Some(Permits {
            _own: Arc::clone(&self.own_connections).try_acquire_owned().ok()?,
            _shared: Arc::clone(&self.shared.connections)
                .try_acquire_owned()
                .ok()?,
        })
    }

    /// The other side has answered.
    fn on_peer(&mut self, ends: Ends, peer: Result<Peer, Answer>) {
        let Some(waiting) = self.waiting.get_mut(&ends) else {
            return;
        };
        let attempt = waiting.attempt;
        match peer {
            Ok(peer) => {
                waiting.peer = Some((peer, self.shared.clock.now()));
                self.answer(&attempt, Answer::Accept);
            }
            Err(answer) => {
                self.waiting.remove(&ends);
                self.answer(&attempt, answer);
            }
        }
    }

    fn on_accepted(&mut self, inside: TcpStream, ends: Ends) {
        // Whoever connects to the listener itself was not let through, and is let go.
        let Some(waiting) = self.waiting.remove(&ends) else {
            return;
        };
        let Waiting { permits, peer, .. } = waiting;
        let (relay, names) = (Arc::clone(&self.relay), Arc::clone(&self.names));
        self.serving.spawn(async move {
            match peer {
                Some((Peer::Stream(outside), _)) => relay.run(inside, outside).await,
                Some((Peer::Names, _)) => names.serve(inside).await,
                None => {}
            }
            drop(permits);
        });
    }

    fn on_query(&mut self, query: Vec<u8>, from: SocketAddr) {
        if self.asking.len() >= QUESTIONS_MAX {
            self.say(format!(
                "Network: more than {QUESTIONS_MAX} questions for names are open, so one is dropped"
            ));
            return;
        }
        let (names, uplink) = (Arc::clone(&self.names), Arc::clone(&self.uplink));
        self.asking.spawn(async move {
            let Some(answer) = names.answer(&query, By::Datagram).await else {
                return;
            };
            if let Err(error) = uplink.names().send_to(&answer, from).await {
                tracing::debug!(%error, "a function does not get the answer for a name");
            }
        });
    }

    /// Programs that ended after they were let through never come.
    fn forget_unaccepted(&mut self, now: Moment) {
        self.waiting.retain(|_, waiting| {
            let since = waiting.peer.as_ref().map(|(_, since)| *since);
            since.is_none_or(|since| now.since(since) < ACCEPT_WITHIN)
        });
    }

    fn answer(&self, attempt: &Attempt, answer: Answer) {
        // What is not answered is dropped when the queue is full, and its program tries again.
        if let Err(error) = self.uplink.answer(attempt, answer) {
            tracing::debug!(%error, "an attempt to connect could not be answered");
        }
    }

    fn say_denied(&mut self, to: SocketAddr, denial: Denial) {
        self.say(format!("Network: {to} is not reachable: {denial}"));
    }

    /// Says it in the function's log, once.
    fn say(&mut self, notice: String) {
        if self.said.len() < NOTICES_MAX && self.said.insert(notice.clone()) {
            // The log is behind by many already.
            let _ = self.notices.try_send(notice);
        }
    }
}

impl Names {
    /// Answers questions that come one after the other in one stream.
    async fn serve(&self, mut stream: TcpStream) {
        while let Ok(query) = read_framed(&mut stream).await {
            let Some(answer) = self.answer(&query, By::Stream).await else {
                return;
            };
            if write_framed(&mut stream, &answer).await.is_err() {
                return;
            }
        }
    }

    /// The answer to a query; none to what is no query.
    async fn answer(&self, query: &[u8], by: By) -> Option<Vec<u8>> {
        let question = message::question(query)?;
        self.meter.count_sent(query.len());
        let reply = |reply| message::reply(query, &question, reply);
        let answer = match self.policy.resolution(question.name.as_deref()) {
            Resolution::Service(address) => reply(Reply::Address(address)),
            Resolution::NoService => reply(Reply::NoName),
            Resolution::NotListed => reply(Reply::Refused),
            Resolution::Ask(ports) => {
                let resolver = &self.shared.resolver;
                let answer = match by {
                    By::Datagram => resolver.ask(query, &question).await,
                    By::Stream => resolver.ask_at_length(query, &question).await,
                };
                match answer {
                    Some(answer) => self
                        .learn(&answer, &question, &ports)
                        .unwrap_or_else(|| reply(Reply::Nothing)),
                    None => reply(Reply::Failed),
                }
            }
        };
        self.meter.count_received(answer.len());
        Some(answer)
    }

    /// Keeps what an answer says. Gives it, unless all its addresses are ones that this machine has no
    /// way to: programs would try those of IPv6 first on a machine that has none.
    fn learn(
        &self,
        answer: &[u8],
        question: &message::Question,
        ports: &[Option<u16>],
    ) -> Option<Vec<u8>> {
        let addresses = match question.wants_address() {
            true => message::addresses(answer, question),
            false => Vec::new(),
        };
        let now = self.shared.clock.now();
        let mut learned = self.learned.lock().expect("no holder panics");
        for (address, kept) in &addresses {
            for port in ports {
                learned.add(*address, *port, *kept, now);
            }
        }
        drop(learned);
        let is_usable = addresses.is_empty()
            || addresses
                .iter()
                .any(|(address, _)| address::is_routed(*address));
        is_usable.then(|| answer.to_vec())
    }
}

/// Something cannot be read: perhaps the process has no descriptors left, and then it may have later.
async fn rest(of: &str, error: &std::io::Error) {
    tracing::debug!(%error, of, "a sandbox's way out cannot be read");
    tokio::time::sleep(REST).await;
}
