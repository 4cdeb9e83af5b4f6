//! Where things are said: a file, the environment, flags.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches};

use crate::check::Check;
use crate::error::{ConfigError, ConfigErrors, Origin, Problem};
use crate::key::Schema;
use crate::said::Said;

/// Far more than tables for everything take.
const LARGEST_FILE: u64 = 4 << 20;

/// Where the configuration is said, to be read now and again on request.
#[derive(Clone, Debug)]
pub struct Sources {
    schema: &'static Schema,
    /// The file, if there is one.
    file: Option<PathBuf>,
    /// Paths of keys, with texts.
    flags: Vec<(String, String)>,
}

impl Sources {
    /// A file, and flags as the paths of keys with their texts.
    pub fn new(
        schema: &'static Schema,
        file: Option<PathBuf>,
        flags: Vec<(String, String)>,
    ) -> Self {
        Self {
            schema,
            file,
            flags,
        }
    }

    /// Flags for all keys.
    pub fn arguments(schema: &'static Schema) -> impl Iterator<Item = Arg> {
        schema.keys.iter().map(|key| {
            let flag = key.flag();
            let arg = Arg::new(key.path).value_name(key.value).help(key.help());
            match key.short {
                Some(short) if short != flag => arg.long(short).alias(flag),
                _ => arg.long(flag),
            }
        })
    }

    /// What the flags of [`Sources::arguments`] say; without a file, the one that the environment names.
    pub fn from_matches(
        schema: &'static Schema,
        file: Option<PathBuf>,
        matches: &ArgMatches,
    ) -> Self {
        let named = || std::env::var_os(schema.file_variable()).map(PathBuf::from);
        let flags = schema.keys.iter().filter_map(|key| {
            let text = matches.get_one::<String>(key.path)?;
            Some((key.path.to_owned(), text.clone()))
        });
        Self::new(schema, file.or_else(named), flags.collect())
    }

    /// Reads all of it, with the environment as it is now, and has it checked.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load<C>(
        &self,
        check: impl FnOnce(&Said, &mut Check<'_>) -> Option<C>,
    ) -> Result<(C, Said), ConfigErrors> {
        // A variable of ours that is no text is refused by the check of its value.
        let variables = std::env::vars_os().map(|(name, value)| {
            let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
            (text(name), text(value))
        });
        let mut errors = Vec::new();
        let content = self.file.as_deref().and_then(|path| {
            read(path)
                .map(|text| (path, text))
                .map_err(|problem| errors.push(of_file(path, problem)))
                .ok()
        });
        let content = content.as_ref().map(|(path, text)| (*path, text.as_str()));
        self.checked(content, variables, errors, check)
    }

    /// As [`Sources::load`], with a file and variables that are given.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load_from<C>(
        &self,
        file: (&Path, &str),
        variables: impl Iterator<Item = (String, String)>,
        check: impl FnOnce(&Said, &mut Check<'_>) -> Option<C>,
    ) -> Result<(C, Said), ConfigErrors> {
        self.checked(Some(file), variables, Vec::new(), check)
    }

    fn checked<C>(
        &self,
        file: Option<(&Path, &str)>,
        variables: impl Iterator<Item = (String, String)>,
        mut errors: Vec<ConfigError>,
        check: impl FnOnce(&Said, &mut Check<'_>) -> Option<C>,
    ) -> Result<(C, Said), ConfigErrors> {
        let mut said = Said::new(self.schema);
        if let Some((path, text)) = file {
            said.add_file(path, text, &mut errors);
        }
        said.add_environment(variables, &mut errors);
        let flags = self.flags.iter();
        said.add_flags(flags.map(|(key, text)| (key.as_str(), text.as_str())));
        let mut problems = errors.iter().map(|error| &error.problem);
        let is_readable = !problems.any(Problem::is_about_the_whole_file);
        let checked = is_readable.then(|| check(&said, &mut Check::new(&said.whole, &mut errors)));
        match checked.flatten() {
            Some(config) if errors.is_empty() => Ok((config, said)),
            _ => Err(ConfigErrors(errors)),
        }
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    let file = File::open(path).map_err(Problem::Unreadable)?;
    let mut content = Vec::new();
    let read = file.take(LARGEST_FILE + 1).read_to_end(&mut content);
    read.map_err(Problem::Unreadable)?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(Problem::TooLong(LARGEST_FILE));
    }
    String::from_utf8(content).map_err(|_| Problem::NotText)
}

fn of_file(path: &Path, problem: Problem) -> ConfigError {
    let path = Arc::new(path.to_owned());
    ConfigError {
        origin: Origin::File { path, line: 1 },
        problem,
    }
}
