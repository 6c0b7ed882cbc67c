//! The extensions of one instance and what each may do, as a pure state machine.
//!
//! ```text
//!                 register             GET next              noted for it
//!  (external:)  ────────► Registered ─────────► Waiting ◄──────────────────► Running
//!  Launched        │          │                            GET next             │
//!                  ▼          └───────────────── init/error, exit/error ────────┤
//!            (internal ones begin here)                                        ▼
//!                                                                            Failed
//! ```
//! Everything else is refused, as AWS does, and changes nothing.

use kiln_types::RequestId;

use super::EXTENSIONS_MAX;
use crate::api::refusal::Refusal;

/// Who the extensions of an instance are.
#[derive(Debug)]
pub(crate) struct Roster {
    members: Vec<Member>,
    /// Whether the instance takes several invocations at a time, of which extensions do not hear.
    is_shared: bool,
    /// Whether init is over, and nobody can register any more.
    closed: bool,
    /// Why the instance cannot go on: the first that was reported.
    fault: Option<&'static str>,
    /// Whether a request has changed anything that was not looked at.
    changed: bool,
}

#[derive(Debug)]
struct Member {
    id: RequestId,
    name: String,
    is_external: bool,
    events: Vec<Kind>,
    state: State,
    /// What it is to be told when it asks.
    notice: Option<Notice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Launched,
    Registered,
    Waiting,
    Running,
    Failed,
}

/// What an extension can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Invoke,
    Shutdown,
}

/// What one is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The function is invoked.
    Invoke {
        request_id: RequestId,
        deadline_ms: i64,
        invoked_arn: String,
        trace: Option<String>,
    },
    /// The instance ends.
    Shutdown {
        reason: &'static str,
        deadline_ms: i64,
    },
}

/// An extension as the log shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) events: Vec<&'static str>,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "INVOKE",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

impl State {
    /// AWS's name.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Launched => "Started",
            Self::Registered => "Registered",
            Self::Waiting => "Ready",
            Self::Running => "Running",
            Self::Failed => "Failed",
        }
    }
}

impl Roster {
    /// For an instance that has launched these.
    pub(crate) fn new(external: &[String]) -> Self {
        let members = external.iter().map(|name| Member {
            id: RequestId::random(),
            name: name.clone(),
            is_external: true,
            events: Vec::new(),
            state: State::Launched,
            notice: None,
        });
        Self {
            members: members.collect(),
            is_shared: false,
            closed: false,
            fault: None,
            changed: false,
        }
    }

    /// The same, for an instance that takes several invocations at a time, or not. Extensions may hear
    /// of its end only, as in AWS's managed instances.
    pub(crate) fn of_shared(self, is_shared: bool) -> Self {
        Self { is_shared, ..self }
    }

    /// An extension introduces itself: by the name of its file, if it is an external one. Gives the
    /// id by which it is known from now on.
    pub(crate) fn register(&mut self, name: &str, events: &[&str]) -> Result<RequestId, Refusal> {
        let known = self.members.iter().position(|member| member.name == name);
        let is_external = known.is_some_and(|known| self.members[known].is_external);
        if self.is_shared && !is_external && !events.is_empty() {
            let message = "No events allowed for internal extensions";
            return Err(refused(INVALID_EVENT, message));
        }
        let events = kinds(events, is_external, self.is_shared)?;
        let Some(known) = known else {
            return self.register_internal(name, events);
        };
        let member = &mut self.members[known];
        if !is_external {
            let message = "Extension with this name already registered";
            return Err(refused(INVALID_STATE, message));
        }
        if member.state != State::Launched {
            return Err(member.transition_to("Registered"));
        }
        member.state = State::Registered;
        member.events = events;
        let id = member.id;
        self.changed = true;
        Ok(id)
    }

    fn register_internal(&mut self, name: &str, events: Vec<Kind>) -> Result<RequestId, Refusal> {
        if self.closed {
            let message = "Extension registration closed already";
            return Err(refused("Extension.RegistrationClosed", message));
        }
        if self.members.len() >= EXTENSIONS_MAX {
            let message = format!("Extension limit ({EXTENSIONS_MAX}) reached");
            return Err(refused("Extension.TooManyExtensions", message));
        }
        let id = RequestId::random();
        self.changed = true;
        self.members.push(Member {
            id,
            name: name.to_owned(),
            is_external: false,
            events,
            state: State::Registered,
            notice: None,
        });
        Ok(id)
    }

    /// An extension has done what it had to and waits for more.
    pub(crate) fn next(&mut self, id: RequestId) -> Result<(), Refusal> {
        let member = self.member(id)?;
        match member.state {
            // Its connection may have broken while it waited.
            State::Registered | State::Running | State::Waiting => {
                member.state = State::Waiting;
                self.changed = true;
                Ok(())
            }
            State::Launched | State::Failed => Err(member.transition_to("Ready")),
        }
    }

    /// What is noted for an extension that waits; it has it from now on.
    pub(crate) fn take_notice(&mut self, id: RequestId) -> Option<Notice> {
        let member = self.member(id).ok()?;
        let notice = member.notice.take_if(|_| member.state == State::Waiting)?;
        member.state = State::Running;
        Some(notice)
    }

    /// An extension says that it could not be initialised.
    pub(crate) fn init_error(&mut self, id: RequestId) -> Result<(), Refusal> {
        self.fail(id, "InitError", "Extension.InitError", &[State::Registered])
    }

    /// An extension says that it will end.
    pub(crate) fn exit_error(&mut self, id: RequestId) -> Result<(), Refusal> {
        let from = [State::Registered, State::Waiting, State::Running];
        self.fail(id, "ExitError", "Extension.ExitError", &from)
    }

    fn fail(
        &mut self,
        id: RequestId,
        to: &str,
        fault: &'static str,
        from: &[State],
    ) -> Result<(), Refusal> {
        let member = self.member(id)?;
        if !from.contains(&member.state) {
            return Err(member.transition_to(to));
        }
        member.state = State::Failed;
        self.fault.get_or_insert(fault);
        self.changed = true;
        Ok(())
    }

    /// Init is over.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The name of an extension.
    pub(crate) fn name(&mut self, id: RequestId) -> Result<String, Refusal> {
        self.member(id).map(|member| member.name.clone())
    }

    /// Notes an invocation for those who want to hear of them.
    pub(crate) fn invoke(&mut self, notice: &Notice) {
        for member in &mut self.members {
            if member.events.contains(&Kind::Invoke) {
                member.notice = Some(notice.clone());
            }
        }
    }

    /// Notes the instance's end for those who want to hear of it, and gives the names of the external
    /// ones that do not.
    pub(crate) fn shut_down(&mut self, notice: &Notice) -> Vec<String> {
        let mut others = Vec::new();
        for member in &mut self.members {
            if member.events.contains(&Kind::Shutdown) {
                member.notice = Some(notice.clone());
            } else if member.is_external {
                others.push(member.name.clone());
            }
        }
        others
    }

    /// Whether every external extension has registered.
    pub(crate) fn has_registered(&self) -> bool {
        let mut members = self.members.iter();
        members.all(|member| member.state != State::Launched)
    }

    /// Whether every extension waits for its first event.
    pub(crate) fn is_initialised(&self) -> bool {
        let mut members = self.members.iter();
        members.all(|member| member.state == State::Waiting)
    }

    /// Whether no extension is busy with an invocation.
    pub(crate) fn is_idle(&self) -> bool {
        let mut members = self.members.iter();
        members.all(|member| {
            let is_waiting = member.state == State::Waiting && member.notice.is_none();
            !member.events.contains(&Kind::Invoke) || is_waiting
        })
    }

    /// Whether any extension hears of invocations.
    pub(crate) fn hears_of_invocations(&self) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.events.contains(&Kind::Invoke))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What the first extension that failed has said: the class of its error.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.fault
    }

    /// Whether a request has changed anything since this was last asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Every extension, for the log.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let list = self.members.iter().map(|member| Listed {
            name: member.name.clone(),
            state: member.state.as_str(),
            events: member.events.iter().map(|kind| kind.as_str()).collect(),
        });
        list.collect()
    }

    fn member(&mut self, id: RequestId) -> Result<&mut Member, Refusal> {
        let found = self.members.iter_mut().find(|member| member.id == id);
        found.ok_or_else(|| {
            let class = "Extension.UnknownExtensionIdentifier";
            refused(class, format!("Unknown extension {id}"))
        })
    }
}

impl Member {
    fn transition_to(&self, to: &str) -> Refusal {
        let message = format!(
            "State transition from {} to {to} failed for extension {}. Error: State transition is not allowed",
            self.state.as_str(),
            self.name
        );
        refused(INVALID_STATE, message)
    }
}

const INVALID_EVENT: &str = "Extension.InvalidEventType";
const INVALID_STATE: &str = "Extension.InvalidExtensionState";

pub(super) fn refused(class: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Extension(class, message.into())
}

fn kinds(events: &[&str], is_external: bool, is_shared: bool) -> Result<Vec<Kind>, Refusal> {
    let kind = |event: &&str| {
        let why = match *event {
            "INVOKE" if !is_shared => return Ok(Kind::Invoke),
            "SHUTDOWN" if is_external => return Ok(Kind::Shutdown),
            "SHUTDOWN" => "event not supported for internal extensions",
            _ => "unknown event",
        };
        let message = format!("{event}: {why}");
        Err(refused(INVALID_EVENT, message))
    };
    let mut kinds = events.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    kinds.sort_unstable_by_key(|kind| kind.as_str());
    kinds.dedup();
    Ok(kinds)
}
