//! A floor that is a server: a process of its own, as Kiln is, so that the load generator's thread
//! is as far from it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// A running floor; stops when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts this program again with other arguments, and waits until it says its address.
    pub(crate) fn start(args: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {args:?}"))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("a pipe was asked for")?)
            .read_line(&mut line)?;
        let address = line
            .trim()
            .parse()
            .with_context(|| format!("{args:?} said {line:?}"))?;
        Ok(Self { child, address })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Closing standard input tells it to stop, so that it can stop its own children.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
