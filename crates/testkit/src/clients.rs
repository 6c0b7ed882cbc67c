//! The AWS clients and the frameworks that tests run unmodified: pinned, installed once, offline
//! afterwards.

use std::path::PathBuf;
use std::process::Command;

use crate::runtimes::Python;
use crate::{cache, programs, runtimes};

/// Both are released together with botocore 1.44.5, so one environment holds them.
const PYTHON_PACKAGES: [&str; 2] = ["boto3==1.44.5", "awscli==1.46.3"];
/// The last release that speaks SQS's query protocol, as many programs still do.
const QUERY_PACKAGES: [&str; 2] = ["boto3==1.28.80", "botocore==1.31.80"];
/// AWS's runtime client with its native part, which Kiln's packs leave out.
const RUNTIME_PACKAGES: [&str; 2] = ["boto3==1.44.5", "awslambdaric==4.2.2"];
/// RabbitMQ's client for Python.
const PIKA_PACKAGES: [&str; 1] = ["pika==1.4.4"];
/// A framework of Python's web and what makes a handler of its programs.
const MANGUM_PACKAGES: [&str; 2] = ["mangum==0.22.0", "starlette==1.10.0"];
/// The same of Node.js.
const EXPRESS_PACKAGES: [&str; 2] = ["express@5.3.0", "serverless-http@4.0.0"];
const JAVASCRIPT_PACKAGE: &str = "@aws-sdk/client-lambda@3.1164.0";
/// Of the last releases that run on Node 18, which Debian 12 has.
const JAVASCRIPT_PACKAGE_NODE_18: &str = "@aws-sdk/client-lambda@3.958.0";

/// A folder for `PYTHONPATH` with boto3 and the AWS CLI (version 1).
pub fn python_packages() -> PathBuf {
    installed(
        "python-clients",
        &runtimes::newest_python(),
        &PYTHON_PACKAGES,
    )
}

/// A folder for `PYTHONPATH` with boto3 and AWS's own runtime client for this Python, as a base image
/// has them.
pub fn awslambdaric_packages(python: &Python) -> PathBuf {
    installed("awslambdaric", python, &RUNTIME_PACKAGES)
}

/// A folder with Starlette and Mangum for this Python, to be part of a function's package.
pub fn mangum_packages(python: &Python) -> PathBuf {
    installed("mangum", python, &MANGUM_PACKAGES)
}

/// A folder whose `node_modules` has Express and serverless-http, to be part of a function's package.
pub fn express_folder() -> PathBuf {
    node_packages("express", &EXPRESS_PACKAGES)
}

fn installed(name: &str, python: &Python, packages: &[&str]) -> PathBuf {
    let name = format!("{name}-{}-{}", python.runtime(), packages.join("-"));
    cache::once(&name, |folder| {
        eprintln!("testkit: installing {} (once)", packages.join(" "));
        // pip's --target is a folder that may be moved, which an environment of venv may not.
        let mut install = Command::new(runtimes::newest_python().executable);
        install
            .args(["-m", "pip", "--quiet", "--disable-pip-version-check"])
            .arg("--python")
            .arg(&python.executable)
            .arg("install");
        programs::run(install.arg("--target").arg(folder).args(packages));
    })
}

/// A Python program with boto3 on its path.
pub fn python() -> Command {
    python_with(python_packages())
}

/// A Python program with a boto3 of 2023 on its path, which speaks SQS's query protocol.
pub fn python_speaking_query() -> Command {
    let python = runtimes::newest_python();
    python_with(installed("python-query-clients", &python, &QUERY_PACKAGES))
}

/// A Python program with RabbitMQ's client on its path.
pub fn python_with_pika() -> Command {
    let python = runtimes::newest_python();
    python_with(installed("pika", &python, &PIKA_PACKAGES))
}

fn python_with(packages: PathBuf) -> Command {
    let mut command = Command::new(runtimes::newest_python().executable);
    command
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The AWS CLI, version 1.
pub fn aws_cli() -> Command {
    let mut command = python();
    command.args(["-m", "awscli"]).env("AWS_PAGER", "");
    command
}

/// A folder whose `node_modules` has the Lambda client of the JavaScript SDK, version 3.
pub fn node_folder() -> PathBuf {
    let version = programs::run(Command::new("node").arg("--version"));
    let package = javascript_package(&String::from_utf8_lossy(&version.stdout));
    node_packages("node-clients", &[package])
}

fn node_packages(name: &str, packages: &[&str]) -> PathBuf {
    let name = format!("{name}-{}", packages.join("-").replace('/', "-"));
    cache::once(&name, |folder| {
        eprintln!("testkit: installing {} (once)", packages.join(" "));
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]);
        programs::run(install.arg("--prefix").arg(folder).args(packages));
    })
}

/// Which SDK a Node of this version, such as `v18.20.4`, can run.
fn javascript_package(version: &str) -> &'static str {
    let major = version.trim().trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(..20) => JAVASCRIPT_PACKAGE_NODE_18,
        _ => JAVASCRIPT_PACKAGE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_gets_an_sdk_that_it_can_run() {
        assert_eq!(javascript_package("v18.20.4\n"), JAVASCRIPT_PACKAGE_NODE_18);
        for version in ["v20.0.0\n", "v24.1.0\n", "nightly"] {
            assert_eq!(javascript_package(version), JAVASCRIPT_PACKAGE, "{version}");
        }
    }
}
