//! What runtime and extensions say, and how the runtime ends.

use std::time::Duration;

use kiln_sandbox::Exit;
use kiln_types::RequestId;

use super::{Answer, Driver};
use crate::channel;
use crate::ensemble::Word;
use crate::failure;
use crate::lifecycle::{Event, State};
use crate::runtime::Reply;

/// How long a process that closed its channel may take to end by itself before it is killed:
/// its own exit status says more than ours.
const EXIT_GRACE: Duration = Duration::from_millis(100);
/// How many replies from which nothing follows one process may send. Our runtimes send one (READY);
/// the function can write to the channel too, and one that goes on has broken it.
const STRAY_REPLIES_MAX: u32 = 16;

impl Driver {
    pub(super) fn on_word(&mut self, word: Word) {
        match word {
            Word::Runtime(reply) => self.on_reply(reply),
            Word::Registered => self.begin_runtime(),
            Word::Printed(lines) => self.log_extensions(lines),
            Word::ExtensionFailed { class, exit } => {
                self.evidence.extension = Some((class, failure::extension_exit(exit)));
                self.on(Event::ExtensionFailed);
            }
            Word::ExtensionsEnded => self.on(Event::ExtensionsEnded),
            Word::Subscribed { name, types } => self.log_subscription(&name, &types),
        }
    }

    /// Every external extension has registered.
    fn begin_runtime(&mut self) {
        if let Some(process) = &mut self.process {
            self.beginning = Some(process.cell.begin());
        }
    }

    fn on_reply(&mut self, reply: Reply) {
        let meant_something = match reply {
            Reply::Booted if self.lifecycle.is_initialised() => {
                return self.on_broken("the runtime booted twice".to_owned());
            }
            Reply::Booted => false,
            Reply::InitDone => self.follows(Event::InitDone),
            Reply::InitError {
                error_type,
                document,
            } => {
                let event = match self.is_of_hook(error_type.as_deref()) {
                    true => Event::HookFailed,
                    false => Event::InitFailed,
                };
                self.evidence.init_error = Some((error_type, document));
                let first = self.follows(event);
                self.evidence.init_error = None;
                first
            }
            Reply::Response { request_id, body } => {
                self.evidence.answer = Some(body.map_or(Answer::TooLarge, Answer::Response));
                self.follows_answer(request_id)
            }
            Reply::Error {
                request_id,
                error_type,
                document,
                is_last,
            } => {
                if is_last {
                    // The next invocation must not meet a process that is about to end.
                    self.on(Event::Stop);
                }
                self.evidence.answer = Some(Answer::Error {
                    error_type,
                    document,
                });
                self.follows_answer(request_id)
            }
            Reply::Waiting => self.follows(Event::Waiting),
            Reply::Resumed => self.on_resumed(),
            Reply::Restored { hooks } => self.on_restored(hooks),
            Reply::NotRestored(why) => self.on_not_restored(&why),
            // Nobody asked it to wait.
            Reply::Waits(_) | Reply::Unfit(_) => false,
        };
        // An answer that nobody waited for is not kept.
        self.evidence.answer = None;
        if !meant_something {
            self.on_stray_reply();
        }
    }

    /// An answer came. Says whether anything followed from it.
    fn follows_answer(&mut self, request: RequestId) -> bool {
        let process = self.process.as_ref();
        let is_last = process.is_some_and(|process| process.ensemble.answers_last());
        self.follows(match is_last {
            true => Event::Answered(request),
            false => Event::Responded(request),
        })
    }

    /// Nothing followed from a reply. Each costs a wake-up, so they have an end.
    fn on_stray_reply(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        process.stray_replies += 1;
        if process.stray_replies > STRAY_REPLIES_MAX {
            self.on_broken("the runtime sent frames that nobody asked for".to_owned());
        }
    }

    /// The channel cannot be used any more, and the process with it.
    pub(super) fn on_broken(&mut self, why: String) {
        self.stop_listening();
        tracing::warn!(instance = %self.id, %why, "a runtime broke its protocol");
        self.evidence.broken = Some(why);
        self.on(Event::Broken);
    }

    /// Takes what the runtime has said by now: one frame of the longest kind at most.
    pub(super) async fn take_said(&mut self) {
        let mut bytes_left = channel::FRAME_BYTES_MAX;
        while let Some(process) = &mut self.process
            && process.listening
        {
            match process.ensemble.said(&mut bytes_left).await {
                Ok(Some(word)) => self.on_word(word),
                Ok(None) => return,
                Err(_) => return self.stop_listening(),
            }
        }
    }

    /// Listens to the runtime no more; to extensions, as long as there are any.
    pub(super) fn stop_listening(&mut self) {
        if let Some(process) = &mut self.process {
            process.ensemble.leave_runtime();
            process.listening = process.ensemble.has_externals();
        }
    }

    /// The process closed its channel: it is ending, or it cannot be used any more.
    pub(super) async fn on_closed(&mut self) {
        self.stop_listening();
        let Some(process) = &mut self.process else {
            return;
        };
        let by_itself = tokio::time::timeout(EXIT_GRACE, process.cell.exited()).await;
        let exit = match by_itself {
            Ok(exit) => exit,
            Err(_) => {
                process.kill_runtime();
                process.cell.exited().await
            }
        };
        self.on_exited(exit).await;
    }

    /// The process has ended. What it said before that counts, also what tokio has not announced.
    pub(super) async fn on_exited(&mut self, exit: Exit) {
        // A process it left behind may hold the channel open and write for ever. Beside extensions it
        // may until they have ended.
        if let Some(process) = &mut self.process
            && !process.ensemble.has_externals()
        {
            process.kill();
        }
        let says_farewell = matches!(self.lifecycle.state(), State::ShuttingDown { .. });
        if let Some(process) = &mut self.process
            && !says_farewell
        {
            process.ensemble.ended().await;
        }
        self.take_said().await;
        self.stop_listening();
        if let Some(process) = &mut self.process {
            process.has_ended = true;
        }
        self.evidence.exit = Some(exit);
        self.on(Event::Exited);
    }
}
