"""What to train: the settings, what they must be, and the TOML file they come from."""

from trainer.config.checks import check
from trainer.config.files import absolute, as_dict, load_config, names_a_file, to_toml
from trainer.config.settings import (
    DEFAULT_LEARN_RATE,
    KEYS,
    OWN_RATE,
    POCKET,
    SD_LEARN_RATE,
    Config,
)

__all__ = ["DEFAULT_LEARN_RATE", "KEYS", "OWN_RATE", "POCKET", "SD_LEARN_RATE", "Config", "absolute", "as_dict",
           "check", "load_config", "names_a_file", "to_toml"]  # fmt: skip
