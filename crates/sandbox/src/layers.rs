//! Layers that a test leaves out to see that the others hold.
//!
//! In a release build there is nothing of this: [`LayersOff`] has one value, and whoever asks is told
//! that every layer is on. What is executed in a sandbox honours all of them; children of a zygote
//! honour [`Layer::Seccomp`] and [`Layer::Landlock`].

use serde::{Deserialize, Serialize};

/// One of the layers that a sandbox can be made without.
///
/// The others cannot be left out: without a mount namespace of its own a sandbox would change what
/// the spawner and other sandboxes see, and without `no_new_privs` neither filter nor rules could be
/// taken on by a process that has no rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// A user and a group of its own, and no capabilities. Without: root with all of them.
    User,
    /// The filter of system calls.
    Seccomp,
    /// The rules of landlock.
    Landlock,
    /// Processes.
    PidNamespace,
    /// System V and POSIX communication.
    IpcNamespace,
    /// The machine's name.
    UtsNamespace,
    /// Interfaces, addresses and abstract Unix sockets. Without it a server must listen nowhere
    /// ([`Config::listeners`](crate::Config::listeners)) and give no way out.
    NetworkNamespace,
    /// Names of control groups.
    CgroupNamespace,
}

/// The layers to leave out; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayersOff {
    #[cfg(debug_assertions)]
    bits: u16,
}

impl LayersOff {
    /// These. Not there in a release build.
    #[cfg(debug_assertions)]
    pub fn of(layers: &[Layer]) -> Self {
        let bits = layers.iter().map(|layer| layer.bit());
        Self {
            bits: bits.fold(0, |all, bit| all | bit),
        }
    }

    /// Whether a layer is left out.
    #[cfg(debug_assertions)]
    pub(crate) fn has(self, layer: Layer) -> bool {
        self.bits & layer.bit() != 0
    }

    /// Whether a layer is left out: never.
    #[cfg(not(debug_assertions))]
    pub(crate) fn has(self, _: Layer) -> bool {
        false
    }

    /// What of these flags of namespaces is left when layers are left out.
    pub(crate) fn namespaces(self, flags: libc::c_int) -> libc::c_int {
        let all = [
            (Layer::PidNamespace, libc::CLONE_NEWPID),
            (Layer::IpcNamespace, libc::CLONE_NEWIPC),
            (Layer::UtsNamespace, libc::CLONE_NEWUTS),
            (Layer::NetworkNamespace, libc::CLONE_NEWNET),
            (Layer::CgroupNamespace, libc::CLONE_NEWCGROUP),
        ];
        let off = all.iter().filter(|(layer, _)| self.has(*layer));
        off.fold(flags, |left, (_, flag)| left & !flag)
    }
}

#[cfg(debug_assertions)]
impl Layer {
    fn bit(self) -> u16 {
        1 << self as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_has_no_room_for_a_layer_left_out() {
        assert_eq!(size_of::<LayersOff>() == 0, !cfg!(debug_assertions));
    }

    #[cfg(debug_assertions)]
    #[test]
    fn only_the_named_layers_are_left_out() {
        let both = libc::CLONE_NEWIPC | libc::CLONE_NEWPID;
        assert_eq!(LayersOff::default().namespaces(both), both);
        let off = LayersOff::of(&[Layer::PidNamespace, Layer::Seccomp]);
        assert_eq!(off.namespaces(both), libc::CLONE_NEWIPC);
        assert!(off.has(Layer::Seccomp) && !off.has(Layer::User));
    }
}
