//! Waiting for whatever happens first.

use std::future::pending;

use kiln_sandbox::Exit;

use super::Driver;
use super::launch::Leased;
use crate::ensemble::Word;
use crate::handle::Command;
use crate::isolation::NoCell;
use crate::lifecycle::State;
use crate::runtime;

/// What was waited for.
pub(super) enum Input {
    Command(Command),
    Stop,
    Kill,
    Leased(Result<Leased, NoCell>),
    /// The main program was started after the extensions.
    Begun(Result<(), NoCell>),
    Word(Result<Word, runtime::Error>),
    /// The network says something for the log.
    Notice(String),
    /// There is output to read.
    Output,
    Exited(Exit),
    Alarm,
}

impl Driver {
    pub(super) async fn wait(&mut self) -> Input {
        let state = self.lifecycle.state();
        let timed = matches!(
            state,
            State::Initialising { .. }
                | State::Busy { .. }
                | State::Crowded { .. }
                | State::Settling { .. }
                | State::ShuttingDown { .. }
                | State::Stopping
        );
        let stop_seen = self.lifecycle.is_asked_to_stop();
        let kill_seen = matches!(state, State::Stopping);
        let unreachable = stop_seen && self.commands.is_closed();
        let (replies, output, exited, notice) = match &mut self.process {
            Some(process) => {
                let output = &process.output;
                let readable = async move {
                    match output.open {
                        // An error shows when it is read.
                        true => drop(output.pipe.readable().await),
                        false => pending().await,
                    }
                };
                let replies = process.listening.then(|| process.ensemble.next());
                let exited = (!process.has_ended).then(|| process.cell.exited());
                let notice = process.line.as_mut().map(|line| line.notice());
                (replies, Some(readable), exited, notice)
            }
            None => (None, None, None, None),
        };
        tokio::select! {
            // What ends the instance goes before what its process can send without end. Frames
            // that came before an exit or an alarm are taken with it.
            biased;
            () = self.shared.kill.cancelled(), if !kill_seen => Input::Kill,
            () = self.shared.stop.cancelled(), if !stop_seen => Input::Stop,
            exit = some(exited) => Input::Exited(exit),
            () = self.alarm.as_mut(), if timed => Input::Alarm,
            word = some(replies) => Input::Word(word),
            command = self.commands.recv(), if !unreachable => {
                // None: nobody holds a handle any more.
                command.map_or(Input::Stop, Input::Command)
            }
            leased = some(self.leasing.as_mut()) => {
                self.leasing = None;
                Input::Leased(leased)
            }
            begun = some(self.beginning.as_mut()) => {
                self.beginning = None;
                Input::Begun(begun)
            }
            () = some(output) => Input::Output,
            notice = some(notice) => Input::Notice(notice),
        }
    }
}

/// Waits for a future that may not be there.
async fn some<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
