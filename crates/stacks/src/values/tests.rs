//! Values of parameters.

use serde_json::json;

use super::*;
use crate::document;

fn check(parameter: &str, value: &str) -> Result<Json, String> {
    let document = document::read(&format!("Parameters: {{P: {parameter}}}")).unwrap();
    let parameters = crate::parameters(&document).map_err(|error| error.to_string())?;
    let given = BTreeMap::from([("P".to_owned(), value.to_owned())]);
    let values = Values::check(&parameters, &given).map_err(|error| error.to_string())?;
    Ok(values.get("P").unwrap())
}

#[test]
fn values_are_what_their_types_say() {
    let cases = [
        ("{Type: String}", "a,b", json!("a,b")),
        ("{Type: Number}", "30", json!("30")),
        (
            "{Type: CommaDelimitedList}",
            "a, b,c",
            json!(["a", "b", "c"]),
        ),
        ("{Type: List<Number>}", "1,2", json!(["1", "2"])),
        (
            "{Type: 'List<AWS::EC2::Subnet::Id>'}",
            "x,y",
            json!(["x", "y"]),
        ),
        ("{Type: 'AWS::EC2::VPC::Id'}", "x", json!("x")),
        ("{Type: CommaDelimitedList}", "", json!([])),
    ];
    for (parameter, value, result) in cases {
        assert_eq!(check(parameter, value), Ok(result), "{parameter}");
    }
}

#[test]
fn constraints_fail_in_cloudformations_words() {
    let cases = [
        ("{Type: Number}", "x", "Parameter 'P' must be a number."),
        (
            "{Type: Number, MinValue: 5}",
            "4",
            "Parameter 'P' must be a number not less than 5",
        ),
        (
            "{Type: List<Number>, MaxValue: 5}",
            "1,6",
            "Parameter 'P' must be a number not greater than 5",
        ),
        (
            "{Type: String, AllowedValues: [a, b]}",
            "c",
            "Parameter 'P' must be one of AllowedValues",
        ),
        (
            "{Type: String, MinLength: 2}",
            "a",
            "Parameter 'P' must contain at least 2 characters",
        ),
        (
            "{Type: String, MaxLength: '2'}",
            "abc",
            "Parameter 'P' must contain at most 2 characters",
        ),
        (
            "{Type: String, AllowedPattern: '[a-z]+'}",
            "a1",
            "Parameter 'P' must match pattern [a-z]+",
        ),
        (
            "{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: letters only}",
            "1",
            "Parameter P failed to satisfy constraint: letters only",
        ),
        (
            "{Type: String, Default: c, AllowedValues: [a]}",
            "a",
            "Template format error: Parameter 'P' must be one of AllowedValues",
        ),
    ];
    for (parameter, value, message) in cases {
        assert_eq!(
            check(parameter, value),
            Err(message.to_owned()),
            "{parameter}"
        );
    }
    assert!(
        check(
            "{Type: String, AllowedPattern: '(?=.*[0-9])(?=.*[a-z]).+'}",
            "a1"
        )
        .is_ok()
    );
    assert!(
        check("{Type: String, AllowedPattern: '('}", "a")
            .unwrap_err()
            .contains("AllowedPattern")
    );
    assert!(
        check(
            "{Type: String, AllowedPattern: '(?=a)(a*)*\\1b'}",
            &"a".repeat(4_000)
        )
        .is_err()
    );
}

#[test]
fn unknown_and_missing_parameters_are_named() {
    let document = document::read(
        "Parameters: {A: {Type: String}, B: {Type: String}, C: {Type: String, Default: x}}",
    )
    .unwrap();
    let parameters = crate::parameters(&document).unwrap();
    let refusal = |given: &[&str]| {
        let given = given
            .iter()
            .map(|name| ((*name).to_owned(), String::new()))
            .collect();
        Values::check(&parameters, &given).unwrap_err().to_string()
    };
    assert_eq!(refusal(&[]), "Parameters: [A, B] must have values");
    assert_eq!(
        refusal(&["A", "B", "X"]),
        "Parameters: [X] do not exist in the template"
    );
}

#[test]
fn what_systems_manager_holds_is_fetched_by_the_caller() {
    let document = document::read("Parameters: {A: {Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /a/b}, S: {Type: String, NoEcho: true, Default: x}}").unwrap();
    let parameters = crate::parameters(&document).unwrap();
    let mut values = Values::check(&parameters, &BTreeMap::new()).unwrap();
    assert_eq!(values.to_fetch().collect::<Vec<_>>(), [("A", "/a/b")]);
    values.fetched("A", "x,y");
    assert_eq!(values.to_fetch().count(), 0);
    assert_eq!(values.get("A"), Some(json!(["x", "y"])));
    let shown: Vec<_> = values.shown().collect();
    assert_eq!(shown, [("A", "/a/b", Some("x,y")), ("S", "****", None)]);
}
