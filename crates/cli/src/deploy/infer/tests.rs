//! What is inferred from small packages.

use super::*;

fn package(files: &[(&str, &str)]) -> Package {
    let mut files = files.to_vec();
    files.sort_unstable();
    let top = files
        .iter()
        .filter(|(name, _)| !name.contains('/') && name.contains('.'));
    Package {
        zip: Vec::new(),
        executables: [BOOTSTRAP.to_owned()].into(),
        sources: top
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        files: files.iter().map(|(name, _)| (*name).to_owned()).collect(),
    }
}

const NOTHING_SAID: Choice = Choice {
    runtime: None,
    handler: None,
    runtimes: &[],
};
const DEF: &str = "import boto3\ndef lambda_handler(event, context):\n    return event\n";

fn handler_of(files: &[(&str, &str)]) -> Result<String> {
    infer(&package(files), &NOTHING_SAID).map(|inferred| inferred.handler)
}

#[test]
fn usual_module_comes_before_others() {
    let files = [
        ("util.py", DEF),
        ("app.py", "def handler(e, c): pass"),
        ("zzz.py", DEF),
    ];
    assert_eq!(handler_of(&files).unwrap(), "app.handler");
    let files = [("app.py", DEF), ("lambda_function.py", DEF)];
    assert_eq!(
        handler_of(&files).unwrap(),
        "lambda_function.lambda_handler"
    );
}

#[test]
fn only_module_with_a_handler_is_taken_whatever_its_name() {
    let files = [("resize.py", DEF), ("model.py", "X = 1\n")];
    assert_eq!(handler_of(&files).unwrap(), "resize.lambda_handler");
}

#[test]
fn several_unusual_modules_must_be_chosen_from() {
    let error = handler_of(&[("a.py", DEF), ("b.py", DEF)])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a.lambda_handler, b.lambda_handler"),
        "{error}"
    );
}

#[test]
fn python_handler_is_defined_assigned_or_the_only_function_of_two() {
    let found = |text: &str| python_handler(text);
    assert_eq!(found("handler = Mangum(app)\n").as_deref(), Some("handler"));
    assert_eq!(
        found("def greet(event, context):\n").as_deref(),
        Some("greet")
    );
    assert_eq!(
        found("def one(a):\n  pass\ndef go(e, _c) -> dict:\n").as_deref(),
        Some("go")
    );
    assert_eq!(found("def a(x, y):\n  pass\ndef b(x, y):\n"), None);
    assert_eq!(found("class A:\n    def handler(self, e):\n"), None);
    assert_eq!(found("handler == 1\nhandlers = []\n"), None);
    assert_eq!(found("# def handler(event, context):\n"), None);
}

#[test]
fn newest_runtime_of_the_server_is_taken() {
    let runtimes = ["python3.9", "python3.11", "python3.10", "nodejs20.x"].map(str::to_owned);
    let choice = Choice {
        runtimes: &runtimes,
        ..NOTHING_SAID
    };
    assert_eq!(
        infer(&package(&[("app.py", DEF)]), &choice)
            .unwrap()
            .runtime,
        "python3.11"
    );
    let node = package(&[("index.mjs", "export const handler = async () => 1")]);
    let inferred = infer(&node, &choice).unwrap();
    assert_eq!(
        (inferred.runtime.as_str(), inferred.handler.as_str()),
        ("nodejs20.x", "index.handler")
    );
}

#[test]
fn node_handler_is_exported_by_either_kind_of_module() {
    let found = |text: &str| node_handler(text);
    for text in [
        "exports.handler = async (event) => event;",
        "module.exports.handler=() => 1",
        "module.exports = { handler };",
        "export const handler = async () => 1;",
        "export const handler: Handler = async () => 1;",
        "export async function handler(event) {}",
        "const go = () => 1;\nexport { go as handler };",
    ] {
        assert_eq!(found(text).as_deref(), Some("handler"), "{text}");
    }
    let template = "export const lambdaHandler = async (event, context) => {};";
    assert_eq!(found(template).as_deref(), Some("lambdaHandler"));
    assert_eq!(found("exports.handlers = [];"), None);
    assert_eq!(found("import { handler } from './lib.js';"), None);
}

#[test]
fn package_json_names_the_module() {
    let code = "exports.handler = 1;";
    let named = |main: &str, file: &str| {
        let manifest = format!("{{\"main\": \"{main}\"}}");
        handler_of(&[
            ("package.json", &manifest),
            (file, code),
            ("index.js", code),
        ])
    };
    assert_eq!(named("./web.js", "web.js").unwrap(), "web.handler");
    assert_eq!(named("web", "web.cjs").unwrap(), "web.handler");
    assert_eq!(
        named("src/web.js", "src/web.js").unwrap(),
        "src/web.handler"
    );
    assert_eq!(named("gone.js", "web.js").unwrap(), "index.handler");
}

#[test]
fn server_without_the_language_is_an_error_that_lists_what_it_has() {
    let runtimes = ["nodejs20.x".to_owned()];
    let choice = Choice {
        runtimes: &runtimes,
        ..NOTHING_SAID
    };
    let error = infer(&package(&[("app.py", DEF)]), &choice)
        .unwrap_err()
        .to_string();
    assert!(error.contains("nodejs20.x"), "{error}");
}

#[test]
fn bootstrap_is_a_custom_runtime() {
    let inferred = infer(
        &package(&[("bootstrap", ""), ("app.py", DEF)]),
        &NOTHING_SAID,
    )
    .unwrap();
    assert_eq!(inferred.runtime, "provided.al2023");
    let python = Choice {
        runtime: Some("python3.11"),
        ..NOTHING_SAID
    };
    let inferred = infer(&package(&[("bootstrap", ""), ("app.py", DEF)]), &python).unwrap();
    assert_eq!(inferred.handler, "app.lambda_handler");
}

#[test]
fn bootstrap_that_cannot_be_executed_is_told_before_it_is_deployed() {
    let mut package = package(&[("bootstrap", "#!/bin/sh")]);
    package.executables.clear();
    let error = infer(&package, &NOTHING_SAID).unwrap_err().to_string();
    assert!(error.contains("chmod +x bootstrap"), "{error}");
}

#[test]
fn handler_given_decides_the_language_by_its_file() {
    let files = package(&[("lib/api.py", ""), ("index.js", "exports.handler = 1")]);
    let choice = Choice {
        handler: Some("lib/api.go"),
        ..NOTHING_SAID
    };
    assert_eq!(
        infer(&files, &choice).unwrap().runtime,
        PYTHON_UNLESS_LISTED
    );
    let choice = Choice {
        handler: Some("absent.go"),
        ..NOTHING_SAID
    };
    assert!(
        infer(&files, &choice)
            .unwrap_err()
            .to_string()
            .contains("absent.go")
    );
}

#[test]
fn runtime_whose_handlers_cannot_be_found_needs_one() {
    let choice = Choice {
        runtime: Some("java21"),
        ..NOTHING_SAID
    };
    let files = package(&[("app.jar", "")]);
    assert!(infer(&files, &choice).is_err());
    let choice = Choice {
        handler: Some("a.B::c"),
        ..choice
    };
    assert_eq!(infer(&files, &choice).unwrap().handler, "a.B::c");
}

#[test]
fn nothing_found_says_what_was_looked_for() {
    let error = handler_of(&[("data.txt", "")]).unwrap_err().to_string();
    assert!(
        error.contains("data.txt") && error.contains("--handler"),
        "{error}"
    );
}

#[test]
fn handler_is_known_by_its_file_in_folders_too() {
    let files = package(&[("app.py", ""), ("lib/api.py", "")]);
    assert!(has_handler(&files, "app.anything"));
    assert!(has_handler(&files, "lib/api.go") && has_handler(&files, "lib.api.go"));
    assert!(!has_handler(&files, "gone.handler"));
}

#[test]
fn a_module_at_the_top_is_webassembly_where_nothing_else_is_found() {
    let module = package(&[("add.wasm", ""), ("lib/other.wasm", "")]);
    let inferred = infer(&module, &NOTHING_SAID).unwrap();
    assert_eq!(inferred.runtime, "provided.wasm");
    assert_eq!(inferred.handler, "add.wasm");
    let beside = package(&[("add.wasm", ""), ("app.py", DEF)]);
    let choice = Choice {
        handler: Some("app.handler"),
        ..NOTHING_SAID
    };
    assert!(
        infer(&beside, &choice)
            .unwrap()
            .runtime
            .starts_with("python")
    );
    let two = package(&[("a.wasm", ""), ("b.wasm", "")]);
    let error = infer(&two, &NOTHING_SAID).unwrap_err().to_string();
    assert!(error.contains("--handler: a.wasm, b.wasm"), "{error}");
}
