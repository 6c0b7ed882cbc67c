//! The programs of external extensions: launched before the runtime, read and watched while they run.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use kiln_sandbox::{Exit, Program};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;

use super::{DIRECTORY, EXTENSIONS_MAX};
use crate::isolation::{Beside, Cell, Future, NoCell};
use crate::output::{Piece, Splitter};

/// How much output of one extension is read before others have their turn.
const TURN_BYTES_MAX: usize = 64 * 1024;
const READ_BYTES: usize = 16 * 1024;
/// How much is read of one that has ended. A process that it left behind may write for ever.
const DRAIN_BYTES_MAX: usize = 1024 * 1024;

/// One running extension.
pub(crate) struct External {
    name: String,
    program: Box<dyn Beside>,
    exited: Future<'static, Exit>,
    output: Option<pipe::Receiver>,
    splitter: Splitter,
    exit: Option<Exit>,
    /// Whether its exit was told.
    has_ended: bool,
}

/// What became of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It printed these lines.
    Printed(Vec<String>),
    /// It has ended.
    Ended(Exit),
}

/// Launches the extensions with these names in this environment.
pub(crate) async fn launch(
    cell: &dyn Cell,
    names: Vec<String>,
    env: &[(String, String)],
) -> Result<Vec<External>, NoCell> {
    if names.len() > EXTENSIONS_MAX {
        let why = format!("Extension limit ({EXTENSIONS_MAX}) reached");
        return Err(NoCell::Extension("TooManyExtensions", why));
    }
    let mut launched = Vec::with_capacity(names.len());
    for name in names {
        let program = Program {
            argv: vec![format!("{DIRECTORY}/{name}")],
            env: env.to_vec(),
            cwd: PathBuf::from("/"),
        };
        let started = cell.start_beside(program).await.map_err(|why| match why {
            NoCell::NotExecutable(why) | NoCell::NoWorkingDirectory(why) => {
                NoCell::Extension("Extension.LaunchError", why)
            }
            other => other,
        });
        launched.push(External::new(name, started?));
    }
    Ok(launched)
}

impl External {
    fn new(name: String, mut program: Box<dyn Beside>) -> Self {
        Self {
            name,
            output: Some(program.take_output()),
            exited: program.exited(),
            program,
            splitter: Splitter::default(),
            exit: None,
            has_ended: false,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(crate) fn kill(&self) {
        self.program.kill();
    }

    /// What is new of it.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<News> {
        let mut pieces = Vec::new();
        self.read(context, &mut pieces);
        if self.exit.is_none()
            && let Poll::Ready(exit) = self.exited.as_mut().poll(context)
        {
            self.exit = Some(exit);
            self.drain(&mut pieces);
        }
        let printed = lines(pieces);
        if !printed.is_empty() {
            // For what is left to say.
            context.waker().wake_by_ref();
            return Poll::Ready(News::Printed(printed));
        }
        match self.exit {
            Some(exit) if !self.has_ended => {
                self.has_ended = true;
                Poll::Ready(News::Ended(exit))
            }
            _ => Poll::Pending,
        }
    }

    /// Reads what it has written by now.
    fn read(&mut self, context: &mut Context<'_>, pieces: &mut Vec<Piece>) {
        let mut total = 0;
        while let Some(output) = &mut self.output
            && total < TURN_BYTES_MAX
        {
            let mut space = [0; READ_BYTES];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(output).poll_read(context, &mut buffer) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    total += buffer.filled().len();
                    self.splitter.feed(buffer.filled(), pieces);
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(_) => {
                    self.splitter.flush(pieces);
                    self.output = None;
                }
            }
        }
    }

    /// The same past tokio, which may not have heard yet of what was written before the end.
    fn drain(&mut self, pieces: &mut Vec<Piece>) {
        let mut space = [0; READ_BYTES];
        let mut total = 0;
        while let Some(output) = &self.output
            && total < DRAIN_BYTES_MAX
            && let Ok(read @ 1..) = rustix::io::read(output, &mut space)
        {
            total += read;
            self.splitter.feed(&space[..read], pieces);
        }
        self.splitter.flush(pieces);
    }
}

fn lines(pieces: Vec<Piece>) -> Vec<String> {
    let records = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Record(text) => Some(text),
        Piece::InitOver => None,
    });
    records.collect()
}
