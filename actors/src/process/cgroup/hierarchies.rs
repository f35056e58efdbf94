//! Where the cgroup hierarchies are mounted and which cgroup of each this process is in, from two files of `/proc`.

use std::path::{Path, PathBuf};

use super::{NODE_LEAF, Version};

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// With version 1, the controllers that are mounted there.
    pub(super) controllers: Vec<String>,
    /// The cgroup below which groups are made.
    pub(super) base: PathBuf,
    /// Whether this process, or its leaf, is in that cgroup.
    pub(super) is_own: bool,
    /// The cgroups between the root of the hierarchy and the base, where that is not this process's own.
    pub(super) above: Vec<PathBuf>,
}

impl Hierarchy {
    /// Whether groups below the base can have this controller.
    pub(super) fn has(&self, controller: &str) -> bool {
        if self.version == Version::V1 {
            return self.controllers.iter().any(|name| name == controller);
        }
        let highest = self.above.first().unwrap_or(&self.base);
        let offered = std::fs::read_to_string(highest.join("cgroup.controllers")).unwrap_or_default();
        offered.split_whitespace().any(|name| name == controller)
    }
}

/// Reads `/proc/self/mountinfo` and `/proc/self/cgroup`; `parent` is taken from the root of each hierarchy instead of the
/// process's own cgroup.
pub(super) fn parse(mounts: &str, own: &str, parent: Option<&Path>) -> Vec<Hierarchy> {
    mounts.lines().filter_map(|line| hierarchy(line, own, parent)).collect()
}

/// Where hierarchies are mounted.
pub(super) fn mounted(mounts: &str) -> Vec<PathBuf> {
    parse(mounts, "", Some(Path::new("/"))).into_iter().map(|hierarchy| hierarchy.base).collect()
}

/// `31 23 0:28 ROOT MOUNT rw,... [tags] - cgroup SOURCE rw,memory`
fn hierarchy(line: &str, own: &str, parent: Option<&Path>) -> Option<Hierarchy> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (root, mounted) = (fields.next()?, unescaped(fields.next()?));
    let mut fields = file_system.split(' ');
    let (kind, options) = (fields.next()?, fields.nth(1)?);
    let version = match kind {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let controllers: Vec<String> = match version {
        Version::V1 => options.split(',').map(str::to_owned).collect(),
        Version::V2 => Vec::new(),
    };
    let (below, is_own) = match parent {
        Some(parent) => (parent.strip_prefix("/").unwrap_or(parent).to_owned(), false),
        None => (relative(root, own_path(own, &controllers)?), true),
    };
    let base = mounted.join(below);
    let between = base.ancestors().skip(1).take_while(|above| above.starts_with(&mounted));
    let mut above: Vec<PathBuf> = between.filter(|_| !is_own).map(Path::to_owned).collect();
    above.reverse();
    Some(Hierarchy { version, controllers, base, is_own, above })
}

/// `4:memory:/path`, and `0::/path` for version 2.
fn own_path<'a>(own: &'a str, controllers: &[String]) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        let is_it = match names {
            "" => controllers.is_empty(),
            names => names.split(',').any(|name| controllers.iter().any(|controller| controller == name)),
        };
        is_it.then_some(path)
    })
}

/// The path below the mount: in a container, the mount may show a part of the hierarchy only. A node that had to move
/// into its leaf makes its groups beside that.
fn relative(root: &str, path: &str) -> PathBuf {
    let path = Path::new(path);
    let below = path.strip_prefix(root).or_else(|_| path.strip_prefix("/")).unwrap_or(path);
    match below.file_name() {
        Some(name) if name == NODE_LEAF => below.parent().unwrap_or(below).to_owned(),
        _ => below.to_owned(),
    }
}

/// Blanks and backslashes are written as octal numbers.
fn unescaped(path: &str) -> PathBuf {
    PathBuf::from(path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mounts: &str, own: &str, parent: Option<&str>, expected: &[(Version, &str, &str)]) {
        let found = parse(mounts, own, parent.map(Path::new));
        let found: Vec<_> = found.iter().map(|it| (it.version, it.controllers.join(","), it.base.clone())).collect();
        let expected: Vec<_> =
            expected.iter().map(|(version, names, base)| (*version, (*names).to_owned(), base.into())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn both_versions_are_found_with_the_cgroup_of_this_process() {
        let mounts = "23 1 8:1 / / rw - ext4 /dev/root rw\n\
                      32 31 0:29 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory\n\
                      33 31 0:30 / /sys/fs/cgroup/cpu\\040x rw - cgroup cgroup rw,cpu,cpuacct\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let own = "8:pids:/\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/u\n";
        let expected = [
            (Version::V1, "rw,memory", "/sys/fs/cgroup/memory/a/b"),
            (Version::V1, "rw,cpu,cpuacct", "/sys/fs/cgroup/cpu x/"),
            (Version::V2, "", "/sys/fs/cgroup/unified/u"),
        ];
        check(mounts, own, None, &expected);
        let expected = [
            (Version::V1, "rw,memory", "/sys/fs/cgroup/memory/jobs"),
            (Version::V1, "rw,cpu,cpuacct", "/sys/fs/cgroup/cpu x/jobs"),
            (Version::V2, "", "/sys/fs/cgroup/unified/jobs"),
        ];
        check(mounts, own, Some("/jobs"), &expected);
    }

    #[test]
    fn the_root_of_a_containers_mount_is_taken_off() {
        let mounts = "32 31 0:29 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate";
        check(mounts, "0::/docker/x/inner", None, &[(Version::V2, "", "/sys/fs/cgroup/inner")]);
        check(mounts, "0::/docker/x/inner/quorla-node", None, &[(Version::V2, "", "/sys/fs/cgroup/inner")]);
        check(mounts, "0::/docker/x", None, &[(Version::V2, "", "/sys/fs/cgroup/")]);
    }
}
