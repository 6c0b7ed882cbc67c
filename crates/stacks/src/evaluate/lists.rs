//! The functions of lists and texts whose arguments are evaluated already.

use serde_json::Value as Json;

use super::cidr;
use super::walk::text_of;
use crate::error::Error;
use crate::limits::EVALUATION_COST_MAX;

/// What `Fn::Join`, `Fn::Split`, `Fn::Select` or `Fn::Cidr` makes of its arguments.
pub(super) fn call(name: &str, arguments: &[Json]) -> Result<Json, Error> {
    match name {
        "Fn::Join" => join(arguments),
        "Fn::Split" => split(arguments),
        "Fn::Select" => select(arguments),
        _ => networks(arguments),
    }
}

fn join(arguments: &[Json]) -> Result<Json, Error> {
    let wrong = || {
        Error::evaluation(
            "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined \
             or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
        )
    };
    let [Json::String(delimiter), Json::Array(list)] = arguments else {
        return Err(wrong());
    };
    if delimiter.len().saturating_mul(list.len()) > EVALUATION_COST_MAX {
        return Err(Error::evaluation("what Fn::Join makes is too large"));
    }
    let texts: Option<Vec<String>> = list.iter().map(text_of).collect();
    Ok(Json::String(texts.ok_or_else(wrong)?.join(delimiter)))
}

fn split(arguments: &[Json]) -> Result<Json, Error> {
    let text = arguments.get(1).and_then(text_of);
    match (arguments, text) {
        ([Json::String(delimiter), _], Some(text)) if !delimiter.is_empty() => {
            Ok(text.split(delimiter.as_str()).collect::<Vec<_>>().into())
        }
        _ => Err(Error::evaluation(
            "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split \
             or a function that returns a string to be split.",
        )),
    }
}

fn select(arguments: &[Json]) -> Result<Json, Error> {
    let (Some(index), [_, Json::Array(list)]) = (number(arguments, 0), arguments) else {
        return Err(Error::evaluation(
            "Fn::Select requires a list argument with two elements: an integer index and a list",
        ));
    };
    let missing = || {
        Error::evaluation(format!(
            "Fn::Select cannot select nonexistent value at index {index}"
        ))
    };
    list.get(index as usize).cloned().ok_or_else(missing)
}

fn networks(arguments: &[Json]) -> Result<Json, Error> {
    let bits = number(arguments, 2).or((arguments.len() == 2).then_some(8));
    let block = arguments.first().and_then(text_of);
    let (Some(block), Some(count), Some(bits)) = (block, number(arguments, 1), bits) else {
        return Err(Error::evaluation(
            "Fn::Cidr requires a network, a count and a number of bits",
        ));
    };
    let cut = cidr::cut(&block, count, bits).map_err(Error::evaluation)?;
    Ok(cut.into())
}

fn number(arguments: &[Json], at: usize) -> Option<u32> {
    arguments.get(at).and_then(text_of)?.trim().parse().ok()
}
