//! Control groups: the kernel's limits on all processes of one attempt together, over both file layouts.
//!
//! The node finds where groups can be made and tries what works there ([`Cgroups::open`]); its warden makes one group for
//! each attempt that demands a limit, and only for those ([`Group`]). Refuses to know attempts beyond their fences.
//! Invariants:
//! - a demanded limit is in force before the attempt's program runs, or the attempt is refused;
//! - groups lie below `quorla/<node>`, one directory per fence, so that a start in any place finds what a crash left.
//!
//! Why not a crate: ARCHITECTURE.md has the comparison.

mod files;
mod group;
mod hierarchies;
mod leftovers;

use std::io;
use std::path::{Path, PathBuf};

pub(super) use group::{Account, Group};
use hierarchies::Hierarchy;

use super::spec::Limits;

/// The directory of all nodes' groups, below the cgroup in which a node runs.
const QUORLA: &str = "quorla";
/// Where a node goes that stands in the way of its own groups: version 2 wants processes in leaves only.
const NODE_LEAF: &str = "quorla-node";

/// What can be limited for all processes of an attempt together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// CPU time per time.
    Cpu,
    /// Memory, swap included.
    Memory,
    /// Processes and threads.
    Processes,
}

/// The two file layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy for each controller.
    V1,
    /// One for all.
    V2,
}

/// Where a node's groups are to be.
#[derive(Debug, Clone)]
pub struct CgroupSettings {
    /// The cgroup below which they are made, as a path from the root of each hierarchy; none: the node's own.
    pub parent: Option<PathBuf>,
    /// A name that no other node of the machine has.
    pub node: String,
}

/// Where a controller's groups are made, or why they can't be.
pub(super) type Found = Result<Place, String>;

/// Kills whatever is in groups that an earlier process of this node made in any place, and removes them; true when none is
/// left but the places in use. Dying takes a moment: call it again.
pub(super) fn clear_leftovers(settings: &CgroupSettings, in_use: &Cgroups) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let in_use = in_use.directories();
    let mut cleared = true;
    for directory in leftovers::find(&hierarchies::mounted(&mounts), &settings.node) {
        cleared &= clear_below(&directory);
        if !in_use.contains(&directory) {
            let _ = std::fs::remove_dir(&directory); // It is looked for again at the next start.
        }
    }
    cleared
}

fn clear_below(directory: &Path) -> bool {
    let gone = |directory: &PathBuf| {
        let group = Group::left_at(directory.clone());
        group.kill();
        group.remove()
    };
    files::children(directory).iter().filter(|directory| !gone(directory)).count() == 0
}

/// A directory that holds one group per attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) directory: PathBuf,
}

/// What groups can be made on this machine, by controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cgroups {
    pub(super) cpu: Found,
    pub(super) memory: Found,
    pub(super) processes: Found,
}

impl Controller {
    const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Processes];

    /// As users read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Processes => "processes",
        }
    }

    /// Its name in the kernel.
    const fn kernel_name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Processes => "pids",
        }
    }

    /// A limit of this kind alone, to try it.
    fn sample(self) -> Limits {
        match self {
            Self::Cpu => Limits { cpu_milli_max: Some(1_000), ..Limits::default() },
            Self::Memory => Limits { memory_bytes_max: Some(64 << 20), ..Limits::default() },
            Self::Processes => Limits { processes_max: Some(64), ..Limits::default() },
        }
    }
}

impl Version {
    /// As users read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

impl Cgroups {
    /// Finds the hierarchies of this process, makes the node's directory in each, and tries every limit once.
    pub(super) fn open(settings: &CgroupSettings) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (mounts, own) = (read("/proc/self/mountinfo"), read("/proc/self/cgroup"));
        Self::of(&hierarchies::parse(&mounts, &own, settings.parent.as_deref()), &settings.node)
    }

    fn of(hierarchies: &[Hierarchy], node: &str) -> Self {
        let find = |controller| find(controller, hierarchies, node);
        let (cpu, memory, processes) = (find(Controller::Cpu), find(Controller::Memory), find(Controller::Processes));
        Self { cpu, memory, processes }.tried()
    }

    /// Nothing at all, for this reason.
    pub(super) fn none(why: &str) -> Self {
        let why = || Err(why.to_owned());
        Self { cpu: why(), memory: why(), processes: why() }
    }

    pub(super) fn place(&self, controller: Controller) -> &Found {
        match controller {
            Controller::Cpu => &self.cpu,
            Controller::Memory => &self.memory,
            Controller::Processes => &self.processes,
        }
    }

    /// The first of the demanded controllers that is not there, with the reason.
    pub(super) fn lacks(&self, limits: &Limits) -> Option<(Controller, &str)> {
        let demanded = Controller::ALL.into_iter().filter(|controller| limits.demand(*controller));
        demanded.filter_map(|controller| Some((controller, self.place(controller).as_ref().err()?.as_str()))).next()
    }

    /// Kills whatever is in groups of this node and removes them; true when none is left. Dying takes a moment: call it
    /// again.
    pub(super) fn clear(&self) -> bool {
        self.directories().iter().filter(|directory| !clear_below(directory)).count() == 0
    }

    /// Removes the node's own directories, once they are empty.
    pub(super) fn leave(&self) {
        for directory in self.directories() {
            let _ = std::fs::remove_dir(directory); // The next start uses what is left.
        }
    }

    fn directories(&self) -> Vec<PathBuf> {
        let places = Controller::ALL.into_iter().filter_map(|controller| self.place(controller).as_ref().ok());
        let mut directories: Vec<PathBuf> = places.map(|place| place.directory.clone()).collect();
        directories.sort();
        directories.dedup();
        directories
    }

    /// The same without what does not work when it is tried.
    fn tried(mut self) -> Self {
        for controller in Controller::ALL {
            if self.place(controller).is_err() {
                continue;
            }
            let tried = Group::make(&self, "probe", &controller.sample()).and_then(|group| {
                let doors = group.doors();
                group.remove();
                doors
            });
            if let Err(error) = tried {
                let why = Err(format!("set the {} limit of a control group: {error}", controller.kernel_name()));
                match controller {
                    Controller::Cpu => self.cpu = why,
                    Controller::Memory => self.memory = why,
                    Controller::Processes => self.processes = why,
                }
            }
        }
        self
    }
}

/// Makes the node's directory in the hierarchy that has the controller.
fn find(controller: Controller, hierarchies: &[Hierarchy], node: &str) -> Found {
    let name = controller.kernel_name();
    let has = |hierarchy: &&Hierarchy| hierarchy.has(name);
    let hierarchy =
        hierarchies.iter().find(has).ok_or_else(|| format!("no cgroup hierarchy has the controller {name}"))?;
    let failed = |path: &Path, error: io::Error| format!("make a control group in {}: {error}", path.display());
    let quorla = hierarchy.base.join(QUORLA);
    let directory = quorla.join(node);
    std::fs::create_dir_all(&directory).map_err(|error| failed(&hierarchy.base, error))?;
    if hierarchy.version == Version::V2 {
        for above in hierarchy.above.iter().chain([&hierarchy.base, &quorla, &directory]) {
            let enabled = files::enable(above, name).or_else(|error| make_way(hierarchy, above, name, error));
            enabled.map_err(|error| format!("enable the controller {name} below {}: {error}", above.display()))?;
        }
    }
    Ok(Place { version: hierarchy.version, directory })
}

/// A cgroup with processes gives no controllers to its children. When this node is all that stands in its own cgroup, it
/// moves into a leaf of it.
fn make_way(hierarchy: &Hierarchy, above: &Path, name: &str, error: io::Error) -> io::Result<()> {
    let alone = files::processes(above) == [std::process::id()];
    if !hierarchy.is_own || above != hierarchy.base || !alone || error.raw_os_error() != Some(libc::EBUSY) {
        return Err(error);
    }
    let leaf = above.join(NODE_LEAF);
    std::fs::create_dir_all(&leaf)?;
    files::write(&leaf.join("cgroup.procs"), "0")?;
    files::enable(above, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree with the files that the kernel would make for the node `n` with an attempt 7.
    fn tree(node_files: &[&str], group_files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let node = root.path().join("quorla/n");
        for group in ["7", "probe"] {
            std::fs::create_dir_all(node.join(group)).unwrap();
            for file in group_files {
                std::fs::write(node.join(group).join(file), "").unwrap();
            }
        }
        for directory in [root.path(), &root.path().join("quorla"), &node] {
            for file in node_files {
                std::fs::write(directory.join(file), "").unwrap();
            }
        }
        root
    }

    fn hierarchy(version: Version, base: &Path, controllers: &[&str]) -> Hierarchy {
        let controllers = controllers.iter().map(|name| (*name).to_owned()).collect();
        if version == Version::V2 && base.exists() {
            std::fs::write(base.join("cgroup.controllers"), "cpu memory pids").unwrap();
        }
        Hierarchy { version, controllers, base: base.to_owned(), is_own: true, above: Vec::new() }
    }

    const V2: [&str; 6] = ["cgroup.procs", "cpu.max", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max"];

    #[test]
    fn version_2_gets_one_group_with_every_limit() {
        let root = tree(&["cgroup.subtree_control"], &V2);
        let hierarchy = hierarchy(Version::V2, root.path(), &[]);
        let node = root.path().join("quorla/n");
        let place = |controller| find(controller, std::slice::from_ref(&hierarchy), "n");
        let cgroups = Cgroups {
            cpu: place(Controller::Cpu),
            memory: place(Controller::Memory),
            processes: place(Controller::Processes),
        };
        assert_eq!(cgroups.cpu, Ok(Place { version: Version::V2, directory: node.clone() }));
        let limits = Limits {
            cpu_milli_max: Some(1_500),
            memory_bytes_max: Some(1 << 30),
            processes_max: Some(9),
            ..Limits::default()
        };
        let group = Group::make(&cgroups, "7", &limits).unwrap();
        assert_eq!(group.doors().unwrap().len(), 1);
        for (file, expected) in [
            ("cpu.max", "150000 100000"),
            ("memory.max", "1073741824"),
            ("memory.swap.max", "0"),
            ("memory.oom.group", "1"),
            ("pids.max", "9"),
        ] {
            assert_eq!(std::fs::read_to_string(node.join("7").join(file)).unwrap(), expected, "{file}");
        }
        for above in [root.path().to_owned(), root.path().join("quorla"), node] {
            assert_eq!(std::fs::read_to_string(above.join("cgroup.subtree_control")).unwrap(), "+pids", "{above:?}");
        }
    }

    #[test]
    fn version_1_gets_a_group_in_each_demanded_hierarchy_only() {
        let cpu = tree(&[], &["cgroup.procs", "cpu.cfs_quota_us", "cpu.cfs_period_us"]);
        let memory = tree(&[], &["cgroup.procs", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]);
        let hierarchies =
            [hierarchy(Version::V1, cpu.path(), &["cpu"]), hierarchy(Version::V1, memory.path(), &["memory"])];
        let place = |controller| find(controller, &hierarchies, "n");
        let cgroups = Cgroups {
            cpu: place(Controller::Cpu),
            memory: place(Controller::Memory),
            processes: place(Controller::Processes),
        };
        let limits = Limits { cpu_milli_max: Some(250), memory_bytes_max: Some(4_096), ..Limits::default() };
        let group = Group::make(&cgroups, "7", &limits).unwrap();
        assert_eq!(group.doors().unwrap().len(), 2);
        let written = |root: &tempfile::TempDir, file: &str| {
            std::fs::read_to_string(root.path().join("quorla/n/7").join(file)).unwrap()
        };
        assert_eq!(
            (written(&cpu, "cpu.cfs_period_us"), written(&cpu, "cpu.cfs_quota_us")),
            ("100000".into(), "25000".into())
        );
        assert_eq!(written(&memory, "memory.limit_in_bytes"), "4096");
        assert_eq!(written(&memory, "memory.memsw.limit_in_bytes"), "4096");
        let many = Limits { processes_max: Some(1), ..limits };
        let (lacking, why) = cgroups.lacks(&many).unwrap();
        assert_eq!((lacking, why), (Controller::Processes, "no cgroup hierarchy has the controller pids"));
        assert_eq!(cgroups.lacks(&limits), None);
    }

    #[test]
    fn what_is_not_there_or_refuses_is_told() {
        let root = tree(&[], &[]);
        let cgroups = Cgroups::of(&[hierarchy(Version::V1, root.path(), &["memory"])], "n");
        let Err(why) = cgroups.memory else { panic!("it has no file for the limit") };
        assert!(why.starts_with("set the memory limit of a control group: "), "{why}");
        let cgroups = Cgroups::of(&[hierarchy(Version::V2, root.path(), &[])], "n");
        let Err(why) = cgroups.cpu else { panic!("nothing can be enabled") };
        assert!(why.starts_with("enable the controller cpu below "), "{why}");
    }
}
