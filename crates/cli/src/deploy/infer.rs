//! Runtime and handler, read from the code.
//!
//! An executable named `bootstrap` is a custom runtime; otherwise the modules at the top of the
//! package are searched for a handler, the usual names first. A package.json may name the module. A
//! `.wasm` at the top is a WebAssembly function where nothing else is found.

use anyhow::{Result, bail};
use kiln_types::runtime::WASM;
use kiln_types::{Language, Runtime};

use super::package::Package;

/// Modules that are usually the entry point, most usual first.
const USUAL_MODULES: &[&str] = &["lambda_function", "index", "app", "main", "handler"];
/// Functions that are usually the handler, most usual first.
const USUAL_FUNCTIONS: &[&str] = &["lambda_handler", "handler"];
/// The same in Node.js; the second is of AWS's project templates.
const USUAL_NODE_FUNCTIONS: &[&str] = &["handler", "lambdaHandler"];
/// What to ask for when the server does not say what it has.
const PYTHON_UNLESS_LISTED: &str = "python3.13";
const NODE_UNLESS_LISTED: &str = "nodejs22.x";
const PROVIDED: &str = "provided.al2023";
/// The program of a custom runtime.
const BOOTSTRAP: &str = "bootstrap";

/// What the user said, and what the server can run (empty when unknown).
pub(super) struct Choice<'a> {
    pub(super) runtime: Option<&'a str>,
    pub(super) handler: Option<&'a str>,
    pub(super) runtimes: &'a [String],
}

/// What to deploy the code as.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inferred {
    pub(super) runtime: String,
    pub(super) handler: String,
}

/// A language whose handlers can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Python,
    Node,
    Provided,
    Wasm,
}

const KINDS: [Kind; 4] = [Kind::Provided, Kind::Python, Kind::Node, Kind::Wasm];

/// Completes the choice, or says which flag decides.
pub(super) fn infer(package: &Package, choice: &Choice) -> Result<Inferred> {
    let given = choice.runtime.and_then(Kind::of_runtime);
    if let (Some(runtime), None) = (choice.runtime, given) {
        let Some(handler) = choice.handler else {
            bail!("no handler can be found for {runtime}: give one with --handler");
        };
        return Ok(Inferred {
            runtime: runtime.to_owned(),
            handler: handler.to_owned(),
        });
    }
    let kinds = given.map_or(KINDS.to_vec(), |kind| vec![kind]);
    let found = match choice.handler {
        Some(handler) => kinds
            .iter()
            .find(|kind| given.is_some() || kind.has_file(package, handler))
            .map(|kind| (*kind, handler.to_owned())),
        None => find_handler(package, &kinds)?,
    };
    let Some((kind, handler)) = found else {
        bail!(nothing_found(package, choice))
    };
    if kind == Kind::Provided && is_unusable_bootstrap(package) {
        bail!(
            "the package's bootstrap is not executable\n  next: chmod +x bootstrap; a zip must be \
             made where files have modes"
        );
    }
    let runtime = match choice.runtime {
        Some(runtime) => runtime.to_owned(),
        None => kind.newest(choice.runtimes)?,
    };
    Ok(Inferred { runtime, handler })
}

/// Whether the file that a handler names is in the package.
pub(super) fn has_handler(package: &Package, handler: &str) -> bool {
    KINDS.iter().any(|kind| kind.has_file(package, handler))
}

/// Whether there is a program of a custom runtime that the kernel would refuse to start.
fn is_unusable_bootstrap(package: &Package) -> bool {
    let is_there = package.files.iter().any(|file| file == BOOTSTRAP);
    is_there && !package.executables.contains(BOOTSTRAP)
}

/// Whether a module's name says nothing about what the function does.
pub(super) fn is_usual_module(name: &str) -> bool {
    USUAL_MODULES.contains(&name)
}

impl Kind {
    fn of_runtime(runtime: &str) -> Option<Self> {
        match runtime.parse::<Runtime>().ok()?.language() {
            Language::Python { .. } => Some(Kind::Python),
            Language::Node { .. } => Some(Kind::Node),
            Language::Provided => Some(Kind::Provided),
            Language::Wasm => Some(Kind::Wasm),
            Language::Other => None,
        }
    }

    fn extensions(self) -> &'static [&'static str] {
        match self {
            Kind::Python => &[".py"],
            Kind::Node => &[".js", ".mjs", ".cjs"],
            Kind::Provided | Kind::Wasm => &[],
        }
    }

    /// Whether the file that a handler such as `app.handler` or `lib/app.handler` names exists.
    fn has_file(self, package: &Package, handler: &str) -> bool {
        if self == Kind::Provided {
            return package.files.iter().any(|file| file == BOOTSTRAP);
        }
        if self == Kind::Wasm {
            return modules(package).any(|file| file == handler);
        }
        let Some((module, _)) = handler.rsplit_once('.') else {
            return false;
        };
        let module = module.replace('.', "/");
        self.extensions().iter().any(|extension| {
            let file = format!("{module}{extension}");
            package.files.binary_search(&file).is_ok()
        })
    }

    /// The newest runtime the server has for this language.
    fn newest(self, runtimes: &[String]) -> Result<String> {
        let version = |name: &String| match (self, name.parse::<Runtime>().ok()?.language()) {
            (Kind::Python, Language::Python { minor }) => Some(minor),
            (Kind::Node, Language::Node { major }) => Some(major),
            _ => None,
        };
        let newest = runtimes
            .iter()
            .filter(|name| version(name).is_some())
            .max_by_key(|name| version(name));
        match (self, newest) {
            (Kind::Provided, _) => Ok(PROVIDED.to_owned()),
            (Kind::Wasm, _) => Ok(WASM.to_owned()),
            (_, Some(newest)) => Ok(newest.clone()),
            (Kind::Python, None) if runtimes.is_empty() => Ok(PYTHON_UNLESS_LISTED.to_owned()),
            (Kind::Node, None) if runtimes.is_empty() => Ok(NODE_UNLESS_LISTED.to_owned()),
            (kind, None) => bail!(
                "the code is {kind:?}, and this server runs only: {}\n  next: `kiln doctor` on the \
                 server says which interpreters it found; --runtime chooses one",
                runtimes.join(", ")
            ),
        }
    }

    /// The function of this source text that looks like a handler.
    fn handler_in(self, text: &str) -> Option<String> {
        match self {
            Kind::Python => python_handler(text),
            Kind::Node => node_handler(text),
            Kind::Provided | Kind::Wasm => None,
        }
    }
}

/// The one handler of the usual modules, or else of all others.
fn find_handler(package: &Package, kinds: &[Kind]) -> Result<Option<(Kind, String)>> {
    let mut unusual = Vec::new();
    for kind in kinds {
        if *kind == Kind::Provided {
            if kind.has_file(package, "") {
                return Ok(Some((*kind, BOOTSTRAP.to_owned())));
            }
            continue;
        }
        if *kind == Kind::Wasm {
            unusual.extend(modules(package).map(|file| (*kind, file.to_owned())));
            continue;
        }
        if *kind == Kind::Node
            && let Some(handler) = main_handler(package)
        {
            return Ok(Some((*kind, handler)));
        }
        let mut found = Vec::new();
        for (file, text) in &package.sources {
            let extension = kind
                .extensions()
                .iter()
                .find_map(|end| file.strip_suffix(end));
            let Some(module) = extension else { continue };
            let Some(function) = kind.handler_in(text) else {
                continue;
            };
            found.push((module, format!("{module}.{function}")));
        }
        let usual = USUAL_MODULES
            .iter()
            .find_map(|module| found.iter().find(|f| f.0 == *module));
        if let Some((_, handler)) = usual {
            return Ok(Some((*kind, handler.clone())));
        }
        unusual.extend(found.into_iter().map(|(_, handler)| (*kind, handler)));
    }
    if unusual.len() > 1 {
        let handlers: Vec<&str> = unusual
            .iter()
            .map(|(_, handler)| handler.as_str())
            .collect();
        bail!(
            "there are several handlers: choose one with --handler: {}",
            handlers.join(", ")
        );
    }
    Ok(unusual.pop())
}

/// WebAssembly modules at the top of the package.
fn modules(package: &Package) -> impl Iterator<Item = &str> {
    let files = package.files.iter().map(String::as_str);
    files.filter(|file| file.ends_with(".wasm") && !file.contains('/'))
}

fn nothing_found(package: &Package, choice: &Choice) -> String {
    if let Some(handler) = choice.handler {
        return format!(
            "the package has no file for the handler {handler}: correct --handler, or say --runtime"
        );
    }
    let files: Vec<&str> = package.files.iter().take(8).map(String::as_str).collect();
    format!(
        "no handler was found in {}{}\n  looked for: `def lambda_handler(event, context)` or `def \
         handler(…)` in *.py, `exports.handler` or `export const handler` in *.js, *.mjs and *.cjs, \
         \"main\" in package.json, an executable named bootstrap, *.wasm\n  next: say \
         where the code starts with --handler FILE.FUNCTION and --runtime",
        files.join(", "),
        if package.files.len() > files.len() {
            ", …"
        } else {
            ""
        }
    )
}

/// A usual name defined or assigned at the top level, or the only function of two parameters.
fn python_handler(text: &str) -> Option<String> {
    let definitions: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("def ")?.split_once('('))
        .map(|(name, parameters)| (name.trim(), parameters))
        .collect();
    let assigned = |name: &str| {
        text.lines().any(|line| {
            let rest = line.strip_prefix(name).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with('=') && !rest.starts_with("=="))
        })
    };
    let defined = |name: &str| definitions.iter().any(|(defined, _)| *defined == name);
    let usual = USUAL_FUNCTIONS
        .iter()
        .find(|name| defined(name) || assigned(name));
    if let Some(usual) = usual {
        return Some((*usual).to_owned());
    }
    let mut two = definitions
        .iter()
        .filter(|(_, parameters)| takes_two(parameters));
    match (two.next(), two.next()) {
        (Some((name, _)), None) => Some((*name).to_owned()),
        _ => None,
    }
}

/// Whether `a, b): …` lists two parameters.
fn takes_two(parameters: &str) -> bool {
    let Some((list, _)) = parameters.split_once(')') else {
        return false;
    };
    list.split(',')
        .filter(|parameter| !parameter.trim().is_empty())
        .count()
        == 2
}

/// A usual name that is exported, in either kind of module.
fn node_handler(text: &str) -> Option<String> {
    let is_exported = |name: &&&str| {
        let signs = [
            format!("exports.{name} "),
            format!("exports.{name}="),
            format!("export const {name} "),
            format!("export const {name}:"),
            format!("export let {name} "),
            format!("export function {name}("),
            format!("export async function {name}("),
            format!("module.exports = {{ {name}"),
            format!("module.exports = {{{name}"),
            format!("export {{ {name}"),
            format!(" as {name} "),
        ];
        signs.iter().any(|sign| text.contains(sign))
    };
    let exported = USUAL_NODE_FUNCTIONS.iter().find(is_exported);
    exported.map(|name| (*name).to_owned())
}

/// The handler in the module that a package.json names as the main one. One in a folder is taken
/// at its word: only the top of a package is searched.
fn main_handler(package: &Package) -> Option<String> {
    let manifest: serde_json::Value =
        serde_json::from_str(package.sources.get("package.json")?).ok()?;
    let main = manifest["main"].as_str()?.trim_start_matches("./");
    let extensions = Kind::Node.extensions();
    let is_file = |file: &String| package.files.binary_search(file).is_ok();
    let file = match extensions.iter().any(|ending| main.ends_with(ending)) {
        true => Some(main.to_owned()).filter(is_file)?,
        false => {
            let named = extensions.iter().map(|ending| format!("{main}{ending}"));
            named.into_iter().find(is_file)?
        }
    };
    let function = match package.sources.get(&file) {
        Some(text) => node_handler(text)?,
        None => USUAL_NODE_FUNCTIONS[0].to_owned(),
    };
    let module = extensions
        .iter()
        .find_map(|ending| file.strip_suffix(ending))?;
    Some(format!("{module}.{function}"))
}

#[cfg(test)]
mod tests;
