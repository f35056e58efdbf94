//! Who attempts may run as: whether this process can change users, whom it lets be named, and which numbers a name stands
//! for.
//!
//! Names are those of `/etc/passwd` alone. Asking the name services of the system may take a network's time, and a node
//! has leases to renew.

use super::spec::User;

/// What the kernel asks for from whom changes users, gives away directories and still ends and removes what they leave:
/// CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL, CAP_SETGID, CAP_SETUID.
const CAPABILITIES: [(u8, &str); 5] =
    [(0, "CAP_CHOWN"), (1, "CAP_DAC_OVERRIDE"), (5, "CAP_KILL"), (6, "CAP_SETGID"), (7, "CAP_SETUID")];

/// Whom a spec may name to run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Anybody whose uid is not 0: root's attempts could change the node itself, and all that it limits.
    AnyButRoot,
    /// These, each a name or `uid:gid`. Somebody else's numbers are theirs, however they are written.
    Listed(Vec<String>),
}

impl Users {
    pub(super) fn allow(&self, user: User) -> bool {
        match self {
            Self::AnyButRoot => user.uid != 0,
            Self::Listed(names) => names.iter().any(|name| resolve(name) == Some(user)),
        }
    }

    /// Whether one of them is root.
    pub(super) fn allow_root(&self) -> bool {
        match self {
            Self::AnyButRoot => false,
            Self::Listed(names) => names.iter().any(|name| resolve(name).is_some_and(|user| user.uid == 0)),
        }
    }

    /// Whether nobody may be named.
    pub(super) const fn are_none(&self) -> bool {
        matches!(self, Self::Listed(names) if names.is_empty())
    }
}

/// Which of the rights to change users this process lacks.
pub(super) fn lacking() -> Vec<&'static str> {
    lacking_of(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn lacking_of(status: &str) -> Vec<&'static str> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    CAPABILITIES.iter().filter(|(bit, _)| held >> bit & 1 == 0).map(|(_, name)| *name).collect()
}

/// The user of this name, or of these two numbers.
pub(super) fn resolve(name: &str) -> Option<User> {
    numbers(name).or_else(|| named(&std::fs::read_to_string("/etc/passwd").ok()?, name))
}

/// `uid:gid`. The largest number means "unchanged" to the kernel and is nobody's.
fn numbers(name: &str) -> Option<User> {
    let (uid, gid) = name.split_once(':')?;
    let number = |text: &str| text.parse().ok().filter(|number| *number != u32::MAX);
    Some(User { uid: number(uid)?, gid: number(gid)? })
}

/// `name:password:uid:gid:...`
fn named(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name) && !name.is_empty();
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        if found { numbers(&format!("{uid}:{gid}")) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_name_of_the_machine_or_two_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# odd\nweb:x:33:34::/:/bin/false\nbroken:x:a:1::/:\n";
        assert_eq!(named(passwd, "web"), Some(User { uid: 33, gid: 34 }));
        assert_eq!(named(passwd, "broken"), None);
        assert_eq!(named(passwd, "nobody-here"), None);
        assert_eq!(named(passwd, ""), None);
        assert_eq!(numbers("12:13"), Some(User { uid: 12, gid: 13 }));
        for wrong in ["12", "12:", ":13", "4294967295:0", "-1:0", "a:b"] {
            assert_eq!(numbers(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_who_is_listed_is_allowed_and_root_never_by_default() {
        let user = |uid, gid| User { uid, gid };
        let listed = |names: &[&str]| Users::Listed(names.iter().map(|name| (*name).to_owned()).collect());
        for (users, allowed, refused) in [
            (Users::AnyButRoot, vec![user(1, 0), user(65_534, 65_534)], vec![user(0, 0), user(0, 5)]),
            (listed(&["12:13", "root"]), vec![user(12, 13), user(0, 0)], vec![user(12, 0), user(0, 5), user(1, 1)]),
            (listed(&[]), vec![], vec![user(0, 0), user(12, 13)]),
        ] {
            assert!(allowed.iter().all(|user| users.allow(*user)), "{users:?}");
            assert!(!refused.iter().any(|user| users.allow(*user)), "{users:?}");
        }
        let root = [Users::AnyButRoot, listed(&["12:13"]), listed(&["0:5"]), listed(&["root"])];
        assert_eq!(root.map(|users| users.allow_root()), [false, false, true, true]);
    }

    #[test]
    fn what_is_missing_to_change_users_is_named() {
        assert_eq!(lacking_of("CapEff:\t000001ffffffffff\n"), [""; 0]);
        assert_eq!(lacking_of("CapEff:\t0000000000000043\n"), ["CAP_KILL", "CAP_SETUID"]);
        assert_eq!(lacking_of("").len(), 5);
    }
}
