//! What brokers refuse, by the numbers that they have for it.

use crate::source::Trouble;

pub(super) const OFFSET_OUT_OF_RANGE: i16 = 1;
pub(super) const UNKNOWN_TOPIC: i16 = 3;
pub(super) const COORDINATOR_LOADING: i16 = 14;
pub(super) const COORDINATOR_NOT_AVAILABLE: i16 = 15;
pub(super) const NOT_COORDINATOR: i16 = 16;
pub(super) const ILLEGAL_GENERATION: i16 = 22;
pub(super) const UNKNOWN_MEMBER: i16 = 25;
pub(super) const REBALANCING: i16 = 27;
pub(super) const GROUP_NOT_EMPTY: i16 = 68;
pub(super) const NO_SUCH_GROUP: i16 = 69;

/// Numbers, their names, and whether somebody who asks again, perhaps somebody else, may be answered.
const NAMES: [(i16, &str, bool); 35] = [
    (-1, "UNKNOWN_SERVER_ERROR", true),
    (OFFSET_OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE", false),
    (2, "CORRUPT_MESSAGE", false),
    (UNKNOWN_TOPIC, "UNKNOWN_TOPIC_OR_PARTITION", true),
    (5, "LEADER_NOT_AVAILABLE", true),
    (6, "NOT_LEADER_OR_FOLLOWER", true),
    (7, "REQUEST_TIMED_OUT", true),
    (8, "BROKER_NOT_AVAILABLE", true),
    (9, "REPLICA_NOT_AVAILABLE", true),
    (12, "OFFSET_METADATA_TOO_LARGE", false),
    (13, "NETWORK_EXCEPTION", true),
    (COORDINATOR_LOADING, "COORDINATOR_LOAD_IN_PROGRESS", true),
    (COORDINATOR_NOT_AVAILABLE, "COORDINATOR_NOT_AVAILABLE", true),
    (NOT_COORDINATOR, "NOT_COORDINATOR", true),
    (17, "INVALID_TOPIC_EXCEPTION", false),
    (ILLEGAL_GENERATION, "ILLEGAL_GENERATION", false),
    (24, "INVALID_GROUP_ID", false),
    (UNKNOWN_MEMBER, "UNKNOWN_MEMBER_ID", false),
    (REBALANCING, "REBALANCE_IN_PROGRESS", false),
    (29, "TOPIC_AUTHORIZATION_FAILED", false),
    (30, "GROUP_AUTHORIZATION_FAILED", false),
    (31, "CLUSTER_AUTHORIZATION_FAILED", false),
    (33, "UNSUPPORTED_SASL_MECHANISM", false),
    (35, "UNSUPPORTED_VERSION", false),
    (43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", false),
    (56, "KAFKA_STORAGE_ERROR", true),
    (58, "SASL_AUTHENTICATION_FAILED", false),
    (GROUP_NOT_EMPTY, "NON_EMPTY_GROUP", false),
    (NO_SUCH_GROUP, "GROUP_ID_NOT_FOUND", false),
    (74, "FENCED_LEADER_EPOCH", true),
    (75, "UNKNOWN_LEADER_EPOCH", true),
    (76, "UNSUPPORTED_COMPRESSION_TYPE", false),
    (78, "OFFSET_NOT_AVAILABLE", true),
    (100, "UNKNOWN_TOPIC_ID", true),
    (103, "INCONSISTENT_TOPIC_ID", true),
];

/// A refusal in words.
pub(super) fn refused(error: i16) -> Trouble {
    match named(error) {
        Some((_, name, _)) => Trouble::new(format!("the broker says: {name}")),
        None => Trouble::new(format!("the broker says: error {error}")),
    }
}

/// Whether it may be asked again, once it is known anew whom.
pub(super) fn may_pass(error: i16) -> bool {
    named(error).is_some_and(|(_, _, may_pass)| *may_pass)
}

/// Whether the group has members, so that only they may say how far it has got.
pub(super) fn is_of_members(error: i16) -> bool {
    [ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING].contains(&error)
}

fn named(error: i16) -> Option<&'static (i16, &'static str, bool)> {
    NAMES.iter().find(|(number, _, _)| *number == error)
}
