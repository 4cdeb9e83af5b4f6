//! Where the programs of a Graphite are: Debian's and PyPI's are laid out differently.

use std::path::{Path, PathBuf};

/// Who packed the Graphite that is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packager {
    /// graphite-carbon 1.1.7 and graphite-web 1.1.8 on Django 3.2.
    Debian,
    /// carbon, whisper and graphite-web 1.1.10 on Django 3.0, and nothing of Debian's but Python: [`crate::graphite_pypi`].
    Pypi,
}

/// The programs of one of them.
pub(super) struct Programs {
    pub(super) carbon_cache: PathBuf,
    pub(super) django_admin: PathBuf,
    pub(super) python: PathBuf,
    /// Below it lie the pages and scripts that graphite-web serves.
    pub(super) root: PathBuf,
}

impl Programs {
    /// # Panics
    /// When they are not there.
    pub(super) fn of(packager: Packager) -> Self {
        let programs = match packager {
            Packager::Debian => Self {
                carbon_cache: "/usr/bin/carbon-cache".into(),
                django_admin: "/usr/bin/graphite-manage".into(),
                python: "/usr/bin/python3".into(),
                root: "/usr/share/graphite-web".into(),
            },
            Packager::Pypi => {
                let environment = crate::graphite_pypi();
                let program = |name: &str| environment.join("bin").join(name);
                Self {
                    carbon_cache: program("carbon-cache.py"),
                    django_admin: program("django-admin"),
                    python: program("python"),
                    root: environment,
                }
            }
        };
        for program in [&programs.carbon_cache, &programs.django_admin] {
            assert!(
                Path::exists(program),
                "{} is not there: run tests/setup/debian-packages",
                program.display()
            );
        }
        programs
    }
}
