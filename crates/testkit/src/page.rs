//! Reference pages that are rendered from the code.

use std::path::Path;

/// Fails unless `docs/reference/<name>` is this text. With `KILN_BLESS` set it is renewed first.
///
/// # Panics
/// When the page is another, missing, or cannot be renewed.
pub fn assert_rendered(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let path = folder.join(name);
    if std::env::var_os("KILN_BLESS").is_some() {
        std::fs::write(&path, text).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "run this test with KILN_BLESS=1 to renew {}",
        path.display()
    );
}
