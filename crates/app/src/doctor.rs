//! `kiln doctor`: what this machine gives, a line each, with a remedy for what is missing.

use std::process::ExitCode;

use clap::Args;
use kiln_cli::Format;
use kiln_sandbox::{Finding, Status, rootless};

use crate::settings::{Places, SandboxRange};
use crate::{machine, packs, wasm};

/// What `kiln doctor` can be told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    range: SandboxRange,
}

/// Prints the findings; the exit status is 1 when something required is missing.
pub(crate) fn run(options: &Options, globals: &kiln_cli::Globals) -> anyhow::Result<ExitCode> {
    let mut findings = sandboxes(&options.range);
    if !rootless::is_ordinary_user() {
        findings.push(kiln_sandbox::examine_network());
    }
    findings.push(machine::examine()?);
    findings.push(runtimes(options)?);
    findings.push(wasm()?);
    match globals.output {
        Format::Table => print_lines(&findings),
        Format::Json => println!("{}", serde_json::to_string_pretty(&documents(&findings))?),
    }
    let missing = findings
        .iter()
        .any(|finding| finding.status == Status::Missing);
    Ok(if missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What sandboxes need. An ordinary user who has what it takes to be root of a user namespace sees the
/// rest from there, as the server does.
fn sandboxes(range: &SandboxRange) -> Vec<Finding> {
    let findings = kiln_sandbox::examine(range.uids());
    if !rootless::is_ordinary_user() {
        return findings;
    }
    match rootless::enter(range.uids()) {
        Ok(()) => {
            let is_new =
                |finding: &Finding| findings.iter().all(|known| known.name != finding.name);
            let inside = kiln_sandbox::examine(range.uids());
            let inside: Vec<_> = inside.into_iter().filter(is_new).collect();
            findings.into_iter().chain(inside).collect()
        }
        // It is among them.
        Err(kiln_sandbox::Error::Refused { .. }) => findings,
        Err(error) => {
            let finding = Finding {
                name: "user namespace",
                status: Status::Missing,
                detail: error.to_string(),
                remedy: Some("see docs/guide/rootless.md, or run Kiln as root".to_owned()),
            };
            findings.into_iter().chain([finding]).collect()
        }
    }
}

fn documents(findings: &[Finding]) -> Vec<serde_json::Value> {
    let document = |finding: &Finding| {
        let status = match finding.status {
            Status::Good => "good",
            Status::Degraded => "degraded",
            Status::Missing => "missing",
        };
        serde_json::json!({
            "name": finding.name,
            "status": status,
            "detail": finding.detail,
            "remedy": finding.remedy,
        })
    };
    findings.iter().map(document).collect()
}

fn print_lines(findings: &[Finding]) {
    for finding in findings {
        let mark = match finding.status {
            Status::Good => "ok      ",
            Status::Degraded => "degraded",
            Status::Missing => "missing ",
        };
        println!("{mark}  {:<22} {}", finding.name, finding.detail);
        if let Some(remedy) = &finding.remedy {
            println!("          {:<22} -> {remedy}", "");
        }
    }
}

fn wasm() -> anyhow::Result<Finding> {
    let program = wasm::program()?;
    let remedy = "build it with `cargo build --release -p kiln-wasm` and put it beside kiln";
    Ok(Finding {
        name: "WebAssembly",
        status: match program {
            Some(_) => Status::Good,
            None => Status::Degraded,
        },
        detail: match &program {
            Some(program) => program.display().to_string(),
            None => "kiln-wasm does not lie beside kiln: no functions of provided.wasm".to_owned(),
        },
        remedy: program.is_none().then(|| remedy.to_owned()),
    })
}

fn runtimes(options: &Options) -> anyhow::Result<Finding> {
    let dir = options.places.runtimes_dir();
    let names: Vec<String> = packs::read_all(&dir)?
        .into_iter()
        .map(|pack| pack.name.to_string())
        .collect();
    let none = names.is_empty();
    Ok(Finding {
        name: "runtime packs",
        status: if none { Status::Degraded } else { Status::Good },
        detail: match none {
            true => format!("none in {}: only custom runtimes run", dir.display()),
            false => format!("{} in {}", names.join(", "), dir.display()),
        },
        remedy: none.then(|| {
            "make one with `runtimes/python/build-pack /usr/bin/python3 <folder>/python3.X` or \
             `runtimes/node/build-pack /usr/bin/node <folder>/nodejsX.x`, or let script/run do it"
                .into()
        }),
    })
}
