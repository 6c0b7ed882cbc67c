//! Signed code: statements, signatures, keys, and lists of what a package consists of.

use kiln_signing::{PublicKey, Sealed, Statement};
use kiln_types::{Content, Sha256};

use crate::parts;

/// A key that signed nothing that is here.
const STRANGER: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAiyV80jXdZNQyMFva2YGhcDZyAufkaDGOb/SI9K0naNU=\n-----END PUBLIC KEY-----\n";

/// A statement, a signature, a key, a list.
///
/// What is read is written as it was; nobody's signature is by a key that signed nothing.
pub(crate) fn code_signature(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [statement, signature, key, content] = parts(&text);
    if let Ok(read) = Statement::parse(statement.as_bytes()) {
        assert_eq!(read.to_text(), statement);
    }
    let sealed = Sealed {
        statement: statement.into(),
        signature: signature.into(),
    };
    let stranger = PublicKey::from_pem(STRANGER).expect("it is a key");
    let nothing = Sha256::from_bytes([0; 32]);
    assert!(sealed.verify(&stranger, &nothing).is_err());
    if let Ok(key) = PublicKey::from_pem(key) {
        assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(key.clone()));
        let _ = sealed.verify(&key, &nothing);
    }
    if let Some(content) = Content::parse(content) {
        assert_eq!(Content::parse(&content.to_text()), Some(content.clone()));
        assert_eq!(content.first_difference(&content), None);
    }
}
