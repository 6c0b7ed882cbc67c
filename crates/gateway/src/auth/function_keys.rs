//! The keys that functions sign with.
//!
//! They are derived from a secret of the store and say nothing: the connection says which function
//! calls, and its keys are accepted on its own connections alone. So there is nothing to store, to
//! expire or to steal, and what a snapshot of a function holds stays true in every instance.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kiln_types::iam::Directory;
use kiln_types::{FunctionArn, FunctionCaller, Region};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::Claim;
use crate::context::Session;

/// The alphabet of key ids: AWS's are base32.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Letters of a key id after its prefix.
const ID_LETTERS: usize = 16;
/// 40 characters, as AWS's have.
const SECRET_BYTES: usize = 30;

/// Temporary credentials of a function.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionKeys {
    /// `ASIA` and 16 letters and digits, as AWS's temporary keys have.
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: String,
    /// What must be sent beside a signature.
    pub session_token: String,
}

impl FunctionKeys {
    /// Those of a function and its role.
    pub fn derive(secret: &[u8; 32], caller: &FunctionCaller) -> Self {
        let part = |purpose: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length will do");
            let FunctionCaller { function, role } = caller;
            let of = [
                purpose,
                function.account.as_str(),
                function.name.as_str(),
                role,
            ];
            // None of them contains a line feed.
            mac.update(of.join("\n").as_bytes());
            mac.finalize().into_bytes()
        };
        let letters = part("id").into_iter().take(ID_LETTERS);
        let letters = letters.map(|byte| char::from(BASE32[usize::from(byte % 32)]));
        Self {
            access_key_id: "ASIA".chars().chain(letters).collect(),
            secret_access_key: STANDARD.encode(&part("secret")[..SECRET_BYTES]),
            session_token: STANDARD.encode(part("token")),
        }
    }

    /// Whether a request claims to be signed with these.
    pub(crate) fn are_claimed(&self, claim: &Claim) -> bool {
        let token = claim.session_token.as_deref().unwrap_or_default();
        let same_id = claim.access_key_id == self.access_key_id;
        same_id && bool::from(token.as_bytes().ct_eq(self.session_token.as_bytes()))
    }
}

/// Who a function is: a session of its role that is named for it.
pub(super) fn session(caller: &FunctionCaller, region: &Region, directory: &Directory) -> Session {
    let FunctionCaller { function, role } = caller;
    let arn = FunctionArn::new(region.clone(), function);
    Session {
        function: Some(arn.to_string()),
        ..Session::of(directory, role, function.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str, role: &str) -> FunctionCaller {
        FunctionCaller {
            function: kiln_types::FunctionId {
                account: "000000000000".parse().unwrap(),
                name: name.parse().unwrap(),
            },
            role: role.to_owned(),
        }
    }

    #[test]
    fn keys_have_aws_s_form_and_differ_by_function_role_and_secret() {
        let role = "arn:aws:iam::000000000000:role/any";
        let keys = FunctionKeys::derive(&[1; 32], &caller("sum", role));
        assert_eq!(keys.access_key_id.len(), 20);
        assert_eq!(keys.secret_access_key.len(), 40);
        let others = [
            FunctionKeys::derive(&[2; 32], &caller("sum", role)),
            FunctionKeys::derive(&[1; 32], &caller("product", role)),
            FunctionKeys::derive(&[1; 32], &caller("sum", "arn:aws:iam::000000000000:role/b")),
        ];
        for other in others {
            assert_ne!(other.access_key_id, keys.access_key_id);
            assert_ne!(other.secret_access_key, keys.secret_access_key);
            assert_ne!(other.session_token, keys.session_token);
        }
        assert!(keys == FunctionKeys::derive(&[1; 32], &caller("sum", role)));
    }

    #[test]
    fn a_function_is_a_session_of_its_role() {
        let role = "arn:aws:iam::000000000000:role/service/worker";
        let directory = Directory::new("000000000000".parse().unwrap());
        let region = "us-east-1".parse().unwrap();
        let session = session(&caller("sum", role), &region, &directory);
        assert_eq!(
            (session.role.as_str(), session.name.as_str()),
            (role, "sum")
        );
        assert_eq!(session.role_id, None, "there is no such role");
        let function = "arn:aws:lambda:us-east-1:000000000000:function:sum";
        assert_eq!(session.function.as_deref(), Some(function));
    }
}
