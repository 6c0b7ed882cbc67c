//! The memory of a process that stands still, as `/proc` shows it to the daemon.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};

use super::effort::{MAPPINGS_MAX, MAPS_BYTES_MAX, Refusal};

pub(super) const PAGE: u64 = 4096;

/// One mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Region {
    pub start: u64,
    pub end: u64,
    /// `PROT_READ`, `PROT_WRITE` and `PROT_EXEC`.
    pub protection: u64,
    pub is_shared: bool,
    pub offset: u64,
    pub device: String,
    pub inode: u64,
    /// A path in the sandbox, a name in brackets, or nothing.
    pub name: String,
}

impl Region {
    pub fn is_writable(&self) -> bool {
        self.protection & libc::PROT_WRITE as u64 != 0
    }

    /// Whether it shows a file.
    pub fn is_file(&self) -> bool {
        self.inode != 0
    }
}

/// One process, opened once: what is read of it later is never another's that got its number.
#[derive(Debug)]
pub(super) struct Process {
    pid: i32,
    /// Its directory in `/proc`, through which everything else is opened.
    directory: OwnedFd,
    memory: File,
    pages: File,
}

/// What `status` says of a process.
#[derive(Debug)]
pub(super) struct Status {
    pub uid: u32,
    pub threads: u64,
    pub parent: i32,
    /// Its number in its own pid namespace.
    pub inner_pid: i32,
}

impl Process {
    pub fn open(pid: i32) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())?;
        let (memory, pages) = (open(&directory, "mem")?, open(&directory, "pagemap")?);
        Ok(Self {
            pid,
            directory,
            memory,
            pages,
        })
    }

    /// Its `pagemap`.
    pub fn pages(&self) -> &File {
        &self.pages
    }

    pub fn status(&self) -> io::Result<Status> {
        let status = self.read_text("status")?;
        // Of the users it is the real one, of the numbers of a process its own namespace's.
        let field = |name: &str, last: bool| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let mut words = line.split_whitespace();
            let word = if last { words.last() } else { words.next() };
            word?.parse::<u32>().ok()
        };
        let field = |name, last| {
            field(name, last).ok_or_else(|| io::Error::other("a status is unreadable"))
        };
        Ok(Status {
            uid: field("Uid:", false)?,
            threads: field("Threads:", false)?.into(),
            parent: field("PPid:", false)? as i32,
            inner_pid: field("NSpid:", true)? as i32,
        })
    }

    /// Whether it has children.
    pub fn has_children(&self) -> io::Result<bool> {
        let children = self.read_text(&format!("task/{0}/children", self.pid))?;
        Ok(!children.trim().is_empty())
    }

    /// Its mappings, sorted.
    pub fn regions(&self) -> Result<Vec<Region>, Refusal> {
        let mut maps = Vec::new();
        let file = open(&self.directory, "maps")?;
        file.take(MAPS_BYTES_MAX + 1).read_to_end(&mut maps)?;
        let maps = String::from_utf8_lossy(&maps);
        let is_whole = maps.len() as u64 <= MAPS_BYTES_MAX;
        if !is_whole || maps.lines().count() > MAPPINGS_MAX {
            let why = format!("it has more than {MAPPINGS_MAX} mappings");
            return Err(Refusal::Unfit(why));
        }
        let parsed = maps.lines().map(|line| {
            parse(line)
                .ok_or_else(|| io::Error::other(format!("a mapping is unreadable: {line}")).into())
        });
        parsed.collect()
    }

    /// Reads memory; what cannot be read (a file's mapping behind its end) is zero.
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        let page = PAGE as usize;
        let mut done = 0;
        while done < buffer.len() {
            match self
                .memory
                .read_at(&mut buffer[done..], start + done as u64)
            {
                Ok(read) if read > 0 => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() != Some(libc::EIO) => return Err(error),
                _ => {
                    let end = buffer.len().min((done + 1).next_multiple_of(page));
                    buffer[done..end].fill(0);
                    done = end;
                }
            }
        }
        Ok(())
    }

    fn read_text(&self, name: &str) -> io::Result<String> {
        io::read_to_string(open(&self.directory, name)?)
    }
}

fn open(directory: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?.into())
}

/// One line of `maps`.
fn parse(line: &str) -> Option<Region> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let flags = fields.next()?.as_bytes();
    let offset = fields.next()?;
    let device = fields.next()?.to_owned();
    let inode = fields.next()?.parse().ok()?;
    let name = fields.next().unwrap_or_default().trim_start();
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let bits = [
        (b'r', libc::PROT_READ),
        (b'w', libc::PROT_WRITE),
        (b'x', libc::PROT_EXEC),
    ];
    let set = bits
        .iter()
        .zip(flags)
        .filter(|((letter, _), flag)| letter == *flag);
    Some(Region {
        start: number(start)?,
        end: number(end)?,
        protection: set.map(|((_, bit), _)| *bit as u64).sum(),
        is_shared: *flags.get(3)? == b's',
        offset: number(offset)?,
        device,
        inode,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read() {
        let line = "7f02c8a00000-7f02c8a22000 r-xp 00001000 fe:00 1835042                    \
                    /usr/lib/a b.so (deleted)";
        let region = parse(line).expect("it is a line of maps");
        assert_eq!(
            (region.start, region.end),
            (0x7f02_c8a0_0000, 0x7f02_c8a2_2000)
        );
        assert_eq!(
            region.protection,
            (libc::PROT_READ | libc::PROT_EXEC) as u64
        );
        assert!(!region.is_shared && region.is_file() && !region.is_writable());
        assert_eq!((region.offset, region.inode), (0x1000, 1_835_042));
        assert_eq!(region.name, "/usr/lib/a b.so (deleted)");
        let anonymous = parse("00400000-00401000 rw-s 00000000 00:00 0 ").expect("a line");
        assert!(anonymous.is_shared && anonymous.is_writable() && anonymous.name.is_empty());
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn memory_is_read_and_what_has_no_page_is_zero() {
        let process = Process::open(std::process::id() as i32).expect("this process");
        let known = [7_u8; 32];
        let mut read = [0; 32];
        let at = known.as_ptr() as u64;
        process.read(at, &mut read).expect("it can be read");
        assert_eq!(read, known);
        // Nothing is ever mapped at the first page.
        process.read(0, &mut read).expect("it can be read");
        assert_eq!(read, [0; 32]);
    }

    #[test]
    fn a_process_that_has_ended_is_not_looked_for_by_its_number() {
        let mut child = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a program");
        let process = Process::open(child.id() as i32).expect("it runs");
        let status = process.status().expect("it runs");
        assert_eq!(status.parent, std::process::id() as i32);
        assert_eq!(status.uid, rustix::process::getuid().as_raw());
        drop(child.stdin.take());
        child.wait().expect("it ends");
        let error = process.status().expect_err("it has ended");
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
    }
}
