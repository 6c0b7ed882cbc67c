//! What a destination is told of a batch that is given up: AWS's record of streams (developer guide, "Retain
//! discarded records for a DynamoDB event source").
//!
//! A bucket gets the event as a text in `payload`, all of it in one object, whose key says which mapping and which part of
//! its source it is of.
//!
//! AWS differs: its record names the place of the records in the stream, where they can be read for a day. A source of
//! Kiln's may keep nothing behind its position, so `payload` holds the event for whomever is told; it is JSON there, and a
//! text only for buckets. What is too large for one record is told in several. The key of an object has the time of
//! the last record, and a name that is made of the records: after a crash the same is told again under the same key.

use std::collections::BTreeMap;

use bytes::Bytes;
use kiln_invoke::FanOut;
use kiln_invoke::told::{self, RequestContext, ResponseContext, Tell, Telling};
use kiln_store::Store;
use kiln_types::{Destination, FunctionArn, MappingId, RequestId, Timestamp};
use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::batch::GivenUp;
use crate::envelope::{self, Origin, seconds};
use crate::record::Record;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "KilnBatchInfo")]
    batch_info: BatchInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo<'a> {
    shard_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approximate_arrival_of_first_record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approximate_arrival_of_last_record: Option<String>,
    batch_size: usize,
    stream_arn: &'a str,
}

/// Everything about a batch that is given up.
pub(crate) struct Ending<'a> {
    pub(crate) given_up: &'a GivenUp,
    pub(crate) mapping: MappingId,
    pub(crate) function: &'a FunctionArn,
    pub(crate) origin: &'a Origin,
    pub(crate) now: Timestamp,
}

/// How a record has the event.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Text,
    Absent,
}

/// Has the destination's queue take the records of an ending: all are on disk when it returns.
pub(crate) async fn keep(
    store: &Store,
    fan_out: &FanOut,
    to: &Destination,
    ending: &Ending<'_>,
) -> Result<(), String> {
    let mut deliveries = Vec::new();
    let form = match to {
        Destination::Bucket(_) => Form::Text,
        _ => Form::Json,
    };
    // Only a bucket has a place for it, and all of the ending in one record.
    let key = key(ending);
    for payload in records(ending, form, told::bytes_max(to)) {
        let telling = Telling {
            id: RequestId::random(),
            key: key.clone(),
            trace: None,
            payload,
            attributes: BTreeMap::new(),
            function: ending.function.clone(),
            is_success: false,
            now: ending.now,
        };
        let told = fan_out.tell(to, telling);
        deliveries.extend(told.map_err(|error| error.to_string())?);
    }
    let delivered = store.queue().deliver(deliveries, ending.now).await;
    delivered.map_err(|error| error.to_string())
}

/// The records of an ending: one, or as many as it takes. What is too large by itself is told of without
/// what it says.
fn records(ending: &Ending<'_>, form: Form, bytes_max: usize) -> Vec<Bytes> {
    let mut parts = vec![&ending.given_up.records[..]];
    let mut told = Vec::new();
    while let Some(part) = parts.pop() {
        let whole = record(ending, part, form);
        if whole.len() <= bytes_max {
            told.push(whole);
        } else if part.len() > 1 {
            let (front, rear) = part.split_at(part.len().div_ceil(2));
            parts.extend([rear, front]);
        } else {
            told.push(record(ending, part, Form::Absent));
        }
    }
    told
}

fn record(ending: &Ending<'_>, records: &[Record], form: Form) -> Bytes {
    let given_up = ending.given_up;
    let payload = envelope::event(records, given_up.part.as_ref(), ending.origin);
    let payload = String::from_utf8_lossy(&payload).into_owned();
    let (first, last) = (records.first(), records.last());
    let told = Told {
        request_context: RequestContext {
            request_id: RequestId::random().to_string(),
            function_arn: ending.function.to_string(),
            condition: given_up.condition.as_str(),
            approximate_invoke_count: given_up.invokes,
        },
        response_context: given_up
            .ran
            .map(|ran| ResponseContext::new(ran.version, ran.error)),
        version: "1.0",
        timestamp: ending.now.to_string(),
        batch_info: BatchInfo {
            shard_id: &ending.origin.shard,
            start_sequence_number: first.map(|record| &*record.id),
            end_sequence_number: last.map(|record| &*record.id),
            approximate_arrival_of_first_record: first.map(|record| seconds(record.created)),
            approximate_arrival_of_last_record: last.map(|record| seconds(record.created)),
            batch_size: records.len(),
            stream_arn: &ending.origin.arn,
        },
        payload: match form {
            Form::Json => {
                Some(RawValue::from_string(payload).expect("records of a source are JSON"))
            }
            Form::Text => {
                Some(serde_json::value::to_raw_value(&payload).expect("a text is always JSON"))
            }
            Form::Absent => None,
        },
    };
    serde_json::to_vec(&told)
        .expect("texts, numbers and JSON are JSON")
        .into()
}

/// Where the records of an ending lie in a bucket.
fn key(ending: &Ending<'_>) -> String {
    let given_up = ending.given_up;
    let records = &given_up.records;
    let (mapping, shard) = (ending.mapping, &ending.origin.shard);
    let mut digest = Md5::new();
    digest.update(format!("{mapping}/{shard}"));
    // The last batch of a window may hold nothing: it is another than those of windows beside it.
    if let Some(part) = given_up.part.as_ref().filter(|_| records.is_empty()) {
        digest.update(format!("/{}/{:?}/", part.start.as_millis(), given_up.batch));
        digest.update(&part.state);
    }
    for record in records {
        digest.update(format!("/{}/{}", record.created.as_millis(), record.id));
    }
    let time = records.last().map_or(ending.now, |record| record.created);
    let name = RequestId::from_bytes(digest.finalize().into());
    told::key(&format!("{mapping}/{shard}"), name, time)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kiln_types::Version;
    use serde_json::{Value, json};

    use kiln_types::limits;

    use super::*;
    use crate::batch::{BatchId, Condition, Part, Ran};
    use crate::record::Key;

    fn given_up(records: Vec<Record>) -> GivenUp {
        GivenUp {
            batch: BatchId(1),
            condition: Condition::RetryAttemptsExhausted,
            records,
            part: None,
            invokes: 3,
            ran: Some(Ran {
                version: Version::Latest,
                error: Some("Unhandled"),
            }),
        }
    }

    fn sample(number: u64, bytes: usize) -> Record {
        Record {
            id: number.to_string().into(),
            key: Key::Of(0),
            created: Timestamp::from_millis(1_000 * number as i64),
            document: format!("\"{}\"", "x".repeat(bytes)).into(),
        }
    }

    fn function() -> FunctionArn {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:sum";
        arn.parse().unwrap()
    }

    fn origin() -> Origin {
        Origin {
            arn: "arn:m".to_owned(),
            shard: "s".to_owned(),
            shape: Default::default(),
        }
    }

    fn told(given_up: &GivenUp) -> Vec<Value> {
        let ending = Ending {
            given_up,
            mapping: MappingId::random(),
            function: &function(),
            origin: &origin(),
            now: Timestamp::from_millis(9_000),
        };
        let all = records(&ending, Form::Json, limits::SYNC_PAYLOAD_BYTES_MAX);
        assert!(
            all.iter()
                .all(|record| record.len() <= limits::SYNC_PAYLOAD_BYTES_MAX)
        );
        all.iter()
            .map(|record| serde_json::from_slice(record).unwrap())
            .collect()
    }

    #[test]
    fn the_record_has_awss_shape_and_the_event() {
        let mut all = told(&given_up(vec![sample(1, 1), sample(2, 1)]));
        let mut record = all.pop().unwrap();
        let id = record["requestContext"]["requestId"].take();
        assert_eq!(id.as_str().unwrap().len(), 36);
        let expected = json!({
            "requestContext": {
                "requestId": null,
                "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:sum",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 3,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": "1970-01-01T00:00:09.000Z",
            "KilnBatchInfo": {
                "shardId": "s",
                "startSequenceNumber": "1",
                "endSequenceNumber": "2",
                "approximateArrivalOfFirstRecord": "1970-01-01T00:00:01Z",
                "approximateArrivalOfLastRecord": "1970-01-01T00:00:02Z",
                "batchSize": 2,
                "streamArn": "arn:m",
            },
            "payload": {"Records": ["x", "x"]},
        });
        assert_eq!(record, expected);
        assert!(all.is_empty());
    }

    #[test]
    fn a_bucket_gets_all_of_it_as_a_text_and_again_under_the_same_key() {
        let given_up = given_up((1..=4).map(|number| sample(number, 2 << 20)).collect());
        let (function, origin) = (function(), origin());
        let ending = |now| Ending {
            given_up: &given_up,
            mapping: "07070707-0707-0707-0707-070707070707".parse().unwrap(),
            function: &function,
            origin: &origin,
            now: Timestamp::from_millis(now),
        };
        let all = records(&ending(9_000), Form::Text, usize::MAX);
        let [all] = &all[..] else {
            panic!("one object has it all: {}", all.len());
        };
        let record: Value = serde_json::from_slice(all).unwrap();
        let payload = record["payload"].as_str().unwrap();
        let payload: Value = serde_json::from_str(payload).unwrap();
        assert_eq!(payload["Records"].as_array().unwrap().len(), 4);
        let key = key(&ending(9_000));
        let name =
            "aws/lambda/07070707-0707-0707-0707-070707070707/s/1970/01/01/1970-01-01T00.00.04-";
        assert!(key.starts_with(name), "{key}");
        assert_eq!(key.len(), name.len() + 36);
        assert_eq!(key, super::key(&ending(10_000)));
    }

    #[test]
    fn last_batches_of_windows_hold_nothing_and_have_keys_of_their_own() {
        let (function, origin) = (function(), origin());
        let last = |start, batch| GivenUp {
            batch: BatchId(batch),
            part: Some(Part {
                start: Timestamp::from_millis(start),
                end: Timestamp::from_millis(start + 1_000),
                state: Bytes::from_static(br#"{"sum":3}"#),
                is_final: true,
                is_early: false,
            }),
            ..given_up(Vec::new())
        };
        let all = [last(1_000, 1), last(2_000, 1), last(1_000, 2)];
        let endings = all.iter().map(|given_up| Ending {
            given_up,
            mapping: "07070707-0707-0707-0707-070707070707".parse().unwrap(),
            function: &function,
            origin: &origin,
            now: Timestamp::from_millis(9_000),
        });
        let keys: BTreeSet<_> = endings.clone().map(|ending| key(&ending)).collect();
        assert_eq!(keys.len(), all.len(), "{keys:?}");
        let ending = endings.into_iter().next().unwrap();
        let record = &records(&ending, Form::Json, usize::MAX)[0];
        let record: Value = serde_json::from_slice(record).unwrap();
        assert_eq!(record["payload"]["state"], json!({"sum": 3}));
    }

    #[test]
    fn what_did_not_run_has_no_response() {
        let never = GivenUp {
            condition: Condition::RecordAgeExceeded,
            invokes: 0,
            ran: None,
            ..given_up(vec![sample(1, 1)])
        };
        let record = told(&never).pop().unwrap();
        assert_eq!(record["requestContext"]["condition"], "RecordAgeExceeded");
        assert_eq!(record.get("responseContext"), None);
    }

    #[test]
    fn what_no_record_can_hold_is_told_of_without_what_it_says() {
        let all = told(&given_up(vec![sample(1, 7 << 20), sample(2, 1)]));
        assert_eq!(all.len(), 2);
        assert_eq!(all[0]["KilnBatchInfo"]["startSequenceNumber"], "1");
        assert_eq!(
            (all[0].get("payload"), all[1]["payload"].is_object()),
            (None, true)
        );
    }

    #[test]
    fn what_is_too_large_for_one_record_is_told_in_several() {
        let large = (1..=4).map(|number| sample(number, 2 << 20)).collect();
        let all = told(&given_up(large));
        let sizes: Vec<_> = all
            .iter()
            .map(|record| &record["KilnBatchInfo"]["batchSize"])
            .collect();
        assert_eq!(sizes, [2, 2]);
        assert_eq!(all[1]["KilnBatchInfo"]["startSequenceNumber"], "3");
        assert_eq!(all[1]["payload"]["Records"].as_array().unwrap().len(), 2);
    }
}
