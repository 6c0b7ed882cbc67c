//! Keys from AWS's shared credentials file (`~/.aws/credentials`).

use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;

/// The keys of `$AWS_PROFILE`, or of `[default]`.
pub(super) fn find(env: super::Environment) -> Option<Credentials> {
    let path = env("AWS_SHARED_CREDENTIALS_FILE")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&env("HOME")?).join(".aws/credentials")))?;
    let text = std::fs::read_to_string(path).ok()?;
    let profile = env("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    parse(&text, &profile)
}

fn parse(text: &str, profile: &str) -> Option<Credentials> {
    let (mut inside, mut id, mut secret, mut token) = (false, None, None, None);
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            inside = section.trim() == profile;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| inside) else {
            continue;
        };
        let value = Some(value.trim().to_owned());
        match key.trim() {
            "aws_access_key_id" => id = value,
            "aws_secret_access_key" => secret = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    Some(Credentials::new(id?, secret?, token, None, "profile"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key = one=two

# a comment
[work]
aws_secret_access_key=s
aws_access_key_id=AKWORK
aws_session_token=t
[broken]
aws_access_key_id=AKBROKEN
";

    #[test]
    fn profile_is_chosen_by_name_and_values_may_hold_equal_signs() {
        let default = parse(FILE, "default").unwrap();
        assert_eq!(default.access_key_id(), "AKDEFAULT");
        assert_eq!(default.secret_access_key(), "one=two");
        assert_eq!(default.session_token(), None);
        let work = parse(FILE, "work").unwrap();
        assert_eq!(
            (work.access_key_id(), work.session_token()),
            ("AKWORK", Some("t"))
        );
    }

    #[test]
    fn profile_without_both_keys_is_none() {
        assert!(parse(FILE, "broken").is_none());
        assert!(parse(FILE, "absent").is_none());
    }
}
