mod memory;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::host::{Controller, Hierarchy};
use crate::kernel_log::KernelLog;
use crate::kill::{kill_all, processes, remove_tree};
use crate::limits::Place;
use crate::parent::Parent;
use crate::protection::pass_up;
use crate::version::Version;
use crate::{
    Degraded, Error, Errors, Figures, Limit, Limits, PidsFigures, Subgroup, Why, kernel_file,
    safe_name,
};

/// The cgroup of one task: a directory in each hierarchy used.
///
/// Nothing happens when it is dropped: [`Cgroup::kill`] and [`Cgroup::remove`] are the end of it,
/// and [`crate::sweep()`] that of one whose executor did not come that far.
#[derive(Debug)]
pub struct Cgroup {
    directories: Vec<Directory>,
    /// How many subgroups there have been.
    subgroups: AtomicU32,
    degraded: Vec<Degraded>,
    /// It has a ceiling of cpu time, which is to be lifted first ([`Cgroup::discard`]).
    has_quota: AtomicBool,
    /// Those above are protected for it ([`pass_up`]).
    is_protected: AtomicBool,
    /// The kernel's log, and the end of this cgroup's path, which nobody else has.
    log: Option<(Arc<KernelLog>, String)>,
}

#[derive(Debug)]
struct Directory {
    version: Version,
    controllers: Vec<Controller>,
    path: PathBuf,
}

impl Cgroup {
    /// Makes the cgroup of `task` (any text; it is made safe by [`safe_name`]) and sets its
    /// limits. Limits whose controller the host lacks ([`crate::Host::missing`]) are left out.
    ///
    /// # Errors
    /// The directory exists or cannot be made, or a limit is refused. Whatever was made until then
    /// is removed.
    pub fn create(parent: &Parent, task: &str, limits: &Limits) -> Result<Cgroup, Error> {
        let name = safe_name(task);
        let mut cgroup = Cgroup {
            directories: Vec::new(),
            subgroups: AtomicU32::new(0),
            degraded: Vec::new(),
            has_quota: AtomicBool::new(false),
            is_protected: AtomicBool::new(false),
            log: None,
        };
        if let Err(error) = cgroup.make(parent, &name, limits) {
            // The first error is the one that tells.
            let _ = cgroup.remove();
            return Err(error);
        }
        Ok(cgroup)
    }

    fn make(&mut self, parent: &Parent, name: &str, limits: &Limits) -> Result<(), Error> {
        let mut degraded = Vec::new();
        for owned in parent.directories() {
            let Hierarchy {
                version,
                controllers,
                ..
            } = &owned.hierarchy;
            if !controllers
                .iter()
                .any(|controller| limits.need(*controller))
            {
                continue;
            }
            let mut controllers = controllers.clone();
            if *version == Version::V2 {
                controllers.retain(|controller| limits.need(*controller));
                if controllers.contains(&Controller::Cpuset)
                    && let Err(error) = owned.hand_down(Controller::Cpuset)
                {
                    controllers.retain(|controller| *controller != Controller::Cpuset);
                    degraded.push(Degraded {
                        limit: Limit::Cpuset,
                        why: Why::Refused(error.errno()),
                    });
                }
            }
            let path = owned.path.join(name);
            fs::create_dir(&path).map_err(|source| Error::Create {
                path: path.clone(),
                source,
            })?;
            self.directories.push(Directory {
                version: *version,
                controllers,
                path,
            });
        }
        degraded.extend(self.write(limits, true)?);
        for limit in limits.asked() {
            let controller = limit.controller();
            let is_told = degraded.iter().any(|one| one.limit == limit);
            if self.of(controller).is_none() && !is_told {
                degraded.push(Degraded {
                    limit,
                    why: parent.why_without(controller),
                });
            }
        }
        self.degraded = degraded;
        self.follow_log(parent);
        Ok(())
    }

    /// The limits it was made with that do not hold here. Who asked for them explicitly may not want
    /// to run without.
    pub fn degraded(&self) -> &[Degraded] {
        &self.degraded
    }

    /// Changes the limits of the running task, and tells which do not hold.
    ///
    /// What the task was not limited in at all when it was made, and for which it has no cgroup, it
    /// cannot be limited in later on: its cpus and its devices, where those are a matter of their own
    /// hierarchy.
    ///
    /// # Errors
    /// A value is refused; those before it hold. A memory limit below what is in use is such.
    pub fn update(&self, limits: &Limits) -> Result<Vec<Degraded>, Error> {
        let mut degraded = self.write(limits, false)?;
        for limit in limits.asked() {
            let controller = limit.controller();
            if self.of(controller).is_none() {
                degraded.push(Degraded {
                    limit,
                    why: Why::NoController(controller),
                });
            }
        }
        Ok(degraded)
    }

    fn write(&self, limits: &Limits, is_new: bool) -> Result<Vec<Degraded>, Error> {
        let mut degraded = Vec::new();
        let has_quota = limits.cpu_quota.is_some();
        self.has_quota.fetch_or(has_quota, Ordering::Relaxed);
        for directory in &self.directories {
            let place = Place {
                version: directory.version,
                directory: &directory.path,
                is_new,
            };
            for controller in &directory.controllers {
                limits.write(*controller, place, &mut degraded)?;
            }
        }
        let is_protected = limits.memory_soft.is_some();
        if self.is_protected.swap(is_protected, Ordering::Relaxed) || is_protected {
            self.protect()?;
        }
        Ok(degraded)
    }

    /// Has those above protected with it (v2).
    fn protect(&self) -> Result<(), Error> {
        match self.of(Controller::Memory) {
            Some(directory) if directory.version == Version::V2 => {
                directory.path.parent().map_or(Ok(()), pass_up)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The directory in the hierarchy of `controller`.
    fn of(&self, controller: Controller) -> Option<&Directory> {
        let mut directories = self.directories.iter();
        directories.find(|directory| directory.controllers.contains(&controller))
    }

    /// The files that a process with one thread writes `0` to in order to join.
    ///
    /// That of cpu time comes last: whoever joins it has from then on the task's share of a busy
    /// host, and joining the others should not have to wait for that.
    pub fn procs_files(&self) -> Vec<PathBuf> {
        let shares_cpu = |directory: &&Directory| directory.controllers.contains(&Controller::Cpu);
        let (last, first): (Vec<_>, Vec<_>) = self.directories.iter().partition(shares_cpu);
        let file = |directory: &Directory| directory.version.file_to_join(&directory.path);
        first.into_iter().chain(last).map(file).collect()
    }

    /// Makes a cgroup inside this one, for processes that are to be killed without the rest.
    ///
    /// # Errors
    /// It cannot be made, as when the task's own is removed already.
    pub fn subgroup(&self) -> Result<Subgroup, Error> {
        // Where they can be stopped all at once; v2 has that everywhere.
        let stops = |directory: &Directory| {
            directory.version == Version::V2 || directory.controllers.contains(&Controller::Freezer)
        };
        let inside = self.directories.iter().position(stops).unwrap_or(0);
        let Some(directory) = self.directories.get(inside) else {
            return Err(Error::NoController {
                controller: Controller::Freezer,
            });
        };
        let own = directory.version.file_to_join(&directory.path);
        let number = self.subgroups.fetch_add(1, Ordering::Relaxed);
        Subgroup::create(&directory.path, number, &own, self.procs_files())
    }

    /// The ids of its processes, those of cgroups that the task made below included. 0 stands for
    /// processes that this process's pid namespace does not see.
    ///
    /// # Errors
    /// A `cgroup.procs` cannot be read.
    pub fn processes(&self) -> Result<BTreeSet<u32>, Error> {
        processes(&self.paths())
    }

    /// How often the task was refused a process because of its limit of them, and that limit; `None`
    /// when it never was.
    ///
    /// # Errors
    /// A counter cannot be read.
    pub fn refused_processes(&self) -> Result<Option<(u64, u64)>, Error> {
        let Some(directory) = self.of(Controller::Pids) else {
            return Ok(None);
        };
        let mut pids = PidsFigures::default();
        pids.read(&directory.path)?;
        let refused = pids.refused.filter(|times| *times > 0);
        Ok(refused.zip(pids.limit))
    }

    /// What it has used until now.
    ///
    /// # Errors
    /// A file is there and cannot be read or understood, as when the cgroup is removed already.
    pub fn figures(&self) -> Result<Figures, Error> {
        let mut figures = Figures::default();
        for directory in &self.directories {
            figures.read(&directory.path, directory.version, &directory.controllers)?;
        }
        Ok(figures)
    }

    /// Kills every process in it, and waits until there is none; at most ten seconds.
    ///
    /// # Errors
    /// [`Error::StillPopulated`] for processes that hang in the kernel.
    pub fn kill(&self) -> Result<(), Error> {
        kill_all(&self.paths())
    }

    /// Leaves nothing of it: kills what is left, lifts what would stand in the way of limits above it,
    /// and removes it. A removed cgroup is one for some milliseconds more, as far as the kernel's
    /// arithmetic of cpu time goes: until then it refuses to lower a ceiling above below one here.
    ///
    /// # Errors
    /// Everything that could not be killed or removed; the rest is done all the same.
    pub fn discard(&self) -> Result<(), Errors> {
        let lifted = self.lift_quota().err();
        // As a rule it is empty, and the kernel knows that best.
        let removed = |directory: &&Directory| match fs::remove_dir(&directory.path) {
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(()) => true,
        };
        if self.directories.iter().rev().filter(removed).count() == self.directories.len() {
            let errors = lifted.into_iter().chain(self.unprotect().err());
            return Errors(errors.collect()).or(());
        }
        let killed = self.kill();
        let mut errors: Vec<Error> = killed.err().into_iter().chain(lifted).collect();
        if let Err(Errors(more)) = self.remove() {
            errors.extend(more);
        }
        Errors(errors).or(())
    }

    fn lift_quota(&self) -> Result<(), Error> {
        let cpu = self.of(Controller::Cpu);
        match cpu.filter(|_| self.has_quota.swap(false, Ordering::Relaxed)) {
            Some(cpu) if cpu.version == Version::V1 => {
                kernel_file::write(&cpu.path.join("cpu.cfs_quota_us"), "-1")
            }
            // v2 takes the least of all ceilings and refuses none.
            Some(_) | None => Ok(()),
        }
    }

    /// Removes it in every hierarchy, and whatever cgroups the task made below it.
    ///
    /// # Errors
    /// Everything that could not be removed; the rest is removed all the same.
    pub fn remove(&self) -> Result<(), Errors> {
        let mut errors: Vec<Error> = self.lift_quota().err().into_iter().collect();
        // In reverse of the order of making.
        for directory in self.directories.iter().rev() {
            if let Err(Errors(more)) = remove_tree(&directory.path) {
                errors.extend(more);
            }
        }
        errors.extend(self.unprotect().err());
        Errors(errors).or(())
    }

    /// Takes back from those above what they had for it.
    fn unprotect(&self) -> Result<(), Error> {
        match self.is_protected.swap(false, Ordering::Relaxed) {
            true => self.protect(),
            false => Ok(()),
        }
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.directories
            .iter()
            .map(|directory| directory.path.clone())
            .collect()
    }
}
