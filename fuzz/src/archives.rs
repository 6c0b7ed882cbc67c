//! Archives, each unpacked into a directory of its own.

/// A function's package.
pub(crate) fn zip(data: &[u8]) {
    let root = tempfile::tempdir().expect("there is room");
    kiln_store::fuzzing::zip(data, root.path());
}

/// An image's layer.
pub(crate) fn layer(data: &[u8]) {
    let root = tempfile::tempdir().expect("there is room");
    kiln_store::fuzzing::layer(data, root.path());
}
