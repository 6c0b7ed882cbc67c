//! `GetRandomPassword`: a password by chance.

use zeroize::Zeroizing;

use super::generated::{GetRandomPasswordRequest as Input, GetRandomPasswordResponse as Output};
use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::wire::SecretText;

/// How many characters it has unless told.
const LENGTH: usize = 32;
const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

pub(crate) async fn handle(_: &Context, input: Input) -> Result<Output> {
    let length = input
        .password_length
        .map_or(LENGTH, |length| length as usize);
    let kinds = kinds(&input)?;
    let mut password = Zeroizing::new(Vec::with_capacity(length));
    if input.require_each_included_type != Some(false) {
        if kinds.len() > length {
            return Err(invalid(
                "Password length is too short based on the required types.",
            ));
        }
        for kind in &kinds {
            password.push(kind[below(kind.len())?]);
        }
    }
    let all = kinds.concat();
    while password.len() < length {
        password.push(all[below(all.len())?]);
    }
    // Those that had to be there stand in front so far.
    for last in (1..password.len()).rev() {
        password.swap(last, below(last + 1)?);
    }
    let text = String::from_utf8(password.to_vec()).expect("all of them are ASCII");
    Ok(Output {
        random_password: Some(SecretText(Zeroizing::new(text))),
    })
}

/// What is drawn from: the characters of each kind that is wanted, without those that are not.
fn kinds(input: &Input) -> Result<Vec<Vec<u8>>> {
    let excluded = input.exclude_characters.as_deref().unwrap_or_default();
    let of = |characters: &str| -> Vec<u8> {
        let wanted = characters.bytes();
        wanted
            .filter(|character| !excluded.as_bytes().contains(character))
            .collect()
    };
    let kinds = [
        (LOWERCASE, input.exclude_lowercase != Some(true)),
        (UPPERCASE, input.exclude_uppercase != Some(true)),
        (NUMBERS, input.exclude_numbers != Some(true)),
        (PUNCTUATION, input.exclude_punctuation != Some(true)),
        (" ", input.include_space == Some(true)),
    ];
    let wanted = kinds.iter().filter(|(_, is_wanted)| *is_wanted);
    let kinds: Vec<Vec<u8>> = wanted
        .map(|(characters, _)| of(characters))
        .filter(|kind| !kind.is_empty())
        .collect();
    match kinds.is_empty() {
        true => Err(invalid(
            "No characters are left for the password: exclude fewer.",
        )),
        false => Ok(kinds),
    }
}

/// A number below this one, at most 4,096, each as likely as the others.
fn below(bound: usize) -> Result<usize> {
    let even = (1 << 16) / bound * bound;
    loop {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(|_| ApiError::internal())?;
        let number = usize::from(u16::from_le_bytes(random));
        if number < even {
            return Ok(number % bound);
        }
    }
}
