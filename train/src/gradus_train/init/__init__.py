"""The door of `gradus init`: a configuration for a table of own features, or the default one."""

from gradus_train.init.config_files import default_files, files_for, write_files
from gradus_train.init.planning import class_counts, planned
from gradus_train.init.questions import InitAnswers
from gradus_train.init.survey import Survey, survey
from gradus_train.init.upgrade import upgrade_folder

__all__ = [
    "InitAnswers",
    "Survey",
    "class_counts",
    "default_files",
    "files_for",
    "planned",
    "survey",
    "upgrade_folder",
    "write_files",
]
