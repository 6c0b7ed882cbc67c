//! Names: the model's turned into Rust's.

/// `KMSKeyArn` to `kms_key_arn`, `S3Bucket` to `s3_bucket`, `CodeSha256` to `code_sha256`.
pub fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            let before = letters[index - 1];
            let next_is_lower = letters.get(index + 1).is_some_and(char::is_ascii_lowercase);
            let word_starts = before.is_ascii_lowercase() || next_is_lower;
            if word_starts && !snake.ends_with('_') {
                snake.push('_');
            }
        }
        snake.push(if *letter == '-' {
            '_'
        } else {
            letter.to_ascii_lowercase()
        });
    }
    snake
}

/// A field's name; Rust's own words get an underscore.
pub fn field(name: &str) -> String {
    let snake = snake(name);
    match snake.as_str() {
        "type" | "ref" | "match" | "move" | "self" | "use" | "where" | "loop" => snake + "_",
        _ => snake,
    }
}

/// A static's name.
pub fn constant(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// A type's name: the model's with its first letter in upper case.
pub fn type_name(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_and_digits_stay_one_word() {
        let cases = [
            ("FunctionName", "function_name"),
            ("KMSKeyArn", "kms_key_arn"),
            ("SourceKMSKeyArn", "source_kms_key_arn"),
            ("S3Bucket", "s3_bucket"),
            ("S3ObjectStorageMode", "s3_object_storage_mode"),
            ("CodeSha256", "code_sha256"),
            ("PrincipalOrgID", "principal_org_id"),
            ("tagKeys", "tag_keys"),
            (
                "ExecutionEnvironmentMemoryGiBPerVCpu",
                "execution_environment_memory_gi_b_per_v_cpu",
            ),
            ("Ipv6AllowedForDualStack", "ipv6_allowed_for_dual_stack"),
            ("DirectS3Read", "direct_s3_read"),
        ];
        for (name, expected) in cases {
            assert_eq!(snake(name), expected);
        }
    }

    #[test]
    fn rust_words_are_not_field_names() {
        assert_eq!(field("Type"), "type_");
    }
}
