//! How series are called: the settings, checked and ready to make [`Head`]s.

use super::head::Head;
use super::settings::{Form, NamesSettings};
use crate::model::Subject;

/// How series are called.
#[derive(Debug)]
pub(crate) struct Naming {
    prefix: String,
    host: String,
    form: Form,
}

/// What is wrong with the settings of names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NamingError {}

impl Naming {
    /// Checks the settings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(settings: &NamesSettings) -> Result<Self, Vec<NamingError>> {
        Ok(Self {
            prefix: settings.prefix.as_str().to_owned(),
            host: graphite::component(&settings.host),
            form: settings.form,
        })
    }

    /// The head of all series of a subject.
    pub(crate) fn head(&self, subject: &Subject) -> Head {
        let kind = subject.kind.dotted();
        let mut labels = vec![("host", self.host.clone())];
        if !subject.app.is_empty() {
            labels.push(("app", graphite::component(&subject.app)));
        }
        if let Some(slot) = subject.slot {
            labels.push(("slot", slot.to_string()));
        }
        match self.form {
            Form::Tags => Head::tagged(format!("{}.{kind}.", self.prefix), labels),
            Form::Path => {
                let mut path = format!("{}.{}.{kind}.", self.prefix, self.host);
                for (_, value) in &labels[1..] {
                    path.push_str(value);
                    path.push('.');
                }
                Head::path(path, labels)
            }
        }
    }
}
