//! Tests of what clients do not show: names, what a new version keeps, which filters let what through.

use zeroize::Zeroizing;

use super::generated::*;
use super::*;
use crate::error::{Exception, Result};
use crate::lambda::fixture::Fixture;
use crate::wire::SecretText;

fn asked(name: &str, value: &str) -> PutParameterRequest {
    PutParameterRequest {
        name: name.to_owned(),
        value: SecretText(Zeroizing::new(value.to_owned())),
        type_: Some("String".to_owned()),
        ..Default::default()
    }
}

async fn put(fixture: &Fixture, input: PutParameterRequest) -> Result<PutParameterResult> {
    put_parameter::handle(&fixture.context, input).await
}

async fn get(fixture: &Fixture, name: &str, decrypts: bool) -> Result<Parameter> {
    let input = GetParameterRequest {
        name: name.to_owned(),
        with_decryption: Some(decrypts),
    };
    let read = get_parameter::handle(&fixture.context, input).await?;
    Ok(read.parameter.unwrap())
}

fn text(parameter: &Parameter) -> &str {
    &parameter.value.as_ref().unwrap().0
}

#[tokio::test]
async fn names_are_those_that_aws_takes() {
    let fixture = Fixture::new().await;
    let deep = "/x".repeat(15);
    for name in [
        "a",
        "/a",
        "/a.b-c_d/e",
        &deep,
        &format!("/{}", "x".repeat(1_010)),
    ] {
        put(&fixture, asked(name, "v")).await.unwrap();
    }
    let too_deep = format!("{deep}/x");
    for (name, exception) in [
        ("aws", Exception::Validation),
        ("/SSM/x", Exception::Validation),
        ("a/b", Exception::Validation),
        ("/a//b", Exception::Validation),
        ("/a/", Exception::Validation),
        ("//a", Exception::Validation),
        ("/a b", Exception::Validation),
        (
            "arn:aws:ssm:us-east-1:000000000000:parameter/a",
            Exception::Validation,
        ),
        (&too_deep, Exception::HierarchyLevelLimitExceeded),
    ] {
        let refused = put(&fixture, asked(name, "v")).await.unwrap_err();
        assert_eq!(refused.exception, exception, "{name}");
    }
}

#[tokio::test]
async fn a_version_is_chosen_by_number_label_and_arn() {
    let fixture = Fixture::new().await;
    put(&fixture, asked("/a", "1")).await.unwrap();
    let mut second = asked("/a", "2");
    second.overwrite = Some(true);
    second.type_ = None;
    assert_eq!(put(&fixture, second).await.unwrap().version, Some(2));
    let label = LabelParameterVersionRequest {
        name: "/a".to_owned(),
        parameter_version: Some(1),
        labels: ["old", "1st", "awsx"].map(str::to_owned).into(),
    };
    let labelled = label_parameter_version::handle(&fixture.context, label).await;
    assert_eq!(labelled.unwrap().invalid_labels.unwrap(), ["1st", "awsx"]);
    let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/a";
    for (name, expected, selector) in [
        ("/a", "2", None),
        ("/a:1", "1", Some(":1")),
        ("/a:old", "1", Some(":old")),
        (arn, "2", None),
        (&format!("{arn}:old"), "1", Some(":old")),
    ] {
        let read = get(&fixture, name, false).await.unwrap();
        assert_eq!(
            (text(&read), read.selector.as_deref()),
            (expected, selector),
            "{name}"
        );
        assert_eq!(read.arn.as_deref(), Some(arn));
    }
    for (name, exception) in [
        ("/a:3", Exception::ParameterVersionNotFound),
        ("/a:new", Exception::ParameterVersionNotFound),
        ("/b", Exception::ParameterNotFound),
        (
            &arn.replace("us-east-1", "eu-west-1"),
            Exception::ParameterNotFound,
        ),
        (
            &arn.replace("parameter/", "parameter//"),
            Exception::ParameterNotFound,
        ),
        ("a b", Exception::ParameterNotFound),
    ] {
        let refused = get(&fixture, name, false).await.unwrap_err();
        assert_eq!(refused.exception, exception, "{name}");
    }
}

#[tokio::test]
async fn a_new_version_keeps_what_it_is_not_told_and_no_tier_is_left_downwards() {
    let fixture = Fixture::new().await;
    let mut first = asked("n", "12");
    first.type_ = Some("SecureString".to_owned());
    first.description = Some("d".to_owned());
    first.allowed_pattern = Some("^[0-9]+$".to_owned());
    first.tier = Some("Advanced".to_owned());
    put(&fixture, first.clone()).await.unwrap();
    let refused = put(&fixture, first).await.unwrap_err();
    assert_eq!(refused.exception, Exception::ParameterAlreadyExists);
    let again = |value: &str, tier: Option<&str>| PutParameterRequest {
        overwrite: Some(true),
        type_: None,
        tier: tier.map(str::to_owned),
        ..asked("n", value)
    };
    let refused = put(&fixture, again("x", None)).await.unwrap_err();
    assert_eq!(refused.exception, Exception::ParameterPatternMismatch);
    assert!(!refused.message.contains('x'), "{}", refused.message);
    let refused = put(&fixture, again("1", Some("Standard")))
        .await
        .unwrap_err();
    assert!(
        refused.message.contains("can't downgrade"),
        "{}",
        refused.message
    );
    let kept = put(&fixture, again(&"1".repeat(8_192), None))
        .await
        .unwrap();
    assert_eq!(kept.tier.as_deref(), Some("Advanced"));
    let refused = put(&fixture, again(&"1".repeat(8_193), None))
        .await
        .unwrap_err();
    assert_eq!(refused.exception, Exception::Validation);
    let described = describe_parameters::handle(&fixture.context, Default::default()).await;
    let described = described.unwrap().parameters.unwrap().remove(0);
    assert_eq!(described.type_.as_deref(), Some("SecureString"));
    assert_eq!(described.description.as_deref(), Some("d"));
    assert_eq!(described.key_id.as_deref(), Some("alias/aws/ssm"));
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let fixture = Fixture::new().await;
    let input = |change: fn(&mut PutParameterRequest)| {
        let mut input = asked("a", "v");
        change(&mut input);
        input
    };
    for (input, exception) in [
        (input(|input| input.type_ = None), Exception::Validation),
        (
            input(|input| input.value = Default::default()),
            Exception::Validation,
        ),
        (
            input(|input| input.value.0 = "x".repeat(4_097).into()),
            Exception::Validation,
        ),
        (
            input(|input| input.allowed_pattern = Some("[".to_owned())),
            Exception::InvalidAllowedPattern,
        ),
        (
            input(|input| input.policies = Some("[]".to_owned())),
            Exception::NotImplemented,
        ),
        (
            input(|input| input.data_type = Some("aws:ec2:image".to_owned())),
            Exception::Validation,
        ),
        (
            input(|input| input.key_id = Some("alias/k".to_owned())),
            Exception::Validation,
        ),
        (
            input(|input| {
                input.overwrite = Some(true);
                input.tags = Some(vec![Tag::default()]);
            }),
            Exception::Validation,
        ),
    ] {
        let shown = format!("{input:?}");
        let refused = put(&fixture, input).await.unwrap_err();
        assert_eq!(refused.exception, exception, "{shown}");
    }
    let fitting = input(|input| {
        input.value.0 = "x".repeat(4_097).into();
        input.tier = Some("Intelligent-Tiering".to_owned());
    });
    let kept = put(&fixture, fitting).await.unwrap();
    assert_eq!(kept.tier.as_deref(), Some("Advanced"));
}

#[tokio::test]
async fn filters_let_through_what_they_name() {
    let fixture = Fixture::new().await;
    for (name, kind) in [
        ("/shop/db", "SecureString"),
        ("/shop/mail/from", "String"),
        ("top", "StringList"),
    ] {
        let mut input = asked(name, "v");
        input.type_ = Some(kind.to_owned());
        input.tags = Some(vec![Tag {
            key: "kind".to_owned(),
            value: kind.to_owned(),
        }]);
        put(&fixture, input).await.unwrap();
    }
    let filter = |key: &str, option: Option<&str>, values: &[&str]| ParameterStringFilter {
        key: key.to_owned(),
        option: option.map(str::to_owned),
        values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
    };
    let describe = async |filters| {
        let input = DescribeParametersRequest {
            parameter_filters: Some(filters),
            ..Default::default()
        };
        let described = describe_parameters::handle(&fixture.context, input).await?;
        let names = described.parameters.unwrap().into_iter();
        Ok::<Vec<String>, crate::error::ApiError>(names.map(|one| one.name.unwrap()).collect())
    };
    for (filters, expected) in [
        (vec![], vec!["/shop/db", "/shop/mail/from", "top"]),
        (vec![filter("Name", None, &["top"])], vec!["top"]),
        (
            vec![filter("Name", Some("BeginsWith"), &["/shop/m"])],
            vec!["/shop/mail/from"],
        ),
        (
            vec![filter("Name", Some("Contains"), &["o"])],
            vec!["/shop/db", "/shop/mail/from", "top"],
        ),
        (vec![filter("Path", None, &["/shop"])], vec!["/shop/db"]),
        (
            vec![filter("Path", Some("Recursive"), &["/shop/"])],
            vec!["/shop/db", "/shop/mail/from"],
        ),
        (
            vec![filter("Type", None, &["String", "StringList"])],
            vec!["/shop/mail/from", "top"],
        ),
        (
            vec![filter("tag:kind", None, &[])],
            vec!["/shop/db", "/shop/mail/from", "top"],
        ),
        (
            vec![filter("tag:kind", None, &["String"])],
            vec!["/shop/mail/from"],
        ),
        (
            vec![filter("KeyId", None, &["alias/aws/ssm"])],
            vec!["/shop/db"],
        ),
        (
            vec![
                filter("Tier", None, &["Standard"]),
                filter("Name", None, &["top"]),
            ],
            vec!["top"],
        ),
    ] {
        assert_eq!(describe(filters).await.unwrap(), expected);
    }
    let refused = describe(vec![filter("Type", Some("Contains"), &["x"])]).await;
    assert_eq!(
        refused.unwrap_err().exception,
        Exception::InvalidFilterOption
    );
    let refused = describe(vec![filter("Name", None, &[])]).await;
    assert_eq!(
        refused.unwrap_err().exception,
        Exception::InvalidFilterValue
    );
    let below = GetParametersByPathRequest {
        path: "/shop".to_owned(),
        parameter_filters: Some(vec![filter("Name", None, &["x"])]),
        ..Default::default()
    };
    let refused = get_parameters_by_path::handle(&fixture.context, below).await;
    assert_eq!(refused.unwrap_err().exception, Exception::InvalidFilterKey);
}

#[tokio::test]
async fn history_is_paged_and_secret_texts_stay_sealed_unless_opened() {
    let fixture = Fixture::new().await;
    for number in 1..=3 {
        let mut input = asked("s", &format!("hunter{number}"));
        input.type_ = Some("SecureString".to_owned());
        input.overwrite = Some(true);
        put(&fixture, input).await.unwrap();
    }
    let history = async |token, decrypts| {
        let input = GetParameterHistoryRequest {
            name: "s".to_owned(),
            with_decryption: Some(decrypts),
            max_results: Some(2),
            next_token: token,
        };
        let read = get_parameter_history::handle(&fixture.context, input)
            .await
            .unwrap();
        let texts = read.parameters.unwrap().into_iter();
        let texts: Vec<String> = texts.map(|one| one.value.unwrap().0.to_string()).collect();
        (texts, read.next_token)
    };
    let (first, token) = history(None, true).await;
    assert_eq!(first, ["hunter1", "hunter2"]);
    let (second, token) = history(token, true).await;
    assert_eq!((second, token), (vec!["hunter3".to_owned()], None));
    let (sealed, _) = history(None, false).await;
    assert!(
        sealed.iter().all(|text| !text.contains("hunter")),
        "{sealed:?}"
    );
    assert!(text(&get(&fixture, "s", false).await.unwrap()).len() > 20);
    assert_eq!(text(&get(&fixture, "s", true).await.unwrap()), "hunter3");
}

#[tokio::test]
async fn a_history_does_not_go_on_from_what_ended_no_page() {
    let fixture = Fixture::new().await;
    put(&fixture, asked("n", "1")).await.unwrap();
    for token in ["x", "-1", "1", "9", "18446744073709551615"] {
        let input = GetParameterHistoryRequest {
            name: "n".to_owned(),
            next_token: Some(token.to_owned()),
            ..Default::default()
        };
        let read = get_parameter_history::handle(&fixture.context, input);
        let refused = read.await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidNextToken, "{token}");
    }
}

#[tokio::test]
async fn a_value_does_not_slip_past_the_pattern_of_a_version_that_came_just_before() {
    let fixture = Fixture::new().await;
    put(&fixture, asked("n", "a")).await.unwrap();
    let over = |value: &str, pattern: Option<&str>| PutParameterRequest {
        overwrite: Some(true),
        allowed_pattern: pattern.map(str::to_owned),
        ..asked("n", value)
    };
    let (digits, letters) = tokio::join!(
        put(&fixture, over("1", Some("^[0-9]+$"))),
        put(&fixture, over("b", None)),
    );
    assert_eq!(digits.unwrap().version, Some(2));
    let refused = letters.unwrap_err();
    assert_eq!(refused.exception, Exception::ParameterPatternMismatch);
    assert_eq!(text(&get(&fixture, "n", false).await.unwrap()), "1");
}
