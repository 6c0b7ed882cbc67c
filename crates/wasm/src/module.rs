//! Which file of a package is the function.

use std::fs;
use std::path::{Path, PathBuf};

/// What a module's file name ends with.
const SUFFIX: &str = "wasm";

/// The file that the handler names, with or without `.wasm`; or, when it names none, the only `.wasm`
/// at the package's root. The error is for the user.
pub(crate) fn find(package: &Path, handler: &str) -> Result<PathBuf, String> {
    for name in [handler.to_owned(), format!("{handler}.{SUFFIX}")] {
        let is_below = Path::new(&name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let named = package.join(&name);
        if is_below && is_module(&named) {
            return Ok(named);
        }
    }
    let entries =
        fs::read_dir(package).map_err(|error| format!("cannot list the package: {error}"))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_module(path))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(format!(
            "the package has several .wasm files at its root and the handler '{handler}' names none of them"
        )),
        (None, _) => Err("the package has no .wasm file at its root".to_owned()),
    }
}

/// What the code compiled from a module of a package is called: by its whole path in it, because two
/// folders may have modules of one name.
pub(crate) fn compiled_name(package: &Path, module: &Path) -> String {
    let path = module.strip_prefix(package).unwrap_or(module);
    let name = path.to_string_lossy().replace('%', "%25");
    format!("{}.compiled", name.replace('/', "%2F"))
}

fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == SUFFIX) && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str], handler: &str) -> Result<String, String> {
        let package = tempfile::tempdir().unwrap();
        for file in files {
            let path = package.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let path = find(package.path(), handler)?;
        let path = path.strip_prefix(package.path()).unwrap();
        Ok(path.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_handler_names_the_file_with_or_without_its_ending() {
        let files = ["a.wasm", "b.wasm", "bin/c.wasm"];
        for (handler, file) in [
            ("a.wasm", "a.wasm"),
            ("b", "b.wasm"),
            ("bin/c", "bin/c.wasm"),
        ] {
            assert_eq!(found(&files, handler).unwrap(), file);
        }
    }

    #[test]
    fn modules_of_one_name_have_their_own_compiled_code() {
        let name = |module: &str| compiled_name(Path::new("/p"), &Path::new("/p").join(module));
        assert_eq!(name("main.wasm"), "main.wasm.compiled");
        assert_eq!(name("a/main.wasm"), "a%2Fmain.wasm.compiled");
        assert_ne!(name("a/main.wasm"), name("a%2Fmain.wasm"));
        assert_ne!(name("a/main.wasm"), name("b/main.wasm"));
    }

    #[test]
    fn a_single_module_needs_no_name() {
        assert_eq!(
            found(&["main.wasm", "README.md"], "x.y").unwrap(),
            "main.wasm"
        );
        let several = found(&["a.wasm", "b.wasm"], "x").unwrap_err();
        assert!(several.contains("several"), "{several}");
        let none = found(&["sub/a.wasm"], "x").unwrap_err();
        assert!(none.contains("no .wasm file"), "{none}");
    }

    #[test]
    fn a_handler_cannot_lead_out_of_the_package() {
        let package = tempfile::tempdir().unwrap();
        fs::write(package.path().join("out.wasm"), "").unwrap();
        let inside = package.path().join("inside");
        fs::create_dir(&inside).unwrap();
        assert!(find(&inside, "../out.wasm").is_err());
        let absolute = package.path().join("out.wasm");
        assert!(find(&inside, absolute.to_str().unwrap()).is_err());
    }
}
