//! What an instance's task holds of its sandbox.

use std::time::Duration;

use kiln_network::Line;
use kiln_types::Traffic;
use tokio::net::unix::pipe;

use crate::aws::Door;
use crate::ensemble::Ensemble;
use crate::isolation::Cell;
use crate::output::Splitter;

/// The sandbox, who is in it, and our end of its output.
pub(super) struct Process {
    pub(super) cell: Box<dyn Cell>,
    pub(super) ensemble: Ensemble,
    /// Its network, where it has one.
    pub(super) line: Option<Line>,
    /// Serves its AWS clients, where anything does.
    _door: Option<Door>,
    /// Whether anybody can still be heard.
    pub(super) listening: bool,
    /// Whether the main process has ended, which is told once.
    pub(super) has_ended: bool,
    /// Replies from which nothing followed, so far.
    pub(super) stray_replies: u32,
    pub(super) output: Output,
    /// CPU time when the last invocation ended.
    pub(super) cpu: Duration,
    /// What it had received and sent then.
    pub(super) traffic: Traffic,
    /// What it had used when it was killed.
    pub(super) used: Option<Used>,
}

/// What a sandbox has used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    memory_peak_bytes: u64,
    pub(super) cpu: Duration,
    out_of_memory_kills: u64,
}

pub(super) struct Output {
    pub(super) pipe: pipe::Receiver,
    pub(super) open: bool,
    pub(super) splitter: Splitter,
    /// Whether init is over, so that output is the invocation's.
    pub(super) init_over: bool,
}

impl Process {
    pub(super) fn new(
        mut cell: Box<dyn Cell>,
        ensemble: Ensemble,
        line: Option<Line>,
        door: Option<Door>,
    ) -> Self {
        let pipe = cell.take_output();
        let output = Output {
            pipe,
            open: true,
            splitter: Splitter::default(),
            init_over: false,
        };
        Self {
            cell,
            ensemble,
            line,
            _door: door,
            listening: true,
            has_ended: false,
            stray_replies: 0,
            output,
            cpu: Duration::ZERO,
            traffic: Traffic::default(),
            used: None,
        }
    }

    /// Kills everything in the sandbox. What it used is read first, because its meters go with it.
    pub(super) fn kill(&mut self) {
        let cell = &self.cell;
        self.used.get_or_insert_with(|| Used {
            memory_peak_bytes: cell.memory_peak_bytes(),
            cpu: cell.cpu(),
            out_of_memory_kills: cell.out_of_memory_kills(),
        });
        cell.kill();
    }

    /// Kills the runtime's process, and what is left of the sandbox unless extensions are.
    pub(super) fn kill_runtime(&mut self) {
        match self.ensemble.has_externals() {
            true => self.cell.kill_main(),
            false => self.kill(),
        }
    }

    pub(super) fn memory_peak_bytes(&self) -> u64 {
        let killed = self.used.map(|used| used.memory_peak_bytes);
        killed.unwrap_or_else(|| self.cell.memory_peak_bytes())
    }

    pub(super) fn cpu(&self) -> Duration {
        let killed = self.used.map(|used| used.cpu);
        killed.unwrap_or_else(|| self.cell.cpu())
    }

    /// Read by path, unlike the others: only when a process has ended.
    pub(super) fn out_of_memory_kills(&self) -> u64 {
        let killed = self.used.map(|used| used.out_of_memory_kills);
        killed.unwrap_or_else(|| self.cell.out_of_memory_kills())
    }
}
