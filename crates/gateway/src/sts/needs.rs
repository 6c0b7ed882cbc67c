//! What operations on credentials need to be allowed: nothing, but that roles are assumed, which `assume_role` asks itself, as
//! the role has a say.

use super::generated::Operation;
use crate::access::{Guarded, Members, Need};

impl Guarded for Operation {
    const SERVICE: &'static str = "sts";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        match self {
            Operation::AssumeRole | Operation::GetCallerIdentity | Operation::GetSessionToken => {
                Vec::new()
            }
            _ => vec![of.need("*")],
        }
    }
}
