//! What `fuzz/` gives bytes to: every function reads them as what a program in a sandbox or a name server sent, and panics
//! where something that is promised does not hold.

use std::net::Ipv4Addr;

use crate::message::{self, Reply};

/// A question, and what is answered to it: the rest after the first half.
pub fn dns(data: &[u8]) {
    let Some(question) = message::question(data) else {
        return;
    };
    let replies = [
        Reply::Address(Ipv4Addr::new(169, 254, 64, 1)),
        Reply::Nothing,
        Reply::NoName,
        Reply::Refused,
        Reply::Failed,
    ];
    for reply in replies {
        let answer = message::reply(data, &question, reply);
        assert!(
            message::answers(&answer, data, &question),
            "it answers another"
        );
        let found = message::addresses(&answer, &question);
        let expected = match reply {
            Reply::Address(_) => question.wants_address() && question.name.is_some(),
            _ => false,
        };
        // A question for the other kind of address is answered with none.
        assert!(found.len() <= usize::from(expected), "{found:?}");
    }
    // What a server might answer: the question's own bytes with the mark of an answer.
    let mut answer = data.to_vec();
    answer[2] |= 0x80;
    if message::answers(&answer, data, &question) {
        let found = message::addresses(&answer, &question);
        assert!(found.len() <= data.len(), "there are more than were sent");
    }
}
