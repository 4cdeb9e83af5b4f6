//! What can be wrong with the settings of names.

/// What is wrong with the settings of names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NamingError {
    /// A path cannot be used.
    #[error("template {template:?} of {kind} {why}")]
    Template {
        /// The kind.
        kind: &'static str,
        /// As it is written.
        template: String,
        /// Why not.
        why: Why,
    },
    /// Tagged series have no paths.
    #[error(
        "a template for {kind} has no meaning with tags: name the variables under tags instead"
    )]
    TemplateWithTags {
        /// The kind.
        kind: &'static str,
    },
    /// Subjects of two kinds may get one name.
    #[error(
        "templates of {one} and {other} could give the same series: let some component differ that has no variable in it"
    )]
    KindsMeet {
        /// One kind.
        one: &'static str,
        /// The other's.
        other: &'static str,
    },
    /// No variable is called so.
    #[error("unknown tag {tag:?}{}", suggestion(.nearest))]
    UnknownTag {
        /// As it is written.
        tag: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// A tag is named twice.
    #[error("tag {tag:?} is named twice")]
    TagTwice {
        /// Which.
        tag: String,
    },
    /// Series of two subjects would be one.
    #[error(
        "tag {tag:?} is missing: without it two instances or two agents would write the same series"
    )]
    TagMissing {
        /// Which.
        tag: &'static str,
    },
    /// A tag of a label's cannot be called so.
    #[error(
        "label {label:?} cannot become tag {tag:?}: a tag has letters, digits and _, and begins with no digit"
    )]
    LabelTag {
        /// The label's key.
        label: String,
        /// As it is written.
        tag: String,
    },
    /// A tag of a label's is called like another that series have.
    #[error(
        "label {label:?} cannot become tag {tag:?}, which series have of themselves: rename it"
    )]
    LabelTagTaken {
        /// The label's key.
        label: String,
        /// As it is written.
        tag: String,
    },
    /// Two labels would become one tag.
    #[error("two labels would become tag {tag:?}: rename one")]
    LabelTagTwice {
        /// Which.
        tag: String,
    },
}

/// What an error is about, by which its place in the configuration is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The path of this kind.
    Kind(&'static str),
    /// Which tags there are.
    Tags,
    /// Labels that become tags.
    Labels,
}

impl NamingError {
    /// What it is about.
    pub(crate) fn about(&self) -> About {
        match self {
            Self::Template { kind, .. } | Self::TemplateWithTags { kind } => About::Kind(kind),
            Self::KindsMeet { one, .. } => About::Kind(one),
            Self::UnknownTag { .. } | Self::TagTwice { .. } | Self::TagMissing { .. } => {
                About::Tags
            }
            Self::LabelTag { .. } | Self::LabelTagTaken { .. } | Self::LabelTagTwice { .. } => {
                About::Labels
            }
        }
    }
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    /// Nothing between two dots.
    #[error("has an empty component")]
    EmptyComponent,
    /// A character that carbon would not store as it is.
    #[error("holds {character:?}: allowed are A-Z a-z 0-9 _ - and variables in braces")]
    Character {
        /// The first.
        character: char,
    },
    /// A brace without another.
    #[error("has a brace without its other one")]
    Brace,
    /// No variable is called so.
    #[error("has the unknown variable {name:?}{}", suggestion(.nearest))]
    Unknown {
        /// As it is written.
        name: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// Subjects of this kind have no such variable.
    #[error("has the variable {name:?}, which this kind has not")]
    NotOfKind {
        /// Which.
        name: String,
    },
    /// Two agents would write the same series.
    #[error("lacks {{host}}: two agents would write the same series")]
    HostsMeet,
    /// Two instances would write the same series.
    #[error("lacks {{slot}}: two instances would write the same series")]
    InstancesMeet,
    /// Two apps would write the same series.
    #[error("lacks {{app}} as a component of its own: two apps would write the same series")]
    AppsMeet,
    /// It is not clear where the slot begins.
    #[error(
        "has {{slot}} where it runs into its neighbours, so that two instances could write the same series: make it a component of its own, or put it behind a dash at the end of one"
    )]
    SlotNotApart,
    /// A component would be cut to little but hashes, or not be a file's name.
    #[error("has a component with too much in it: spread it over several")]
    ComponentTooLong,
    /// A name would be too long for whoever stores it.
    #[error("gives names of more than {} bytes", super::HEAD_MAX)]
    TooLong,
    /// Tags would be cut to little but hashes.
    #[error("would have more tags than there is room for: name fewer")]
    TooManyTags,
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest:?}?"),
        None => String::new(),
    }
}
