"""The options of each command: default < TOML file < ``ACOFER_*`` environment < flag."""
