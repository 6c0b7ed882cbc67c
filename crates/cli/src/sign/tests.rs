//! What is signed, and what is refused.

use kiln_types::content::{SIGNATURE_PATH, STATEMENT_PATH};
use tempfile::TempDir;

use super::*;

/// Made by `openssl genpkey -algorithm ed25519`.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIEhp+rDYjNF3ehcQlcLay8UOTU3cka6N5cj6UBkhoVqx\n\
    -----END PRIVATE KEY-----\n";
const PROFILE: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/ci/0a1b2c3d4e";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("private.pem", PRIVATE.as_bytes());
        let zip = kiln_testkit::archive::zip(&[("index.py", b"x = 1"), ("lib/a.py", b"y = 2")]);
        folder.write("code.zip", &zip);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn args(&self) -> Args {
        Args {
            zip: self.path("code.zip"),
            key: Some(self.path("private.pem")),
            profile: Some(PROFILE.parse().unwrap()),
            expires: Some(90),
            to: None,
            print_statement: false,
            with: None,
        }
    }

    /// The signature that the package has, and the digest of its content.
    fn sealed(&self) -> (Sealed, kiln_types::Sha256) {
        let zip = read(&self.path("code.zip")).unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&zip)).unwrap();
        let mut file = |path: &str| {
            let mut bytes = Vec::new();
            let mut entry = archive.by_name(path).unwrap();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            bytes
        };
        let sealed = Sealed {
            statement: file(STATEMENT_PATH),
            signature: file(SIGNATURE_PATH),
        };
        let content = archive::content(&zip).unwrap();
        (sealed, content.covered_digest())
    }
}

#[test]
fn a_package_that_was_signed_has_a_signature_of_its_content() {
    let folder = Folder::new();
    let key = PrivateKey::from_pem(PRIVATE).unwrap().public();
    for _ in 0..2 {
        run(Format::Json, &folder.args()).unwrap();
        let (sealed, content) = folder.sealed();
        let statement = sealed.verify(&key, &content).unwrap();
        assert_eq!(statement.profile.to_string(), PROFILE);
        let days = statement.expires.unwrap().as_millis() - statement.signed.as_millis();
        assert_eq!(days, 90 * 24 * 60 * 60 * 1_000);
    }
}

#[test]
fn another_program_may_sign_what_is_printed_and_nothing_else() {
    let folder = Folder::new();
    let zip = read(&folder.path("code.zip")).unwrap();
    let content = archive::content(&zip).unwrap().covered_digest();
    let profile = PROFILE.parse().unwrap();
    let now = Timestamp::from_millis(1_795_888_800_999);
    let printed = statement(&profile, now, None, content);
    let key = PrivateKey::from_pem(PRIVATE).unwrap();
    let sealed = Sealed::new(&printed, &key).unwrap();
    folder.write("statement", &sealed.statement);
    folder.write("signature", &sealed.signature);
    let args = Args {
        key: None,
        profile: None,
        expires: None,
        with: Some(vec![folder.path("statement"), folder.path("signature")]),
        ..folder.args()
    };
    run(Format::Json, &args).unwrap();
    let (found, content) = folder.sealed();
    assert_eq!(found, sealed);
    assert!(found.verify(&key.public(), &content).is_ok());
    let other = kiln_testkit::archive::zip(&[("index.py", b"x = 2")]);
    folder.write("code.zip", &other);
    let refused = run(Format::Json, &args).unwrap_err();
    assert!(refused.to_string().contains("other content"), "{refused}");
}

#[test]
fn what_cannot_be_signed_is_left_as_it_is() {
    let folder = Folder::new();
    folder.write("private.pem", b"no key");
    let before = read(&folder.path("code.zip")).unwrap();
    let refused = run(Format::Json, &folder.args()).unwrap_err();
    assert!(refused.to_string().contains("openssl genpkey"), "{refused}");
    assert_eq!(read(&folder.path("code.zip")).unwrap(), before);
    folder.write("code.zip", b"no zip");
    assert!(run(Format::Json, &folder.args()).is_err());
    let escaping = kiln_testkit::archive::zip(&[("../x", b"")]);
    folder.write("code.zip", &escaping);
    assert!(run(Format::Json, &folder.args()).is_err());
}
