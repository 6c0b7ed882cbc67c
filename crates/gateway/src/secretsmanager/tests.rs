//! Tests of what clients do not show: what is written down, what passwords are made of, what a token stands for.

use kiln_types::secret::{CURRENT, PREVIOUS};
use serde_json::{Map, json};
use zeroize::Zeroizing;

use super::generated::*;
use super::*;
use crate::error::{ApiError, Exception};
use crate::lambda::fixture::Fixture;
use crate::wire::{SecretBytes, SecretText};

fn text(says: &str) -> Option<SecretText> {
    Some(SecretText(Zeroizing::new(says.to_owned())))
}

fn asked(name: &str, says: &str) -> CreateSecretRequest {
    CreateSecretRequest {
        name: name.to_owned(),
        secret_string: text(says),
        ..Default::default()
    }
}

async fn create(fixture: &Fixture, input: CreateSecretRequest) -> Result<CreateSecretResponse> {
    create_secret::handle(&fixture.context, input).await
}

async fn put(fixture: &Fixture, token: &str, says: &str) -> Result<PutSecretValueResponse> {
    let input = PutSecretValueRequest {
        secret_id: "s".to_owned(),
        client_request_token: Some(token.to_owned()),
        secret_string: text(says),
        ..Default::default()
    };
    put_secret_value::handle(&fixture.context, input).await
}

async fn get(
    fixture: &Fixture,
    id: Option<&str>,
    label: Option<&str>,
) -> Result<GetSecretValueResponse> {
    let input = GetSecretValueRequest {
        secret_id: "s".to_owned(),
        version_id: id.map(str::to_owned),
        version_stage: label.map(str::to_owned),
    };
    get_secret_value::handle(&fixture.context, input).await
}

fn says(error: ApiError) -> (Exception, String) {
    (error.exception, error.message.into_owned())
}

#[tokio::test]
async fn versions_are_read_by_id_and_by_label() {
    let fixture = Fixture::new().await;
    let made = create(&fixture, asked("s", "one")).await.unwrap();
    let first = made.version_id.unwrap();
    put(&fixture, "2", "two").await.unwrap();
    for (id, label, expected) in [
        (None, None, "two"),
        (None, Some(CURRENT), "two"),
        (None, Some(PREVIOUS), "one"),
        (Some(&*first), None, "one"),
        (Some(&*first), Some(PREVIOUS), "one"),
    ] {
        let read = get(&fixture, id, label).await.unwrap();
        assert_eq!(read.secret_string, text(expected));
    }
    let refused = get(&fixture, Some(&first), Some(CURRENT))
        .await
        .unwrap_err();
    assert_eq!(refused.exception, Exception::InvalidRequest);
    let (exception, message) = says(get(&fixture, None, Some("mine")).await.unwrap_err());
    assert_eq!(exception, Exception::ResourceNotFound);
    assert!(message.ends_with("staging label: mine"), "{message}");
    let (_, message) = says(get(&fixture, Some("9"), None).await.unwrap_err());
    assert!(message.ends_with("VersionId: 9"), "{message}");
}

#[tokio::test]
async fn a_secret_has_as_many_bytes_as_awss_and_text_or_bytes() {
    let fixture = Fixture::new().await;
    create(&fixture, asked("s", &"x".repeat(65_536)))
        .await
        .unwrap();
    let refused = create(&fixture, asked("t", &"ä".repeat(32_769))).await;
    assert_eq!(refused.unwrap_err().exception, Exception::Validation);
    let mut both = asked("u", "x");
    both.secret_binary = Some(SecretBytes::default());
    let refused = create(&fixture, both).await.unwrap_err();
    assert_eq!(refused.exception, Exception::InvalidParameter);
    let neither = PutSecretValueRequest {
        secret_id: "s".to_owned(),
        ..Default::default()
    };
    let refused = put_secret_value::handle(&fixture.context, neither).await;
    assert_eq!(refused.unwrap_err().exception, Exception::InvalidRequest);
}

#[tokio::test]
async fn a_name_is_free_again_only_when_its_secret_is_gone() {
    let fixture = Fixture::new().await;
    let first = create(&fixture, asked("s", "x")).await.unwrap();
    let (exception, message) = says(create(&fixture, asked("s", "y")).await.unwrap_err());
    assert_eq!(exception, Exception::ResourceExists);
    assert!(message.contains("the secret s already exists"), "{message}");
    let delete = |days, is_forced| {
        let input = DeleteSecretRequest {
            secret_id: "s".to_owned(),
            recovery_window_in_days: days,
            force_delete_without_recovery: is_forced,
        };
        delete_secret::handle(&fixture.context, input)
    };
    for (days, is_forced) in [(Some(6), None), (Some(31), None), (Some(7), Some(true))] {
        let refused = delete(days, is_forced).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameter);
    }
    let deleted = delete(Some(7), None).await.unwrap();
    let week = deleted.deletion_date.unwrap() - crate::wire::seconds(fixture.context.now);
    assert_eq!(week.round(), 7.0 * 86_400.0);
    let (exception, message) = says(create(&fixture, asked("s", "y")).await.unwrap_err());
    assert_eq!(exception, Exception::InvalidRequest);
    assert!(
        message.contains("already scheduled for deletion"),
        "{message}"
    );
    assert_eq!(
        get(&fixture, None, None).await.unwrap_err().exception,
        Exception::InvalidRequest
    );
    delete(None, Some(true)).await.unwrap();
    let again = create(&fixture, asked("s", "y")).await.unwrap();
    assert_ne!(first.arn, again.arn);
    delete(None, Some(true)).await.unwrap();
    delete(None, Some(true)).await.unwrap();
}

#[tokio::test]
async fn passwords_are_of_what_is_asked_for() {
    let fixture = Fixture::new().await;
    let draw =
        |input: GetRandomPasswordRequest| get_random_password::handle(&fixture.context, input);
    let of = |output: GetRandomPasswordResponse| output.random_password.unwrap().0;
    for _ in 0..50 {
        let password = of(draw(Default::default()).await.unwrap());
        assert_eq!(password.len(), 32);
        for kind in [
            char::is_ascii_lowercase,
            char::is_ascii_uppercase,
            char::is_ascii_digit,
            char::is_ascii_punctuation,
        ] {
            assert!(
                password.chars().any(|letter| kind(&letter)),
                "{}",
                *password
            );
        }
    }
    let digits = GetRandomPasswordRequest {
        password_length: Some(4_096),
        exclude_lowercase: Some(true),
        exclude_uppercase: Some(true),
        exclude_punctuation: Some(true),
        exclude_characters: Some("0".to_owned()),
        ..Default::default()
    };
    let password = of(draw(digits.clone()).await.unwrap());
    assert_eq!(password.len(), 4_096);
    assert!(password.bytes().all(|byte| (b'1'..=b'9').contains(&byte)));
    let short = GetRandomPasswordRequest {
        password_length: Some(3),
        ..Default::default()
    };
    let nothing = GetRandomPasswordRequest {
        exclude_numbers: Some(true),
        ..digits
    };
    for refused in [short, nothing] {
        let refused = draw(refused).await.unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameter);
    }
}

#[tokio::test]
async fn lists_are_filtered_ordered_and_paged() {
    let mut fixture = Fixture::new().await;
    for (number, name) in ["shop/db", "shop/mail", "blog/db"].into_iter().enumerate() {
        fixture.context.now = fixture.context.now + std::time::Duration::from_secs(number as u64);
        let mut input = asked(name, "x");
        input.description = Some(format!("The Key of {name}"));
        input.tags = Some(vec![Tag {
            key: Some("Team".to_owned()),
            value: Some(name[..4].to_owned()),
        }]);
        create(&fixture, input).await.unwrap();
    }
    let filter = |key: &str, values: &[&str]| Filter {
        key: Some(key.to_owned()),
        values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
    };
    let list = async |input: ListSecretsRequest| {
        let listed = list_secrets::handle(&fixture.context, input).await.unwrap();
        let names = listed.secret_list.unwrap().into_iter();
        let names: Vec<String> = names.map(|entry| entry.name.unwrap()).collect();
        (names, listed.next_token)
    };
    for (filters, expected) in [
        (vec![], vec!["shop/db", "shop/mail", "blog/db"]),
        (
            vec![filter("name", &["shop/"])],
            vec!["shop/db", "shop/mail"],
        ),
        (vec![filter("name", &["Shop/"])], vec![]),
        (vec![filter("name", &["!shop/"])], vec!["blog/db"]),
        (
            vec![filter("description", &["the key of b"])],
            vec!["blog/db"],
        ),
        (
            vec![filter("tag-value", &["blog", "none"])],
            vec!["blog/db"],
        ),
        (vec![filter("tag-key", &["team"])], vec![]),
        (
            vec![filter("all", &["MAIL blog"])],
            vec!["shop/mail", "blog/db"],
        ),
        (
            vec![filter("name", &["shop"]), filter("all", &["mail"])],
            vec!["shop/mail"],
        ),
    ] {
        let input = ListSecretsRequest {
            filters: Some(filters),
            ..Default::default()
        };
        assert_eq!(list(input).await.0, expected);
    }
    let page = |token| ListSecretsRequest {
        max_results: Some(2),
        sort_by: Some("name".to_owned()),
        sort_order: Some("desc".to_owned()),
        next_token: token,
        ..Default::default()
    };
    let (first, token) = list(page(None)).await;
    assert_eq!(first, ["shop/mail", "shop/db"]);
    let (second, token) = list(page(token)).await;
    assert_eq!((second, token), (vec!["blog/db".to_owned()], None));
    let bad = list_secrets::handle(&fixture.context, page(Some("!".to_owned()))).await;
    let exception = bad.unwrap_err().exception;
    assert_eq!(exception, Exception::BadNextToken);
}

#[test]
fn what_a_secret_says_is_not_among_what_is_written_down() {
    let members = json!({
        "Name": "s",
        "SecretString": "hunter2",
        "SecretBinary": "aHVudGVyMg==",
        "ClientRequestToken": "t",
        "Tags": [{"Key": "k", "Value": "v"}],
    });
    let members: Map<_, _> = members.as_object().unwrap().clone();
    assert_eq!(crate::audit::names(&members), json!({"name": "s"}));
    let input: CreateSecretRequest = serde_json::from_value(members.into()).unwrap();
    assert!(!format!("{input:?}").contains("hunter2"));
}
